"""Which sidecar is asked next, for how long, and when to give up. No input or output happens here.

A check may be asked again, as it changes nothing. What is asked again at large is bounded by a budget, as in
gRPC's retry throttling (gRFC A6), so that sidecars in trouble get no more calls than they would without it.
"""

import ipaddress
import logging
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from poortwachter_client.cache import Watch
from poortwachter_client.clock import Clock

Balance = Literal["first", "round_robin"]

_log = logging.getLogger("poortwachter_client")

JITTER = random.Random()  # noqa: S311 - spreads what is done again, and leaves the application's own draws alone

_FIRST_REST_NS = 250_000_000
_MOST_REST_NS = 10_000_000_000
_PAUSE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """When a check is asked again after UNAVAILABLE or a time-out, within its own time-out.

    Attributes:
        attempts: at most so many for one check, the first included.
        tokens: size of the budget; an attempt that fails takes 1; at half of it or below none is repeated.
        refill: what an attempt that succeeds gives back.
    """

    attempts: int = 3
    tokens: float = 20.0
    refill: float = 0.1


@dataclass(slots=True, eq=False)
class Sidecar:
    """One sidecar: its address, its watch if one is open, and since when it fails."""

    address: str
    number: int
    watch: Watch | None = None
    failures: int = 0
    rests_until_ns: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """Ask this sidecar, after a pause, with a time-out; both in seconds.

    `watch`: the stream that was open when the attempt was made, the only one that may keep its answer.
    """

    sidecar: Sidecar
    watch: Watch | None
    pause: float
    timeout: float


class Sidecars:
    """All sidecars of a client, and their budget. Safe to use from many threads."""

    def __init__(
        self, addresses: Sequence[str], *, clock: Clock, balance: Balance, retries: RetryOptions
    ) -> None:
        if isinstance(addresses, str) or not addresses:
            raise ValueError("addresses: give a list of at least one address")
        if balance not in ("first", "round_robin"):
            raise ValueError(f'balance: {balance!r} is neither "first" nor "round_robin"')
        self.all = tuple(Sidecar(address, number) for number, address in enumerate(addresses))
        self.clock, self.retries, self._balance = clock, retries, balance
        self._lock = threading.Lock()
        self._tokens = retries.tokens
        self._turn = 0

    def order(self) -> tuple[Sidecar, ...]:
        """Those to ask, in order: first those that do not fail, then those that have rested longest."""
        if len(self.all) == 1:
            return self.all
        now_ns = self.clock.steady_ns()
        with self._lock:
            turn = self._turn if self._balance == "round_robin" else 0
            self._turn = (turn + 1) % len(self.all)
            turned = self.all[turn:] + self.all[:turn]
            return tuple(sorted(turned, key=lambda each: max(0, each.rests_until_ns - now_ns)))

    def succeeded(self, sidecar: Sidecar) -> None:
        """It answered, whatever it said."""
        with self._lock:
            if sidecar.failures:
                _log.warning("%s answers again", sidecar.address)
            sidecar.failures, sidecar.rests_until_ns = 0, 0
            self._tokens = min(self.retries.tokens, self._tokens + self.retries.refill)

    def failed(self, sidecar: Sidecar, status: str) -> None:
        """It could not be reached, or did not answer in time: it is asked last for a while."""
        now_ns = self.clock.steady_ns()
        with self._lock:
            if not sidecar.failures:
                _log.warning("%s does not answer: %s", sidecar.address, status)
            if now_ns >= sidecar.rests_until_ns:
                rest_ns = min(_FIRST_REST_NS << min(sidecar.failures, 10), _MOST_REST_NS)
                sidecar.failures += 1
                sidecar.rests_until_ns = now_ns + int(rest_ns * JITTER.uniform(0.8, 1.2))
            self._tokens = max(0.0, self._tokens - 1)

    def may_repeat(self) -> bool:
        """Whether the budget allows another attempt."""
        with self._lock:
            return self._tokens > self.retries.tokens / 2


class Course:
    """The attempts of one check.

    Args:
        timeout: of the whole check, in seconds.
    """

    def __init__(self, sidecars: Sidecars, timeout: float) -> None:
        self._sidecars, self._clock = sidecars, sidecars.clock
        self.began_ns = self._clock.steady_ns()
        self.ends_ns = self.began_ns + int(timeout * 1e9)
        self.attempts = 0
        self.cause = "DEADLINE_EXCEEDED"
        self._order = sidecars.order()
        self._over = False

    def is_late(self) -> bool:
        """Whether the check's own time is over. An answer that comes later is not used: a lockout may
        have been confirmed meanwhile.
        """
        return self._clock.steady_ns() >= self.ends_ns

    def next(self) -> Attempt | None:
        """The next attempt; None: there is none, the check is denied."""
        place = self.attempts
        if self._over or (place > 0 and not self._sidecars.may_repeat()):
            return None
        if place >= max(self._sidecars.retries.attempts, 1):
            return None
        turn, sidecar = divmod(place, len(self._order))
        pause = _PAUSE_SECONDS * 2**turn * JITTER.uniform(0.5, 1.0) if turn else 0.0
        left = (self.ends_ns - self._clock.steady_ns()) / 1e9 - pause
        if left <= 0:
            return None
        others = min(len(self._order), self._sidecars.retries.attempts) - place - 1
        self.attempts += 1
        chosen = self._order[sidecar]
        # One that hangs must leave time for another.
        return Attempt(chosen, chosen.watch, pause, left / 2 if others > 0 else left)

    def failed(self, attempt: Attempt, status: str) -> None:
        """The attempt ended with this gRPC status."""
        self.cause = status
        if status in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
            self._sidecars.failed(attempt.sidecar, status)
        elif status == "INVALID_ARGUMENT":
            self._sidecars.succeeded(attempt.sidecar)
        else:  # another attempt would end as this one did
            _log.warning("%s answered %s", attempt.sidecar.address, status)
            self._sidecars.succeeded(attempt.sidecar)
            self._over = True

    def answered(self, attempt: Attempt) -> None:
        """The attempt was answered."""
        self._sidecars.succeeded(attempt.sidecar)


def is_local(address: str) -> bool:
    """Whether an address can only be of this machine: a Unix socket or loopback."""
    if address.startswith(("unix:", "unix-abstract:")):
        return True
    host = address.rpartition("/")[2].removeprefix("ipv4:").removeprefix("ipv6:").removeprefix("dns:")
    host = host.rpartition(":")[0].strip("[]") or host
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
