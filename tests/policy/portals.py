"""Hypothesis strategies: small portals in which everything occurs, and requests to them.

Each part is mostly in order and now and then is not, so that allows and denials of every kind are common.
Moments are drawn from around NOW_MS, boundaries included.
"""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from pdp.policy.moments import format_moment, parse_moment

Records = dict[tuple[str, str], Any]

NOW = "2026-03-02T09:00:00Z"
NOW_MS = parse_moment(NOW) or 0
DAY_MS = 86_400_000
BAKERY, SHOP, OFFICE = "27381054", "04512367", "34567891"
NUMBERS = ("123456782", "111222333")
PURPOSES = ("https://register.example/one", "https://register.example/two")
LEVEL = "urn:etoegang:core:assurance-class:"
UUIDS = {
    "reports": "6f1c3a52-90d4-4b7e-8a11-2f6e0c9b1d01",
    "agreements": "6f1c3a52-90d4-4b7e-8a11-2f6e0c9b1d05",
}

_STEPS = (-400, -60, -43, -42, -30, -7, -1, 1, 7, 42, 60)


@dataclass(frozen=True)
class Portal:
    """Records as users write them, and a request."""

    records: Records
    request: dict[str, Any]


def moments(*days: int) -> st.SearchStrategy[str]:
    """Moments some days from now, mostly exactly, sometimes a second or a millisecond beside."""
    beside = st.sampled_from((0, 0, 0, 0, -1000, 1000, -1, 1))
    return st.tuples(st.sampled_from(days or (0, *_STEPS)), beside).map(
        lambda drawn: format_moment(NOW_MS + drawn[0] * DAY_MS + drawn[1])
    )


def mostly(normal: Any, other: st.SearchStrategy[Any], weight: int = 5) -> st.SearchStrategy[Any]:
    """A value that is in order `weight` times out of `weight` + 1."""
    return st.integers(0, weight).flatmap(lambda drawn: st.just(normal) if drawn < weight else other)


def document(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    """An object; a field whose value is ABSENT is left out."""
    strategies = {
        name: value if isinstance(value, st.SearchStrategy) else st.just(value)
        for name, value in fields.items()
    }
    return st.fixed_dictionaries(strategies).map(
        lambda drawn: {name: value for name, value in drawn.items() if value is not ABSENT}
    )


ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "ABSENT"})()

past = moments(-400, -60, -43, -1)
maybe_until = mostly(ABSENT, moments(), 3)
since = mostly(format_moment(NOW_MS - 400 * DAY_MS), moments())
purposes = mostly(list(PURPOSES), st.lists(st.sampled_from(PURPOSES), max_size=1))
numbers = st.lists(st.sampled_from((*NUMBERS, f"{NUMBERS[0]}L01")), max_size=2, unique=True)
all_or = {
    "services": mostly("*", st.lists(st.sampled_from(("reports", "agreements")), max_size=2, unique=True)),
    "purposes": mostly("*", purposes),
    "fiscal_numbers": mostly("*", numbers),
}

terms_said = st.one_of(
    document(version=st.sampled_from(("4.1", "4.2", "4.3")), accepted_at=moments()),
    document(version=st.sampled_from(("4.1", "4.2", "4.3")), rejected_at=moments()),
)
grants = st.lists(
    document(
        service=st.sampled_from(("reports", "agreements")),
        purposes=purposes,
        fiscal_numbers=mostly(ABSENT, numbers),
        **{"from": since},
        until=maybe_until,
    ),
    max_size=2,
)
ALL_GRANTS = [
    {"service": name, "purposes": list(PURPOSES), "from": format_moment(NOW_MS - DAY_MS)} for name in UUIDS
]
ACCEPTED = [{"version": "4.1", "accepted_at": format_moment(NOW_MS - 400 * DAY_MS)}]


def account(organisation: str) -> st.SearchStrategy[dict[str, Any]]:
    return document(
        employer=mostly(BAKERY, st.just(SHOP), 12),
        organisation=mostly(organisation, st.just(SHOP), 12),
        status=mostly("active", st.sampled_from(("closed", "removed")), 10),
        notification_email=mostly(True, st.sampled_from((False, ABSENT))),
        terms=mostly(
            ACCEPTED,
            st.one_of(st.lists(terms_said, max_size=3), terms_said.map(lambda said: [*ACCEPTED, said])),
            2,
        ),
        grants=mostly(ALL_GRANTS, grants),
        consulted_at=mostly(format_moment(NOW_MS - DAY_MS), st.one_of(st.just(ABSENT), moments())),
        instructions=mostly(
            ABSENT,
            st.lists(
                document(
                    id=st.sampled_from("ab"),
                    issued_at=moments(),
                    acknowledged_at=mostly(ABSENT, moments(), 1),
                ),
                max_size=2,
            ),
        ),
    )


