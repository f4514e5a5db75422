"""Rounds of mixed troubles from one seed: with sidecars, with the store and with links, all at once."""

import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.gateway import Gateway, gateways_of
from tests.faults.links import FROM_SERVER, TO_SERVER, Link
from tests.faults.nodes import Node
from tests.faults.stage import LEASE_SECONDS, STRICT, Stage

DIRECTIONS = (TO_SERVER, FROM_SERVER)
SETUPS = ("single", "pair", "file")
"""A Redis server that keeps every write; a primary and a replica that must acknowledge; a SQLite file."""


class Round(NamedTuple):
    """How a round went."""

    setup: str
    seed: int
    troubles: list[str]
    anomalies: list[str]
    numbers: dict[str, Any]


class Mix:
    """Troubles of one stage. Each kind has a thread of its own, so that they come together."""

    def __init__(self, stage: Stage, nodes: list[Node], gateways: list[Gateway], seed: int) -> None:
        self.stage, self.nodes, self._gateways = stage, nodes, gateways
        self.did: list[str] = []
        self.failed: list[BaseException] = []
        self._seed = seed
        self._over = threading.Event()

    @property
    def primary(self) -> Node:
        return self.nodes[0]

    def run(self, seconds: float) -> None:
        """Makes trouble for a while, then waits until all of it is undone."""
        kinds: list[tuple[str, list[Callable[[random.Random], None]]]] = [
            ("sidecars", [self._kill_sidecar, self._end_sidecar, self._stop_sidecar]),
            ("store", self._of_store()),
            ("gateways", [self._deafen]),
        ]
        if self.stage.links:
            kinds.append(("links", [self._cut, self._hang, self._slow, self._reset]))
        threads = [threading.Thread(target=self._make, args=kind) for kind in kinds]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self._over.set()
        for thread in threads:
            thread.join()
        if self.failed:
            raise self.failed[0]

    def _make(self, kind: str, troubles: list[Callable[[random.Random], None]]) -> None:
        draw = random.Random(f"{self._seed} {kind}")
        try:
            while not self._over.wait(draw.expovariate(1 / (1.5 * LEASE_SECONDS))):
                trouble = draw.choice(troubles)
                self.did.append(trouble.__name__.strip("_"))
                trouble(draw)
        except BaseException as error:  # noqa: BLE001 - told by `run`
            self.failed.append(error)
            self._over.set()

    def _of_store(self) -> list[Callable[[random.Random], None]]:
        if not self.nodes:
            return [self._hold_file, self._lose_registry]
        if len(self.nodes) == 1:
            return [self._kill_redis, self._stop_redis, self._trim, self._fill_memory, self._fill_disk]
        return [self._stop_redis, self._trim, self._fill_memory, self._promote, self._promote]

    def _while(self, draw: random.Random) -> None:
        """Most troubles are shorter than a lease, some are longer."""
        time.sleep(LEASE_SECONDS * draw.choice([0.2, 0.5, 0.8, 1.5, 2.5]) * (0.5 + draw.random()))

    # ── sidecars ───────────────────────────────────────────────────────────────────────────────────────────

    def _kill_sidecar(self, draw: random.Random) -> None:
        name = draw.choice([*self.stage.fleet.places])
        self.stage.fleet.kill(name)
        self._while(draw)
        self.stage.fleet.start(name, patience_seconds=30)

    def _end_sidecar(self, draw: random.Random) -> None:
        """An orderly end, in which it leaves the registry."""
        name = draw.choice([*self.stage.fleet.places])
        self.stage.fleet.kill(name, signal.SIGTERM)
        self._while(draw)
        self.stage.fleet.start(name, patience_seconds=30)

    def _stop_sidecar(self, draw: random.Random) -> None:
        with self.stage.fleet.stopped(draw.choice([*self.stage.fleet.places])):
            self._while(draw)

    def _deafen(self, draw: random.Random) -> None:
        with draw.choice(self._gateways).deafened():
            self._while(draw)

    # ── links ──────────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _a_link(self, draw: random.Random) -> Iterator[Link]:
        link = self.stage.links[draw.choice([*self.stage.links])]
        yield link
        self._while(draw)
        link.repair()

    def _cut(self, draw: random.Random) -> None:
        with self._a_link(draw) as link:
            link.cut()

    def _hang(self, draw: random.Random) -> None:
        with self._a_link(draw) as link:
            link.hang(draw.choice(DIRECTIONS))

    def _slow(self, draw: random.Random) -> None:
        with self._a_link(draw) as link:
            link.slow(draw.choice(DIRECTIONS), draw.choice([50, 300, 900, 1_800]), jitter=50)

    def _reset(self, draw: random.Random) -> None:
        with self._a_link(draw) as link:
            link.reset(FROM_SERVER, draw.choice([20, 200]))

    # ── the store ──────────────────────────────────────────────────────────────────────────────────────────

    def _kill_redis(self, draw: random.Random) -> None:
        self.primary.kill()
        self._while(draw)
        self.primary.begin()

    def _stop_redis(self, draw: random.Random) -> None:
        with draw.choice(self.nodes).stopped():
            self._while(draw)

    def _trim(self, draw: random.Random) -> None:
        self.primary.call("XTRIM", "{pdp:0}:stream", "MAXLEN", draw.choice([0, 1, 5]))

    def _fill_memory(self, draw: random.Random) -> None:
        self.primary.call("CONFIG", "SET", "maxmemory", 1)
        self._while(draw)
        self.primary.call("CONFIG", "SET", "maxmemory", 0)

    def _fill_disk(self, draw: random.Random) -> None:
        """Every write is on disk at once, or Redis ends itself."""
        with self.primary.full_disk():
            self._while(draw)
        if self.primary.has_ended:
            self.primary.begin()

    def _promote(self, draw: random.Random) -> None:
        """The replica becomes the primary; the sidecars learn of it one after the other, and the old primary
        last, which may sleep meanwhile."""
        old, new = self.nodes
        sleeps = draw.random() < 0.5
        if sleeps:
            old.pause()
        new.promote()
        self.nodes = [new, old]
        for name in draw.sample([*self.stage.links], len(self.stage.links)):
            self.stage.links[name].point(new.address)
            time.sleep(draw.random() * 0.5 * LEASE_SECONDS)
        if sleeps:
            self._while(draw)
            old.go_on()
        self._while(draw)
        old.follow(new)

    # ── a file ─────────────────────────────────────────────────────────────────────────────────────────────

    def _hold_file(self, draw: random.Random) -> None:
        """Somebody is in the middle of a long write."""
        with closing(sqlite3.connect(self.stage.file, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            self._while(draw)
            db.execute("ROLLBACK")

    def _lose_registry(self, draw: random.Random) -> None:
        """The registry's files are removed while they are in use."""
        for end in ("", "-wal", "-shm"):
            Path(f"{self.stage.file}-registry{end}").unlink(missing_ok=True)


def _begin(stage: Stage, setup: str) -> list[Node]:
    """Starts store and sidecars; gives the nodes, the primary first."""
    if setup == "file":
        stage.on_file()
        return []
    nodes = [stage.node() for _ in range({"single": 1, "pair": 2}[setup])]
    options = ""
    if setup == "pair":
        nodes[1].follow(nodes[0])
        options = STRICT
    stage.initialise(nodes[0].url + options)
    stage.sidecars(nodes[0], options)
    return nodes


def run_round(setup: str, seed: int, seconds: float, folder: Path) -> Round:
    """One round on a stage of its own."""
    with Stage(folder, seed=seed) as stage:
        nodes = _begin(stage, setup)
        stage.settle()
        with (workload := stage.workload(writers=3)), gateways_of(workload) as gateways:
            mix = Mix(stage, nodes, [*gateways.values()], seed)
            mix.run(seconds)
            for name in stage.fleet.places:
                stage.fresh(name, seconds=30)
            time.sleep(1)
        verdict = stage.rest(workload)
        found = [f"{each.kind}: {each.text}" for each in verdict.anomalies]
        return Round(setup, seed, mix.did, found, stage.numbers())
