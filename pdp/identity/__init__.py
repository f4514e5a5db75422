"""Where logins come from: the declaration (identity.yaml) and the issuers' keys. The core judges them."""
