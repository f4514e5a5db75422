"""HTTP/1.1 over a bare socket: exactly these bytes, and the answer as it comes."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse

SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; status 0: the connection ended without one. Headers by their names in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def send(port: int, content: bytes) -> Answer:
    """Sends bytes on a connection of their own."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        connection.sendall(content)
        response = HTTPResponse(connection, method=content.split(b" ", 1)[0].decode(errors="replace"))
        try:
            response.begin()
            body = response.read()
        except (HTTPException, ConnectionError):
            return Answer(0, {}, b"")
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


def ask(
    port: int,
    target: str,
    method: str = "GET",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Answer:
    """A request with exactly this target; a Host header and a length are added."""
    lines = [f"{method} {target} HTTP/1.1", "Host: portal.example", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([*lines, "", ""])
    return send(port, head.encode("utf-8") + body)
