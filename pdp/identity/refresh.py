"""Keeps the issuers' keys in the core fresh, from one thread."""

import logging
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pdp import _core
from pdp.identity.declaration import Declared
from pdp.identity.keys import KeysError, KeysFile, KeysUrl

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_FIRST_RETRY_SECONDS = 1.0
_LAST_RETRY_SECONDS = 60.0


@dataclass(slots=True)
class _Turn:
    """When an issuer's keys are read next, on the monotonic clock, and how often that failed in a row."""

    place: KeysUrl | KeysFile
    due: float = 0.0
    failures: int = 0


class KeysRefresher:
    """Reads keys when they are due, when a file changed, and when a token named a key that is not known.

    What cannot be read or is refused changes nothing: the keys of before stay until the core finds them too
    old (`keys_max_age_seconds`). Failures are tried again after 1 s, 2 s, … up to a minute, each with jitter.
    """

    def __init__(self, declared: Declared) -> None:
        self._identity = declared.identity
        self._turns = [_Turn(place) for place in declared.places]
        self._stop = threading.Event()
        self._first = threading.Event()
        self._thread = threading.Thread(target=self._run, name="identity-keys", daemon=True)

    def start(self, wait_seconds: float) -> bool:
        """Begins; True when each issuer's keys were asked for, well or in vain, within the time."""
        self._thread.start()
        return self._first.wait(wait_seconds)

    def stop(self, wait_seconds: float = 1.0) -> None:
        """Ends; a read under way ends by itself, in seconds, with a daemon's right to be cut off."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(wait_seconds)

    def look(self) -> None:
        """One look at everything: what the thread does each second."""
        wanted = self._identity.take_refresh()
        for turn in self._turns:
            if turn.place.issuer in wanted or turn.place.changed() or time.monotonic() >= turn.due:
                self._refresh(turn)

    def _run(self) -> None:
        while True:
            try:
                self.look()
            except Exception:
                # A defect must not end the refreshing for good.
                log.exception("Looking after the issuers' keys failed.")
            self._first.set()
            if self._stop.wait(_LOOK_SECONDS):
                return

    def _refresh(self, turn: _Turn) -> None:
        place = turn.place
        try:
            count = read_keys(self._identity, place)
        except KeysError as error:
            turn.failures += 1
            backoff = min(_LAST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0 ** min(turn.failures - 1, 10))
            turn.due = time.monotonic() + backoff * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load only
            if turn.failures == 1:
                log.warning("%s The keys of before stay, if any.", error)
            return
        if turn.failures:
            log.info("The keys of %s are readable again: %d keys.", place.issuer, count)
        turn.failures = 0
        turn.due = time.monotonic() + place.fresh_seconds * random.uniform(0.9, 1.0)  # noqa: S311


def read_keys(identity: _core.Identity, place: KeysUrl | KeysFile) -> int:
    """Reads keys and gives them to the core; how many are usable.

    Raises:
        KeysError: they cannot be read, or the core refuses them; those of before stay.
    """
    text = place.read()
    try:
        count = identity.set_keys(place.issuer, text)
    except _core.IdentityError as error:
        raise KeysError(f"{error} (from {place.place})") from error
    place.accept()
    return count


def read_all(declared: Declared) -> Sequence[tuple[str, str, int | KeysError]]:
    """Reads every issuer's keys once: (issuer, place, how many or why not)."""
    results: list[tuple[str, str, int | KeysError]] = []
    for place in declared.places:
        try:
            results.append((place.issuer, place.place, read_keys(declared.identity, place)))
        except KeysError as error:
            results.append((place.issuer, place.place, error))
    return results
