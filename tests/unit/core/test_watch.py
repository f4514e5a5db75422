"""A gateway that keeps answers and watches, over gRPC."""

import queue
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import duration_pb2

from pdp._core import Core, Policy, Server
from pdp.decision.v1 import decision_pb2, decision_service_pb2
from pdp.decision.v1.decision_service_pb2_grpc import DecisionServiceStub
from tests.unit.core.writes import write

CHAIN = bytes(range(20))
SECOND = 1_000_000_000

Door = Callable[..., tuple[str, str, bytes, int]]


class _Watch:
    """One open stream."""

    def __init__(self, stub: DecisionServiceStub) -> None:
        self._pings: queue.SimpleQueue[decision_service_pb2.WatchRequest | None] = queue.SimpleQueue()
        self._answers = stub.Watch(iter(self._pings.get, None), timeout=30)

    def ping(self, number: int, generation: int = 0, sequences: tuple[int, ...] = ()) -> None:
        self._pings.put(
            decision_service_pb2.WatchRequest(ping=number, generation=generation, sequences=sequences)
        )

    def next(self) -> decision_service_pb2.WatchResponse:
        return next(self._answers)

    def close(self) -> None:
        self._pings.put(None)


@pytest.fixture
def core(doors: Policy, door: Door) -> Core:
    """An open door `x` at 1, fresh until two seconds after a clock that stands at 0."""
    core = Core(manual_clock=True)
    core.set_policy(doors)
    snapshot = core.snapshot()
    snapshot.add([door("x")])
    core.install(0, snapshot, 1, CHAIN, deadline_ns=2 * SECOND)
    return core


@pytest.fixture
def server(core: Core) -> Iterator[Server]:
    """A server of the core."""
    server = Server(core, grpc="127.0.0.1:0", http="127.0.0.1:0", threads=1)
    server.start()
    yield server
    server.stop(0.0)


@pytest.fixture
def stub(server: Server) -> Iterator[DecisionServiceStub]:
    """A client of the server."""
    with grpc.insecure_channel(server.grpc_address) as channel:
        yield DecisionServiceStub(channel)


def _request(*, cacheable: bool) -> decision_pb2.CheckRequest:
    return decision_pb2.CheckRequest(
        subject=decision_pb2.Subject(type="user", id="alice"),
        action=decision_pb2.Action(name="pass"),
        resource=decision_pb2.Resource(type="door", id="x"),
        cacheable=cacheable,
    )


def _check(stub: DecisionServiceStub, *, cacheable: bool = True) -> Any:
    return stub.Check(_request(cacheable=cacheable), timeout=10)


def test_an_answer_that_may_be_kept_says_what_it_depends_on(core: Core, stub: DecisionServiceStub) -> None:
    answer = _check(stub)
    assert answer.allow
    assert (list(answer.cache.tags), list(answer.cache.sequences)) == (["door/x"], [1])
    assert answer.cache.generation > 0
    assert not _check(stub, cacheable=False).HasField("cache")
    core.set_clock_ns(2 * SECOND)
    stale = _check(stub)
    assert [reason.code for reason in stale.reasons] == ["STATE_STALE"]
    assert not stale.HasField("cache")


def test_a_watching_gateway_is_told_what_to_forget(core: Core, stub: DecisionServiceStub, door: Door) -> None:
    watch = _Watch(stub)
    watch.ping(7)
    pong = watch.next()
    assert (pong.ping, list(pong.sequences), list(pong.forget)) == (7, [1], [])
    assert pong.lease == duration_pb2.Duration(seconds=2)
    assert pong.generation == _check(stub).cache.generation
    assert core.drained(0) == 0, "not acknowledged yet"
    watch.ping(8, pong.generation, (1,))
    assert watch.next().ping == 8
    assert core.drained(0) == 1

    core.apply(0, [write(("door", "x", None, 2))], 2, CHAIN)
    news = watch.next()
    assert (news.ping, sorted(news.forget), list(news.sequences)) == (0, ["door/*", "door/x"], [2])
    assert not news.HasField("lease")
    assert (core.drained(0), _check(stub).allow) == (1, False)
    watch.ping(9, news.generation, (2,))
    assert (watch.next().ping, core.drained(0)) == (9, 2)

    core.install(0, core.snapshot(), 2, CHAIN, deadline_ns=3 * SECOND)
    renewed = watch.next()
    assert renewed.generation != pong.generation
    assert (list(renewed.forget), core.drained(0)) == ([], 0)
    watch.ping(10, renewed.generation, (2,))
    assert (watch.next().lease, core.drained(0)) == (duration_pb2.Duration(seconds=3), 2)

    core.set_clock_ns(3 * SECOND)
    watch.ping(11, renewed.generation, (2,))
    assert not watch.next().HasField("lease")
    watch.close()


def test_a_burst_of_changes_is_told_in_few_messages(
    core: Core, stub: DecisionServiceStub, door: Door
) -> None:
    watch = _Watch(stub)
    watch.ping(1)
    watch.next()
    last = 2_000
    for number in range(2, last + 1):
        core.apply(0, [write(door(str(number), number))], number, CHAIN)
    told: list[str] = []
    messages = 0
    while "door/2000" not in told:
        news = watch.next()
        told += [tag for tag in news.forget if tag != "door/*"]
        messages += 1
    assert told == [f"door/{number}" for number in range(2, last + 1)]
    assert messages < last / 10
    watch.close()


def test_a_lease_outlives_its_stream_and_the_server(
    core: Core, server: Server, stub: DecisionServiceStub
) -> None:
    watch = _Watch(stub)
    watch.ping(1)
    pong = watch.next()
    watch.ping(2, pong.generation, (1,))
    watch.next()
    assert server.stop(10.0), "the stream ends with the server"
    with pytest.raises(StopIteration):
        watch.next()
    core.apply(0, [write(("door", "x", None, 2))], 2, CHAIN)
    assert core.drained(0) == 1
    core.set_clock_ns(2 * SECOND)
    assert core.drained(0) == 2
    watch.close()
