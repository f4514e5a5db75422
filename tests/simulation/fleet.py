"""Sidecars and a waiter made of our own code, on simulated clocks, networks and nodes; and the oracle."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest

from pdp._core import Core, Policy
from pdp.records.barrier import Barrier, Outcome, Path
from pdp.records.history import History
from pdp.records.packing import pack
from pdp.records.shard import Host, ShardFollower
from pdp.records.store import (
    Beat,
    Change,
    Delta,
    Fetched,
    Head,
    Member,
    PackedWrite,
    Parameters,
    Position,
    RegistryView,
    Step,
    StoredRecord,
    StoreError,
    UninitialisedError,
    Written,
)
from pdp.records.timing import Timing
from tests.simulation import protections as variants
from tests.simulation.cluster import RELAXED_REPOINTING, Cluster, Data, Entry, Link, Node
from tests.simulation.protections import Protections
from tests.simulation.world import UNIT_NS, Clock, Signal, World

DOORS = 64
AT_MS = 1_800_000_000_000


def lock(number: int) -> Change:
    return Change("lock", str(number), b"{}")


def request(number: int) -> bytes:
    return json.dumps(
        {
            "subject": {"type": "user", "id": "someone"},
            "action": {"name": "pass"},
            "resource": {"type": "door", "id": str(number)},
        }
    ).encode()


def timing(world: World, on: Protections) -> Timing:
    rate = world.trouble.rate_error
    lease = 100 * UNIT_NS
    wait = int(lease * (1 + rate) / (1 - rate)) + UNIT_NS // 100 if on.margin else lease
    promotion = RELAXED_REPOINTING * UNIT_NS * (1 + rate) if on.relaxed and on.promotion_margin else 0
    return Timing(
        lease_ns=lease,
        beat_ns=30 * UNIT_NS,
        wait_ns=wait,
        settle_ns=wait + int(promotion) if on.settle else 0,
    )


class Snapshot:
    def __init__(self, data: Data) -> None:
        self.position = data.position()
        self._records: dict[str, StoredRecord] = {}
        for entry in data.log:
            for change in entry.changes:
                assert change.value is not None
                self._records[change.key] = StoredRecord(
                    change.kind, change.key, change.value, entry.position.seq
                )

    def chunks(self, *, kind: str | None = None, in_order: bool = False) -> Iterator[list[StoredRecord]]:
        yield list(self._records.values())


class SimulatedStore:
    """A `RecordStore` of one process."""

    acks = 0
    promotion_seconds = 0.0

    def __init__(self, world: World, cluster: Cluster, clock: Clock, on: Protections) -> None:
        self._world, self._cluster, self._clock, self._on = world, cluster, clock, on
        self._link = Link(world, cluster)
        self._scripts = cluster.scripts

    def write(
        self, changes: Sequence[Change], write_id: str | None = None, *, barrier: bool = False
    ) -> Written:
        assert write_id is not None
        written: Written = self._link.call(
            lambda node: self._scripts.write(node, tuple(changes), write_id, barrier),
            self._on.acks if self._on.writes_acknowledged else 0,
        )
        self._cluster.safe.add(write_id)
        return written

    def beat(self, beat: Beat, shard: int = 0) -> Head:
        acks = self._on.acks if self._on.beats_acknowledged else 0
        head: Head = self._link.call(lambda node: self._scripts.beat(node, beat), acks)
        return head

    def view(self, seq: int, shard: int = 0) -> RegistryView:
        view: RegistryView = self._link.call(lambda node: self._scripts.view(node, seq))
        return view

    def forget(self, instance: str, number: int, shard: int = 0) -> None:
        self._link.call(lambda node: self._scripts.forget(node, instance, number))

    @contextmanager
    def snapshot(self, shard: int = 0, kinds: Sequence[str] | None = None) -> Iterator[Snapshot]:
        yield Snapshot(self._link.call(self._read, any_node=self._world.draw.random() < 0.3))

    def _read(self, node: Node) -> Data:
        data = node.data
        if not self._on.genesis and data.genesis is None:
            return Data(genesis=bytes(20))
        data.position()
        return data

    def changes_since(self, position: Position, shard: int = 0, at_most: int = 0) -> Delta | None:
        data: Data = self._link.call(self._read, any_node=self._world.draw.random() < 0.3)
        if len(data.log) < position.seq:
            # Merely behind, or another history: the next beat says.
            return Delta([], [])
        if self._on.chain and not data.holds(position):
            return None
        new: Sequence[Entry] = data.log[position.seq :]
        writes = [
            PackedWrite(entry.position.seq, pack(change[:3] for change in entry.changes)) for entry in new
        ]
        return Delta(writes, [Step(entry.position, entry.barrier) for entry in new])

    def news(self, position: Position, shard: int = 0, seconds: float = 0.25) -> Delta | None:
        hang = self._world.draw.random() * 250 if self._world.draw.random() < self._world.trouble.hang else 0
        self._world.sleep(self._world.draw.random() * 3 + hang)
        return self.changes_since(position, shard)

    def parameters(self) -> Parameters:
        raise NotImplementedError

    initialise: Any = None
    shard_of: Any = None
    head: Any = None
    get: Any = None
    page: Any = None
    counts: Any = None
    close: Any = None

    def fetch(self, shard: int, keys: Sequence[tuple[str, str]]) -> Fetched:
        raise NotImplementedError

    def members(self, shard: int = 0) -> list[Member]:
        raise NotImplementedError


class Undrained:
    """A core that says it is drained at once: without `drain`."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def drained(self, shard: int) -> int:
        return int(self._core.state_token().partition(".")[0])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)


