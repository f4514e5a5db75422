"""Judges a history: did anything get past a barrier, was anything lost, did all come to the same state?

A pure function of the history, so that made-up ones can show that it catches each kind of anomaly.
"""

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

from tests.faults.history import Check, Ended, Final, History, Lock, Loss, Write

STALE = {"STATE_STALE", "STATE_UNAVAILABLE"}
CODES = {"DOOR_CLOSED": "door", "WARD_CLOSED": "ward"}
_FOREVER = 1 << 63


class Anomaly(NamedTuple):
    """Something that must not happen."""

    kind: str
    text: str


class Claim(NamedTuple):
    """From `start` to `end` a lock is known to be open, or to be closed, on every sidecar."""

    lock: Lock
    start: int
    end: int
    write: Write


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, and how much was judged: a verdict on nothing says nothing.

    Attributes:
        anomalies: at most a hundred.
        closings: claims that a lock was closed everywhere.
        judged: checks that fell under one.
        late: answers that allowed after a barrier returned, to checks that began before it (permitted).
        latest_ms: how long after, at most.
    """

    anomalies: list[Anomaly]
    closings: int
    judged: int
    late: int
    latest_ms: int

    def kinds(self) -> set[str]:
        return {anomaly.kind for anomaly in self.anomalies}


def judge(history: History) -> Verdict:
    """All that can be said against a history."""
    by_lock = _by_lock(history.checks)
    closed, open_ = claims(history, opens=False), claims(history, opens=True)
    found: list[Anomaly] = []
    judged = late = latest = 0
    for claim in closed:
        for check in _within(claim, by_lock[claim.lock]):
            judged += 1
            if check.allow:
                found.append(Anomaly("allowed after a lockout", _about(check, claim)))
        for check in _straddling(claim, by_lock[claim.lock]):
            late += 1
            latest = max(latest, check.ended - claim.start)
            if claim.write.settled and check.ended - check.began <= history.gateway_timeout_ns:
                found.append(Anomaly("used after a settled lockout", _about(check, claim)))
            if claim.write.path == "fast" and _left_late(history, check, claim):
                found.append(Anomaly("answered after a fast lockout", _about(check, claim)))
    for claim in open_:
        found += [
            Anomaly("denied by an old state", _about(check, claim))
            for check in _within(claim, by_lock[claim.lock])
            if any(CODES.get(code) == claim.lock.partition("/")[0] for code in check.codes)
        ]
    found += _unanswered(history)
    found += _unexplained(history.checks)
    found += _lost(history)
    found += _diverged(history)
    return Verdict(found[:100], len(closed), judged, late, latest // 1_000_000)


def claims(history: History, *, opens: bool) -> list[Claim]:
    """When which locks were known to be open (or closed) on every sidecar."""
    by_lock: dict[Lock, list[Write]] = defaultdict(list)
    for write in history.writes:
        if write.how is not Ended.REFUSED:
            for lock in write.locks:
                by_lock[lock].append(write)
    found = []
    for lock, writes in by_lock.items():
        against = [write for write in writes if write.opens is not opens]
        found += [
            claim
            for write in writes
            if write.opens is opens and (claim := _claim(history, lock, write, against))
        ]
    return found


def _claim(history: History, lock: Lock, write: Write, against: list[Write]) -> Claim | None:
    if write.how is Ended.UNKNOWN:
        return None
    start = write.ended + (0 if write.how is Ended.DONE else history.wait_ns)
    end = _FOREVER
    for other in against:
        if other.began >= write.began:
            end = min(end, other.began)
        elif other.how is Ended.UNKNOWN:
            # It may take effect at any time.
            return None
    for loss in history.losses:
        if write.began >= loss.ended or _kept(loss, write, end):
            continue
        if write.ended >= loss.began:
            return None
        end = min(end, loss.began)
    return Claim(lock, start, end, write) if start < end else None


def _kept(loss: Loss, write: Write, lifted: int) -> bool:
    """Whether a write is still there after a loss: the copy put back has it, and nothing against it."""
    return loss.kept is not None and write.ended <= loss.kept and lifted >= loss.began


def _by_lock(checks: list[Check]) -> dict[Lock, list[Check]]:
    by_lock: dict[Lock, list[Check]] = defaultdict(list)
    for check in sorted(checks, key=lambda check: check.began):
        for lock in check.locks:
            by_lock[lock].append(check)
    return by_lock


def _within(claim: Claim, checks: list[Check]) -> list[Check]:
    """The checks that began after the claim's start and ended before its end."""
    first = bisect_right(checks, claim.start, key=lambda check: check.began)
    last = bisect_right(checks, claim.end, key=lambda check: check.began)
    return [check for check in checks[first:last] if check.ended <= claim.end and check.allow is not None]


