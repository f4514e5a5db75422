"""How long a write waits, and how the wait ended: values between services, command line and barrier."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from pdp.errors import RecordsError

DEFAULT_TIMEOUT_SECONDS = 20.0


class WaitFor(Enum):
    """What a write waits for before it returns."""

    DECLARED = "declared"
    """All where a kind that changes is declared so by the bundle (`wait: all`), otherwise local."""
    LOCAL = "local"
    """It is durable, and the sidecar that it went through decides on it."""
    ALL = "all"
    """No sidecar can allow without it a request that begins later: the lockout barrier."""


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a write waits.

    Attributes:
        until: for what.
        timeout_seconds: for all: at most so long.
        settle: for all: also until gateways have given up requests that began before.
    """

    until: WaitFor = WaitFor.DECLARED
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    settle: bool = False


AS_DECLARED = Wait()


@dataclass(frozen=True, slots=True)
class Waited:
    """How a wait for all ended.

    Attributes:
        path: what made the write hold, "fast" or "timed"; "" when it is pending: it may stand, and must be
            treated as in force.
        seconds: since the write was first sent.
        write_id: to repeat the write with.
        stragglers: names of sidecars that had not said that they decide on it.
        confirmed: whether the write itself was acknowledged.
        problem: what the store said against it last, "" for nothing or unknown.
    """

    path: str
    seconds: float
    write_id: str
    stragglers: tuple[str, ...] = ()
    confirmed: bool = True
    problem: str = ""

    @property
    def pending(self) -> bool:
        """True when it is not known to hold everywhere."""
        return not self.path


class Applied(NamedTuple):
    """A write: the token of the state that holds it ("" when it is not known to stand), and how the wait for
    all ended (None: it did not wait for all).
    """

    state_token: str
    waited: Waited | None = None


class UnknownOutcomeError(RecordsError):
    """The connection was lost, or time ran out, while a write was under way: it may stand or not."""
