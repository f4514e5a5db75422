"""The interface of a record store, and the values that pass through it.

A store keeps records (kind, key, canonical document), the history of the writes that made them, and a
registry of the sidecars that decide on them. Each write is one step: all of its changes or none, under the
next sequence number. Records are spread over shards (one, unless the store was initialised otherwise); each
shard has its own history.

A sequence number alone says little once a store was restored or failed over, so a position also carries the
chain hash of its history. The epoch says which run of the store answers: the registry of another epoch is
never trusted (`docs/decisions`, the lockout barrier).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pdp.errors import RecordsError

MOST_CHANGES = 200_000
"""More changes than this are not followed but loaded anew."""


class StoreError(RecordsError):
    """The store cannot do what was asked; the text is one sentence that says why."""


class ConflictError(StoreError):
    """A record does not stand at the version that a change requires. Nothing was changed.

    Args:
        kind: kind of the record.
        key: its key.
        expected: the version that the change requires, 0 for "no such record".
        found: the version at which it stands, 0 when there is no such record.
    """

    def __init__(self, kind: str, key: str, expected: int, found: int) -> None:
        self.kind, self.key, self.expected, self.found = kind, key, expected, found
        wanted = f"version {expected}" if expected else "no such record"
        stands = f"stands at version {found}" if found else "does not exist"
        super().__init__(f"{kind}/{key}: expected {wanted}, but it {stands}.")


class WriteIdReusedError(StoreError):
    """A write id that stands for other changes: taking it for a repeat would lose this write in silence."""

    def __init__(self, write_id: str) -> None:
        self.write_id = write_id
        super().__init__(f"Write id {write_id!r} stands for a write with other changes; use a new id.")


class SpreadError(StoreError):
    """Changes of one write that stand in different shards: they could not happen together or not at all."""


class UninitialisedError(StoreError):
    """The store has no genesis: it was never initialised, or it was emptied."""


class ForkError(StoreError):
    """The position is not in this store's history (or was trimmed away): a new snapshot is needed."""


class UnconfirmedError(StoreError):
    """Too few replicas acknowledged: the call may have happened, but must be taken as not (yet) having."""


class LeaseMismatchError(StoreError):
    """The store was initialised for another lease than this process is configured with."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What every process on one store must agree on; written by `initialise`.

    Attributes:
        lease_ms: how long a freshness proof lasts (`max_staleness`), milliseconds.
        clock_rate_ppm: the largest rate error of any clock, parts per million (100,000: 10 %).
        shards: into how many histories the records are spread.
    """

    lease_ms: int = 4_000
    clock_rate_ppm: int = 100_000
    shards: int = 1


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the history of one shard.

    Attributes:
        seq: number of writes until here; gapless.
        chain: 20 bytes, hash of the whole history until here (`pdp.records.chain`).
    """

    seq: int
    chain: bytes

    def token(self, shard: int = 0) -> str:
        """The state token of this position: "<seq>.<first 8 hex digits of the chain>", "<shard>:" before it
        for shards other than the first. Tokens of several shards are joined with commas.
        """
        prefix = f"{shard}:" if shard else ""
        return f"{prefix}{self.seq}.{self.chain[:4].hex()}"


class Head(NamedTuple):
    """Where a shard's history stands, and the epoch of the store that said so."""

    epoch: str
    position: Position


class Written(NamedTuple):
    """A write that stands: its shard, and the head as of its own entry."""

    shard: int
    epoch: str
    position: Position

    def token(self) -> str:
        """The state token of the write."""
        return self.position.token(self.shard)


class StoredRecord(NamedTuple):
    """A record as it stands: canonical document, and the sequence number of its last change."""

    kind: str
    key: str
    value: bytes
    version: int


class StoredChange(NamedTuple):
    """A record's change as followers see it; `value` None: it was deleted, or is not there."""

    kind: str
    key: str
    value: bytes | None
    version: int


