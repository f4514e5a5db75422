"""Where the records of a `DecisionPoint` stand: in this process only, or in a store that it follows."""

import os
import socket
import threading
from collections.abc import Sequence
from typing import Protocol

from pdp._core import Core, Policy
from pdp.config import Settings
from pdp.configured import configured_core, configured_timing
from pdp.records.chain import ChangesDigest, new_genesis, next_chain
from pdp.records.fleet import about
from pdp.records.follow import Follower
from pdp.records.packing import pack
from pdp.records.shard import Host
from pdp.records.store import Change, RecordStore, open_store

CanonicalChange = tuple[str, str, bytes | None]

_FENCE_SECONDS = 1.0


class State(Protocol):
    """Where a decision point's records stand."""

    def apply(self, changes: Sequence[CanonicalChange]) -> str:
        """All changes in one step; gives the state token."""

    def close(self) -> None:
        """Ends what keeps the records up to date."""


class OwnState:
    """Records in this process only."""

    def __init__(self, core: Core) -> None:
        self._core, self._lock = core, threading.Lock()
        self._seq, self._chain = 0, new_genesis()
        core.install(0, core.snapshot(), self._seq, self._chain)

    def apply(self, changes: Sequence[CanonicalChange]) -> str:
        """See State."""
        with self._lock:
            if changes:
                digest = ChangesDigest()
                for change in changes:
                    digest.add(Change(*change))
                seq = self._seq + 1
                chain = next_chain(self._chain, seq, "", digest.digest())
                self._core.apply(0, [(seq, pack(changes))], seq, chain)
                self._seq, self._chain = seq, chain
            return self._core.state_token()

    def close(self) -> None:
        """Nothing to end."""


class StoredState:
    """Records in a store, followed in threads; a member of the store's registry like any sidecar."""

    def __init__(self, core: Core, store: RecordStore, follower: Follower) -> None:
        self._core, self._store, self._follower = core, store, follower

    @classmethod
    def opened(cls, url: str, settings: Settings, policy: Policy) -> tuple[Core, "StoredState"]:
        """Opens the store and loads it into a core of its own. Raises RecordsError."""
        store = open_store(url, create=False)
        try:
            timing = configured_timing(store, settings)
            core = configured_core(settings, store.parameters().shards)
            core.set_policy(policy)
            name = f"{socket.gethostname()} {os.getpid()} (library)"
            host = Host(about=lambda: about(name, policy.revision))
            on_demand = settings.records_mode == "on_demand"
            follower = Follower(store, core, timing=timing, host=host, on_demand=on_demand)
            follower.load()
        except BaseException:
            store.close()
            raise
        follower.start()
        return core, cls(core, store, follower)

    def apply(self, changes: Sequence[CanonicalChange]) -> str:
        """See State. Raises RecordsError."""
        written = self._store.write(Change(*change) for change in changes)
        self._follower.catch_up(written)
        return written.token()

    def close(self) -> None:
        """See State. From then on every decision is a denial."""
        self._follower.stop()
        if self._follower.fence(_FENCE_SECONDS):
            self._follower.leave()
        self._store.close()
