"""An issuer of tokens on loopback: a real HTTP server with a key set, and tokens that a library signs."""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

AUDIENCE = "werkgeversportaal"
Key = RSAKey | ECKey | OKPKey


def rsa(kid: str) -> RSAKey:
    """A fresh key, whose public half says that it is for signatures."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})


def ec(kid: str) -> ECKey:
    """A fresh key on P-256; quicker to make than an RSA key."""
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig"})


def ed(kid: str) -> OKPKey:
    """A fresh Ed25519 key."""
    return OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig"})


def key_set(*keys: Key) -> bytes:
    """The public halves as a JWK Set."""
    return json.dumps(KeySet(list(keys)).as_dict(private=False)).encode()


def token(issuer: str, key: Key, *, algorithm: str = "ES256", **claims: Any) -> str:
    """A token of a direct login, with some claims changed."""
    now = int(time.time())
    whole = {
        "iss": issuer,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 300,
        "acr": "urn:etoegang:core:assurance-class:loa3",
        "chamberOfCommerce": "12345678",
        "eherkenningPseudo": "PSEUDO@ORG",
        "eherkenningServiceUUID": "b2ba62a6-419c-4331-8fbb-40c7b589978d",
    }
    return jwt.encode({"alg": algorithm, "kid": key.kid}, whole | claims, key, algorithms=[algorithm])


class Issuer:
    """What the server answers, to be changed by a test; `asked`: the headers of each request."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 200
        self.body = b""
        self.headers: dict[str, str] = {}
        self.drip_seconds = 0.0
        self.asked: list[dict[str, str]] = []

    @property
    def keys(self) -> str:
        """The URL of the keys."""
        return f"{self.url}/certs"

    def declare(self, folder: Path, keys: str | None = None, **more: Any) -> Path:
        """Writes an identity.yaml that names this issuer."""
        entry = {
            "issuer": self.url,
            "audience": [AUDIENCE],
            "keys": keys or self.keys,
            "algorithms": ["ES256", "RS256", "EdDSA"],
            "keys_cooldown_seconds": 1,
            "mapping": "eherkenning-camel",
            "source": "eherkenning",
        }
        path = folder / "identity.yaml"
        path.write_text(yaml.safe_dump({"tokens": [entry | more]}))
        return path


@contextmanager
def running(tls: tuple[Path, Path] | None = None) -> Iterator[Issuer]:
    """A server on a free port of loopback, until the block ends. `tls`: its certificate and key."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            issuer.asked.append(dict(self.headers.items()))
            tag = issuer.headers.get("ETag")
            unchanged = tag is not None and self.headers.get("If-None-Match") == tag
            body = b"" if unchanged else issuer.body
            self.send_response(304 if unchanged else issuer.status)
            for name, value in issuer.headers.items():
                self.send_header(name, value)
            if "Content-Length" not in issuer.headers and not unchanged:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            step = 1 if issuer.drip_seconds else 65_536
            for start in range(0, len(body), step):
                try:
                    self.wfile.write(body[start : start + step])
                    self.wfile.flush()
                except OSError:
                    return
                if stopped.wait(issuer.drip_seconds):
                    return
            if "Content-Length" in issuer.headers:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    stopped = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        # Handshakes belong to the thread of the connection: one that fails must not end the server.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    issuer = Issuer(f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
