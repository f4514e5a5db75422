"""Runs the sidecar: configuration → store → sockets → policy → records → ready → signals → orderly shutdown.

The store is asked first, as it says how the records are spread. Every socket is bound before anything slow
begins, so that a port in use is known at once. Health says that the sidecar is ready only when its policy and
its records are loaded; until then each decision is a denial.
"""

import faulthandler
import logging
import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from types import FrameType

import grpc

from pdp._core import Policy
from pdp.config import Settings, without_password
from pdp.configured import configured_bundle, configured_core, configured_timing
from pdp.doors import bound_server, is_loopback
from pdp.errors import RecordsError
from pdp.identity.declaration import load_identity
from pdp.identity.refresh import KeysRefresher
from pdp.metrics import MetricsServer
from pdp.records.admin_server import build_admin_server
from pdp.records.barrier import Barrier
from pdp.records.calls import Pauses
from pdp.records.fleet import about
from pdp.records.follow import Follower
from pdp.records.service import Served
from pdp.records.shard import Host
from pdp.records.store import open_store

log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LAST_RESORT_SECONDS = 4.0
_LEAVE_SECONDS = 2.0
_LOOK_SECONDS = 0.25
_FIRST_KEYS_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Ready:
    """What the sidecar says once it answers: its addresses as bound, its policy, state and process id.

    `doors`: setting → address of each further door that is open.
    """

    grpc: str
    http: str
    admin: str
    metrics: str
    doors: Mapping[str, str]
    policy_revision: str
    state_token: str
    pid: int


def run(settings: Settings, announce: Callable[[Ready], None]) -> bool:
    """Serves until SIGTERM or SIGINT; calls `announce` once, when the sidecar is ready.

    Must run in the main thread, as signals reach that one only. When stopping takes longer than the grace
    allows, even because of a defect, the process ends itself.

    Returns:
        True when all calls in flight were answered within the grace.

    Raises:
        PdpError: it cannot start.
    """
    _log_to_stderr(settings.log_level)
    stop = _StopSignal()
    with ExitStack() as stack:
        try:
            sidecar = _Sidecar(settings, stack)
            ready = sidecar.load(settings)
            stop.loaded()
        except _StoppedWhileLoading:
            log.info("Stopped while loading.")
            return True
        announce(ready)
        stop.wait()
        grace = settings.shutdown_grace_seconds
        faulthandler.dump_traceback_later(grace + _LAST_RESORT_SECONDS, exit=True)
        log.info("Stopping; calls in flight get %g s.", grace)
        answered = sidecar.stop(grace)
    if answered:
        log.info("Stopped; every call in flight was answered.")
    else:
        log.warning("Stopped; some calls in flight were not answered within %g s.", grace)
    return answered


