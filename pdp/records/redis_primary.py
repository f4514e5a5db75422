"""Scripts and commands on the primary of each shard, wherever it is at the moment."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from pdp.records.keys import Keys
from pdp.records.lease import lease_mismatch
from pdp.records.redis_errors import LostError, MovedAwayError, NotSentError
from pdp.records.redis_node import Link
from pdp.records.redis_scripts import script
from pdp.records.redis_setups import setup_of
from pdp.records.redis_url import RedisUrl
from pdp.records.store import Head, Parameters, Position, StoreError, UnconfirmedError, UninitialisedError

# How long the replicas have to acknowledge.
WAIT_MS = 500
FORMAT = "1"

Argument = str | bytes | int


class Answer(NamedTuple):
    """A script's answer: its status ("OK" or a reason), and the values that go with it."""

    status: str
    values: list[Any]


class Primaries:
    """The primaries of one store's shards. Safe to use from many threads."""

    def __init__(self, url: RedisUrl) -> None:
        self.acks = url.acks
        self._url = url
        self._setup = setup_of(url)
        self._shards: int | None = None
        self._closed = False

    def keys(self, shard: int) -> Keys:
        """The keys of a shard."""
        return Keys(self._url.namespace, shard)

    @contextmanager
    def link(self, shard: int) -> Iterator[Link]:
        """A connection to the primary, for reading. What fails on it is not repeated."""
        try:
            with self._open(shard) as link:
                yield link
        except StoreError as error:
            self._doubt(shard, error)
            if isinstance(error, LostError):
                raise StoreError(str(error)) from error
            raise

    def run(
        self,
        shard: int,
        name: str,
        keys: Sequence[str],
        arguments: Sequence[Argument] = (),
        *,
        confirm: bool = False,
    ) -> Answer:
        """What a script answers. A status that any script may give is raised.

        Args:
            shard: on whose primary.
            name: of the script.
            keys: see the script.
            arguments: see the script; the number of shards is put before them, except for "initialise".
            confirm: whether the replicas must acknowledge.
        """
        acks = self._url.acks if confirm else 0
        then = [("WAIT", acks, WAIT_MS)] if acks else []
        if name != "initialise":
            arguments = [self.shards(), *arguments]
        try:
            answers = self._first_or_second(shard, name, keys, arguments, then)
        except LostError as error:
            if confirm:
                raise
            raise StoreError(str(error)) from error
        if acks and answers[1] < acks:
            self._setup.doubt(self.keys(shard).tag)
            raise UnconfirmedError(
                f"Only {answers[1]} of the {acks} replicas that must acknowledge did so within {WAIT_MS} ms."
            )
        answer = Answer(answers[0][0].decode(), answers[0][1:])
        _raise_common(answer)
        return answer

    def parameters(self, shard: int = 0) -> Parameters:
        """What the store was initialised with, as it stands now. See RecordStore."""
        parameters = self._parameters(shard)
        if not parameters.lease_ms:
            raise lease_mismatch(0, 0)
        return parameters

    def shards(self) -> int:
        """The number of shards, remembered; every script checks that it is still this."""
        if self._shards is None:
            self._shards = self._parameters(0).shards
        return self._shards

    def forget_shards(self) -> None:
        """Their number may be another now."""
        self._shards = None

    def _parameters(self, shard: int) -> Parameters:
        with self.link(shard) as link:
            form, genesis, lease_ms, rate, shards = link.ask(
                "HMGET", self.keys(shard).meta, "format", "genesis", "lease_ms", "clock_rate_ppm", "shards"
            )
        if genesis is None:
            raise uninitialised()
        if form != FORMAT.encode():
            raise other_format(form)
        return Parameters(int(lease_ms), int(rate), int(shards))

    def close(self) -> None:
        """Closes all connections."""
        self._closed = True
        self._setup.close()

    def _first_or_second(
        self,
        shard: int,
        name: str,
        keys: Sequence[str],
        arguments: Sequence[Argument],
        then: Sequence[tuple[str | int, ...]],
    ) -> list[Any]:
        """The answers of the primary; where it is another by now, of that one: the first did nothing."""
        for attempt in (1, 2):
            try:
                with self._open(shard) as link:
                    answers = link.run(script(name), keys, arguments, *then)
                if answers[0][0] == b"REPLICA":
                    raise MovedAwayError("Redis is not the primary for the record store's keys.")
            except StoreError as error:
                if not self._doubt(shard, error) or attempt == 2:
                    raise
            else:
                return answers
        raise AssertionError("the second attempt gives or raises")

    @contextmanager
    def _open(self, shard: int) -> Iterator[Link]:
        if self._closed:
            raise StoreError("The record store is closed.")
        with self._setup.primary(self.keys(shard).tag).link() as link:
            yield link

    def _doubt(self, shard: int, error: StoreError) -> bool:
        """Whether another server may do what one refused, or was not asked, to do."""
        if isinstance(error, LostError):
            self._setup.doubt(self.keys(shard).tag)
            return False
        if isinstance(error, NotSentError | MovedAwayError):
            target = error.target if isinstance(error, MovedAwayError) else None
            return self._setup.doubt(self.keys(shard).tag, target)
        return False


def _raise_common(answer: Answer) -> None:
    """Raises what any script may answer; those of one script alone are its caller's."""
    if answer.status == "UNINITIALISED":
        raise uninitialised()
    if answer.status == "FORMAT":
        raise other_format(answer.values[0])
    if answer.status == "SHARDS":
        raise StoreError(
            f"The record store was initialised anew, with {int(answer.values[0])} shards; "
            "start this process again."
        )


def uninitialised() -> UninitialisedError:
    """The store has no genesis."""
    return UninitialisedError(
        "The record store in Redis is not initialised (or was emptied); see pdp records init."
    )


def other_format(found: bytes | None) -> StoreError:
    """The meta of another version, or of another program."""
    name = (found or b"?").decode(errors="replace")
    return StoreError(
        f"The record store in Redis has format {name}, and this version of poortwachter knows {FORMAT}."
    )


def head_of(answer: Sequence[Any]) -> Head:
    """The epoch, seq and chain that scripts answer."""
    return Head(answer[0].decode(), Position(int(answer[1]), answer[2]))
