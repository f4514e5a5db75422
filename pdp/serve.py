"""Runs the sidecar: configuration → sockets → policy → records → ready → signals → orderly shutdown.

Every socket is bound before anything slow begins, so that a port in use is known at once. Health says that
the sidecar is ready only when its policy and its records are loaded; until then each decision is a denial.
"""

import faulthandler
import ipaddress
import logging
import os
import queue
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import FrameType

import grpc

from pdp._core import Core, Policy, Server
from pdp.config import Settings, without_password
from pdp.decision_point import configured_bundle, configured_core
from pdp.errors import ServeError
from pdp.metrics import MetricsServer
from pdp.records.follow import Follower
from pdp.records.service import build_admin_server
from pdp.records.store import open_store

log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LAST_RESORT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Ready:
    """What the sidecar says once it answers: its addresses as bound, its policy, state and process id."""

    grpc: str
    http: str
    admin: str
    metrics: str
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
        self._policies: list[Policy] = []
        self._core = configured_core(settings)
        self._server = _bound_server(self._core, settings)
        stack.callback(self._server.stop, 0.0)
        self._metrics = MetricsServer(self._core, settings.metrics)
        stack.callback(self._metrics.stop)
        store = open_store(settings.records)
        stack.callback(store.close)
        self._follower = Follower(store, self._core)
        stack.callback(self._follower.stop)
        self._admin, self._admin_address = build_admin_server(
            settings.admin, store, self._policy, self._follower
        )
        stack.callback(_stop_admin, self._admin, 0.0)
        _warn_when_open(self._admin_address)
        self._server.start()

    def load(self, settings: Settings) -> Ready:
        """Loads policy and records; from then on health says ready."""
        bundle = configured_bundle(settings.policy, settings)
        for warning in bundle.warnings:
            log.warning("%s", warning)
        self._policies.append(bundle.policy)
        self._core.set_policy(bundle.policy)
        log.info("Loaded policy %s, revision %s.", settings.policy, bundle.revision)
        self._follower.look()
        self._follower.start()
        self._admin.start()
        taken = time.monotonic() - self._started
        log.info("Ready after %.1f s, with records of %s.", taken, without_password(settings.records))
        return Ready(
            grpc=self._server.grpc_address,
            http=self._server.http_address,
            admin=self._admin_address,
            metrics=self._metrics.address,
            policy_revision=bundle.revision,
            state_token=self._core.state_token(),
            pid=os.getpid(),
        )

    def stop(self, grace: float) -> bool:
        """Refuses new calls on every address; True when those in flight were answered within the grace."""
        ends = time.monotonic() + grace
        administered = self._admin.stop(grace)
        answered = self._server.stop(grace)
        return administered.wait(max(0.1, ends - time.monotonic())) and answered

    def _policy(self) -> Policy:
        return self._policies[-1]


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
        self._received.get()

    def _receive(self, number: int, _: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        if self._loading:
            raise _StoppedWhileLoading
        self._received.put(number)


def _bound_server(core: Core, settings: Settings) -> Server:
    try:
        return Server(core, grpc=settings.grpc, http=settings.http, threads=settings.threads)
    except OSError as error:
        raise ServeError(str(error)) from error


def _stop_admin(admin: grpc.Server, grace: float) -> None:
    admin.stop(grace).wait()


def _warn_when_open(address: str) -> None:
    host = address.rpartition(":")[0].strip("[]")
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
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
