"""The Redis that holds a stream, wherever it is now: one server, what Sentinels say, a node of a Cluster."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pdp.errors import RecordsError
from pdp.records.redis_errors import LostError, MovedAwayError, NotSentError
from pdp.records.redis_node import ANSWER_SECONDS, Link
from pdp.records.redis_scripts import script
from pdp.records.redis_setups import setup_of
from pdp.records.redis_url import parse_redis_url
from pdp.records.store import StoreError


class StreamError(RecordsError):
    """The stream cannot be used just now; the text is one sentence that says why."""


class StreamServer:
    """Commands and scripts on the server of one stream. Repeats nothing: only the caller knows what it means.

    Args:
        url: of its Redis, in the forms of `pdp.records.redis_url`; the store's own options need not be given.
        stream: name of the stream.

    Raises:
        StreamError: the URL is none, or, from each method, the server cannot be used just now.
    """

    def __init__(self, url: str, stream: str) -> None:
        self._stream = stream
        # How many replicas must acknowledge is a matter of records; a stream's messages are repeated.
        needed = "" if "acks=" in url else ("&" if "?" in url else "?") + "acks=0"
        try:
            self._setup = setup_of(parse_redis_url(url + needed))
        except StoreError as error:
            raise self._sentence(error) from error

    def ask(self, *command: str | bytes | int, seconds: float = ANSWER_SECONDS) -> Any:
        """The answer to a command, waited for so long at most."""
        with self._link() as link:
            return link.ask(*command, seconds=seconds)

    def run(self, name: str, keys: Sequence[str], arguments: Sequence[str | bytes | int]) -> Any:
        """The answer to a script."""
        with self._link() as link:
            return link.run(script(name), keys, arguments)[0]

    def close(self) -> None:
        """Closes all connections."""
        self._setup.close()

    @contextmanager
    def _link(self) -> Iterator[Link]:
        try:
            with self._setup.primary(self._stream).link() as link:
                yield link
        except StoreError as error:
            if isinstance(error, LostError | MovedAwayError | NotSentError):
                # The next call looks for it elsewhere.
                target = error.target if isinstance(error, MovedAwayError) else None
                self._setup.doubt(self._stream, target)
            raise self._sentence(error) from error

    def _sentence(self, error: StoreError) -> StreamError:
        return StreamError(f"The stream {self._stream}: {error}")
