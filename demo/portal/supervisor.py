"""Brings the demo up, part by part, and ends all of it: on a signal, or when one part ends by itself."""

import io
import json
import queue
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import yaml

from demo.portal import app, people, regie
from demo.portal.parts import LOOPBACK, Envoy, application, envoy, listening, port_of
from demo.portal.records import Records
from demo.portal.site import Site
from demo.portal.tokens import AUDIENCE, COOKIE, ISSUER, Issuer
from pdp.demo.sidecar import Sidecar, running
from pdp.errors import PdpError
from pdp.records.admin import AdminAccess

ROOT = Path(__file__).resolve().parents[2]
_LOOK_SECONDS = 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Up:
    """The running demo: the portal's URL, the presenter's, and the parts that may end by themselves."""

    portal: str
    regie: str
    sidecar: Sidecar
    envoy: Envoy

    def require_running(self) -> None:
        """Raises PdpError when a part ended by itself."""
        if not self.sidecar.is_running:
            raise PdpError("The sidecar ended by itself, so the demo ends too.")
        if not self.envoy.is_running:
            raise PdpError(f"Envoy ended by itself, so the demo ends too: {self.envoy.last_words()}")


@contextmanager
def up(port: int, regie_port: int) -> Iterator[Up]:
    """The whole demo; afterwards nothing of it is left.

    Args:
        port: of the portal; another one when it is in use, 0 for any.
        regie_port: of the presenter's page, likewise.

    Raises:
        PdpError: a part does not start.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="demo-portal-")))
        entrance = listening(port)
        stack.callback(entrance.close)
        number = port_of(entrance)
        portal_url = f"http://{LOOPBACK}:{number}"
        issuer = Issuer()
        sidecar = stack.enter_context(running(folder, _options(folder, issuer)))
        _load(sidecar, f"{portal_url}/voorwaarden")
        records = Records(sidecar.admin)
        stack.callback(records.close)
        behind, beside = listening(0), listening(regie_port)
        regie_url = f"http://{LOOPBACK}:{port_of(beside)}"
        stack.enter_context(application(app.build(Site(issuer, records, regie_url)), behind))
        stack.enter_context(application(regie.build(regie.Desk(sidecar, records, portal_url)), beside))
        # The port was kept until here; now Envoy takes it.
        entrance.close()
        entry = envoy(folder, port=number, upstream=port_of(behind), sidecar=sidecar.grpc)
        yield Up(portal_url, regie_url, sidecar, stack.enter_context(entry))


def run(port: int, regie_port: int, announce: Callable[[Up], None]) -> None:
    """Runs the demo until SIGINT or SIGTERM. Must run in the main thread.

    Raises:
        PdpError: a part does not start, or ended by itself.
    """
    stop = _Stop()
    try:
        with up(port, regie_port) as demo:
            stop.starting = False
            announce(demo)
            while not stop.told(_LOOK_SECONDS):
                demo.require_running()
    except _StoppedWhileStarting:
        return


class _StoppedWhileStarting(BaseException):
    """Raised by a signal in the middle of whatever is being started."""


class _Stop:
    """The first SIGINT or SIGTERM asks for an orderly end; those that follow are not heard."""

    def __init__(self) -> None:
        self.starting = True
        # Of Python's queues and events only this one may be used in a signal handler.
        self._received: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in _SIGNALS:
            signal.signal(number, self._receive)

    def told(self, seconds: float) -> bool:
        """Whether a signal came, which is waited for so long."""
        try:
            self._received.get(timeout=seconds)
        except queue.Empty:
            return False
        return True

    def _receive(self, number: int, _: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        if self.starting:
            raise _StoppedWhileStarting
        self._received.put(number)


def _options(folder: Path, issuer: Issuer) -> list[str]:
    """What the sidecar is told: the portal's rules, and how it knows who is logged in."""
    keys, identity = folder / "keys.json", folder / "identity.yaml"
    keys.write_text(json.dumps(issuer.key_set()), encoding="utf-8")
    declared = {
        "token_cookie": COOKIE,
        "tokens": [
            {
                "issuer": ISSUER,
                "audience": [AUDIENCE],
                "keys": str(keys),
                "algorithms": ["ES256"],
                "mapping": "eherkenning-camel",
                "source": {
                    "claim": "means",
                    "values": {"eherkenning": "eherkenning", "digid": "digid"},
                },
            }
        ],
    }
    identity.write_text(yaml.safe_dump(declared), encoding="utf-8")
    return ["--policy", str(ROOT / "policies" / "portal"), "--identity", str(identity)]


def _load(sidecar: Sidecar, terms_url: str) -> None:
    access = AdminAccess(sidecar.admin)
    try:
        access.import_lines(io.BytesIO(people.lines(people.records(terms_url))))
    finally:
        access.close()
