"""Records that a core does not hold whole: what its decisions miss is fetched in batches."""

import logging
import threading
from collections import defaultdict

from pdp._core import Core
from pdp.records.shard import ShardFollower, fitting
from pdp.records.store import RecordStore, StoreError

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.25
_CATCH_UP_SECONDS = 2.0


class Fetcher:
    """A thread that fetches the records that decisions wait for.

    While one batch is fetched the next one gathers, so that a burst of misses costs few round trips. Records
    are supplied at a position that the shard's state has reached, so that no decision mixes two states.
    """

    def __init__(self, store: RecordStore, core: Core, shards: list[ShardFollower]) -> None:
        self._store, self._core, self._shards = store, core, shards
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="records-fetcher", daemon=True)

    def start(self) -> None:
        """Starts fetching."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; a batch under way is finished first."""
        self._stopping = True
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            missed: dict[int, list[tuple[str, str]]] = defaultdict(list)
            for kind, key in self._core.take_misses(_LOOK_SECONDS):
                missed[self._store.shard_of(kind, key)].append((kind, key))
            for shard, keys in missed.items():
                try:
                    self._fetch(shard, keys)
                except Exception as error:
                    # The decisions that wait are denied when their time is over; the next ones ask again.
                    unforeseen = None if isinstance(error, StoreError) else error
                    log.warning(
                        "Records that decisions need cannot be fetched: %s", error, exc_info=unforeseen
                    )

    def _fetch(self, shard: int, keys: list[tuple[str, str]]) -> None:
        fetched = self._store.fetch(shard, keys)
        reached = self._shards[shard].wait_until(
            # Of this very history: a deposed primary may be at a number that the state has reached too.
            lambda history: history.contains(fetched.position),
            _CATCH_UP_SECONDS,
        )
        with fitting():
            supplied = reached and self._core.supply(shard, fetched.records, fetched.position.seq)
        if not supplied:
            raise StoreError("The record store's history is not reached yet.")