class Change(NamedTuple):
    """One change to write.

    `value` is the canonical document, None deletes. `expected_version`: only when the record stands at this
    version, 0: only when there is none, None: whatever it is. `source_version`: the number that the system of
    record gives this state of the record; a change whose number is not above the one that stands (deletions
    included) is left out, so that an older message never overwrites a newer one.
    """

    kind: str
    key: str
    value: bytes | None
    expected_version: int | None = None
    source_version: int | None = None


class Step(NamedTuple):
    """One entry of a history: its position, and whether a barrier waits for it."""

    position: Position
    barrier: bool


class PackedWrite(NamedTuple):
    """Changes of one write, at least those that still stand: see `pdp.records.packing`."""

    seq: int
    changes: bytes


class Delta(NamedTuple):
    """What changed after a position, in the order in which it was written, and the entries of the history
    that it came from. No steps: nothing changed.
    """

    writes: list[PackedWrite]
    steps: list[Step]


class Fetched(NamedTuple):
    """Records asked for by key (`value` None where there is none) as they stand at a position."""

    position: Position
    records: list[StoredChange]


@dataclass(frozen=True, slots=True)
class Beat:
    """What a sidecar says of itself when it asks for a freshness proof.

    Attributes:
        instance: random id of this process start.
        number: counts this instance's beats, from 1.
        position: what its state holds.
        drained: no request in flight and no watching gateway uses a state before this sequence number.
        lease_ms: what it is configured with; refused when the store's is another.
        about: for people and `pdp sidecars list`, one line of JSON.
    """

    instance: str
    number: int
    position: Position
    drained: int
    lease_ms: int
    about: str = "{}"


class Member(NamedTuple):
    """A sidecar in the registry, with its latest beat."""

    instance: str
    number: int
    seq: int
    drained: int
    about: str


class RegistryView(NamedTuple):
    """Which members are below a sequence number: how many, and up to ten as (instance, beat number)."""

    epoch: str
    behind: int
    stragglers: tuple[tuple[str, int], ...]


class StoreSnapshot(Protocol):
    """The state of one shard, while its context is open.

    Every record that stands at `position` and was not changed since is in it. A store may give later forms of
    others, so the changes after `position` complete it (applied where they are newer).
    """

    position: Position

    def chunks(self, *, kind: str | None = None, in_order: bool = False) -> Iterator[list[StoredRecord]]:
        """Every record (of one kind), a few thousand at a time; `in_order`: by kind and key, slower.

        Where others write meanwhile, a record may come twice, and its later form last.
        """


