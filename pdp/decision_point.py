"""Decides in this process: the same core, policy and records as the sidecar, without a socket.

>>> from pdp import DecisionPoint
>>> point = DecisionPoint(
...     policy="policies/examples/authzen-certification",
...     records="policies/examples/authzen-certification/records.jsonl",
... )
>>> request = {
...     "subject": {"type": "user", "id": "bob"},
...     "action": {"name": "write"},
...     "resource": {"type": "record", "id": "record-1"},
... }
>>> decision = point.check(request)
>>> decision.allow, decision.codes
(False, ('ACTION_NOT_GRANTED',))
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pdp._core import LineError, Policy, RequestError
from pdp.config import Settings
from pdp.configured import configured_bundle, configured_core
from pdp.errors import InvalidRequest, RecordsError
from pdp.point_state import CanonicalChange, OwnState, State, StoredState

Records = Iterable[Mapping[str, Any]] | str | os.PathLike[str]

_STORE_URL = re.compile(r"^(sqlite|rediss?(\+[a-z]+)?):")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHUNK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Message:
    """A text in the languages of the portal's users."""

    nl: str
    en: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a request is denied: a stable code, the article that it rests on ("" for none), a text, details."""

    code: str
    article: str
    message: Message
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Obligation:
    """What the caller must do, e.g. `step_up`. `parameters`: everything else that it says."""

    type: str
    article: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """What the user should be told, e.g. `terms_changed`. `parameters`: everything else that it says."""

    type: str
    article: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """One answer. It is true (as in `if decision:`) only when it allows.

    Attributes:
        allow: whether the request may go on.
        reasons: all that apply, sorted by code; empty exactly when allowed.
        obligations: what the caller must do.
        notices: what the user should be told.
        accountable: who is accountable for this use, e.g. `{"kvk": "87654321"}`; None when nobody is named.
        valid_until: the first moment at which the clock alone changes the answer; None when it never does.
        policy_revision: which policy decided.
        state_token: which state of the records it decided on.
        decision_id: 32 hex digits, another one for each answer.
    """

    allow: bool
    reasons: tuple[Reason, ...]
    obligations: tuple[Obligation, ...]
    notices: tuple[Notice, ...]
    accountable: Mapping[str, Any] | None
    valid_until: datetime | None
    policy_revision: str
    state_token: str
    decision_id: str
    _document: bytes = field(repr=False, compare=False)

    def __bool__(self) -> bool:
        return self.allow

    @property
    def codes(self) -> tuple[str, ...]:
        """The code of each reason, in order."""
        return tuple(reason.code for reason in self.reasons)

    def to_dict(self) -> dict[str, Any]:
        """The decision as the contract's JSON: snake_case names, times as RFC 3339."""
        document: dict[str, Any] = json.loads(self._document)
        return document

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Reads a decision in the contract's JSON, as `pdp check` prints it."""
        document = json.loads(text)
        until = document["valid_until"]
        return cls(
            allow=document["allow"] is True,
            reasons=tuple(
                Reason(reason["code"], reason["article"], Message(**reason["message"]), reason["details"])
                for reason in document["reasons"]
            ),
            obligations=tuple(Obligation(*_typed(item)) for item in document["obligations"]),
            notices=tuple(Notice(*_typed(item)) for item in document["notices"]),
            accountable=document["accountable"],
            valid_until=None if until is None else datetime.fromisoformat(until),
            policy_revision=document["policy_revision"],
            state_token=document["state_token"],
            decision_id=document["decision_id"],
            _document=text,
        )


