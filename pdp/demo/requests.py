"""What the users of a made-up portal ask: mostly what they may, sometimes what they may not.

About nine of ten requests are what an account was granted; whether it is allowed still depends on what
befell the account. The others have one fault each (`FAULTS`).
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from pdp.demo.catalogue import BY_ID, LEVEL, PROVIDER, REGISTER, SERVICES, Service
from pdp.demo.moments import stamp
from pdp.demo.portal import Employer, Portal

Request = dict[str, Any]
"""Subject, action, resource and, where needed, context: an AuthZEN request as JSON data."""

_PORTAL_ACTIONS = ("read", "read", "read", "read", "update_profile", "manage_accounts", "accept_terms")
_OWN_PAGES = 0.12
_FAULTY = 0.07
_BRANCH = 0.03


def iter_requests(seed: int, employers: int, count: int, at: int | None = None) -> Iterator[Request]:
    """`count` requests to the portal of `seed` and `employers` at a moment (epoch seconds).

    The same ones for the same arguments; `Portal(employers, seed, at)` has the records that go with them.
    """
    portal = Portal(employers, seed, at)
    random = Random(f"requests {seed}")
    for _ in range(count):
        yield request(portal, random)


def request(portal: Portal, random: Random, position: int | None = None) -> Request:
    """One request by an account of the employer at `position` (one at random unless given)."""
    while True:
        place = random.randrange(portal.size) if position is None else position
        employer = portal.employer(place)
        if employer.accounts:
            break
        position = None
    subject = random.choice(list(employer.accounts))
    account = employer.accounts[subject]
    if random.random() < _OWN_PAGES:
        asked = _own_pages(random, employer, subject, account)
    else:
        asked = _service_request(portal, random, employer, subject, account)
    if random.random() < _FAULTY:
        random.choice(FAULTS)(random, asked)
    return asked


def login(
    employer: Employer, subject: str, account: dict[str, Any], services: list[Service]
) -> dict[str, Any]:
    """The authentication context of a sound login; an intermediary's has a mandate for `services`."""
    organisation = account["organisation"]
    context: dict[str, Any] = {
        "source": "eherkenning",
        "levelOfAssurance": LEVEL + "loa3",
        "authorizee": {
            "legalSubject": {"identifierType": "kvkNummer", "identifier": organisation},
            "actingSubject": {"identifierType": "opaque", "identifier": subject},
        },
    }
    if organisation != employer.kvk:
        context["representee"] = {"identifierType": "kvkNummer", "identifier": employer.kvk}
        context["mandate"] = {
            "services": [
                {"id": f"{PROVIDER}{9_001 + SERVICES.index(service)}", "uuid": service.uuid}
                for service in services
            ]
        }
    return context


def _own_pages(random: Random, employer: Employer, subject: str, account: dict[str, Any]) -> Request:
    granted = [BY_ID[grant["service"]] for grant in account["grants"]]
    return {
        "subject": _subject(employer, subject, account, granted),
        "action": {"name": random.choice(_PORTAL_ACTIONS)},
        "resource": {"type": "portal", "id": "werkgeversportaal"},
    }


def _service_request(
    portal: Portal, random: Random, employer: Employer, subject: str, account: dict[str, Any]
) -> Request:
    now = stamp(portal.at)
    usable = [
        grant
        for grant in account["grants"]
        if grant.get("until", "9") > now and _number(employer, account, grant) is not None
    ]
    if not usable:
        return _own_pages(random, employer, subject, account)
    grant = random.choices(usable, [BY_ID[grant["service"]].weight for grant in usable])[0]
    service = BY_ID[grant["service"]]
    granted = [BY_ID[each["service"]] for each in account["grants"]]
    asked: Request = {
        "subject": _subject(employer, subject, account, granted),
        "action": {
            "name": _action(random, service),
            "properties": {"processing_activity_id": _purpose(random, employer, account, grant)},
        },
        "resource": {"type": "webdienst", "id": service.id, "properties": {}},
    }
    context = asked["subject"]["properties"]["authentication"]
    # Who needs a higher level logs in with it; some always do.
    if service.level.endswith("loa4") or random.random() < 0.1:
        context["levelOfAssurance"] = LEVEL + "loa4"
    number = _number(employer, account, grant)
    if service.needs_number:
        asked["resource"]["properties"]["fiscal_number"] = number
    if "mandate" not in context and random.random() < _BRANCH:
        branch = f"0000{employer.kvk}"
        context["authorizee"]["legalSubject"]["branchNumber"] = branch
        asked["resource"]["properties"]["branch_number"] = branch
    return asked


