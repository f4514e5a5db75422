"""Between the messages of `pdp.records.v1` and the values that records are handled with here."""

from pdp.errors import RecordsError
from pdp.records.access import Edit, Record
from pdp.records.documents import RefusedError
from pdp.records.fleet import FleetMember, FleetShard
from pdp.records.v1 import record_pb2, record_service_pb2
from pdp.records.waiting import DEFAULT_TIMEOUT_SECONDS, Wait, Waited, WaitFor

LONGEST_TIMEOUT_SECONDS = 600

_MODES = {
    record_pb2.WAIT_MODE_UNSPECIFIED: WaitFor.DECLARED,
    record_pb2.WAIT_MODE_LOCAL: WaitFor.LOCAL,
    record_pb2.WAIT_MODE_ALL: WaitFor.ALL,
}
_PATHS = {
    "fast": record_pb2.Barrier.PATH_FAST,
    "timed": record_pb2.Barrier.PATH_TIMED,
    "": record_pb2.Barrier.PATH_UNSPECIFIED,
}


def record_message(record: Record) -> record_pb2.Record:
    """A record to send."""
    return record_pb2.Record(
        kind=record.kind, key=record.key, value_json=record.value.decode(), version=record.version
    )


def record_of(message: record_pb2.Record) -> Record:
    """A record as received."""
    return Record(message.kind, message.key, message.value_json.encode(), message.version)


def change_message(edit: Edit) -> record_pb2.Change:
    """A change to send. Raises RecordsError."""
    # Bytes that are no UTF-8 are the sender's mistake, and a proto string cannot carry them.
    try:
        value = "" if edit.value is None else edit.value.decode()
    except UnicodeDecodeError as error:
        raise RecordsError(f"{edit.kind}/{edit.key}: the document is not UTF-8.") from error
    if edit.value is not None and not value.strip():
        raise RecordsError(f"{edit.kind}/{edit.key}: the document is empty.")
    return record_pb2.Change(
        kind=edit.kind,
        key=edit.key,
        value_json=value,
        expected_version=edit.expected_version,
        source_version=edit.source_version,
    )


def edit_of(change: record_pb2.Change) -> Edit:
    """A change as received."""
    return Edit(
        change.kind,
        change.key,
        change.value_json.encode() or None,
        change.expected_version if change.HasField("expected_version") else None,
        change.source_version if change.HasField("source_version") else None,
    )


def apply_message(
    edits: list[record_pb2.Change], write_id: str, wait: Wait
) -> record_service_pb2.ApplyChangesRequest:
    """A write to send."""
    mode = next(mode for mode, until in _MODES.items() if until is wait.until)
    return record_service_pb2.ApplyChangesRequest(
        changes=edits,
        wait_mode=mode,
        write_id=write_id,
        settle=wait.settle,
        timeout_ms=max(1, round(wait.timeout_seconds * 1000)),
    )


def wait_of(request: record_service_pb2.ApplyChangesRequest, remaining_seconds: float | None) -> Wait:
    """How long a write that was received waits.

    Args:
        request: the write.
        remaining_seconds: until its caller gives up, None: never. The wait ends before that, so that the
            caller learns what is open.

    Raises:
        RefusedError: a wait mode that this version does not know, or too long a time.
    """
    if request.wait_mode not in _MODES:
        raise RefusedError("wait_mode", "", f"{request.wait_mode} is unknown")
    if request.timeout_ms > LONGEST_TIMEOUT_SECONDS * 1000:
        raise RefusedError("timeout_ms", "", f"{request.timeout_ms} is more than {LONGEST_TIMEOUT_SECONDS} s")
    seconds = request.timeout_ms / 1000 or DEFAULT_TIMEOUT_SECONDS
    if remaining_seconds is not None:
        seconds = min(seconds, max(remaining_seconds - min(0.5, remaining_seconds / 4), 0.0))
    return Wait(_MODES[request.wait_mode], seconds, request.settle)


def barrier_message(waited: Waited) -> record_pb2.Barrier:
    """How a wait for all ended, to send."""
    state = record_pb2.Barrier.STATE_PENDING if waited.pending else record_pb2.Barrier.STATE_DONE
    return record_pb2.Barrier(
        state=state,
        path=_PATHS[waited.path],
        waited_ms=round(waited.seconds * 1000),
        write_id=waited.write_id,
        stragglers=waited.stragglers,
        confirmed=waited.confirmed,
    )


def waited_of(message: record_pb2.Barrier) -> Waited:
    """How a wait for all ended, as received. Only a path that is known counts as done."""
    done = message.state == record_pb2.Barrier.STATE_DONE
    path = next((name for name, value in _PATHS.items() if value == message.path), "")
    return Waited(
        path=path if done else "",
        seconds=message.waited_ms / 1000,
        write_id=message.write_id,
        stragglers=tuple(message.stragglers),
        confirmed=message.confirmed,
    )


def sidecar_message(member: FleetMember) -> record_pb2.Sidecar:
    """A sidecar of the registry, to send."""
    shards = [
        record_pb2.SidecarShard(applied=each.applied, drained=each.drained, lag=each.lag)
        for each in member.shards
    ]
    return record_pb2.Sidecar(
        instance=member.instance,
        name=member.name,
        policy_revision=member.policy_revision,
        shards=shards,
        self=member.is_self,
    )


def sidecar_of(message: record_pb2.Sidecar) -> FleetMember:
    """A sidecar of the registry, as received."""
    return FleetMember(
        instance=message.instance,
        name=message.name,
        policy_revision=message.policy_revision,
        shards=[FleetShard(each.applied, each.drained, each.lag) for each in message.shards],
        is_self=message.self,
    )
