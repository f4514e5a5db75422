"""identity.yaml: whose tokens and which gateways' headers are believed. `docs/identity.md` describes it."""

import json
from dataclasses import dataclass
from pathlib import Path

from pdp import _core
from pdp.errors import ConfigError, PdpError
from pdp.identity.keys import KeysFile, KeysUrl
from pdp.policy.declaration import load_yaml


@dataclass(frozen=True, slots=True)
class Declared:
    """A declaration that the core accepted, and the places of its issuers' keys."""

    identity: _core.Identity
    places: tuple[KeysUrl | KeysFile, ...]


def load_identity(path: str | Path) -> Declared:
    """Reads a declaration; nothing is fetched yet. Paths of keys in it are relative to its folder.

    Raises:
        ConfigError: names the file and the place in it.
    """
    path = Path(path)
    try:
        document = load_yaml(path.read_bytes(), str(path))
        identity = _core.Identity.from_json(json.dumps(document).encode())
    except OSError as error:
        raise ConfigError(f"Cannot read the declaration of logins {path}: {error.strerror}.") from error
    except _core.IdentityError as error:
        raise ConfigError(f"{path}: {error}") from error
    except PdpError as error:
        raise ConfigError(str(error)) from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path} holds a value that JSON has not: {error}.") from error
    places: list[KeysUrl | KeysFile] = []
    for issuer, keys, refresh_seconds in identity.keys_sources():
        if "://" in keys:
            places.append(KeysUrl(issuer, keys, refresh_seconds))
        else:
            places.append(KeysFile(issuer, path.parent / keys, refresh_seconds))
    return Declared(identity, tuple(places))
