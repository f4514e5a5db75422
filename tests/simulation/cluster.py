"""Three Redis nodes: asynchronous replication, lossy failover, deposed primaries that keep serving, pauses,
restarts with nothing, FLUSHALL. Operations are the scripts of the store, each atomic."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from greenlet import greenlet

from pdp.records.chain import next_chain
from pdp.records.store import (
    Beat,
    Change,
    ForkError,
    Head,
    Position,
    RegistryView,
    StoreError,
    UninitialisedError,
    Written,
)
from tests.simulation.protections import Protections
from tests.simulation.world import World

RELAXED_REPOINTING = 60.0
"""D: within this long of a promotion replicas stop to acknowledge to the old primary."""


@dataclass(frozen=True)
class Entry:
    write_id: str
    changes: tuple[Change, ...]
    barrier: bool
    position: Position


@dataclass(frozen=True)
class Data:
    """What a node holds; immutable, so that replication is a reference."""

    genesis: bytes | None = None
    incarnation: int = 0
    log: tuple[Entry, ...] = ()
    epoch: str = ""
    members: Mapping[str, int] = field(default_factory=dict)
    acks: Mapping[str, int] = field(default_factory=dict)

    def position(self) -> Position:
        if self.genesis is None:
            raise UninitialisedError("empty")
        return self.log[-1].position if self.log else Position(0, self.genesis)

    def holds(self, position: Position) -> bool:
        if position.seq == 0:
            return position.chain == self.genesis
        return len(self.log) >= position.seq and self.log[position.seq - 1].position == position


class Node:
    def __init__(self, world: World, number: int) -> None:
        self.world, self.number = world, number
        self.primary = False
        self.replication_id = ""
        self.versions = [Data()]
        self.acknowledged: dict[int, int] = {}
        self.master: Node | None = None
        self.paused_until = 0.0
        self._link = 0
        self._received: tuple[str, int, int] = ("", -1, -1)
        self._waiting: list[tuple[int, int, Callable[[], None]]] = []

    @property
    def data(self) -> Data:
        return self.versions[-1]

    def put(self, data: Data) -> None:
        self.versions.append(data)

    def wait(self, acks: int, done: Callable[[], None]) -> None:
        """WAIT: calls `done` once so many replicas hold what is here now."""
        self._waiting.append((len(self.versions) - 1, acks, done))
        self._check()

    def _check(self) -> None:
        waiting, self._waiting = self._waiting, []
        for index, acks, done in waiting:
            if sum(held >= index for held in self.acknowledged.values()) >= acks:
                done()
            else:
                self._waiting.append((index, acks, done))

    def promote(self) -> None:
        self.primary, self.master = True, None
        self.replication_id = f"r{self.number}-{self.world.now}"
        self.versions, self.acknowledged, self._waiting = [self.data], {}, []
        self._link += 1

    def follow(self, master: "Node") -> None:
        self.primary, self.master, self._waiting = False, master, []
        self._link += 1

    def replicate(self) -> None:
        """The replica's thread: takes what its master had a moment ago, and says so."""
        world = self.world
        while True:
            stall = world.draw.random() * 120 if world.draw.random() < 0.01 else 0
            world.sleep(world.draw.random() * 3 + stall)
            master = self.master
            asleep = self.paused_until > world.now or (master and master.paused_until > world.now)
            if self.primary or master is None or not master.primary or asleep:
                continue
            index = len(master.versions) - 1
            source = (master, master.replication_id, self._link, index, master.versions[index])
            world.at(world.draw.random() * 2, partial(self._receive, *source))

    def _receive(self, master: "Node", replication_id: str, link: int, index: int, data: Data) -> None:
        known, known_link, known_index = self._received
        if self._link != link or master.replication_id != replication_id:
            return
        if (known, known_link) == (replication_id, link) and known_index > index:
            return
        self._received = (replication_id, link, index)
        self.versions = [data]

        def acknowledge() -> None:
            if master.primary and master.replication_id == replication_id:
                master.acknowledged[self.number] = max(master.acknowledged.get(self.number, -1), index)
                master._check()

        self.world.at(self.world.draw.random() * 2, acknowledge)