def _straddling(claim: Claim, checks: list[Check]) -> list[Check]:
    """The checks that began before a barrier returned and were allowed after it."""
    if claim.write.how is not Ended.DONE:
        return []
    last = bisect_right(checks, claim.start, key=lambda check: check.began)
    # Nobody waits longer for an answer than workloads do.
    first = bisect_right(checks, claim.start - 60_000_000_000, key=lambda check: check.began)
    return [check for check in checks[first:last] if check.allow and claim.start < check.ended <= claim.end]


def _left_late(history: History, check: Check, claim: Claim) -> bool:
    """Whether an answer left after a barrier that waited until its sidecar had drained. A sidecar that was
    stopped may have been forgotten; then nobody waited for it.
    """
    stopped = any(
        stop.sidecar == check.sidecar and stop.began <= check.ended and check.began <= stop.ended
        for stop in history.stops
    )
    return check.ended > claim.start + history.way_ns and not stopped


def _unanswered(history: History) -> list[Anomaly]:
    found = []
    for check in history.checks:
        excused = check.allow is not None or any(
            outage.sidecar == check.sidecar and outage.began <= check.ended and check.began <= outage.ended
            for outage in history.outages
        )
        if not excused:
            found.append(Anomaly("no answer", f"{check.sidecar} at {check.began}: {check.error}"))
    return found


def _unexplained(checks: list[Check]) -> list[Anomaly]:
    """An allow has no reasons; a denial has known ones, and STATE_STALE stands alone."""
    found = []
    for check in checks:
        codes = set(check.codes)
        if check.allow is None or (check.allow and not codes):
            continue
        stale, of_policy = codes & STALE, codes & CODES.keys()
        if check.allow or codes != stale | of_policy or bool(stale) == bool(of_policy):
            found.append(Anomaly("a strange answer", f"{check.sidecar}: {check.allow} {sorted(codes)}"))
    return found


def _lost(history: History) -> list[Anomaly]:
    """What the store holds in the end is what the last acknowledged write of each lock said."""
    found = []
    for lock, is_open in history.stored.items():
        writes = [write for write in history.writes if lock in write.locks and write.how is not Ended.REFUSED]
        known = [write for write in writes if write.how is not Ended.UNKNOWN]
        if not known:
            continue
        last = max(known, key=lambda write: write.began)
        unsure = any(write.how is Ended.UNKNOWN and write.opens is not last.opens for write in writes)
        lost = any(last.began < loss.ended and not _kept(loss, last, _FOREVER) for loss in history.losses)
        if is_open is not last.opens and not unsure and not lost:
            said = "opened" if last.opens else "closed"
            found.append(
                Anomaly("lost write", f"{lock} was {said} at {last.ended} ({last.token}): {is_open}")
            )
    return found


def _diverged(history: History) -> list[Anomaly]:
    """All sidecars decide on one state, and as the store's documents say."""
    finals = history.finals
    found = [
        Anomaly("diverged", f"{other.sidecar} at {other.at} and {finals[0].sidecar} at {finals[0].at}")
        for other in finals[1:]
        if (other.at, other.answers) != (finals[0].at, finals[0].answers)
    ]
    for final in finals:
        found += [
            Anomaly("a wrong answer in the end", f"{final.sidecar}: {lock} {answer}")
            for lock, answer in final.answers.items()
            if answer != _answer_of(history, lock, final)
        ]
    return found


def _answer_of(history: History, door: Lock, final: Final) -> tuple[bool, tuple[str, ...]]:
    """What a door's and its ward's documents mean; without any in the history, what the sidecar says."""
    locks = (door, ward_of(door))
    if not all(lock in history.stored for lock in locks):
        return final.answers[door]
    codes = [
        code
        for code, lock in zip(("DOOR_CLOSED", "WARD_CLOSED"), locks, strict=True)
        if not history.stored[lock]
    ]
    return not codes, tuple(codes)


def ward_of(door: Lock) -> Lock:
    """The ward of a door: three doors each."""
    return f"ward/{int(door.partition('/')[2]) // 3}"


def _about(check: Check, claim: Claim) -> str:
    after = (check.began - claim.write.ended) / 1e6
    done = f"{claim.write.how.value} {claim.write.path}".strip()
    said = "allow" if check.allow else ", ".join(check.codes)
    return (
        f"{check.sidecar} answered {said} on {check.token} for {claim.lock} after "
        f"{(check.ended - check.began) / 1e6:.1f} ms; the check began {after:.1f} ms after the write of "
        f"{claim.write.token} ({done}) returned"
    )
