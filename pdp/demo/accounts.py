"""Accounts of people: who they are, what they accepted, what they were granted."""

from random import Random
from typing import Any

from pdp.demo.catalogue import CUMULATIVE_WEIGHTS, NEXT_PUBLISHED, NEXT_TERMS, SERVICES, Service
from pdp.demo.moments import DAY, stamp

_OLDER_TERMS = (("4.1", 1_446_000_000), ("4.0", 1_380_000_000))
_TERMS_4_2 = 1_504_224_000
_PLACES = range(len(SERVICES))


def pseudonym(random: Random) -> str:
    """An acting subject of eHerkenning: opaque, lasting, another one for every company represented."""
    return f"{random.getrandbits(160):040X}"


def head_count(random: Random, *, has_intermediary: bool) -> int:
    """How many people of its own an employer has on the portal."""
    if has_intermediary and random.random() < 0.3:
        return 0
    return 1 + min(int(random.expovariate(0.65)), 12)


def account(random: Random, employer: dict[str, Any], organisation: str, at: int) -> dict[str, Any]:
    """The record of an account for `employer` (its document); its owner belongs to `organisation` (KvK)."""
    begin = at - random.randrange(40 * DAY, 3_000 * DAY)
    luck = random.random()
    return {
        "employer": employer["kvk"],
        "organisation": organisation,
        "status": "active" if luck < 0.975 else "closed" if luck < 0.99 else "removed",
        "notification_email": random.random() < 0.96,
        "terms": _terms(random, begin, at),
        "grants": _grants(random, employer, begin, at),
        "consulted_at": stamp(at - min(int(random.expovariate(1 / (9 * DAY))), at - begin)),
        "instructions": _instructions(random, at),
    }


def _terms(random: Random, begin: int, at: int) -> list[dict[str, str]]:
    luck = random.random()
    if luck < 0.008:
        return []
    found: list[dict[str, str]] = []
    if begin < _TERMS_4_2 or luck < 0.05:
        version, accepted = _OLDER_TERMS[luck < 0.015]
        found.append({"version": version, "accepted_at": stamp(accepted + random.randrange(60 * DAY))})
    else:
        found.append({"version": "4.2", "accepted_at": stamp(begin)})
    # Two weeks after its publication some people already said what they think of the next version.
    said = at + NEXT_PUBLISHED + random.randrange(-NEXT_PUBLISHED)
    if luck > 0.997:
        found.append({"version": NEXT_TERMS, "rejected_at": stamp(said)})
    elif luck > 0.9:
        found.append({"version": NEXT_TERMS, "accepted_at": stamp(said)})
    return found


def _grants(random: Random, employer: dict[str, Any], begin: int, at: int) -> list[dict[str, Any]]:
    # The services that people use most are granted to most.
    places = random.choices(_PLACES, cum_weights=CUMULATIVE_WEIGHTS, k=1 + int(random.random() * 4))
    return [_grant(random, SERVICES[place], employer, begin, at) for place in dict.fromkeys(places)]


def _grant(random: Random, service: Service, employer: dict[str, Any], begin: int, at: int) -> dict[str, Any]:
    purposes = service.purposes if random.random() < 0.85 else service.purposes[:1]
    grant: dict[str, Any] = {"service": service.id, "purposes": list(purposes), "from": stamp(begin)}
    numbers = employer["fiscal_numbers"]
    if service.needs_number and len(numbers) > 1 and random.random() < 0.3:
        grant["fiscal_numbers"] = [numbers[0]["number"]]
    luck = random.random()
    if luck < 0.03:
        grant["until"] = stamp(at - random.randrange(DAY, 30 * DAY))
    elif luck < 0.12:
        grant["until"] = stamp(at + random.randrange(DAY, 700 * DAY))
    return grant


def _instructions(random: Random, at: int) -> list[dict[str, str]]:
    luck = random.random()
    if luck > 0.1:
        return []
    issued = at - random.randrange(2 * DAY, 200 * DAY)
    instruction = {"id": f"AANW-{random.randrange(1, 400):04d}", "issued_at": stamp(issued)}
    if luck > 0.02:
        instruction["acknowledged_at"] = stamp(issued + random.randrange(3_600, DAY))
    return [instruction]