class Scripts:
    """The store's scripts, with the protections that a variant leaves to them."""

    def __init__(self, protections: Protections) -> None:
        self._on = protections
        self.written_in: dict[str, bytes | None] = {}
        """The genesis of the history that holds a write, by its id."""

    def _current(self, node: Node) -> Data:
        data = node.data
        if data.genesis is None and not self._on.genesis:
            data = replace(data, genesis=bytes(20))
        data.position()
        epoch = f"{node.replication_id}:{data.incarnation if self._on.incarnation else ''}"
        if data.epoch != epoch:
            data = replace(data, epoch=epoch, members={}, acks={})
        return data

    def initialise(self, node: Node, genesis: bytes, incarnation: int) -> None:
        if node.data.genesis is None:
            node.put(Data(genesis=genesis, incarnation=incarnation))

    def write(self, node: Node, changes: tuple[Change, ...], write_id: str, barrier: bool) -> Written:
        data = self._current(node)
        self.written_in[write_id] = data.genesis
        for entry in data.log:
            if entry.write_id == write_id:
                if self._on.touch:
                    node.put(data)
                return Written(0, data.epoch, entry.position)
        before = data.position()
        digest = write_id.encode().ljust(20)[:20]
        position = Position(before.seq + 1, next_chain(before.chain, before.seq + 1, write_id, digest))
        node.put(replace(data, log=(*data.log, Entry(write_id, changes, barrier, position))))
        return Written(0, data.epoch, position)

    def beat(self, node: Node, beat: Beat) -> Head:
        data = self._current(node)
        if self._on.chain and not data.holds(beat.position):
            raise ForkError("not in the history")
        if not self._on.chain and beat.position.seq > len(data.log):
            raise ForkError("beyond the history")
        members = {**data.members, beat.instance: beat.number}
        acks = {**data.acks, beat.instance: beat.drained}
        data = replace(data, members=members, acks=acks)
        node.put(data)
        return Head(data.epoch, data.position())

    def view(self, node: Node, seq: int) -> RegistryView:
        data = self._current(node)
        if data is not node.data:
            node.put(data)
        behind = [instance for instance, drained in data.acks.items() if drained < seq]
        stragglers = tuple((instance, data.members[instance]) for instance in behind[:10])
        return RegistryView(data.epoch, len(behind), stragglers)

    def forget(self, node: Node, instance: str, number: int) -> None:
        data = self._current(node)
        if data.members.get(instance) == number:
            left = {name: beat for name, beat in data.members.items() if name != instance}
            acks = {name: drained for name, drained in data.acks.items() if name != instance}
            node.put(replace(data, members=left, acks=acks))


class Cluster:
    """The nodes, who is the primary, and everything that goes wrong with them."""

    def __init__(self, world: World, protections: Protections) -> None:
        self.world, self.scripts, self._on = world, Scripts(protections), protections
        self.nodes = [Node(world, number) for number in range(3)]
        self.primary = self.nodes[0]
        self.safe: set[str] = set()
        self.on_initialise: Callable[[], None] = lambda: None
        self._made = 0
        self.genesis = b""
        """Of the history that somebody made last."""
        self.failovers = self.emptied = 0
        self.primary.promote()
        self._initialise()
        for node in self.nodes[1:]:
            node.versions = [self.primary.data]
            node.master = self.primary
        for node in self.nodes:
            world.spawn(node.replicate)
        world.spawn(self._chaos)

    def _initialise(self) -> None:
        self._made += 1
        genesis = bytes([self._made]) * 20
        self.scripts.initialise(self.primary, genesis, self._made)
        if self.primary.data.genesis == genesis:
            self.genesis = genesis
            self.safe.clear()
            self.on_initialise()

    def _chaos(self) -> None:
        world, draw = self.world, self.world.draw
        while True:
            world.sleep(draw.expovariate(1 / world.trouble.calm))
            luck = draw.random()
            if luck < 0.25:
                draw.choice(self.nodes).paused_until = world.now + draw.random() * 200
            elif luck < 0.33:
                self._empty(restart=True)
            elif luck < 0.45:
                self._empty(restart=False)
            else:
                self._fail_over()

    def _empty(self, *, restart: bool) -> None:
        """The primary restarts with nothing before anybody notices, or is flushed; sooner or later somebody
        initialises it again. A flush keeps the replication id."""
        self.emptied += 1
        primary = self.primary
        primary.put(Data())
        if restart:
            primary.promote()
            for node in self.nodes:
                if node is not primary and node.master is primary:
                    node.follow(primary)
        self.world.at(self.world.draw.choice([1, 5, 20, 90]) * self.world.draw.random(), self._initialise)

    def _fail_over(self) -> None:
        world, draw = self.world, self.world.draw
        replicas = [node for node in self.nodes if not node.primary]
        if self._on.relaxed:
            replicas = [node for node in replicas if self.safe <= {entry.write_id for entry in node.data.log}]
        if not replicas:
            return
        self.failovers += 1
        old, new = self.primary, draw.choice(replicas)
        new.promote()
        self.primary = new
        if draw.random() < 0.3:
            old.paused_until = max(old.paused_until, world.now + draw.random() * 400)
        for node in self.nodes:
            if not node.primary:
                late = RELAXED_REPOINTING * 0.9 if self._on.relaxed else draw.choice([5, 60, 300])
                world.at(draw.random() * late, partial(self._repoint, node))
        world.at(draw.choice([5, 60, 400, 900]) * draw.random(), lambda: self._repoint(old))

    def _repoint(self, node: Node) -> None:
        if node is not self.primary:
            node.follow(self.primary)


