"""What an administrative server works on, on a store with a short lease."""

from pdp._core import Core, Policy
from pdp.records.barrier import Barrier
from pdp.records.calls import Pauses
from pdp.records.fleet import about
from pdp.records.follow import Follower
from pdp.records.service import Served
from pdp.records.shard import Host
from pdp.records.sqlite import SqliteStore
from pdp.records.store import RecordStore, open_store
from pdp.records.timing import Timing

LEASE_MS = 2_000
"""Shorter than the default, as some tests wait until it has run out; long enough for a busy machine."""

PORTAL_LEASE_MS = 300
"""Shorter still, where nothing is decided: every first write that waits for all waits this long."""


def shortened(url: str, lease_ms: int = LEASE_MS) -> RecordStore:
    """Makes a store with a short lease, without the time that changing one takes."""
    store = open_store(url)
    assert isinstance(store, SqliteStore)
    with store._file.connection() as db:
        db.execute("UPDATE meta SET lease_ms = ?", (lease_ms,))
    return store


def serving(store: RecordStore, core: Core, policy: Policy, name: str = "here") -> Served:
    """What an administrative server works on; its follower is loaded and started."""
    timing, pauses = Timing.of(store.parameters()), Pauses()
    barrier = Barrier(store, timing, pause=pauses.pause)
    host = Host(about=lambda: about(name, policy.revision), observe=barrier.observe)
    follower = Follower(store, core, timing=timing, host=host)
    follower.load()
    follower.start()
    return Served(
        store=store,
        policy=lambda: policy,
        follower=follower,
        barrier=barrier,
        timing=timing,
        pauses=pauses,
        settle_seconds=0.2,
        count=lambda path: core.count_event("barrier", path),
    )