services = document(
    name="A service",
    minimum_assurance=mostly(f"{LEVEL}loa3", st.sampled_from((f"{LEVEL}loa2", f"{LEVEL}loa4"))),
    purposes=mostly(list(PURPOSES), purposes),
    actions=mostly(["read", "submit", "activate"], st.just(["read"])),
    fiscal_number_required=st.booleans(),
    activation_required=st.booleans(),
    personal_data=st.booleans(),
)
fiscal_numbers = st.lists(
    document(
        number=st.sampled_from((*NUMBERS, f"{NUMBERS[0]}L01")),
        activated_at=mostly(format_moment(NOW_MS - 60 * DAY_MS), st.one_of(st.just(ABSENT), moments())),
        activated_by="anna",
    ),
    max_size=3,
)
employers = document(
    kvk=BAKERY,
    fiscal_numbers=mostly(
        [{"number": NUMBERS[0], "activated_at": format_moment(NOW_MS - DAY_MS), "activated_by": "anna"}],
        fiscal_numbers,
    ),
    account_review_at=mostly(format_moment(NOW_MS - 7 * DAY_MS), st.one_of(st.just(ABSENT), moments())),
)
delegations = document(
    employer=BAKERY,
    intermediary=OFFICE,
    scopes=mostly(
        [
            {
                "services": "*",
                "purposes": "*",
                "fiscal_numbers": "*",
                "from": format_moment(NOW_MS - 7 * DAY_MS),
            }
        ],
        st.lists(document(**all_or, **{"from": since}, until=maybe_until), max_size=2),
        2,
    ),
    revoked_at=mostly(ABSENT, moments()),
)
blocks = document(
    ground=st.sampled_from(("misuse", "suspected_misuse", "third_party_report")),
    **{"from": moments()},
    until=mostly(ABSENT, moments(), 1),
)
terminations = document(
    ground=st.sampled_from(("misuse", "terms_rejected", "special_circumstances")),
    services=st.sampled_from(("*", ["reports"], ["agreements"], ["reports", "agreements"])),
    **{"from": moments()},
)
incidents = document(
    scope=st.sampled_from(
        (
            {"portal": True},
            {"services": ["reports"]},
            {"services": ["agreements"]},
            {"employers": [BAKERY]},
            {"employers": [SHOP]},
        )
    ),
    kind=st.sampled_from(("incident", "threat")),
    nature=mostly("storing", st.just(ABSENT)),
    announced_at=past,
    **{"from": moments()},
    expected_end=mostly(ABSENT, moments(), 1),
    ended_at=mostly(ABSENT, moments(), 1),
)
codes = document(
    sent_at=past,
    expires_at=mostly(format_moment(NOW_MS + 7 * DAY_MS), moments()),
    attempts_left=st.sampled_from((3, 1, 0)),
    addressed_to=mostly(BAKERY, st.just(SHOP)),
)


def version(
    name: str, published: st.SearchStrategy[str], effective: st.SearchStrategy[str]
) -> st.SearchStrategy[Any]:
    return document(
        version=name, url=f"https://portal.example/{name}", published_at=published, effective_at=effective
    )


OWNERS = (
    "account:anna",
    f"organisation:{BAKERY}",
    f"organisation:{OFFICE}",
    f"employer:{BAKERY}",
    f"employer:{SHOP}",
)


