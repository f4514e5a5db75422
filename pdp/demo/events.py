"""What befalls an employer: blocks, ended access, letters with verification codes."""

from random import Random
from typing import Any

from pdp.demo.catalogue import SERVICES
from pdp.demo.moments import DAY, HOUR, stamp

_BLOCK_GROUNDS = ("misuse", "suspected_misuse", "suspected_misuse", "third_party_report")
_TERMINATION_GROUNDS = ("misuse", "terms_rejected", "special_circumstances")

_Record = tuple[str, str, dict[str, Any]]


def letter(random: Random, kvk: str, at: int) -> dict[str, Any]:
    """The record of a verification code that was sent by letter; most can still be used."""
    sent = at - random.randrange(DAY, 35 * DAY)
    return {
        "sent_at": stamp(sent),
        "expires_at": stamp(sent + 28 * DAY),
        "attempts_left": random.choice((0, 1, 2, 3, 3, 3, 3)),
        "addressed_to": kvk,
    }


def of_employer(random: Random, kvk: str, subjects: list[str], at: int) -> list[_Record]:
    """Blocks and terminations of an employer, its organisation and its accounts (subject ids)."""
    luck = random.random()
    if luck > 0.012:
        return []
    if luck < 0.001:
        key = f"employer:{kvk}"
    elif luck < 0.0015 or not subjects:
        key = f"organisation:{kvk}"
    else:
        key = f"account:{random.choice(subjects)}"
    if luck < 0.008:
        return [("block", key, _block(random, at))]
    return [("termination", key, _termination(random, at))]


def _block(random: Random, at: int) -> dict[str, Any]:
    begin = at - random.randrange(HOUR, 90 * DAY)
    block = {
        "ground": random.choice(_BLOCK_GROUNDS),
        "from": stamp(begin),
        "reference": f"B-{random.randrange(100_000):05d}",
    }
    luck = random.random()
    if luck < 0.35:
        block["until"] = stamp(at + random.randrange(HOUR, 60 * DAY))
    elif luck < 0.55:
        block["until"] = stamp(begin + (at - begin) // 2)
    elif luck < 0.6:
        block["from"] = stamp(at + random.randrange(HOUR, 10 * DAY))
    return block


def _termination(random: Random, at: int) -> dict[str, Any]:
    ground = random.choice(_TERMINATION_GROUNDS)
    partial = ground != "terms_rejected" and random.random() < 0.5
    services = sorted(service.id for service in random.sample(SERVICES, 2))
    begin = at - random.randrange(DAY, 300 * DAY)
    return {
        "ground": ground,
        "services": services if partial else "*",
        "from": stamp(begin if random.random() < 0.9 else at + random.randrange(DAY, 30 * DAY)),
        "reference": f"T-{random.randrange(100_000):05d}",
    }