def follower_class(on: Protections) -> type[ShardFollower]:
    if not on.asked_before:
        return variants.AskedAfter
    return ShardFollower if on.first_proof else variants.Unregistered


def history_class(on: Protections) -> type[History]:
    if not on.chain:
        return variants.NumbersOnly
    return History if on.head_held else variants.AnyHead


class Sidecar:
    """One process: a core, the threads that follow, and requests."""

    def __init__(self, simulation: "Simulation", name: str) -> None:
        self.simulation, self.name = simulation, name
        self.world, self.on = simulation.world, simulation.on
        self.clock = Clock(self.world)
        self.core = Core(cache_bytes=0, manual_clock=True)
        self.core.set_policy(simulation.policy)
        self.alive = self.serving = True
        self._under_way = 0
        store = SimulatedStore(self.world, simulation.cluster, self.clock, self.on)
        host = Host(
            clock=self.tick,
            signal=lambda: Signal(self.world, self.clock),
            random=self.world.draw.random,
            instance=name,
        )
        core: Any = self.core if self.on.drain else Undrained(self.core)
        self.follower = follower_class(self.on)(store, core, 0, simulation.timing, host)  # type: ignore[arg-type]
        self.world.spawn(self.follower.follow)
        self.world.spawn(self.follower.beat_on)

    def tick(self) -> int:
        now = self.clock()
        self.core.set_clock_ns(now)
        return now

    def kill(self) -> None:
        """Nothing of it answers any more; its threads end when they next look."""
        self.alive = self.serving = False
        self.follower.stop()

    def leave(self) -> None:
        """The orderly end: no new requests, those under way answered, then out of the registry."""
        self.serving = False
        while self._under_way:
            self.world.sleep(1)
        self.follower.stop()
        with suppress(StoreError):
            self.follower.leave()
        self.alive = False

    def answer(self, number: int, began: float) -> None:
        """One request that began at its gateway at a moment of real time."""
        world = self.world
        world.step()
        if not self.serving:
            return
        self._under_way += 1
        self.tick()
        held = self.core.hold(request(number), AT_MS)
        fresh = self.core.fresh_for_ns() > 0
        world.step()
        if world.draw.random() < world.trouble.slow_requests:
            world.sleep(world.draw.random() * 60)
        world.step()
        self.tick()
        if not self.on.check_after:
            allow = held.allow and fresh
        elif not self.on.bound_deadline:
            allow = held.allow and self.core.fresh_for_ns() > 0
        else:
            allow = held.allow and held.in_time()
        checked = world.now
        world.step()
        held.release()
        self._under_way -= 1
        if self.alive:
            self.simulation.answered(number, began, checked, allow=allow, who=self.name)


