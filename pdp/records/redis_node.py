"""One Redis server: pooled connections, commands in one go, and scripts.

Commands are sent and answers read on a connection as they are, rather than through the client library's
commands: several of them must go through one connection (a script and the WAIT for its acknowledgement), and
nothing may be repeated behind our back, as only the caller knows what a repeat means.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from redis import exceptions
from redis.backoff import NoBackoff
from redis.connection import Connection, ConnectionPool, SSLConnection
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from pdp.records.redis_errors import (
    ANSWERED,
    OLDEST_VERSION,
    NotSentError,
    connecting_failed,
    lost,
    refused,
)
from pdp.records.redis_scripts import Script
from pdp.records.redis_url import Address, Login, Tls
from pdp.records.store import StoreError

CONNECT_SECONDS = 1.0
# Less than the usual lease, so that a beat that hangs leaves time for another.
ANSWER_SECONDS = 2.0
_LARGEST_POOL = 256

Command = Sequence[str | bytes | float]


class Link:
    """A connection to a server, used by one thread at a time."""

    def __init__(self, connection: Any, server: str, loaded: set[str]) -> None:
        self._connection, self._server, self._loaded = connection, server, loaded

    def send(self, commands: Sequence[Command], seconds: float = ANSWER_SECONDS) -> list[Any]:
        """The answers to some commands, sent in one go; a StoreError stands for a command that was refused.

        Raises:
            LostError: it is unknown which of them happened.
        """
        connection = self._connection
        answers: list[Any] = []
        try:
            # One piece, as each one that is sent may wake the server.
            connection.send_packed_command([b"".join(connection.pack_commands(commands))])
            for _ in commands:
                try:
                    answers.append(connection.read_response(timeout=seconds, disconnect_on_error=False))
                except exceptions.NoScriptError as error:
                    answers.append(error)
                except ANSWERED as error:
                    answers.append(refused(error, self._server))
        except (exceptions.RedisError, OSError) as error:
            connection.disconnect()
            raise lost(error, self._server) from error
        except BaseException:
            # Answers may still be on their way, and must not be taken for those to another call.
            connection.disconnect()
            raise
        return answers

    def ask(self, *command: str | bytes | float, seconds: float = ANSWER_SECONDS) -> Any:
        """The answer to one command. Raises StoreError."""
        return _given(self.send([command], seconds)[0])

    def ask_all(self, *commands: Command) -> list[Any]:
        """The answers to some commands, in one go. Raises StoreError."""
        return [_given(answer) for answer in self.send(commands)]

    def run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[str | bytes | int], *then: Command
    ) -> list[Any]:
        """The answers to a script and to what follows it on the same connection. Raises StoreError."""
        rest = (len(keys), *keys, *arguments)
        answers: list[Any] = []
        if script.sha in self._loaded:
            answers = self.send([("EVALSHA", script.sha, *rest), *then])
        if not answers or isinstance(answers[0], exceptions.NoScriptError):
            answers = self.send([("EVAL", script.text, *rest), *then])
            self._loaded.add(script.sha)
        return [_given(answer) for answer in answers]


def _given(answer: Any) -> Any:
    if isinstance(answer, StoreError):
        raise answer
    return answer


class Node:
    """A server, at an address.

    Args:
        address: host and port.
        login: user and password.
        tls: how TLS is spoken, None: not at all.
        db: number of the database.
        mode: what the server must be, in its own words: "standalone", "sentinel" or "cluster".
    """

    def __init__(
        self, address: Address, login: Login, tls: Tls | None, db: int = 0, mode: str = "standalone"
    ) -> None:
        self.address = address
        self.name = f"{address[0]}:{address[1]}"
        # Scripts that it has, as far as is known.
        self._loaded: set[str] = set()
        self._mode, self._tls, self._checked = mode, tls is not None, False
        settings: dict[str, Any] = {}
        if tls:
            settings = {
                "ssl_ca_certs": tls.ca_certs or None,
                "ssl_certfile": tls.certfile or None,
                "ssl_keyfile": tls.keyfile or None,
                "ssl_check_hostname": tls.check_hostname,
            }
        self._pool = ConnectionPool(
            connection_class=SSLConnection if tls else Connection,
            max_connections=_LARGEST_POOL,
            host=address[0],
            port=address[1],
            db=db,
            username=login.username or None,
            password=login.password or None,
            protocol=3,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
            **settings,
        )

    @contextmanager
    def link(self) -> Iterator[Link]:
        """A connection of this thread's own while the context is open.

        Raises:
            NotSentError: the server cannot be reached.
            StoreError: it refuses, or is not what a record store needs.
        """
        try:
            connection = self._pool.get_connection()
        except (exceptions.RedisError, OSError) as error:
            raise connecting_failed(error, self.name, tls=self._tls) from error
        try:
            link = Link(connection, self.name, self._loaded)
            if not self._checked:
                self._check(link)
                self._checked = True
            yield link
        finally:
            self._pool.release(connection)

    def close(self) -> None:
        """Closes all connections."""
        self._pool.disconnect()

    def _check(self, link: Link) -> None:
        try:
            answers = link.send([("INFO", "server"), ("INFO", "memory")])
        except StoreError as error:
            # Nothing that the caller wanted was sent yet.
            raise NotSentError(str(error)) from error
        info = _info(_given(answers[0]))
        if info.get("redis_mode", self._mode) != self._mode:
            raise StoreError(f"Redis at {self.name} {_MODES[info['redis_mode']]}.")
        version = info.get("redis_version", "0")
        if tuple(int(part) for part in version.split(".")[:2] if part.isdecimal()) < OLDEST_VERSION:
            raise StoreError(
                f"Redis at {self.name} is version {version}; the record store needs 7.0 or later."
            )
        if self._mode != "sentinel":
            policy = _info(_given(answers[1])).get("maxmemory_policy", "")
            if policy.startswith("allkeys"):
                raise StoreError(
                    f"Redis at {self.name} throws away records when memory is full "
                    f"(maxmemory-policy {policy}); set it to noeviction."
                )


_MODES = {
    "standalone": "is neither a Sentinel nor part of a Cluster; write redis://HOST:PORT",
    "sentinel": "is a Sentinel; write redis+sentinel://HOST:PORT/SERVICE",
    "cluster": "is part of a Cluster; write redis+cluster://HOST:PORT",
}


def _info(text: bytes | str) -> dict[str, str]:
    lines = (text if isinstance(text, str) else text.decode()).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)
