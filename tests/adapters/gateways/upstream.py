"""The portal behind a gateway: answers everything, and remembers what reached it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request as it reached the portal: the raw target, and headers by their names in small letters."""

    method: str
    target: str
    headers: dict[str, list[str]]
    body: bytes


@dataclass
class Upstream:
    """A running portal."""

    port: int
    arrived: list[Arrived] = field(default_factory=list)

    def only(self) -> Arrived:
        """The one request that arrived since the list was cleared."""
        (one,) = self.arrived
        return one


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A gateway may end a connection at any time."""


def _body(request: BaseHTTPRequestHandler) -> bytes:
    if "chunked" not in (request.headers.get("transfer-encoding") or ""):
        return request.rfile.read(int(request.headers.get("content-length") or 0))
    body = b""
    while size := int(request.rfile.readline().split(b";")[0], 16):
        body += request.rfile.read(size)
        request.rfile.readline()
    while request.rfile.readline().strip():
        pass
    return body


@contextmanager
def upstream() -> Iterator[Upstream]:
    """A portal on loopback while the context is open."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = _body(self)
            headers: dict[str, list[str]] = {}
            for name, value in self.headers.items():
                headers.setdefault(name.lower(), []).append(value)
            running.arrived.append(Arrived(self.command, self.path, headers, body))
            if upgrade := self.headers.get("upgrade"):
                # What comes next on this connection is taken for requests all the same.
                self.send_response(101)
                self.send_header("connection", "upgrade")
                self.send_header("upgrade", upgrade)
                self.end_headers()
                return
            content = json.dumps({"portal": self.path}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    running = Upstream(server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
