"""What every made-up portal has: its services, the versions of its terms, its incidents.

The services follow the public list of 2019; ids, UUIDs and purposes are made up.
"""

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from pdp.demo.moments import DAY, HOUR, stamp

LEVEL = "urn:etoegang:core:assurance-class:"
REGISTER = "https://register.example/verwerkingen/"
PROVIDER = "urn:etoegang:DV:00000003520354010000:services:"

_READ = ("read", "receive_message", "receive_specification")
_WRITE = ("read", "submit", "send_message", "receive_message")
_ALL = (*_WRITE, "send_specification", "receive_specification")


@dataclass(frozen=True, slots=True)
class Service:
    """A webdienst of the catalogue. `weight`: how often it is used, relative to the others."""

    id: str
    name: str
    uuid: str
    level: str
    purposes: tuple[str, ...]
    actions: tuple[str, ...]
    needs_number: bool
    personal_data: bool
    weight: int

    def document(self) -> dict[str, Any]:
        """The record of kind `service`."""
        return {
            "name": self.name,
            "service_uuid": self.uuid,
            "minimum_assurance": self.level,
            "purposes": list(self.purposes),
            "actions": [*self.actions, "activate"] if self.needs_number else list(self.actions),
            "fiscal_number_required": self.needs_number,
            "activation_required": self.needs_number,
            "personal_data": self.personal_data,
        }


def _service(
    number: int,
    name: str,
    purposes: str,
    actions: tuple[str, ...],
    weight: int,
    *,
    level: str = "loa3",
    needs_number: bool = True,
    personal_data: bool = True,
) -> Service:
    own, *others = purposes.split()
    return Service(
        id=own,
        name=name,
        uuid=f"6f1c3a52-90d4-4b7e-8a11-2f6e0c9b1d{number:02d}",
        level=LEVEL + level,
        purposes=tuple(REGISTER + purpose for purpose in (own, *others)),
        actions=actions,
        needs_number=needs_number,
        personal_data=personal_data,
        weight=weight,
    )


SERVICES = (
    _service(
        1, "Ziek- en herstelmeldingen doen en inzien (ZW en WAZO)", "ziekmelden verzuim-inzien", _ALL, 40
    ),
    _service(2, "Uitkeringsgegevens inzien (ZW en WAZO)", "uitkering-inzien", _READ, 18),
    _service(
        3,
        "Financiële gegevens inzien voor eigenrisicodragers (WGA en WW)",
        "eigenrisico-financieel",
        _READ,
        5,
    ),
    _service(4, "Re-integratiegegevens inzien (WW)", "reintegratie-ww", _READ, 6),
    _service(
        5,
        "Re-integratiegegevens aanleveren en inzien (WIA)",
        "reintegratie-wia reintegratie-verslag",
        _ALL,
        10,
    ),
    _service(6, "Ontslagaanvraag indienen", "ontslagaanvraag", _WRITE, 7, needs_number=False),
    _service(
        7,
        "Baanafspraak en quotum",
        "baanafspraak quotum",
        ("read", "submit"),
        6,
        needs_number=False,
        personal_data=False,
    ),
    _service(8, "Controle eigenrisicodragers", "eigenrisico-controle", _ALL, 3, level="loa4"),
    _service(9, "Bezwaar maken met een formulier", "bezwaar", ("read", "submit"), 5, needs_number=False),
)
BY_ID = {service.id: service for service in SERVICES}
CUMULATIVE_WEIGHTS = list(accumulate(service.weight for service in SERVICES))

# Version, published, effective: moments, or days from the moment of the portal.
_TERMS: tuple[tuple[str, int, int], ...] = (
    ("4.0", 1_363_564_800, 1_367_366_400),  # 18 March 2013, 1 May 2013
    ("4.1", 1_431_907_200, 1_435_708_800),  # 18 May 2015, 1 July 2015
    ("4.2", 1_500_336_000, 1_504_224_000),  # 18 July 2017, 1 September 2017
)
NEXT_TERMS = "4.3"
NEXT_PUBLISHED = -14 * DAY
NEXT_EFFECTIVE = 30 * DAY


def terms(at: int) -> list[tuple[str, dict[str, Any]]]:
    """Version and document of every version of the terms at a moment (epoch seconds); one is to come."""
    versions = (*_TERMS, (NEXT_TERMS, at + NEXT_PUBLISHED, at + NEXT_EFFECTIVE))
    return [
        (
            version,
            {
                "version": version,
                "url": f"https://www.uwv.example/werkgever/gebruiksvoorwaarden-{version}",
                "content_sha256": f"{version.replace('.', ''):0>2}" * 32,
                "published_at": stamp(published),
                "effective_at": stamp(effective),
            },
        )
        for version, published, effective in versions
    ]


def incidents(at: int, locked_out: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Id and document of each incident: ended ones, planned ones, and one that keeps employers (KvK) out."""
    ended = (
        ("INC-0001", {"portal": True}, "incident", "storing in de beveiliging van de inlogpagina", 210, 5),
        (
            "INC-0002",
            {"services": ["ziekmelden"]},
            "incident",
            "ongeoorloofde inzage in verzuimgegevens",
            96,
            30,
        ),
        ("INC-0003", {"portal": True}, "threat", "phishing uit naam van UWV", 41, 2),
    )
    found: list[tuple[str, dict[str, Any]]] = []
    for key, scope, kind, nature, days, hours in ended:
        begin = at - days * DAY
        document = _incident(scope, kind, nature, begin - HOUR, begin, begin + 4 * HOUR)
        found.append((key, {**document, "ended_at": stamp(begin + hours * HOUR)}))
    services = {"services": ["eigenrisico-financieel", "eigenrisico-controle"]}
    begin = at + 3 * DAY
    found.append(
        ("INC-0004", _incident(services, "threat", "spoedherstel", at - DAY, begin, begin + 4 * HOUR))
    )
    begin = at + 10 * DAY
    nature = "vervangen van certificaten"
    found.append(
        ("INC-0005", _incident({"portal": True}, "threat", nature, at + 6 * DAY, begin, begin + 2 * HOUR))
    )
    if locked_out:
        begin = at - 6 * HOUR
        scope = {"employers": locked_out}
        nature = "gestolen inloggegevens bij de werkgever"
        found.append(("INC-0006", _incident(scope, "incident", nature, begin, begin, at + 2 * DAY)))
    return found


def _incident(
    scope: dict[str, Any], kind: str, nature: str, announced: int, begin: int, expected_end: int
) -> dict[str, Any]:
    return {
        "scope": scope,
        "kind": kind,
        "nature": nature,
        "announced_at": stamp(announced),
        "from": stamp(begin),
        "expected_end": stamp(expected_end),
        "message": {
            "nl": f"Het portaal is tijdelijk dicht ({nature}). Probeer het later nog eens.",
            "en": f"The portal is closed for now ({nature}). Please try again later.",
        },
    }
