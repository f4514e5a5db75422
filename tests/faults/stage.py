"""What a test of faults needs: servers, a link for each sidecar, sidecars, and a verdict in the end."""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pdp.records.store import Parameters, RecordStore, UnconfirmedError, open_store
from pdp.records.timing import Timing
from tests.end_to_end.sidecar import until
from tests.faults.checker import Verdict, judge
from tests.faults.fleet import SERVE, Fleet
from tests.faults.history import History, Loss
from tests.faults.links import Link, Links
from tests.faults.nodes import ALWAYS, Node
from tests.faults.workload import Workload

LEASE_SECONDS = 1.0
"""A short lease, so that what takes a lease takes a second."""
PARAMETERS = Parameters(lease_ms=int(LEASE_SECONDS * 1000))
STRICT = "?acks=1"
"""Of a primary and one replica: all that can be promoted acknowledge."""
NAMES = ("a", "b", "c")
ON_DEMAND = ("c",)
"""These hold the doors as they are used; the others hold everything."""


class Stage:
    """One run. Everything ends with the context."""

    def __init__(self, folder: Path, *, seed: int = 1, parameters: Parameters = PARAMETERS) -> None:
        self.folder, self.seed, self.parameters = folder, seed, parameters
        self.history = History(Timing.of(parameters).wait_ns)
        self.fleet = Fleet(folder, self.history)
        self.links: dict[str, Link] = {}
        self.verdict: Verdict | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._toxiproxy = self._stack.enter_context(Links())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Sidecars first, as they leave the registry in order.
        try:
            self.fleet.close()
        finally:
            self._stack.__exit__(kind, error, trace)
        if self.verdict is None:
            self._tell()

    def _tell(self) -> None:
        """Leaves what can be looked at when something went wrong."""
        self.history.save(self.folder / "history.jsonl")
        print(self.fleet.messages()[-20_000:])

    def node(
        self, settings: Mapping[str, str] = ALWAYS, environment: Mapping[str, str] | None = None
    ) -> Node:
        """A Redis server."""
        return self._stack.enter_context(Node(self.folder, settings, environment))

    def single(self, program: Sequence[str] = SERVE, names: Sequence[str] = NAMES) -> None:
        """Starts what most tests need: a server that keeps every write, and sidecars. Evaluations may
        take as long as they like.
        """
        self.primary = self.node()
        self.initialise(self.primary.url)
        self.sidecars(
            self.primary,
            names=names,
            program=program,
            EVALUATION_LIMIT_MS="20000",
            EVALUATION_MEMORY_MIB="1024",
        )
        self.settle()

    def on_file(self) -> None:
        """Starts sidecars on one SQLite file."""
        self.file = self.folder / "records.db"
        open_store(f"sqlite:{self.file}").close()
        # At once, as nobody has a proof yet.
        with closing(sqlite3.connect(self.file)) as db, db:
            db.execute("UPDATE meta SET lease_ms = ?", (self.parameters.lease_ms,))
        self.sidecars_on(f"sqlite:{self.file}")

    def anew(self) -> None:
        """Begins another history with the same servers and sidecars."""
        self.history = self.fleet.history = History(Timing.of(self.parameters).wait_ns)
        self.verdict = None
        for name in self.fleet.places:
            self.fresh(name)

    def initialise(self, url: str) -> None:
        """What `pdp records init` does, and repeating it where replicas were late to acknowledge."""
        with self.store(url) as store:
            until(lambda: _initialised(store, self.parameters), 20, "initialisation")

    @contextmanager
    def store(self, url: str) -> Iterator[RecordStore]:
        """The store itself, beside the sidecars."""
        store = open_store(url)
        try:
            yield store
        finally:
            store.close()

    def sidecars(
        self,
        node: Node,
        options: str = "",
        *,
        names: Sequence[str] = NAMES,
        program: Sequence[str] = SERVE,
        environments: Mapping[str, Mapping[str, str]] | None = None,
        **settings: str,
    ) -> None:
        """Starts sidecars on one server, each behind a link of its own; `environments`: variables by name."""
        own = {}
        for name in names:
            self.links[name] = self._toxiproxy.to(node.address, name)
            url = f"redis://{self.links[name].address}{options}"
            own[name] = {**_environment(name, url, settings), **(environments or {}).get(name, {})}
        self.fleet.add(own, program)

    def sidecars_on(self, url: str, *, names: Sequence[str] = NAMES, **settings: str) -> None:
        """Starts sidecars on a store that they reach by themselves."""
        self.fleet.add({name: _environment(name, url, settings) for name in names})

    def workload(self, **settings: Any) -> Workload:
        """Checks and writes on these sidecars; every lock is open to begin with."""
        workload = Workload(self.fleet, **dict[str, Any](seed=self.seed) | settings)
        workload.open_all()
        return workload

    @contextmanager
    def losing(self, kept: int | None = None) -> Iterator[None]:
        """While this is open the store loses what was written after `kept`, or all."""
        began = time.monotonic_ns()
        yield
        self.history.losses.append(Loss(began, time.monotonic_ns(), kept))

    def rest(self, workload: Workload) -> Verdict:
        """Waits until all is quiet, and judges."""
        workload.come_to_rest()
        self.verdict = judge(self.history)
        print(json.dumps(self.numbers()))
        if self.verdict.anomalies:
            self._tell()
        return self.verdict

    def numbers(self) -> dict[str, Any]:
        """What a judged run amounts to."""
        assert self.verdict
        judged = {name: getattr(self.verdict, name) for name in ("judged", "late", "latest_ms")}
        return self.history.numbers() | judged

    def passes(self, workload: Workload, *, judged: int = 100) -> None:
        """The verdict finds nothing, in at least so many checks under a lockout."""
        verdict = self.rest(workload)
        assert not verdict.anomalies, "\n".join(f"{each.kind}: {each.text}" for each in verdict.anomalies)
        assert verdict.judged >= judged, "too little was seen"

    def denied(self, code: str, since: int = 0) -> int:
        """How many checks were denied for a reason."""
        return sum(code in check.codes and check.began >= since for check in self.history.checks)

    def hardly_stale(self) -> bool:
        """Whether decisions went on; on a busy machine some process always misses its turn for a lease."""
        return self.denied("STATE_STALE") < 0.02 * len(self.history.checks)

    def barriers(self, path: str, since: int = 0) -> int:
        """How many barriers returned by a path."""
        return sum(write.path == path and write.began >= since for write in self.history.writes)

    def settle(self, promotion_seconds: float = 0.0) -> None:
        """Waits until barriers may be fast: each sidecar has known the store for long enough."""
        time.sleep(Timing.of(self.parameters, promotion_seconds).settle_ns / 1e9)

    def grows(self, node: Node, writes: int = 2) -> None:
        """Waits until the history has so many more writes."""
        head = "{pdp:0}:meta"
        before = int(node.call("HGET", head, "head"))
        until(lambda: int(node.call("HGET", head, "head")) >= before + writes, 15, "writes")

    def fresh(self, name: str, seconds: float = 15.0) -> None:
        """Waits until a sidecar decides on a fresh state."""
        until(lambda: self.fleet[name].ready().get("state") == "fresh", seconds, f"{name} fresh")


def _initialised(store: RecordStore, parameters: Parameters) -> bool:
    try:
        store.initialise(parameters)
    except UnconfirmedError:
        return False
    return True


def _environment(name: str, url: str, settings: Mapping[str, str]) -> dict[str, str]:
    own = {"RECORDS": url, "RECORDS_MODE": "on_demand" if name in ON_DEMAND else "replica", **settings}
    return {f"PDP_{setting}": value for setting, value in own.items()}