class RecordStore(Protocol):
    """A store of records. Safe to use from many threads; every method may raise StoreError.

    `Parameters.shards` tells how many shards there are; `shard` arguments count from 0.

    Attributes:
        acks: how many replicas must acknowledge each write and beat.
        promotion_seconds: within what time of a promotion the replicas stop to acknowledge to a deposed
            primary; 0 when all of them must acknowledge (strict). For `Timing.of`.
    """

    acks: int
    promotion_seconds: float

    def initialise(self, parameters: Parameters) -> None:
        """Makes an empty store usable: writes its genesis, once. Raises StoreError when that was done before
        with other parameters; the same ones change nothing.
        """

    def parameters(self) -> Parameters:
        """What the store was initialised with, or the lease was changed to.

        A lease has epochs of its own: whoever computes times from it looks again when the epoch is another.
        Raises UninitialisedError, and LeaseMismatchError while the lease is being changed.
        """

    def change_lease(self, parameters: Parameters) -> None:
        """Gives the store another lease or clock rate; the number of shards stays.

        No sidecar gets a proof until it is done, which takes as long as old proofs may last. One that was
        interrupted is finished by repeating it.
        """

    def shard_of(self, kind: str, key: str) -> int:
        """The shard that holds a record."""

    def head(self, shard: int = 0) -> Head:
        """Where the history stands now. Cheap."""

    def write(
        self, changes: Iterable[Change], write_id: str | None = None, *, barrier: bool = False
    ) -> Written:
        """Applies the changes in order as one durable step, acknowledged by as many replicas as configured.

        A repeat of a write that stands (same `write_id`, same changes) changes nothing and gives its old
        position, but is acknowledged anew. No changes at all, or only ones that source versions leave out,
        change nothing and give the head. What the iterable raises undoes all. `barrier`: marks the entry, so
        that sidecars say at once that they hold it.

        Raises:
            ConflictError: a record is not at its `expected_version`.
            WriteIdReusedError: `write_id` stands for other changes.
            SpreadError: the changes are in different shards.
            UnconfirmedError: written, but not acknowledged in time; repeat with the same `write_id`.
        """

    def get(self, kind: str, key: str) -> StoredRecord | None:
        """The record, or None when there is none."""

    def page(self, kind: str, after: str = "", limit: int = 100) -> list[StoredRecord]:
        """Up to `limit` records of a kind, of all shards, whose keys sort (by code point) after `after`."""

    def counts(self) -> dict[str, int]:
        """Number of records of every kind that has any."""

    def snapshot(
        self, shard: int = 0, kinds: Sequence[str] | None = None
    ) -> AbstractContextManager[StoreSnapshot]:
        """The state of a shard (of some kinds only), read in bounded memory."""

    def changes_since(self, position: Position, shard: int = 0, at_most: int = MOST_CHANGES) -> Delta | None:
        """What changed after `position`.

        None: a new snapshot is needed, as the position is not in this store's history or was trimmed away, or
        there are more than `at_most` changes. A source that is merely behind gives no steps.
        """

    def news(self, position: Position, shard: int = 0, seconds: float = 0.25) -> Delta | None:
        """As `changes_since`, once there is anything, and at the latest after some seconds.

        No steps: nothing came, or the history does not hold `position` at all, which `changes_since` tells.
        """

    def fetch(self, shard: int, keys: Sequence[tuple[str, str]]) -> Fetched:
        """Records of one shard by (kind, key), all of one position."""

    def beat(self, beat: Beat, shard: int = 0) -> Head:
        """Registers a sidecar's beat and gives the head: a freshness proof, acknowledged by the replicas.

        Raises:
            ForkError, UninitialisedError, UnconfirmedError, LeaseMismatchError: no proof.
        """

    def view(self, seq: int, shard: int = 0) -> RegistryView:
        """Which members have not drained `seq` yet."""

    def members(self, shard: int = 0) -> list[Member]:
        """All members of this epoch's registry."""

    def forget(self, instance: str, number: int, shard: int = 0) -> None:
        """Takes a member out of the registry, if its latest beat is still this one."""

    def close(self) -> None:
        """Frees the store's resources; it cannot be used afterwards."""


def open_store(url: str, *, create: bool = True) -> RecordStore:
    """Opens the store that a URL names.

    Args:
        url: `sqlite:PATH`, one file of this node; or Redis: `redis://`, `rediss://` (TLS), with `+sentinel`
            or `+cluster` after the scheme for these (see `pdp.records.redis_url`).
        create: whether a SQLite file that does not exist is made (and initialised with the default
            parameters); otherwise it is an error. Redis is only ever initialised by `initialise`.

    Raises:
        StoreError: the URL names no store, or the store cannot be opened.
    """
    scheme, colon, rest = url.partition(":")
    if scheme == "sqlite" and colon:
        from pdp.records.sqlite import SqliteStore  # noqa: PLC0415  (the interface does not need it)

        return SqliteStore(rest, create=create)
    if scheme.partition("+")[0] in {"redis", "rediss"} and colon:
        from pdp.records.redis import RedisStore  # noqa: PLC0415  (nor needs it Redis's client)

        return RedisStore(url)
    raise StoreError(
        f"{scheme!r} is no kind of record store; write sqlite:PATH, for example sqlite:records.db, "
        "or redis://HOST:PORT."
    )
