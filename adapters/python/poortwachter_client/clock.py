"""The two clocks: one that never goes back, and the wall's."""

import time
from typing import Protocol

# Counts the time that the machine was suspended, as a lease must. CLOCK_MONOTONIC of Linux does not; that of
# Windows does; on macOS Python has no such clock.
_STEADY = getattr(time, "CLOCK_BOOTTIME", None)


class Clock(Protocol):
    """Where the client reads the time; tests have one that they set."""

    def steady_ns(self) -> int:
        """Nanoseconds since some moment, never less than before, suspended time included."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970 UTC; may jump."""


class SystemClock:
    """The machine's clocks."""

    def steady_ns(self) -> int:
        """See `Clock`."""
        return time.monotonic_ns() if _STEADY is None else time.clock_gettime_ns(_STEADY)

    def wall_ns(self) -> int:
        """See `Clock`."""
        return time.time_ns()