class _Sidecar:
    """The parts of a running sidecar. Construction binds every socket; `stack` gets how each is freed."""

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self._started = time.monotonic()
        self._stack = stack
        store = open_store(settings.records)
        stack.callback(store.close)
        timing = configured_timing(store, settings)
        self._core = configured_core(settings, store.parameters().shards)
        self._logins = load_identity(settings.identity) if settings.identity else None
        logins = self._logins.identity if self._logins else None
        self._server = bound_server(self._core, settings, logins)
        stack.callback(self._server.stop, 0.0)
        self._metrics = MetricsServer(self._core, settings.metrics)
        stack.callback(self._metrics.stop)
        pauses = Pauses()
        barrier = Barrier(store, timing, pause=pauses.pause)
        host = Host(about=self._about, observe=barrier.observe)
        on_demand = settings.records_mode == "on_demand"
        self._follower = Follower(store, self._core, timing=timing, host=host, on_demand=on_demand)
        stack.callback(self._stop_following, 0.0, leave=False)
        served = Served(
            store=store,
            policy=self._policy,
            follower=self._follower,
            barrier=barrier,
            timing=timing,
            pauses=pauses,
            settle_seconds=settings.gateway_timeout_ms / 1000,
            count=lambda path: self._core.count_event("barrier", path),
        )
        self._admin, self._admin_address = build_admin_server(settings.admin, served)
        stack.callback(_stop_admin, self._admin, 0.0)
        _warn_when_open(self._admin_address)
        self._server.start()

    def load(self, settings: Settings) -> Ready:
        """Loads policy and records; from then on health says ready."""
        bundle = configured_bundle(settings.policy, settings)
        for warning in bundle.warnings:
            log.warning("%s", warning)
        self._core.set_policy(bundle.policy)
        log.info("Loaded policy %s, revision %s.", settings.policy, bundle.revision)
        self._follower.load()
        self._follower.start()
        self._start_reading_keys()
        self._admin.start()
        taken = time.monotonic() - self._started
        log.info("Ready after %.1f s, with records of %s.", taken, without_password(settings.records))
        return Ready(
            grpc=self._server.grpc_address,
            http=self._server.http_address,
            admin=self._admin_address,
            metrics=self._metrics.address,
            doors=dict(self._server.door_addresses),
            policy_revision=bundle.revision,
            state_token=self._core.state_token(),
            pid=os.getpid(),
        )

    def _start_reading_keys(self) -> None:
        """Waits a moment for the issuers' keys, so that the first tokens are not refused for want of them."""
        if self._logins is not None:
            keys = KeysRefresher(self._logins)
            self._stack.callback(keys.stop)
            if not keys.start(_FIRST_KEYS_SECONDS):
                log.warning(
                    "Some keys of issuers are still being asked for; tokens of theirs are refused until then."
                )

    def stop(self, grace: float) -> bool:
        """Refuses new calls on every address; True when those in flight were answered within the grace.

        Only a sidecar whose answers nobody uses any more takes itself out of the registry, as barriers then
        wait for it no longer; gateways that watched use what they keep until their leases end. Otherwise the
        registry forgets it in time.
        """
        ends = time.monotonic() + grace
        administered = self._admin.stop(grace)
        answered = self._server.stop(grace)
        administered_too = administered.wait(max(0.1, ends - time.monotonic()))
        self._stop_following(max(_LEAVE_SECONDS, ends - time.monotonic()), leave=answered)
        return administered_too and answered

    def _stop_following(self, seconds: float, *, leave: bool) -> None:
        """Stops the follower, in bounded time also where the store does not answer."""
        ends = time.monotonic() + seconds

        def stop() -> None:
            self._follower.stop()
            if leave and self._follower.fence(ends - time.monotonic()):
                self._follower.leave()

        thread = threading.Thread(target=stop, name="records-stop", daemon=True)
        thread.start()
        thread.join(seconds)

    def _about(self) -> str:
        name = f"{socket.gethostname()} {os.getpid()} {self._server.grpc_address}"
        return about(name, self._policy().revision)

    def _policy(self) -> Policy:
        policy = self._core.policy
        if policy is None:
            raise RecordsError("The sidecar has no policy yet.")
        return policy


class _StoppedWhileLoading(BaseException):
    """Raised by the first signal in the middle of whatever is being loaded."""


class _StopSignal:
    """The first SIGTERM or SIGINT asks for an orderly stop; a second one ends the process at once."""

    def __init__(self) -> None:
        self._loading = True
        # Of Python's queues and events only this one may be used in a signal handler.
        self._received: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in _SIGNALS:
            signal.signal(number, self._receive)

    def loaded(self) -> None:
        """From now on a signal is left for `wait`."""
        self._loading = False

    def wait(self) -> None:
        """Returns when a signal came."""
        while True:
            # The kernel may give a signal to any thread; this one, which alone runs handlers, then sleeps on.
            with suppress(queue.Empty):
                self._received.get(timeout=_LOOK_SECONDS)
                return

    def _receive(self, number: int, _: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        if self._loading:
            raise _StoppedWhileLoading
        self._received.put(number)


def _stop_admin(admin: grpc.Server, grace: float) -> None:
    admin.stop(grace).wait()


def _warn_when_open(address: str) -> None:
    if not is_loopback(address):
        log.warning(
            "The administrative address %s asks for no credentials and is not a loopback address: whoever "
            "reaches it can change the records.",
            address,
        )


def _log_to_stderr(level: str) -> None:
    handler = logging.StreamHandler()
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s")
    formatter.datefmt = "%Y-%m-%dT%H:%M:%S"
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
