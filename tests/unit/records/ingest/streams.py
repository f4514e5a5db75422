"""A stream as the system of record sees it, and what its messages say."""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import redis

from pdp.records.ingest import Ingest
from pdp.records.ingest_message import Message
from pdp.records.ingest_write import Checked, StoreWriter
from pdp.records.store import Change, RecordStore, StoreError

GROUP = "poortwachter"

Consumer = Callable[..., Ingest]
"""Makes a consumer of the test's stream, by its name."""


class Stream:
    """A stream as the system of record sees it."""

    def __init__(self, url: str, name: str, client: "redis.Redis | None" = None) -> None:
        self.url, self.name, self.dead_name = url, name, f"{name}:dead"
        self.client = client or redis.Redis.from_url(url)

    def add(self, key: str, version: object, value: object = None, **fields: object) -> str:
        """Puts a message about a door into the stream; `value` None: without that field."""
        message: dict[Any, Any] = {"kind": "door", "key": key, "version": version, **fields}
        if value is not None:
            message["value"] = value if isinstance(value, str | bytes) else json.dumps(value)
        return self.raw(*itertools.chain.from_iterable(message.items()))

    def raw(self, *fields: Any) -> str:
        """Puts a message into the stream as it is."""
        name: bytes = self.client.execute_command("XADD", self.name, "*", *fields)  # type: ignore[no-untyped-call]
        return name.decode()

    def dead(self) -> list[dict[str, str]]:
        """The dead letters."""
        letters: Any = self.client.xrange(self.dead_name)
        return [
            {name.decode(): value.decode(errors="backslashreplace") for name, value in fields.items()}
            for _, fields in letters
        ]

    def pending(self) -> int:
        """How many messages the group's consumers got and did not settle."""
        return int(self.client.xpending(self.name, GROUP)["pending"])


class Applied(Counter[str]):
    """Counts outcomes."""

    def __call__(self, outcome: str) -> None:
        self[outcome] += 1


def door(name: str, *, is_open: bool = True) -> dict[str, object]:
    """The document of a door."""
    return {"id": name, "open": is_open}


def is_open(store: RecordStore, key: str) -> bool | None:
    """What the store says of a door; None when it knows none."""
    record = store.get("door", key)
    return None if record is None else bool(json.loads(record.value)["open"])


class Troubled:
    """A writer whose store refuses for a while."""

    def __init__(self, writer: StoreWriter, failures: int) -> None:
        self._writer, self._left = writer, failures
        self.ids: list[str] = []

    def check(self, message: Message) -> Checked:
        return self._writer.check(message)

    def write(self, changes: Sequence[Change], write_id: str) -> bool:
        self.ids.append(write_id)
        if self._left:
            self._left -= 1
            # As with replicas that do not acknowledge: it may be written all the same.
            if self._left % 2:
                self._writer.write(changes, write_id)
            raise StoreError("The record store is not there.")
        return self._writer.write(changes, write_id)

    def close(self) -> None:
        self._writer.close()
