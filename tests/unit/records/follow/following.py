"""A store that can be tampered with, and a follower on it with a short lease."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from pdp._core import Core
from pdp.records.follow import Follower
from pdp.records.store import (
    Beat,
    Change,
    Delta,
    Head,
    Position,
    RecordStore,
    StoreError,
    StoreSnapshot,
    Written,
)
from pdp.records.timing import Timing

Decides = Callable[[Core, str], bool]

MS = 1_000_000
SHORT = Timing(lease_ns=300 * MS, beat_ns=50 * MS, wait_ns=400 * MS, settle_ns=400 * MS)


def door(name: str, *, is_open: bool = True) -> Change:
    return Change("door", name, b'{"id":"%s","open":%s}' % (name.encode(), b"true" if is_open else b"false"))


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "not within the time"
        time.sleep(0.005)


class Tampered:
    """A store that fails when told to, and whose beats can be answered otherwise."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self.error: Exception | None = None
        self.beats: list[Beat] = []
        self.snapshots = 0
        self.answer_beat: Callable[[Head], Head] = lambda head: head

    def beat(self, beat: Beat, shard: int = 0) -> Head:
        self._fail()
        self.beats.append(beat)
        return self.answer_beat(self._store.beat(beat, shard))

    def changes_since(self, position: Position, shard: int = 0, at_most: int = 200_000) -> Delta | None:
        self._fail()
        return self._store.changes_since(position, shard, at_most)

    def news(self, position: Position, shard: int = 0, seconds: float = 0.25) -> Delta | None:
        self._fail()
        return self._store.news(position, shard, seconds)

    def snapshot(self, shard: int = 0, kinds: Any = None) -> AbstractContextManager[StoreSnapshot]:
        self._fail()
        self.snapshots += 1
        return self._store.snapshot(shard, kinds)

    def _fail(self) -> None:
        if self.error:
            raise self.error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@contextmanager
def followed(store: object, core: Core) -> Iterator[Follower]:
    follower = Follower(store, core, timing=SHORT)  # type: ignore[arg-type]
    with suppress(StoreError):
        follower.load()
    follower.start()
    try:
        yield follower
    finally:
        follower.stop()


def drained_everywhere(store: RecordStore, written: Written) -> bool:
    return store.view(written.position.seq).behind == 0


def code(core: Core) -> str:
    request = {
        "subject": {"type": "user", "id": "alice"},
        "action": {"name": "pass"},
        "resource": {"type": "door", "id": "a"},
    }
    answer: dict[str, Any] = json.loads(core.check(json.dumps(request).encode()))
    return "ALLOW" if answer["allow"] else str(answer["reasons"][0]["code"])