def _subject(
    employer: Employer, subject: str, account: dict[str, Any], services: list[Service]
) -> dict[str, Any]:
    context = login(employer, subject, account, services)
    return {"type": "user", "id": subject, "properties": {"authentication": context}}


def _action(random: Random, service: Service) -> str:
    return "read" if random.random() < 0.55 else random.choice(service.actions)


def _purpose(random: Random, employer: Employer, account: dict[str, Any], grant: dict[str, Any]) -> str:
    allowed = _scope(employer, account).get("purposes", "*")
    both = [p for p in grant["purposes"] if allowed == "*" or p in allowed]
    return str(random.choice(both or grant["purposes"]))


def _number(employer: Employer, account: dict[str, Any], grant: dict[str, Any]) -> str | None:
    """The number to use a grant with: "" when none is needed, None when there is none that could work."""
    scope = _scope(employer, account)
    if scope.get("services", "*") != "*" and grant["service"] not in scope["services"]:
        return None
    if not BY_ID[grant["service"]].needs_number:
        # A delegation for some numbers is not one for a service without any.
        return "" if scope.get("fiscal_numbers", "*") == "*" else None
    for entry in employer.document["fiscal_numbers"]:
        number = entry["number"]
        if "activated_at" in entry and number in grant.get("fiscal_numbers", [number]):
            return str(number)
    return None


def _scope(employer: Employer, account: dict[str, Any]) -> dict[str, Any]:
    delegation = employer.delegations.get(account["organisation"])
    return delegation["scopes"][-1] if delegation is not None else {}


def _low_level(_: Random, asked: Request) -> None:
    asked["subject"]["properties"]["authentication"]["levelOfAssurance"] = LEVEL + "loa2"


def _other_source(_: Random, asked: Request) -> None:
    asked["subject"]["properties"]["authentication"]["source"] = "digid"


def _other_employer(random: Random, asked: Request) -> None:
    context = asked["subject"]["properties"]["authentication"]
    company = context.get("representee") or context["authorizee"]["legalSubject"]
    company["identifier"] = f"{random.randrange(100_000_000):08d}"


def _unknown_account(random: Random, asked: Request) -> None:
    subject = f"{random.getrandbits(160):040X}"
    asked["subject"]["id"] = subject
    asked["subject"]["properties"]["authentication"]["authorizee"]["actingSubject"]["identifier"] = subject


def _no_purpose(_: Random, asked: Request) -> None:
    asked["action"].pop("properties", None)
    _if_own_pages(asked)


def _other_purpose(_: Random, asked: Request) -> None:
    asked["action"]["properties"] = {"processing_activity_id": REGISTER + "reclame"}
    _if_own_pages(asked)


def _other_action(_: Random, asked: Request) -> None:
    asked["action"]["name"] = "manage_accounts"
    _if_own_pages(asked)


def _other_service(_: Random, asked: Request) -> None:
    asked["resource"] = {"type": "webdienst", "id": "loonaangifte", "properties": {}}


def _other_number(_: Random, asked: Request) -> None:
    # 111222333 passes the elfproef and is of nobody here.
    asked["resource"]["properties"] = {"fiscal_number": "111222333"}
    _if_own_pages(asked)


def _out_of_mandate(_: Random, asked: Request) -> None:
    context = asked["subject"]["properties"]["authentication"]
    if "mandate" not in context or asked["resource"]["type"] == "portal":
        _low_level(_, asked)
        return
    context["mandate"] = {
        "services": [{"id": f"{PROVIDER}8000", "uuid": "00000000-0000-4000-8000-000000000000"}]
    }


def _if_own_pages(asked: Request) -> None:
    """Faults that mean nothing on the portal's own pages become a low level of login there."""
    if asked["resource"]["type"] == "portal":
        _low_level(Random(0), asked)


FAULTS: tuple[Callable[[Random, Request], None], ...] = (
    _low_level,
    _other_source,
    _other_employer,
    _unknown_account,
    _no_purpose,
    _other_purpose,
    _other_purpose,
    _other_action,
    _other_service,
    _other_number,
    _out_of_mandate,
)
"""What is wrong with a request that is not allowed, as often as it stands here."""
