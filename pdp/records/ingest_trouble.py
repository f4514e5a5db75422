"""Waiting for trouble to pass: with pauses that grow and are partly random, for as long as patience lasts."""

import logging
import random
import time
from typing import Protocol

from pdp.errors import RecordsError

log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 5.0
_TELL_AGAIN_SECONDS = 60.0


class Stop(Protocol):
    """Says when to stop; a `threading.Event` is one."""

    def is_set(self) -> bool:
        """Whether to stop."""

    def wait(self, timeout: float) -> bool:
        """Sleeps for some seconds, or until told to stop; True when told."""


class StoppedError(Exception):
    """Told to stop while waiting for trouble to pass."""


class Trouble:
    """Trouble with one thing, from its first failure until it works again.

    Args:
        stop: ends every wait.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self.patience_seconds = float("inf")
        """Trouble that lasts longer is raised."""
        self._since: float | None = None
        self._pause = _FIRST_PAUSE_SECONDS
        self._told: tuple[str, float] = ("", 0.0)

    def wait(self, error: RecordsError) -> None:
        """Waits before the next attempt, after this failure.

        Raises:
            StoppedError: told to stop.
            RecordsError: this failure, once patience ends.
        """
        now = time.monotonic()
        since = self._since = now if self._since is None else self._since
        if now - since > self.patience_seconds:
            raise error
        text, told = self._told
        if str(error) != text or now - told > _TELL_AGAIN_SECONDS:
            log.warning("%s Trying again until it works.", error)
            self._told = (str(error), now)
        if self._stop.wait(self._pause * random.uniform(0.5, 1.0)):  # noqa: S311 - jitter
            raise StoppedError
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)

    def over(self) -> None:
        """It works, or works again."""
        if self._since is not None:
            log.info("It works again, after %.1f s.", time.monotonic() - self._since)
        self._since, self._pause, self._told = None, _FIRST_PAUSE_SECONDS, ("", 0.0)