class DecisionPoint:
    """Decides requests in this process. Safe to use from many threads; evaluation does not hold the GIL.

    Args:
        policy: the bundle, a folder with its sources or a built bundle.
        records: the account state: records (`{"kind", "key", "value"}` each), a path to such records as JSON
            Lines, or a store's URL (`sqlite:PATH`, `redis://...`), which is then followed until `close`.
        settings: limits, clock skew and the like; `load_settings()` gives those of file and environment.

    Raises:
        BundleError: the bundle cannot be used.
        RecordsError: the records cannot be read, or one is refused.
    """

    def __init__(
        self,
        policy: str | os.PathLike[str],
        records: Records = (),
        *,
        settings: Settings | None = None,
    ) -> None:
        settings = settings or Settings()
        self._bundle = configured_bundle(policy, settings)
        self._state: State
        if isinstance(records, str) and _STORE_URL.match(records):
            self._core, self._state = StoredState.opened(records, settings, self._bundle.policy)
        else:
            self._core = configured_core(replace(settings, records_mode="replica"))
            self._core.set_policy(self._bundle.policy)
            self._state = OwnState(self._core)
            for changes in _canonical(self._bundle.policy, records):
                self._state.apply(changes)

    @property
    def policy_revision(self) -> str:
        """The revision of the policy that decides."""
        return self._bundle.revision

    @property
    def state_token(self) -> str:
        """The state of the records that decisions now see."""
        return self._core.state_token()

    def check(self, request: Mapping[str, Any], at: datetime | None = None) -> Decision:
        """Decides one request, a mapping in AuthZEN's shape (`subject`, `action`, `resource`, `context`).

        `at` (with a zone) is the clock's reading instead of now; the request's own `context.time` must still
        lie within the clock skew of it. Raises InvalidRequest.
        """
        return Decision.from_json(self.check_json(_request_json(request), at))

    def check_many(
        self, requests: Iterable[Mapping[str, Any]], at: datetime | None = None
    ) -> list[Decision | InvalidRequest]:
        """Decides all requests at one moment, in order; an invalid one gives its error in its place."""
        answers: list[Decision | InvalidRequest] = []
        texts: list[bytes] = []
        places: list[int] = []
        for place, request in enumerate(requests):
            try:
                texts.append(_request_json(request))
                places.append(place)
                answers.append(_UNDECIDED)
            except InvalidRequest as error:
                answers.append(error)
        for place, answer in zip(places, self._core.check_batch(texts, _milliseconds(at)), strict=True):
            answers[place] = (
                _invalid(answer) if isinstance(answer, RequestError) else Decision.from_json(answer)
            )
        return answers

    def check_json(self, request: bytes, at: datetime | None = None) -> bytes:
        """As `check`, from a request as JSON text to the decision as JSON text. Raises InvalidRequest."""
        try:
            return self._core.check(request, _milliseconds(at))
        except RequestError as error:
            raise _invalid(error) from error

    def apply(self, records: Records) -> str:
        """Changes records in one step (`"value": None` deletes one); gives the state token that holds them.

        Raises RecordsError when one is refused; then nothing is changed.
        """
        return self._state.apply([c for chunk in _canonical(self._bundle.policy, records) for c in chunk])

    def close(self) -> None:
        """Stops following a store and closes it; decisions are then denials (STATE_STALE). Without a store
        nothing changes.
        """
        self._state.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _canonical(policy: Policy, records: Records) -> Iterator[list[CanonicalChange]]:
    """The records checked and in their canonical form, in chunks."""
    source = str(records) if isinstance(records, str | os.PathLike) else "records"
    line = 1
    for chunk in _lines(records):
        try:
            yield policy.canonical_lines(chunk, line)
        except LineError as error:
            where = f"{error.field}: " if error.field else ""
            raise RecordsError(f"{source}, line {error.line}: {where}{error.message}.") from error
        line += chunk.count(b"\n")


def _lines(records: Records) -> Iterator[bytes]:
    """Whole lines of JSON Lines, a few megabytes at a time."""
    if not isinstance(records, str | os.PathLike):
        documents = (_record_json(record) for record in records)
        while chunk := b"".join(islice(documents, 1000)):
            yield chunk
        return
    try:
        with Path(records).open("rb") as file:
            while lines := file.readlines(_CHUNK_BYTES):
                yield b"".join(lines)
    except OSError as error:
        raise RecordsError(f"Cannot read the records {records}: {error.strerror}.") from error


def _record_json(record: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise RecordsError(f"A record cannot be written as JSON: {error}.") from error


def _request_json(request: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(request, ensure_ascii=False, allow_nan=False, default=dict).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(*_fault(request, error)) from error


def _fault(value: object, error: Exception, path: str = "") -> tuple[str, str]:
    """The field of a request that JSON cannot hold, and why not."""
    items: Iterable[tuple[str, object]] = ()
    if isinstance(value, Mapping):
        items = ((f"{path}.{name}" if path else str(name), member) for name, member in value.items())
    elif isinstance(value, list | tuple):
        items = ((f"{path}[{place}]", member) for place, member in enumerate(value))
    for name, member in items:
        try:
            json.dumps(member, ensure_ascii=False, allow_nan=False, default=dict).encode()
        except RecursionError:
            return name, "nested too deep"
        except (TypeError, ValueError) as deeper:
            return _fault(member, deeper, name)
    return path, f"cannot be written as JSON: {error}"


def _invalid(error: RequestError) -> InvalidRequest:
    return InvalidRequest(error.field, error.message)


def _typed(item: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    rest = {name: value for name, value in item.items() if name not in ("type", "article")}
    return item["type"], item["article"], rest


def _milliseconds(at: datetime | None) -> int | None:
    if at is None:
        return None
    if at.tzinfo is None:
        raise ValueError(f"at: {at} has no zone; give e.g. datetime.now(UTC)")
    return (at - _EPOCH) // timedelta(milliseconds=1)


_UNDECIDED = InvalidRequest("", "not decided")
