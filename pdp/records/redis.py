"""The record store in Redis 7.0 or later: one server, Sentinels, or Redis Cluster.

All changes are made by scripts (`pdp/records/redis_scripts`), one for each operation, on the primary of the
shard; `pdp.records.keys` has the keys, `pdp.records.redis_url` the URL and what a user must be allowed to do.
"""

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from pdp.records import keys
from pdp.records.chain import new_genesis
from pdp.records.lease import check_parameters, lease_mismatch, wait_until_proofs_ran_out
from pdp.records.redis_primary import Answer, Argument, Primaries, head_of
from pdp.records.redis_read import Documents, RedisSnapshot, changes_since, news, refuse_foreign
from pdp.records.redis_url import parse_redis_url
from pdp.records.redis_write import write
from pdp.records.store import (
    MOST_CHANGES,
    Beat,
    Change,
    Delta,
    Fetched,
    ForkError,
    Head,
    Member,
    Parameters,
    Position,
    RegistryView,
    StoredChange,
    StoredRecord,
    StoreError,
    UninitialisedError,
    Written,
)


class RedisStore:
    """A `RecordStore` in Redis.

    Args:
        url: see `pdp.records.redis_url`.

    Raises:
        StoreError: the URL is not one, or the server cannot be used.
    """

    def __init__(self, url: str) -> None:
        parsed = parse_redis_url(url)
        self.acks = parsed.acks
        self.promotion_seconds = parsed.promotion_seconds
        self._primaries = Primaries(parsed)
        self._documents_of: dict[int, Documents] = {}
        try:
            # Whatever is wrong with the server is told now; that it is not initialised yet, when it is used.
            with self._primaries.link(0):
                pass
        except BaseException:
            self._primaries.close()
            raise

    def initialise(self, parameters: Parameters) -> None:
        """See RecordStore. Repeating it finishes one that was interrupted."""
        check_parameters(parameters)
        for shard in range(parameters.shards):
            with suppress(UninitialisedError):
                if self._primaries.parameters(shard) != parameters:
                    raise self._other_parameters()
        # The first shard last: once it is there, all are.
        for shard in reversed(range(parameters.shards)):
            self._initialise(shard, parameters)
        self._primaries.forget_shards()

    def parameters(self) -> Parameters:
        """See RecordStore."""
        return self._primaries.parameters()

    def change_lease(self, parameters: Parameters) -> None:
        """See RecordStore."""
        check_parameters(parameters)
        shards = self._primaries.shards()
        if parameters.shards != shards:
            raise StoreError(f"The record store has {shards} shards, and that cannot be changed.")
        change = secrets.token_hex(8)
        begun = [self._change_lease(shard, "begin", change, parameters) for shard in range(shards)]
        old = [Parameters(*map(int, answer.values)) for answer in begun if answer.status == "OK"]
        if not old:
            return
        longest = Parameters(max(p.lease_ms for p in old), max(p.clock_rate_ppm for p in old))
        wait_until_proofs_ran_out(longest, parameters, self.promotion_seconds)
        for shard, answer in enumerate(begun):
            if answer.status == "OK":
                ended = self._change_lease(shard, "end", change, parameters)
                if ended.status == "SUPERSEDED":
                    raise StoreError("Another change of the store's lease began meanwhile; that one counts.")

    def shard_of(self, kind: str, key: str) -> int:
        """See RecordStore."""
        return keys.shard_of(kind, key, self._primaries.shards())

    def head(self, shard: int = 0) -> Head:
        """See RecordStore."""
        return head_of(self._primaries.run(shard, "head", [self._keys(shard).meta]).values)

    def write(
        self, changes: Iterable[Change], write_id: str | None = None, *, barrier: bool = False
    ) -> Written:
        """See RecordStore."""
        return write(
            self._primaries, changes, self.shard_of, write_id or secrets.token_hex(16), barrier=barrier
        )

    def get(self, kind: str, key: str) -> StoredRecord | None:
        """See RecordStore."""
        _, found = self._fetch(self.shard_of(kind, key), [(kind, key)])
        return found[0]

    def page(self, kind: str, after: str = "", limit: int = 100) -> list[StoredRecord]:
        """See RecordStore."""
        shards = range(self._primaries.shards())
        records = [record for shard in shards for record in self._page(shard, kind, after, limit)]
        return sorted(records, key=lambda record: record.key)[:limit]

    def counts(self) -> dict[str, int]:
        """See RecordStore."""
        total: Counter[str] = Counter()
        for shard in range(self._primaries.shards()):
            own = self._keys(shard)
            with self._primaries.link(shard) as link:
                kinds = [kind.decode() for kind in link.ask("SMEMBERS", own.kinds)]
                for kind in kinds:
                    total[kind] += link.ask("HLEN", own.documents(kind))
        return {kind: number for kind, number in sorted(total.items()) if number}

    @contextmanager
    def snapshot(self, shard: int = 0, kinds: Sequence[str] | None = None) -> Iterator[RedisSnapshot]:
        """See RecordStore."""
        with self._primaries.link(shard) as link:
            yield RedisSnapshot(link, self._keys(shard), self._documents(shard), kinds)

    def changes_since(self, position: Position, shard: int = 0, at_most: int = MOST_CHANGES) -> Delta | None:
        """See RecordStore."""
        with self._primaries.link(shard) as link:
            return changes_since(link, self._keys(shard), position, at_most)

    def news(self, position: Position, shard: int = 0, seconds: float = 0.25) -> Delta | None:
        """See RecordStore."""
        with self._primaries.link(shard) as link:
            return news(link, self._keys(shard), position, seconds)

    def fetch(self, shard: int, keys: Sequence[tuple[str, str]]) -> Fetched:
        """See RecordStore."""
        head, found = self._fetch(shard, keys)
        return Fetched(
            head.position,
            [
                StoredChange(*record) if record else StoredChange(kind, key, None, 0)
                for (kind, key), record in zip(keys, found, strict=True)
            ],
        )

    def beat(self, beat: Beat, shard: int = 0) -> Head:
        """See RecordStore."""
        own, at = self._keys(shard), beat.position
        answer = self._primaries.run(
            shard,
            "beat",
            [*own.registry, own.stream],
            [beat.instance, beat.number, at.seq, at.chain, beat.drained, beat.lease_ms, beat.about],
            confirm=True,
        )
        if answer.status == "LEASE":
            raise lease_mismatch(int(answer.values[0]), beat.lease_ms)
        if answer.status == "FORK":
            raise ForkError(f"The record store's history does not hold {at.token(shard)}.")
        return head_of(answer.values)

    def view(self, seq: int, shard: int = 0) -> RegistryView:
        """See RecordStore."""
        epoch, behind, found = self._primaries.run(shard, "view", self._keys(shard).registry, [seq]).values
        stragglers = tuple(
            (instance.decode(), int(number)) for instance, number in zip(found[::2], found[1::2], strict=True)
        )
        return RegistryView(epoch.decode(), int(behind), stragglers)

    def members(self, shard: int = 0) -> list[Member]:
        """See RecordStore."""
        (found,) = self._primaries.run(shard, "members", self._keys(shard).registry).values
        members = []
        for instance, beat in zip(found[::2], found[1::2], strict=True):
            number, seq, drained, about = beat.decode().split(":", 3)
            members.append(Member(instance.decode(), int(number), int(seq), int(drained), about))
        return sorted(members)

    def forget(self, instance: str, number: int, shard: int = 0) -> None:
        """See RecordStore."""
        self._primaries.run(shard, "forget", self._keys(shard).registry, [instance, number])

    def close(self) -> None:
        """See RecordStore."""
        self._primaries.close()

    def _keys(self, shard: int) -> keys.Keys:
        return self._primaries.keys(shard)

    def _documents(self, shard: int) -> Documents:
        return self._documents_of.setdefault(shard, Documents(self._primaries, shard))

    def _fetch(self, shard: int, wanted: Sequence[tuple[str, str]]) -> tuple[Head, list[StoredRecord | None]]:
        own = self._keys(shard)
        numbers: dict[str, int] = {}
        arguments: list[Argument] = []
        for kind, key in wanted:
            arguments += (numbers.setdefault(kind, len(numbers) + 1), key)
        answer = self._primaries.run(shard, "fetch", [own.meta, *map(own.documents, numbers)], arguments)
        documents = self._documents(shard)
        return head_of(answer.values), [
            None if stored is None else documents.record(kind, key, stored)
            for (kind, key), stored in zip(wanted, answer.values[3], strict=True)
        ]

    def _page(self, shard: int, kind: str, after: str, limit: int) -> list[StoredRecord]:
        own, documents = self._keys(shard), self._documents(shard)
        arguments: list[Argument] = [f"({after}" if after else "-", limit]
        (found,) = self._primaries.run(shard, "page", [own.meta, *own.of_kind(kind)[:2]], arguments).values
        return [
            documents.record(kind, key, stored)
            for key, stored in zip(found[::2], found[1::2], strict=True)
            if stored is not None
        ]

    def _initialise(self, shard: int, parameters: Parameters) -> None:
        own = self._keys(shard)
        with self._primaries.link(shard) as link:
            if not link.ask("EXISTS", own.meta):
                refuse_foreign(link, own)
        answer = self._primaries.run(
            shard,
            "initialise",
            [own.meta],
            [
                *(new_genesis(), secrets.token_hex(8)),
                *(parameters.lease_ms, parameters.clock_rate_ppm, parameters.shards),
            ],
            confirm=True,
        )
        if answer.status == "OTHER":
            raise self._other_parameters()

    def _change_lease(self, shard: int, part: str, change: str, parameters: Parameters) -> Answer:
        return self._primaries.run(
            shard,
            "change_lease",
            self._keys(shard).registry,
            [part, change, parameters.lease_ms, parameters.clock_rate_ppm, secrets.token_hex(8)],
            confirm=True,
        )

    @staticmethod
    def _other_parameters() -> StoreError:
        return StoreError("The record store in Redis was initialised with other parameters.")
