"""Who can log in to the demo portal: people with a name, and the records that make them what they are.

Nobody here exists. Every number only has the right shape.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pdp.demo.catalogue import REGISTER, SERVICES, incidents, terms
from pdp.demo.portal import Portal, Record

BAKERY, PLUMBER, OFFICE = "68750110", "24310987", "34102875"
COMPANIES = {
    BAKERY: "Bakkerij De Korenschoof B.V.",
    PLUMBER: "Installatiebedrijf Van Vliet",
    OFFICE: "Administratiekantoor Duinzicht",
}
_RSINS = {BAKERY: "687501106", PLUMBER: "243109878", OFFICE: "341028757"}
CODE = "2468"
"""The verification code in every letter of the demo. The portal checks it; the account state never has it."""
_OTHERS = 200
"""Employers of the made-up portal around them."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can log in.

    Attributes:
        id: the name in the login form.
        name: for people to read.
        about: one Dutch sentence: what is the matter with this person.
        employer: KvK of the employer that is acted for.
        intermediary: KvK of the organisation that the person belongs to, where that is another one.
    """

    id: str
    name: str
    about: str
    employer: str
    intermediary: str | None = None

    @property
    def subject(self) -> str:
        """The acting subject of eHerkenning, a pseudonym."""
        return f"demo-{self.id}"

    @property
    def organisation(self) -> str:
        """KvK of the organisation that the person belongs to."""
        return self.intermediary or self.employer


PEOPLE = {
    person.id: person
    for person in (
        Person("sanne", "Sanne de Vries", "Werkt bij de werkgever zelf. Alles is in orde.", BAKERY),
        Person(
            "yusuf",
            "Yusuf Demir",
            "Werkt bij een intermediair en is gemachtigd voor ziekmeldingen en bezwaar.",
            BAKERY,
            OFFICE,
        ),
        Person("femke", "Femke Jansen", "Is nieuw en heeft de voorwaarden nog niet geaccepteerd.", BAKERY),
        Person(
            "ruud",
            "Ruud van Vliet",
            "Zijn account is geblokkeerd: er is een vermoeden van misbruik.",
            PLUMBER,
        ),
        Person("ines", "Ines Mulder", "Heeft de nieuwe voorwaarden afgewezen.", PLUMBER),
        Person("tom", "Tom Visser", "Zijn account is gesloten.", PLUMBER),
        Person("noor", "Noor Willems", "Heeft geen account in het portaal.", PLUMBER),
    )
}
BY_SUBJECT = {person.subject: person for person in PEOPLE.values()}


def records(terms_url: str) -> Iterator[Record]:
    """All records of the demo: the people above, and a made-up portal around them.

    Args:
        terms_url: where this portal shows the terms; the record of each version names it.
    """
    portal = Portal(_OTHERS, seed=1)
    mine = list(own(portal.at))
    for version, document in terms(portal.at):
        yield "terms", version, {**document, "url": terms_url}
    for service in SERVICES:
        yield "service", service.id, service.document()
    for key, document in incidents(portal.at, []):
        yield "incident", key, document
    taken = {(kind, key) for kind, key, _ in mine}
    for position in range(portal.size):
        for kind, key, document in portal.employer(position).records():
            if (kind, key) not in taken:
                yield kind, key, document
    yield from mine


def lines(found: Iterable[Record]) -> bytes:
    """Records as JSON Lines."""
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    return "".join(
        f"{encode({'kind': kind, 'key': key, 'value': value})}\n" for kind, key, value in found
    ).encode()


def own(at: int) -> Iterator[Record]:
    """The records of the people above, as they are at a moment (epoch seconds) when the demo begins."""
    now = datetime.fromtimestamp(at, UTC)
    year_ago = _stamp(now - timedelta(days=365))
    for kvk, rsin in _RSINS.items():
        yield (
            "employer",
            kvk,
            {
                "kvk": kvk,
                "rsin": rsin,
                "fiscal_numbers": [
                    {"number": f"{rsin}L01", "activated_at": year_ago},
                    {"number": f"{rsin}L02"},
                ],
                "account_review_at": _stamp(now - timedelta(days=60 if kvk == BAKERY else 500)),
            },
        )
        letter = {"sent_at": _stamp(now - timedelta(days=5)), "expires_at": _stamp(now + timedelta(days=25))}
        yield "activation_code", f"{rsin}L02", {**letter, "attempts_left": 3, "addressed_to": kvk}
    for person in PEOPLE.values():
        if person.id != "noor":
            yield "account", person.subject, _account(person, now)
    yield (
        "delegation",
        f"{BAKERY}:{OFFICE}",
        {
            "employer": BAKERY,
            "intermediary": OFFICE,
            "scopes": [
                {
                    "services": ["ziekmelden", "bezwaar"],
                    "purposes": "*",
                    "fiscal_numbers": "*",
                    "from": year_ago,
                }
            ],
        },
    )
    yield (
        "block",
        f"account:{PEOPLE['ruud'].subject}",
        {"ground": "suspected_misuse", "from": _stamp(now - timedelta(days=2)), "reference": "demo"},
    )


def _account(person: Person, now: datetime) -> dict[str, Any]:
    accepted: list[dict[str, str]] = [{"version": "4.2", "accepted_at": _stamp(now - timedelta(days=400))}]
    if person.id == "ines":
        accepted.append({"version": "4.3", "rejected_at": _stamp(now - timedelta(days=3))})
    # Two services are granted to nobody, so that one can see what that looks like.
    granted = [service for service in SERVICES if service.id not in ("quotum", "eigenrisico-financieel")]
    return {
        "employer": person.employer,
        "organisation": person.organisation,
        "status": "closed" if person.id == "tom" else "active",
        "notification_email": person.id != "femke",
        "terms": [] if person.id == "femke" else accepted,
        "grants": [
            {
                "service": service.id,
                # The first purpose only: the others of a service have pages that are denied.
                "purposes": [REGISTER + service.id],
                "from": _stamp(now - timedelta(days=300)),
            }
            for service in granted
        ],
        "consulted_at": _stamp(now - timedelta(days=45 if person.id == "femke" else 2)),
        "instructions": [{"id": "INS-2026-07", "issued_at": _stamp(now - timedelta(days=1))}]
        if person.id == "femke"
        else [],
    }


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
