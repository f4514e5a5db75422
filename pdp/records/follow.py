"""Keeps a core at the head of its record store, shard by shard, with proofs that it is fresh."""

import threading
import time
from contextlib import suppress
from dataclasses import replace

from pdp._core import Core
from pdp.records.chain import HASH_BYTES
from pdp.records.on_demand import Fetcher
from pdp.records.shard import Host, ShardFollower
from pdp.records.store import RecordStore, StoreError, Written
from pdp.records.timing import Timing


class Follower:
    """The threads that follow a store, two for each shard.

    Args:
        store: where the records are.
        core: what decides on them; made for as many shards as the store has.
        timing: of freshness proofs; without it, from the store's own parameters.
        host: what the threads need of the process.
        on_demand: hold only the kinds that the core's policy declares as replicated, fetch others as they
            are used.
    """

    def __init__(
        self,
        store: RecordStore,
        core: Core,
        *,
        timing: Timing | None = None,
        host: Host | None = None,
        on_demand: bool = False,
    ) -> None:
        parameters = store.parameters()
        timing = timing or Timing.of(parameters, store.promotion_seconds)
        host = host or Host()
        if on_demand:
            host = replace(host, kinds=lambda: core.policy.replicated_kinds if core.policy else ())
        self._core = core
        self.instance = host.instance
        """Random id of this process start, as the registry has it."""
        self.shards = [ShardFollower(store, core, shard, timing, host) for shard in range(parameters.shards)]
        self._fetcher = Fetcher(store, core, self.shards) if on_demand else None
        self._threads: list[threading.Thread] = []

    def load(self) -> None:
        """Loads every shard in this thread. Raises StoreError."""
        for shard in self.shards:
            shard.look()

    def start(self) -> None:
        """Starts to follow, in threads of its own."""
        for number, shard in enumerate(self.shards):
            for work in (shard.follow, shard.beat_on):
                name = f"records-{work.__name__}-{number}"
                self._threads.append(threading.Thread(target=work, name=name, daemon=True))
        for thread in self._threads:
            thread.start()
        if self._fetcher:
            self._fetcher.start()

    def stop(self) -> None:
        """Stops following. The core keeps its state, which goes stale when its last proof runs out."""
        for shard in self.shards:
            shard.stop()
        for thread in self._threads:
            thread.join()
        if self._fetcher and self._threads:
            self._fetcher.stop()
        self._threads = []

    def fence(self, seconds: float) -> bool:
        """Makes every decision from now on a denial, and waits until nothing decided before is used any more:
        neither by answers under way nor by gateways that keep them under a lease. To be called once stopped.

        Returns:
            False when some still is after so many seconds.
        """
        ends = time.monotonic() + seconds
        for number, shard in enumerate(self.shards):
            seq = shard.position.seq + 1 if shard.position else 1
            self._core.install(number, self._core.snapshot(), seq, bytes(HASH_BYTES), deadline_ns=0)
            while self._core.drained(number) < seq:
                if time.monotonic() >= ends:
                    return False
                time.sleep(0.001)
        return True

    def leave(self) -> None:
        """Takes this sidecar out of the registry, so that no barrier waits for it; only after `fence` gave
        True. Where the store cannot be reached the registry forgets it in time.
        """
        for shard in self.shards:
            with suppress(StoreError):
                shard.leave()

    def catch_up(self, written: Written, timeout_seconds: float = 30.0) -> None:
        """Returns once the core decides on a write.

        Raises:
            StoreError: not within the time, or the store has another history by now.
        """
        began = time.monotonic()
        at = written.position
        shard = self.shards[written.shard]
        if not shard.wait_until(lambda history: history.covers(at), timeout_seconds):
            waited = time.monotonic() - began
            raise StoreError(f"This sidecar does not decide on {written.token()} after {waited:.0f} s.")