class Link:
    """A process's connection: its idea of who the primary is, delays, losses, cuts, time-outs."""

    def __init__(self, world: World, cluster: Cluster) -> None:
        self._world, self._cluster = world, cluster
        self._target = cluster.primary
        self._sticky = world.draw.random() < 0.25
        self._cut_until = 0.0
        world.spawn(self._resolve)
        world.spawn(self._cuts)

    def _resolve(self) -> None:
        while True:
            self._world.sleep(self._world.draw.expovariate(1 / (400 if self._sticky else 40)))
            self._target = self._cluster.primary

    def _cuts(self) -> None:
        draw = self._world.draw
        while True:
            self._world.sleep(draw.expovariate(1 / self._world.trouble.cuts))
            self._cut_until = self._world.now + draw.choice([50, 150, 400]) * draw.random()

    def call(self, operation: Callable[[Node], Any], acks: int = 0, *, any_node: bool = False) -> Any:
        """Runs an operation on the node that this process takes for the primary, waits for acknowledgements,
        gives its result. Raises StoreError, also when the operation may have happened."""
        world = self._world
        node = world.draw.choice(self._cluster.nodes) if any_node else self._target
        world.step()
        answer = _Answer(world)
        world.at(world.draw.choice([30, 80, 400]), lambda: answer.give(StoreError("timed out")))

        def reply(result: Any) -> None:
            if not world.lost() and self._cut_until <= world.now:
                world.at(world.travel(), lambda: answer.give(result))

        def arrive() -> None:
            if node.paused_until > world.now:
                world.at(node.paused_until - world.now + world.draw.random(), arrive)
                return
            if not node.primary and not any_node:
                reply(StoreError("read only"))
                return
            before = len(node.versions)
            try:
                result = operation(node)
            except StoreError as error:
                result = error
            # WAIT returns at once when this connection wrote nothing.
            if acks and len(node.versions) != before and not isinstance(result, StoreError):
                node.wait(acks, lambda: reply(result))
            else:
                reply(result)

        if not world.lost() and self._cut_until <= world.now:
            world.at(world.travel(), arrive)
        result = answer.wait()
        world.step()
        if isinstance(result, StoreError):
            raise result
        return result


class _Answer:
    def __init__(self, world: World) -> None:
        self._world = world
        self._given: list[Any] = []
        self._wake: Callable[[], None] | None = None

    def give(self, result: Any) -> None:
        if not self._given:
            self._given.append(result)
            if self._wake:
                self._wake()

    def wait(self) -> Any:
        if not self._given:
            here = greenlet.getcurrent()
            self._wake = lambda: self._world.at(0, here.switch)
            self._world.suspend()
        return self._given[0]
