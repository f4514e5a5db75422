"""TCP links that can be cut, slowed and re-pointed while in use: toxiproxy, by its HTTP interface."""

import json
import subprocess
from collections.abc import Callable
from http.client import HTTPConnection
from types import TracebackType
from typing import Any, Self

from tests.end_to_end.sidecar import program, until
from tests.servers.processes import free_port

TO_SERVER, FROM_SERVER = "upstream", "downstream"


class Link:
    """One link. `address` is where its client connects to."""

    def __init__(self, call: Callable[..., Any], name: str, upstream: str) -> None:
        self._call, self._name = call, name
        made = call("POST", "/proxies", {"name": name, "listen": "127.0.0.1:0", "upstream": upstream})
        self.address = str(made["listen"])

    def cut(self) -> None:
        """Closes every connection and refuses new ones."""
        self._change(enabled=False)

    def repair(self) -> None:
        """Undoes everything that was done to it; connections that were held up go on."""
        self._change(enabled=True)
        for toxic in self._call("GET", f"/proxies/{self._name}/toxics"):
            self._call("DELETE", f"/proxies/{self._name}/toxics/{toxic['name']}")

    def slow(self, direction: str, milliseconds: int, jitter: int = 0) -> None:
        """Delays what passes in one direction."""
        self._add("latency", direction, {"latency": milliseconds, "jitter": jitter})

    def hang(self, direction: str) -> None:
        """Swallows what is sent in one direction, without closing anything."""
        self._add("timeout", direction, {"timeout": 0})

    def narrow(self, direction: str, kilobytes_per_second: int) -> None:
        """Lets so much pass in one direction, on each connection."""
        self._add("bandwidth", direction, {"rate": kilobytes_per_second})

    def reset(self, direction: str, milliseconds: int) -> None:
        """Breaks each connection with a TCP reset after a while."""
        self._add("reset_peer", direction, {"timeout": milliseconds})

    def point(self, upstream: str) -> None:
        """Leads to another server from now on; connections are closed."""
        self._change(upstream=upstream)

    def _change(self, **values: object) -> None:
        self._call("POST", f"/proxies/{self._name}", values)

    def _add(self, kind: str, direction: str, attributes: dict[str, int]) -> None:
        toxic = {"name": f"{kind}-{direction}", "type": kind, "stream": direction, "attributes": attributes}
        self._call("POST", f"/proxies/{self._name}/toxics", toxic)


class Links:
    """A toxiproxy of its own, which ends with the context."""

    def __enter__(self) -> Self:
        self._address = f"127.0.0.1:{free_port()}"
        port = self._address.rpartition(":")[2]
        self._process = subprocess.Popen(
            [program("toxiproxy-server"), "-host", "127.0.0.1", "-port", port],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self._answers, 10, "toxiproxy's start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(timeout=10)

    def to(self, upstream: str, name: str) -> Link:
        """A new link to a server at HOST:PORT."""
        return Link(self._call, name, upstream)

    def _answers(self) -> bool:
        try:
            self._call("GET", "/version")
        except OSError:
            return False
        return True

    def _call(self, method: str, path: str, body: object = None) -> Any:
        connection = HTTPConnection(self._address, timeout=10)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        assert answer.status < 300, f"toxiproxy: {method} {path}: {text.decode()}"
        return json.loads(text) if text.startswith((b"{", b"[")) else None
