"""The portal's questions in the form of each door, equal in what the policy sees of them."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml
from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf.json_format import ParseDict
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from pdp.decision.v1 import decision_pb2

# Not X-Login: deploy/gateways takes that one away from clients, whom the load stands for.
LOGIN_HEADER = "x-bench-authentication"
ISSUER = "https://login.example"
AUDIENCE = "werkgeversportaal"
HOST = "portaal.example"
# As a browser has them; each door but AuthZEN reads all of them.
BROWSER = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "accept-language": "nl,en-US;q=0.7,en;q=0.3",
    "accept-encoding": "gzip, deflate, br, zstd",
    "cookie": "taal=nl; voorkeur=compact",
    "sec-fetch-dest": "document",
    "sec-fetch-mode": "navigate",
    "sec-fetch-site": "same-origin",
}
# Beside the portal's own routes, as the number of routes is part of what finding one costs.
_ROUTES: list[dict[str, Any]] = [
    {
        "name": f"bench-{kind}",
        "path": path,
        "methods": ["GET"],
        "action": {"name": "{action}", "properties": {"processing_activity_id": "{query.doel?}"}},
        "resource": {"type": kind, "id": "{id}", "properties": properties},
    }
    for kind, path, properties in (
        ("portal", "/vragen/portaal/{id}/{action}", {}),
        (
            "webdienst",
            "/vragen/webdienst/{id}/{action}",
            {"fiscal_number": "{query.nummer?}", "branch_number": "{query.vestiging?}"},
        ),
    )
]
_QUERY = (
    ("doel", "action", "processing_activity_id"),
    ("nummer", "resource", "fiscal_number"),
    ("vestiging", "resource", "branch_number"),
)

Question = dict[str, Any]


def with_routes(routes: Path) -> None:
    """Adds the routes that questions take to a bundle's own."""
    declared = yaml.safe_load(routes.read_text(encoding="utf-8"))
    declared["routes"] += _ROUTES
    routes.write_text(json.dumps(declared), encoding="utf-8")


def by_gateway(question: Question) -> bool:
    """Whether a gateway can ask it: a login by other means leaves no subject but the anonymous one."""
    return bool(question["subject"]["properties"]["authentication"]["source"] == "eherkenning")


def native(question: Question) -> bytes:
    """`pdp.decision.v1.CheckRequest`."""
    return ParseDict(question, decision_pb2.CheckRequest()).SerializeToString()


def authzen(question: Question) -> bytes:
    """The body of AuthZEN's access evaluation."""
    return json.dumps(question).encode()


def gateway_login(question: Question) -> dict[str, str]:
    """The header in which a trusted gateway has the authentication context."""
    context = question["subject"]["properties"]["authentication"]
    return {LOGIN_HEADER: json.dumps(context, separators=(",", ":"))}


class Tokens:
    """An issuer whose tokens have the authentication context as a claim, signed with ES256."""

    def __init__(self) -> None:
        self._key = ECKey.generate_key("P-256", {"kid": "bench", "use": "sig"})
        self._now = int(time.time())

    def login(self, question: Question) -> dict[str, str]:
        """The header with the token of a question's login."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": self._now,
            "exp": self._now + 86_400,
            "authentication": question["subject"]["properties"]["authentication"],
        }
        token = jwt.encode({"alg": "ES256", "kid": self._key.kid}, claims, self._key, algorithms=["ES256"])
        return {"authorization": f"Bearer {token}"}

    def declare(self, folder: Path) -> Path:
        """Writes an identity.yaml that believes these tokens, and the header of `gateway_login`."""
        keys = KeySet([self._key]).as_dict(private=False)
        (folder / "doors-keys.json").write_text(json.dumps(keys), encoding="utf-8")
        issuer = {
            "issuer": ISSUER,
            "audience": [AUDIENCE],
            "keys": "doors-keys.json",
            "algorithms": ["ES256"],
            "mapping": "authentication",
        }
        declared = {"tokens": [issuer], "gateway": {"header": LOGIN_HEADER, "mapping": "authentication"}}
        path = folder / "doors-identity.yaml"
        path.write_text(json.dumps(declared), encoding="utf-8")
        return path


def target(question: Question) -> str:
    """Path and query of the request that asks it."""
    resource = question["resource"]
    kind = "portaal" if resource["type"] == "portal" else "webdienst"
    named = ((name, question[part].get("properties", {}).get(member)) for name, part, member in _QUERY)
    query = urlencode({name: value for name, value in named if value is not None})
    path = f"/vragen/{kind}/{resource['id']}/{question['action']['name']}"
    return f"{path}?{query}" if query else path


def ext_authz(question: Question, login: Mapping[str, str]) -> bytes:
    """The message that Envoy sends with `encode_raw_headers`."""
    path = target(question)
    pseudo = {":authority": HOST, ":path": path, ":method": "GET", ":scheme": "https"}
    own = {"x-forwarded-proto": "https", "x-request-id": "5f7c2f3e-8a52-4f0e-9a39-0d2f5c3e9b11"}
    message = external_auth_pb2.CheckRequest()
    attributes = message.attributes
    for peer, port in ((attributes.source, 51_234), (attributes.destination, 443)):
        peer.address.socket_address.address = "127.0.0.1"
        peer.address.socket_address.port_value = port
    attributes.request.time.GetCurrentTime()
    http = attributes.request.http
    http.id, http.method, http.path = "1234567890123456789", "GET", path
    http.host, http.scheme, http.protocol = HOST, "https", "HTTP/1.1"
    for name, value in {**pseudo, **BROWSER, **login, **own}.items():
        http.header_map.headers.add(key=name, raw_value=value.encode())
    return bytes(message.SerializeToString())


def forward_auth(question: Question, login: Mapping[str, str]) -> bytes:
    """The request that nginx sends with the configuration in deploy/gateways."""
    asked = {
        "x-original-method": "GET",
        "x-original-uri": target(question),
        "x-forwarded-proto": "https",
        "x-forwarded-host": HOST,
    }
    return _request("/", {"host": "poortwachter", **asked, **BROWSER, **login})


def browser(question: Question, login: Mapping[str, str]) -> bytes:
    """The request that a browser sends to the portal."""
    return _request(target(question), {"host": HOST, **BROWSER, **login})


def _request(path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def opa(documents: Sequence[bytes]) -> list[bytes]:
    """The documents that the sidecar's own engine gets, as OPA's REST takes them."""
    return [b'{"input":' + document + b"}" for document in documents]
