"""The login's token: a JWT that this stand-in for an eHerkenning broker signs and the sidecar verifies.

The claims are those of the sidecar's preset `eherkenning-camel`, as brokers send them by OpenID Connect. The
legal subject is the employer, also when an intermediary acts.
"""

import secrets
import time
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from demo.portal.people import BY_SUBJECT, Person
from pdp.demo.catalogue import BY_ID, LEVEL

ISSUER, AUDIENCE = "urn:demo:login-stand-in", "urn:demo:portal"
COOKIE = "demo_login"
SECONDS = 3_600
_ALGORITHM = "ES256"
_CLAIMS = jwt.JWTClaimsRegistry(
    iss={"essential": True, "value": ISSUER},
    aud={"essential": True, "value": AUDIENCE},
    exp={"essential": True},
    sub={"essential": True},
    acr={"essential": True},
    means={"essential": True},
)
LEVELS = {
    f"{LEVEL}loa2": "EH2",
    f"{LEVEL}loa2plus": "EH2+",
    f"{LEVEL}loa3": "EH3",
    f"{LEVEL}loa4": "EH4",
}
MEANS = {"eherkenning": "eHerkenning", "digid": "DigiD"}
"""How one logs in; anything but eHerkenning is denied (article 2.2)."""


@dataclass(frozen=True, slots=True)
class Login:
    """What is chosen on the login page.

    Attributes:
        person: who.
        level: the level of assurance that was achieved, a URN of eHerkenning.
        means: see `MEANS`.
        mandate: ids of the services that the mandate of an intermediary covers; without effect for others.
    """

    person: Person
    level: str
    means: str = "eherkenning"
    mandate: tuple[str, ...] = ()


class Issuer:
    """Signs logins with a key that lives as long as the demo does."""

    def __init__(self) -> None:
        self._key = ECKey.generate_key("P-256", {"use": "sig", "alg": _ALGORITHM}, auto_kid=True)

    def key_set(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set (RFC 7517)."""
        return dict(KeySet([self._key]).as_dict(private=False))

    def token(self, login: Login) -> str:
        """A login as a signed token (RFC 7519)."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": login.person.subject,
            "iat": now,
            "nbf": now,
            "exp": now + SECONDS,
            "jti": secrets.token_hex(16),
            "means": login.means,
            "acr": login.level,
            "eherkenningPseudo": login.person.subject,
            "chamberOfCommerce": login.person.employer,
        }
        if login.person.intermediary is not None:
            claims["eherkenningIntermediatekvkNr"] = login.person.intermediary
            claims["eherkenningServiceUUID"] = [BY_ID[service].uuid for service in login.mandate]
        return jwt.encode({"alg": _ALGORITHM, "kid": self._key.kid}, claims, self._key)

    def read(self, token: str | None) -> Login | None:
        """The login of a token; None when there is none, or none of ours, or no longer."""
        if token is None:
            return None
        try:
            claims = jwt.decode(token, self._key, algorithms=[_ALGORITHM]).claims
            _CLAIMS.validate(claims)
        except (JoseError, ValueError):
            return None
        person = BY_SUBJECT.get(claims["sub"])
        return Login(person, claims["acr"], claims["means"]) if person else None
