"""The cache against real sidecars: a kept yes is gone before the write that forbids it returns."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from poortwachter_client import AsyncClient, CacheOptions, Client
from poortwachter_client.cache import Watch
from poortwachter_client.contract.decision_service_pb2 import WatchResponse
from tests.adapters.python.clients import BLOCK, Asking, asking, both, kept, stopped, watching, write_for_all
from tests.adapters.python.conftest import Fleet
from tests.adapters.python.fake_pdp import FakePdp
from tests.end_to_end import portal
from tests.end_to_end.sidecar import PORTAL, ROOT, Sidecar, Starter, environment, question, until
from tests.servers.processes import free_port

BLOCKED = ("block", f"account:{portal.USER}", BLOCK)
REQUEST = portal.request()


@both
def test_a_kept_answer_is_the_sidecars_and_says_that_it_is_kept(pdp: Sidecar, kind: str) -> None:
    with asking(kind, [pdp.grpc], cache=CacheOptions()) as client:
        watching(client)
        first = client.check(REQUEST)
        again = kept(client, REQUEST)
        assert (first.allow, again.allow, again.cached) == (True, True, True)
        assert again.accountable == {"kvk": portal.EMPLOYER}
        assert client.check(REQUEST).decision_id == again.decision_id
        assert client.cached == 1


@both
def test_another_question_is_not_answered_from_it(pdp: Sidecar, kind: str) -> None:
    """Nor is one that names its own time or state; a trace changes no answer."""
    with asking(kind, [pdp.grpc], cache=CacheOptions()) as client:
        watching(client)
        token = kept(client, REQUEST).state_token
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        others: list[dict[str, object]] = [
            {"context": {"time": now}},
            {"at_least_as_fresh": token},
            {"context": {"channel": "another"}},
            {"resource": {"type": "portal", "id": "werkgeversportaal"}},
        ]
        for other in others:
            assert not client.check(REQUEST | other).cached, other
        assert not client.check(REQUEST | others[0]).cached
        kept(client, REQUEST | {"context": {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}})
        assert client.check(REQUEST | {"context": {"traceparent": f"00-{'c' * 32}-{'d' * 16}-01"}}).cached


@both
def test_nothing_is_kept_unless_it_is_asked_for(pdp: Sidecar, kind: str) -> None:
    with asking(kind, [pdp.grpc]) as client:
        assert [client.check(REQUEST).cached for _ in range(3)] == [False] * 3
        assert not client.watching


@both
def test_a_kept_yes_is_gone_before_the_lockout_returns(fleet: Fleet, kind: str) -> None:
    """Also while many ask, and by way of another sidecar than the one that is asked."""
    asked, written = fleet(2)
    with asking(kind, [asked.grpc], cache=CacheOptions()) as client, _asking_on(client) as answers:
        watching(client)
        for turn in range(4):
            kept(client, REQUEST)
            write_for_all(written, BLOCKED)
            returned = time.monotonic()
            assert client.check(REQUEST).codes == ("ACCOUNT_BLOCKED",), turn
            time.sleep(0.1)
            wrong = [at for at, allow in answers if allow and at > returned]
            write_for_all(written, (*BLOCKED[:2], None))
            assert not wrong, f"turn {turn}: allowed after the lockout had returned"
        assert sum(allow for _, allow in answers) > 50


class _asking_on:  # noqa: N801 - reads as a function
    """Asks from two threads; each answer with the moment at which it was asked for."""

    def __init__(self, client: Asking) -> None:
        self._client, self._over = client, threading.Event()
        self._answers: list[tuple[float, bool]] = []
        self._threads = [threading.Thread(target=self._ask_on) for _ in range(2)]

    def _ask_on(self) -> None:
        while not self._over.wait(0.002):
            began = time.monotonic()
            self._answers.append((began, self._client.check(REQUEST).allow))

    def __enter__(self) -> list[tuple[float, bool]]:
        for thread in self._threads:
            thread.start()
        return self._answers

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


Take = Callable[[Watch, WatchResponse], None]


def _for_ever(taken: Take) -> Take:
    """A weak watch: its first lease lasts for ever."""

    def lease(watch: Watch, message: WatchResponse) -> None:
        taken(watch, message)
        watch.leased_until_ns = 2**62

    return lease


@both
@pytest.mark.parametrize("minds", [True, False], ids=["as built", "without leases"])
def test_a_sidecar_is_stopped_for_longer_than_the_lease(
    fleet: Fleet, kind: str, minds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client hears of nothing while a lockout is written by way of another sidecar. Its lease protects
    it; a client that minds no lease says yes.
    """
    deaf, written = fleet(2)
    if not minds:
        monkeypatch.setattr(Watch, "_lease", _for_ever(Watch._lease))
    with asking(kind, [deaf.grpc], cache=CacheOptions(), timeout=0.5) as client:
        watching(client)
        until(lambda: client.check(REQUEST).allow, 20, "a first answer")
        assert kept(client, REQUEST).allow
        with stopped(deaf):
            assert client.check(REQUEST).cached, "within the lease it is still used"
            write_for_all(written, BLOCKED)
            decision = client.check(REQUEST)
        assert decision.allow is not minds
        if minds:
            assert decision.codes == ("PDP_UNAVAILABLE",)


