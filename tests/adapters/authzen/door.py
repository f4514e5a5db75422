"""A client of the AuthZEN API that says exactly what goes over the wire."""

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVALUATION = "/access/v1/evaluation"
EVALUATIONS = "/access/v1/evaluations"
WELL_KNOWN = "/.well-known/authzen-configuration"
JSON = {"Content-Type": "application/json"}


def search_of(sought: str) -> str:
    """The path of a search."""
    return f"/access/v1/search/{sought}"


@dataclass(frozen=True)
class Answer:
    """`headers` with names in lower case; `body`: JSON, or None when there is none."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Door:
    """One connection, which is kept. `authority`: verifies the server's certificate; None: plain HTTP."""

    def __init__(self, address: str, authority: Path | None = None) -> None:
        host, _, port = address.rpartition(":")
        if authority is None:
            self._connection = http.client.HTTPConnection(host, int(port), timeout=20)
        else:
            context = ssl.create_default_context(cafile=str(authority))
            self._connection = http.client.HTTPSConnection(host, int(port), timeout=20, context=context)

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Sends one request; the connection is opened anew when the server closed it."""
        self._connection.request(method, path, body or None, dict(headers or {}))
        response = self._connection.getresponse()
        content = response.read()
        received = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, received, json.loads(content) if content else None)

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        """Sends JSON; a header is written with underscores for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("POST", path, json.dumps(body).encode(), JSON | named)

    def decide(self, request: Mapping[str, Any]) -> bool:
        """The decision on one request, which must be valid."""
        answer = self.post(EVALUATION, request)
        assert answer.status == 200, answer
        assert isinstance(answer.body["decision"], bool)
        return answer.body["decision"]

    def pages(self, sought: str, request: Mapping[str, Any], limit: int) -> Iterator[Mapping[str, Any]]:
        """Every page of a search."""
        page: dict[str, Any] = {"limit": limit}
        while True:
            answer = self.post(search_of(sought), {**request, "page": page})
            assert answer.status == 200, answer
            results = answer.body["results"]
            assert len(results) <= limit
            assert answer.body["page"]["count"] == len(results)
            yield answer.body
            if answer.body["page"]["next_token"] == "":
                return
            page = {"token": answer.body["page"]["next_token"]}

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()