class Simulation:
    """One run: nodes, sidecars that come and go, requests, locks with barriers, and the anomalies found."""

    def __init__(self, seed: int, policy: Policy, on: Protections) -> None:
        self.world, self.policy, self.on = World(seed), policy, on
        self.timing = timing(self.world, on)
        self.cluster = Cluster(self.world, on)
        self.cluster.on_initialise = self._initialised
        self.anomalies: list[str] = []
        self.returned: dict[int, float] = {}
        self.paths = {Path.FAST: 0, Path.TIMED: 0}
        self.allowed = self.denied = 0
        self._names = 0
        self._locking = 0
        self.fleet = [self._new() for _ in range(self.world.draw.choice([2, 2, 3]))]
        for work in (self._requests, self._churn, self._lock):
            self.world.spawn(work)

    def run(self, until: float = 2_500) -> "Simulation":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pdp.records.shard.History", history_class(self.on))
            self.world.run(until)
        return self

    def _new(self) -> Sidecar:
        self._names += 1
        return Sidecar(self, f"sidecar-{self._names}")

    def _initialised(self) -> None:
        """Somebody made the store anew: what was locked in the old one is not locked in it."""
        self.returned.clear()

    def answered(self, number: int, began: float, checked: float, *, allow: bool, who: str) -> None:
        """The oracle: G1 and G2 of the protocol."""
        self.allowed += allow
        self.denied += not allow
        returned = self.returned.get(number)
        if not allow or returned is None:
            return
        if began > returned:
            self.anomalies.append(f"G1: {who} allowed a request that began {began - returned:.1f} after")
        elif checked > returned:
            self.anomalies.append(f"G2: {who} passed its last check {checked - returned:.1f} after")

    def _requests(self) -> None:
        world = self.world
        while True:
            world.sleep(world.draw.random() * 2)
            number = max(0, self._locking - world.draw.choice([0, 0, 0, 1])) % DOORS
            sidecar, began = world.draw.choice(self.fleet), world.now
            world.at(world.travel(), partial(world.spawn, partial(sidecar.answer, number, began)))

    def _churn(self) -> None:
        world, draw = self.world, self.world.draw
        while True:
            world.sleep(draw.expovariate(1 / world.trouble.churn))
            place = draw.randrange(len(self.fleet))
            if draw.random() >= world.trouble.kill and len(self.fleet) < 4:
                self.fleet.append(self._new())
            else:
                old, self.fleet[place] = self.fleet[place], self._new()
                if draw.random() < 0.3:
                    old.kill()
                else:
                    world.spawn(old.leave)

    def _lock(self) -> None:
        """The waiter: locks one door after the other, each with a barrier."""
        world, draw = self.world, self.world.draw
        clock = Clock(world)
        store = SimulatedStore(world, self.cluster, clock, self.on)
        barrier = self._barrier(store, clock)
        while self._locking < DOORS:
            world.sleep(draw.expovariate(1 / 40))
            for _ in range(draw.randrange(3)):
                self._note(store)
            number = self._locking
            world.sleep(20 + draw.random() * 60)
            if draw.random() < 0.4 and len(self.fleet) < 5:
                self.fleet.append(self._new())
            world.sleep(draw.random() * 10)
            outcome = self._locked(barrier, number)
            # A store that was made anew since does not hold it.
            made_anew = self.cluster.scripts.written_in[outcome.write_id] != self.cluster.genesis
            if outcome.path and not made_anew:
                self.returned[number] = world.now
                self.paths[outcome.path] += 1
            self._locking += 1

    def _locked(self, barrier: Barrier, number: int) -> Outcome:
        while True:
            try:
                return barrier.write([lock(number)], f"lock-{number}", timeout_seconds=1e6)
            except UninitialisedError:
                self.world.sleep(2)

    def _note(self, store: SimulatedStore) -> None:
        """An ordinary write, which may be lost."""
        self._names += 1
        try:
            store.write([Change("lock", "other", b"{}")], f"note-{self._names}")
        except StoreError:
            return

    def _barrier(self, store: SimulatedStore, clock: Clock) -> Barrier:
        class_ = Barrier if self.on.silence else variants.Hasty
        used = self.timing
        barrier = class_(
            store,  # type: ignore[arg-type]
            used,
            clock=clock,
            pause=lambda seconds: self.world.sleep(clock.units(seconds)),
        )
        if not self.on.fast:
            store.view = _no_view  # type: ignore[method-assign]
        return barrier


def _no_view(seq: int, shard: int = 0) -> RegistryView:
    """Without the fast path."""
    raise StoreError("the registry is not looked at")
