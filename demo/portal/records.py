"""The account state as the portal changes it: what a user accepts, supplies or confirms becomes a record."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pdp.records.access import Edit
from pdp.records.admin import AdminAccess
from pdp.records.waiting import Wait, WaitFor

Document = dict[str, Any]


class Records:
    """Reads and changes records through the sidecar's administrative address ("HOST:PORT")."""

    def __init__(self, admin: str) -> None:
        self._access = AdminAccess(admin)

    def get(self, kind: str, key: str) -> Document | None:
        """The document of a record, None when there is none."""
        record = self._access.get(kind, key)
        return json.loads(record.value) if record else None

    def all(self, kind: str) -> dict[str, Document]:
        """Key → document of every record of a kind."""
        return {record.key: json.loads(record.value) for record in self._access.records(kind)}

    def change(self, kind: str, key: str, how: Callable[[Document], None]) -> None:
        """Changes a record that is there; returns when every sidecar decides with it.

        Raises:
            LookupError: there is none.
            RecordsError: somebody else changed it meanwhile, or it is refused.
        """
        record = self._access.get(kind, key)
        if record is None:
            raise LookupError(f"{kind} {key}")
        document = json.loads(record.value)
        how(document)
        edit = Edit(kind, key, json.dumps(document).encode(), record.version)
        self._access.apply([edit], wait=Wait(WaitFor.ALL))

    def terms_in_force(self) -> str:
        """The version of the terms that is in force."""
        now = datetime.now(UTC)
        effective = {
            version: datetime.fromisoformat(terms["effective_at"])
            for version, terms in self.all("terms").items()
        }
        return max((at, version) for version, at in effective.items() if at <= now)[1]

    def close(self) -> None:
        """Frees the connection."""
        self._access.close()


def now_stamp() -> str:
    """This moment as records write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
