"""Delegations from employers to intermediaries, in all the states that they can have."""

from random import Random
from typing import Any

from pdp.demo.catalogue import SERVICES
from pdp.demo.moments import DAY, stamp

_EVERYTHING = "*"


def delegation(random: Random, employer: dict[str, Any], intermediary: str, at: int) -> dict[str, Any]:
    """The record of a delegation by `employer` (its document) to `intermediary` (KvK)."""
    begin = at - random.randrange(60 * DAY, 2_500 * DAY)
    scope = _scope(random, employer)
    scopes = [{**scope, "from": stamp(begin)}]
    found: dict[str, Any] = {"employer": employer["kvk"], "intermediary": intermediary, "scopes": scopes}
    luck = random.random()
    if luck < 0.72:
        pass  # in force, without an end
    elif luck < 0.86:
        scopes[0]["until"] = stamp(at + random.randrange(DAY, 900 * DAY))
    elif luck < 0.92:
        # Renewed every year: one scope ended, the next is in force.
        renewal = stamp(at - random.randrange(DAY, 50 * DAY))
        scopes[0]["until"] = renewal
        scopes.append({**scope, "from": renewal, "until": stamp(at + 300 * DAY)})
    elif luck < 0.95:
        scopes[0]["until"] = stamp(at - random.randrange(DAY, 50 * DAY))
    elif luck < 0.97:
        scopes[0]["from"] = stamp(at + random.randrange(DAY, 60 * DAY))
    else:
        found["revoked_at"] = stamp(at - random.randrange(DAY, 50 * DAY))
    return found


def _scope(random: Random, employer: dict[str, Any]) -> dict[str, Any]:
    scope: dict[str, Any] = {"services": _EVERYTHING, "purposes": _EVERYTHING, "fiscal_numbers": _EVERYTHING}
    luck = random.random()
    if luck > 0.7:
        services = random.sample(SERVICES[1:], 3)
        scope["services"] = [SERVICES[0].id, *(service.id for service in services)]
        if luck > 0.85:
            scope["purposes"] = [p for service in (SERVICES[0], *services) for p in service.purposes]
        if luck > 0.95:
            scope["fiscal_numbers"] = [entry["number"] for entry in employer["fiscal_numbers"]]
    return scope
