//! Tokens as they should be, and as attackers make them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod support;

use jsonwebtoken::{Algorithm, EncodingKey};
use pdp_identity::Problem;
use serde_json::{Value, json};
use support::{
    AUDIENCE, ISSUER, NOW, NOW_MS, OTHER_RSA, RSA, STRANGER, base64url, bearer, changed, claims, declaration,
    ec_pair, ed_pair, headers, identity, jwks, problem, signed, signed_raw, with_keys,
};

#[test]
fn a_good_token_is_a_login_by_each_kind_of_key() {
    let (ec, ed) = (ec_pair(), ed_pair());
    let identity = identity(&declaration());
    let set = jwks(&[
        (&RSA.jwk, json!({"kid": "rsa", "alg": "RS256"})),
        (&ec.jwk, json!({"kid": "ec", "use": "sig"})),
        (&ed.jwk, json!({"kid": "ed", "key_ops": ["verify"]})),
    ]);
    assert_eq!(identity.set_keys(ISSUER, &set, NOW_MS), Ok(3));
    for (key, algorithm, kid) in [
        (&RSA.signing, Algorithm::RS256, "rsa"),
        (&ec.signing, Algorithm::ES256, "ec"),
        (&ed.signing, Algorithm::EdDSA, "ed"),
    ] {
        let token = signed(&claims(), key, algorithm, kid);
        for _ in ["verified", "remembered"] {
            let identified = identity.identify(&bearer(&token), &STRANGER, NOW_MS);
            assert_eq!(identified.problem, None, "{kid}");
            assert_eq!(identified.subject["id"], "PSEUDO@ORG");
        }
    }
    let named =
        signed_raw(r#"{"alg":"Ed25519","kid":"ed"}"#, &claims().to_string(), &ed.signing, Algorithm::EdDSA);
    assert_eq!(problem(&identity, &named), None);
    assert_eq!(identity.take_refresh(NOW_MS), Vec::<String>::new());
}

#[test]
fn claims_of_the_token_itself_are_checked() {
    let identity = with_keys();
    for (changes, expected) in [
        (json!({}), None),
        (json!({"exp": NOW - 29}), None),
        (json!({"exp": NOW - 31}), Some(Problem::TokenExpired)),
        (json!({"exp": null}), Some(Problem::TokenTimes)),
        (json!({"exp": "1999999999"}), Some(Problem::TokenTimes)),
        (json!({"exp": -1}), Some(Problem::TokenTimes)),
        (json!({"exp": 1e300}), Some(Problem::TokenTimes)),
        (json!({"exp": NOW as f64 + 0.5}), None),
        (json!({"nbf": NOW + 29}), None),
        (json!({"nbf": NOW + 31}), Some(Problem::TokenNotYetValid)),
        (json!({"nbf": true}), Some(Problem::TokenTimes)),
        (json!({"iat": NOW + 31}), Some(Problem::TokenNotYetValid)),
        (json!({"iss": "https://evil.example"}), Some(Problem::TokenIssuer)),
        (json!({"iss": null}), Some(Problem::TokenIssuer)),
        (json!({"iss": [ISSUER]}), Some(Problem::TokenIssuer)),
        (json!({"iss": format!("{ISSUER}/")}), Some(Problem::TokenIssuer)),
        (json!({"aud": "another"}), Some(Problem::TokenAudience)),
        (json!({"aud": null}), Some(Problem::TokenAudience)),
        (json!({"aud": []}), Some(Problem::TokenAudience)),
        (json!({"aud": ["another", AUDIENCE]}), None),
        (json!({"aud": [AUDIENCE, 7]}), Some(Problem::TokenAudience)),
        (json!({"aud": {"werkgeversportaal": true}}), Some(Problem::TokenAudience)),
        (json!({"acr": null}), Some(Problem::LevelMissing)),
    ] {
        let token = signed(&changed(claims(), &changes), &RSA.signing, Algorithm::RS256, "one");
        assert_eq!(problem(&identity, &token), expected, "{changes}");
    }
}

#[test]
fn forgeries_are_refused() {
    let identity = with_keys();
    let (good, body) = (claims(), claims().to_string());
    let unsigned =
        |header: &Value| format!("{}.{}.", base64url(header.to_string().as_bytes()), base64url(body.as_bytes()));
    for name in ["none", "None", "NONE", "nOnE", ""] {
        let token = unsigned(&json!({"alg": name, "kid": "one"}));
        assert_eq!(problem(&identity, &token), Some(Problem::TokenAlgorithm), "{name}");
    }
    // The public key as the secret of an HMAC, in the forms in which libraries were once tricked.
    let modulus = RSA.jwk["n"].as_str().unwrap();
    for secret in [RSA.jwk.to_string(), modulus.to_owned()] {
        let token = signed(&good, &EncodingKey::from_secret(secret.as_bytes()), Algorithm::HS256, "one");
        assert_eq!(problem(&identity, &token), Some(Problem::TokenAlgorithm));
    }
    let cases = [
        (signed(&good, &OTHER_RSA.signing, Algorithm::RS256, "one"), Problem::TokenSignature),
        (signed(&good, &RSA.signing, Algorithm::RS512, "one"), Problem::TokenAlgorithm),
        (signed(&good, &ec_pair().signing, Algorithm::ES256, "one"), Problem::TokenAlgorithm),
        (signed(&good, &RSA.signing, Algorithm::RS256, "two"), Problem::TokenKeyUnknown),
        (signed_raw(r#"{"alg":"RS256"}"#, &body, &RSA.signing, Algorithm::RS256), Problem::TokenKeyUnknown),
        (
            signed_raw(r#"{"alg":"RS256","kid":1}"#, &body, &RSA.signing, Algorithm::RS256),
            Problem::TokenKeyUnknown,
        ),
        (signed_raw(r#"{"kid":"one"}"#, &body, &RSA.signing, Algorithm::RS256), Problem::TokenAlgorithm),
        (
            signed_raw(r#"{"alg":"rs256","kid":"one"}"#, &body, &RSA.signing, Algorithm::RS256),
            Problem::TokenAlgorithm,
        ),
    ];
    for (token, expected) in cases {
        assert_eq!(problem(&identity, &token), Some(expected), "{token}");
    }
    let swapped = signed(
        &changed(good, &json!({"chamberOfCommerce": "87654321"})),
        &OTHER_RSA.signing,
        Algorithm::RS256,
        "one",
    );
    let real = signed(&claims(), &RSA.signing, Algorithm::RS256, "one");
    let (message, _) = swapped.rsplit_once('.').unwrap();
    let (_, signature) = real.rsplit_once('.').unwrap();
    assert_eq!(problem(&identity, &format!("{message}.{signature}")), Some(Problem::TokenSignature));
}

#[test]
fn a_header_cannot_bring_its_own_key_or_rules() {
    let identity = with_keys();
    let body = claims().to_string();
    let own = |member: &str, value: Value| {
        let mut header = json!({"alg": "RS256", "kid": "one"});
        header[member] = value;
        header.to_string()
    };
    let thief = OTHER_RSA.jwk.clone();
    for (member, value) in [
        ("jwk", thief.clone()),
        ("jku", json!("https://evil.example/keys")),
        ("x5u", json!("https://evil.example/chain")),
        ("x5c", json!(["MIIB"])),
    ] {
        let header = own(member, value);
        let forged = signed_raw(&header, &body, &OTHER_RSA.signing, Algorithm::RS256);
        assert_eq!(problem(&identity, &forged), Some(Problem::TokenSignature), "{member}");
        assert_eq!(
            problem(&identity, &signed_raw(&header, &body, &RSA.signing, Algorithm::RS256)),
            None,
            "{member}"
        );
    }
    for (member, value, expected) in [
        ("crit", json!(["exp"]), Some(Problem::TokenCritical)),
        ("crit", json!([]), Some(Problem::TokenCritical)),
        ("b64", json!(false), Some(Problem::TokenCritical)),
        ("typ", json!("logout+jwt"), Some(Problem::TokenType)),
        ("typ", json!(1), Some(Problem::TokenType)),
        ("typ", json!("AT+JWT"), None),
    ] {
        let token = signed_raw(&own(member, value.clone()), &body, &RSA.signing, Algorithm::RS256);
        assert_eq!(problem(&identity, &token), expected, "{member} {value}");
    }
}

#[test]
fn what_is_no_token_is_refused() {
    let identity = with_keys();
    let sign = |header: &str, body: &str| signed_raw(header, body, &RSA.signing, Algorithm::RS256);
    let header = r#"{"alg":"RS256","kid":"one"}"#;
    let body = claims().to_string();
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let twice = body.replacen('{', r#"{"chamberOfCommerce":"87654321","#, 1);
    let good = sign(header, &body);
    for token in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        "a.b.c".to_owned(),
        good.replace('.', ".."),
        format!("{good}.x"),
        format!("{}=", good.split('.').next().unwrap()) + &good[good.find('.').unwrap()..],
        sign(r#"{"alg":"RS256","alg":"none","kid":"one"}"#, &body),
        sign("[]", &body),
        sign(header, "[]"),
        sign(header, &twice),
        sign(header, &format!(r#"{{"iss":{deep}}}"#)),
        sign(header, &format!("{body} {{}}")),
    ] {
        assert_eq!(problem(&identity, &token), Some(Problem::TokenMalformed), "{token:.120}");
    }
    let large = sign(header, &changed(claims(), &json!({"padding": "x".repeat(20_000)})).to_string());
    assert_eq!(problem(&identity, &large), Some(Problem::CredentialsTooLarge));
}

#[test]
fn one_authorization_header_with_a_bearer_token() {
    let identity = with_keys();
    let token = signed(&claims(), &RSA.signing, Algorithm::RS256, "one");
    for (sent, expected) in [
        (headers(&[("authorization", format!("bearer {token}"))]), None),
        (headers(&[("authorization", format!("Basic {token}"))]), Some(Problem::SchemeUnsupported)),
        (headers(&[("authorization", token.clone())]), Some(Problem::SchemeUnsupported)),
        (headers(&[("authorization", "Bearer ".to_owned())]), Some(Problem::TokenMalformed)),
        (headers(&[("authorization", format!("Bearer {token}, Bearer {token}"))]), Some(Problem::TokenMalformed)),
        (
            headers(&[("authorization", format!("Bearer {token}")), ("authorization", format!("Bearer {token}"))]),
            Some(Problem::CredentialsRepeated),
        ),
        (headers(&[("authorization", b"Bearer \xff\xfe")]), Some(Problem::TokenMalformed)),
        (headers(&[("cookie", format!("token={token}"))]), Some(Problem::NotLoggedIn)),
    ] {
        assert_eq!(identity.identify(&sent, &STRANGER, NOW_MS).problem, expected, "{sent:?}");
    }
}
