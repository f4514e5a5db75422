"""Redis servers to which things are done: killed and started again with what they kept, stopped, promoted,
with a full disk, on another wall clock."""

import re
import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from tests.servers.processes import free_port
from tests.servers.redis import RedisServer, wait_for

ALWAYS = {"appendonly": "yes", "appendfsync": "always", "save": '""'}
"""Every write is on disk before it is answered, so that a restart in place loses nothing."""
_STANDARD = {"bind": "127.0.0.1", "dir": ".", "repl-diskless-sync-delay": "0"}


class Node(RedisServer):
    """A server with a folder and a port of its own, running while its context is open.

    Args:
        folder: for its files.
        settings: of redis.conf.
        environment: variables for its process.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, str] = ALWAYS, environment: Mapping[str, str] | None = None
    ) -> None:
        port = free_port()
        given = {"port": str(port), **_STANDARD, **settings}
        super().__init__(folder / f"redis-{port}", port, given, "Ready to accept connections")
        # A write beyond the process's limit is then an error, as on a full disk, and not its end.
        variables = [f"{name}={value}" for name, value in (environment or {}).items()]
        self._command = ["env", "--ignore-signal=XFSZ", *variables, *self._command]

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def begin(self) -> None:
        """Starts it, and waits until it has loaded what it kept."""
        assert self.start(), self.log.read_text(errors="replace")

    @property
    def has_ended(self) -> bool:
        """Whether it ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def ended(self, seconds: float = 10.0) -> int:
        """Its exit code, once it has ended by itself."""
        assert self._process
        return self._process.wait(timeout=seconds)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """SIGSTOP, then SIGCONT."""
        self.pause()
        try:
            yield
        finally:
            self.go_on()

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """No file of the server may grow any more."""
        assert self._process
        endless = resource.RLIM_INFINITY
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (1, endless))
        yield
        if self.is_running:
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (endless, endless))

    def call(self, *command: str | float) -> Any:
        """The answer to one command."""
        with self.client() as client:
            return client.execute_command(*command)

    def info(self, section: str, name: str) -> Any:
        """One line of INFO."""
        with self.client() as client:
            return client.info(section)[name]

    def follow(self, primary: RedisServer) -> None:
        """Becomes a replica, and waits until it has the primary's data."""
        self.call("REPLICAOF", "127.0.0.1", primary.port)

        def acknowledges() -> bool:
            with primary.client() as client:
                known = client.info("replication")
                replicas = [value for name, value in known.items() if re.fullmatch("slave[0-9]+", name)]
                own = [each for each in replicas if each["port"] == self.port and each["state"] == "online"]
                return bool(own) and client.wait(len(replicas), 200) >= len(replicas)

        wait_for(acknowledges)

    def promote(self) -> None:
        """Becomes a primary."""
        self.call("REPLICAOF", "NO", "ONE")

    def answers(self) -> bool:
        """Whether it says PONG."""
        try:
            return bool(self.call("PING"))
        except (redis.RedisError, OSError):
            return False
