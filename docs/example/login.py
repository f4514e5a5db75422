"""A stand-in for an identity provider: writes keys.json and prints a token of the example's user.

    python docs/example/login.py [LEVEL]        LEVEL: loa2, loa2plus, loa3 or loa4

For trying things out only: whoever runs it is anybody. It needs the package joserfc (`make setup`).
"""

import json
import sys
import time
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

KEYS = Path("keys.json")
PRIVATE = Path("keys.private.json")


def key() -> ECKey:
    """The key of before, or a fresh one."""
    if not PRIVATE.exists():
        fresh = ECKey.generate_key("P-256", {"kid": "example", "use": "sig"})
        PRIVATE.touch(mode=0o600)
        PRIVATE.write_text(json.dumps(fresh.as_dict(private=True)), encoding="utf-8")
    found = ECKey.import_key(json.loads(PRIVATE.read_text(encoding="utf-8")))
    KEYS.write_text(json.dumps(KeySet([found]).as_dict(private=False)), encoding="utf-8")
    return found


def token(level: str) -> str:
    """A token of an hour for the user and employer of docs/example/records.jsonl."""
    now = int(time.time())
    claims = {
        "iss": "https://login.example",
        "aud": "werkgeversportaal",
        "iat": now,
        "exp": now + 3600,
        "acr": f"urn:etoegang:core:assurance-class:{level}",
        "chamberOfCommerce": "12345678",
        "eherkenningPseudo": "p-7f3a",
        "eherkenningServiceUUID": "6f6a3f0e-5c1f-4d0e-9a3e-3f2c3a1f7d11",
    }
    return jwt.encode({"alg": "ES256", "kid": "example"}, claims, key(), algorithms=["ES256"])


if __name__ == "__main__":
    sys.stdout.write(token(sys.argv[1] if len(sys.argv) > 1 else "loa3") + "\n")
