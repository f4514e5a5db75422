"""A small portal of the portal bundle: one employer, one user, one service, no objections."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.end_to_end.sidecar import Record

USER = "pseudonym-of-a-user"
EMPLOYER = "12345678"
SERVICE = "verzuim"
PURPOSE = "https://register.example/verwerkingen/verzuim"
LOA3 = "urn:etoegang:core:assurance-class:loa3"


def _ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="milliseconds")


def records() -> list[Record]:
    """Everything that a read of the service needs, with times around now."""
    return [
        (
            "terms",
            "4.2",
            {
                "version": "4.2",
                "url": "https://portal.example/voorwaarden/4.2",
                "content_sha256": "ab" * 32,
                "published_at": _ago(200),
                "effective_at": _ago(150),
            },
        ),
        (
            "service",
            SERVICE,
            {
                "name": "Verzuimmelder",
                "service_uuid": "0b1f7e0c-6c0d-4b57-8d43-6a2b8a4c9001",
                "minimum_assurance": LOA3,
                "purposes": [PURPOSE],
                "actions": ["read", "submit", "send_message"],
                "fiscal_number_required": False,
                "activation_required": False,
                "personal_data": True,
            },
        ),
        ("employer", EMPLOYER, {"kvk": EMPLOYER, "account_review_at": _ago(10)}),
        (
            "account",
            USER,
            {
                "employer": EMPLOYER,
                "organisation": EMPLOYER,
                "status": "active",
                "notification_email": True,
                "terms": [{"version": "4.2", "accepted_at": _ago(100)}],
                "grants": [{"service": SERVICE, "purposes": [PURPOSE], "from": _ago(90)}],
                "consulted_at": _ago(1),
            },
        ),
    ]


def request(action: str = "read", service: str = SERVICE) -> dict[str, Any]:
    """The user asks for the service."""
    return {
        "subject": {
            "type": "user",
            "id": USER,
            "properties": {
                "authentication": {
                    "source": "eherkenning",
                    "levelOfAssurance": LOA3,
                    "authorizee": {
                        "legalSubject": {"identifierType": "kvkNummer", "identifier": EMPLOYER},
                        "actingSubject": {"identifierType": "opaque", "identifier": USER},
                    },
                }
            },
        },
        "action": {"name": action, "properties": {"processing_activity_id": PURPOSE}},
        "resource": {"type": "webdienst", "id": service},
    }