@st.composite
def records(draw: st.DrawFn) -> Records:
    """A portal: one employer, one user, whose organisation is the employer or an intermediary."""
    found: Records = {
        ("employer", BAKERY): draw(employers),
        ("account", "anna"): draw(account(draw(st.sampled_from((BAKERY, OFFICE))))),
        ("terms", "4.1"): draw(version("4.1", moments(-400), moments(-400))),
        ("terms", "4.2"): draw(
            version("4.2", mostly(format_moment(NOW_MS - 60 * DAY_MS), moments()), moments())
        ),
    }
    for name, uuid in UUIDS.items():
        found["service", name] = {**draw(services), "service_uuid": uuid}
    if draw(mostly(True, st.just(False))):
        found["delegation", f"{BAKERY}:{OFFICE}"] = draw(delegations)
    if draw(mostly(False, st.just(True), 2)):
        found["terms", "4.3"] = draw(version("4.3", moments(), moments()))
    for owner in draw(mostly([], st.lists(st.sampled_from(OWNERS), max_size=2, unique=True), 2)):
        found["block", owner] = draw(blocks)
    for owner in draw(mostly([], st.lists(st.sampled_from(OWNERS), max_size=2, unique=True), 2)):
        found["termination", owner] = draw(terminations)
    for name in draw(mostly([], st.lists(st.sampled_from("xy"), max_size=2, unique=True), 2)):
        found["incident", name] = draw(incidents)
    if draw(st.booleans()):
        found["activation_code", draw(st.sampled_from(NUMBERS))] = draw(codes)
    return {key: value for key, value in found.items() if draw(mostly(True, st.just(False), 40))}


def login(organisation: str) -> st.SearchStrategy[dict[str, Any]]:
    """The authentication of a user of the employer itself, or of the intermediary for the employer."""
    common = {
        "source": mostly("eherkenning", st.sampled_from(("digid", "", ABSENT)), 20),
        "levelOfAssurance": mostly(
            f"{LEVEL}loa3", st.sampled_from((f"{LEVEL}loa1", f"{LEVEL}loa4", "", ABSENT)), 12
        ),
        "authorizee": document(
            legalSubject=document(
                identifierType="kvkNummer",
                identifier=organisation,
                branchNumber=mostly(ABSENT, st.sampled_from(("000012345678", "000012345679")), 3)
                if organisation == BAKERY
                else mostly(ABSENT, st.just("000012345678"), 20),
            ),
            actingSubject=document(identifierType="opaque", identifier=mostly("anna", st.just("bram"), 20)),
        ),
    }
    if organisation == BAKERY:
        return document(**common)
    mandate = [{"id": "urn:etoegang:DV:1:services:1", "uuid": uuid} for uuid in UUIDS.values()]
    return document(
        **common,
        representee=mostly({"identifierType": "kvkNummer", "identifier": BAKERY}, st.just(ABSENT), 20),
        mandate=mostly(
            {"services": mandate}, st.sampled_from(({"services": mandate[:1]}, {"services": []}, ABSENT)), 10
        ),
    )


@st.composite
def requests(draw: st.DrawFn, organisation: str) -> dict[str, Any]:
    """A question about a service or about one of the portal's own pages."""
    authentication = draw(login(organisation))
    subject = {"type": "user", "id": "anna", "properties": {"authentication": authentication}}
    if draw(mostly(False, st.just(True), 6)):
        name = draw(
            st.sampled_from(("read", "accept_terms", "close_account", "reject_terms", "manage_accounts"))
        )
        return {
            "subject": subject,
            "action": {"name": name},
            "resource": {"type": "portal", "id": "werkgeversportaal"},
        }
    properties = draw(
        document(
            fiscal_number=mostly(NUMBERS[0], st.sampled_from((NUMBERS[1], f"{NUMBERS[0]}L01", ABSENT))),
            branch_number=mostly(ABSENT, st.sampled_from(("000012345678", "000012345679")), 3),
        )
    )
    action = draw(mostly("read", st.sampled_from(("submit", "activate", "fly"))))
    purpose = draw(
        mostly(PURPOSES[0], st.sampled_from((PURPOSES[1], "https://register.example/other", ABSENT)))
    )
    return {
        "subject": subject,
        "action": {"name": action}
        | ({} if purpose is ABSENT else {"properties": {"processing_activity_id": purpose}}),
        "resource": {
            "type": "webdienst",
            "id": draw(mostly("reports", st.sampled_from(("agreements", "nothing")), 3)),
            "properties": properties,
        },
    }


@st.composite
def portals(draw: st.DrawFn) -> Portal:
    """Records and a request that fit together most of the time."""
    found = draw(records())
    user = found.get(("account", "anna"), {})
    organisation = draw(mostly(user.get("organisation", BAKERY), st.sampled_from((BAKERY, OFFICE)), 20))
    return Portal(found, draw(requests(OFFICE if organisation == OFFICE else BAKERY)))