SLEEPER = """
import sys, time
from poortwachter_client import CacheOptions, Client
from tests.end_to_end import portal

client = Client([sys.argv[1]], cache=CacheOptions(), timeout=10)
ends = time.monotonic() + 20
while not client.check(portal.request()).cached:
    assert time.monotonic() < ends
    time.sleep(0.01)
print("kept", flush=True)
sys.stdin.readline()
decision = client.check(portal.request())
print(decision.allow, *decision.codes, flush=True)
client.close()
"""


def test_the_client_itself_is_stopped_for_longer_than_the_lease(fleet: Fleet) -> None:
    """It wakes up with a kept yes, and does not use it."""
    (sidecar,) = fleet(1)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "adapters/python")])
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPER, sidecar.grpc],
        env=environment(PYTHONPATH=paths),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "kept\n"
        process.send_signal(signal.SIGSTOP)
        try:
            write_for_all(sidecar, BLOCKED)
            process.stdin.write("go\n")
            process.stdin.flush()
        finally:
            process.send_signal(signal.SIGCONT)
        assert process.stdout.readline() == "False ACCOUNT_BLOCKED\n"


@both
def test_a_lost_stream_empties_the_cache(fleet: Fleet, kind: str) -> None:
    (sidecar,) = fleet(1)
    with asking(kind, [sidecar.grpc], cache=CacheOptions(), timeout=1.0) as client:
        watching(client)
        until(lambda: client.check(REQUEST).allow, 20, "a first answer")
        kept(client, REQUEST)
        sidecar.signal(signal.SIGKILL)
        until(lambda: client.cached == 0, 10, "the loss")
        decision = client.check(REQUEST)
        assert (decision.allow, decision.codes, decision.cached) == (False, ("PDP_UNAVAILABLE",), False)


@both
def test_another_sidecar_at_the_same_address_is_watched_anew(tmp_path: Path, kind: str) -> None:
    starter, address = Starter(tmp_path), f"127.0.0.1:{free_port()}"
    try:
        first = starter(policy=PORTAL, records=portal.records(), PDP_GRPC=address)
        with asking(kind, [address], cache=CacheOptions()) as client:
            watching(client)
            kept(client, REQUEST)
            first.signal(signal.SIGKILL)
            until(lambda: client.cached == 0 and not client.watching, 10, "the loss")
            second = starter(policy=PORTAL, PDP_GRPC=address)
            kept(client, REQUEST)
            second.apply(BLOCKED)
            until(lambda: client.check(REQUEST).codes == ("ACCOUNT_BLOCKED",), 10, "forgetting")
    finally:
        starter.close()


@both
def test_a_silent_stream_is_given_up(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one is opened; until it is told something nothing is kept."""
    monkeypatch.setattr("poortwachter_client.cache._PATIENCE_NS", 100_000_000)
    with FakePdp() as fake, asking(kind, [fake.address], cache=CacheOptions()) as client:
        watching(client)
        kept(client, question())
        fake.lease_seconds = None
        until(lambda: len(fake.streams) > 1, 10, "another stream")
        until(lambda: client.cached == 0, 10, "forgetting")
        assert not client.check(question()).cached
        fake.lease_seconds = 60.0
        kept(client, question())


@both
def test_what_the_watch_names_is_forgotten(kind: str) -> None:
    with FakePdp() as fake, asking(kind, [fake.address], cache=CacheOptions()) as client:
        watching(client)
        kept(client, question())
        fake.streams[-1].put(fake.news("door/y"))
        time.sleep(0.1)
        assert client.check(question()).cached
        calls = fake.calls
        fake.streams[-1].put(fake.news("door/x"))
        until(lambda: fake.calls > calls or not client.check(question()).cached, 10, "forgetting")


def test_another_process_begins_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would tell a child what its parent's cache has to forget."""
    with FakePdp() as fake, asking("sync", [fake.address], cache=CacheOptions()) as client:
        watching(client)
        kept(client, question())
        here, calls = os.getpid(), fake.calls
        assert isinstance(client, Client)
        parents = client._connections
        with monkeypatch.context() as child:
            child.setattr(os, "getpid", lambda: here + 1)
            assert not client.check(question()).cached
            assert fake.calls == calls + 1
            assert client.cached == 0
            client.close()
        assert parents is not None
        parents.close()


def test_another_event_loop_begins_with_nothing() -> None:
    """The tasks that would forget are of the first loop."""
    with FakePdp() as fake:
        client = AsyncClient([fake.address], cache=CacheOptions(), timeout=10.0)

        async def keep() -> bool:
            for _ in range(2_000):
                if (await client.check(question())).cached:
                    return True
                await asyncio.sleep(0.01)
            return False

        async def ask() -> bool:
            cached = (await client.check(question())).cached
            await client.close()
            return cached

        assert asyncio.run(keep())
        assert not asyncio.run(ask())
