"""Every decision table, three ways: the core in process, a real sidecar over gRPC, and a real OPA server."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from pdp.errors import InvalidRequest
from pdp.policy.bundle import Bundle, load_bundle
from pdp.policy.deciders import CoreDecider, OpaServer
from pdp.policy.moments import format_moment, shifted
from pdp.policy.opa import Opa
from pdp.policy.tables import Answer, Case, Invalid, differences, find_tables, load_table
from pdp.records.v1.record_pb2 import Change
from pdp.records.v1.record_service_pb2 import ApplyChangesRequest
from pdp.records.v1.record_service_pb2_grpc import RecordServiceStub
from pdp.wire import response_to_json
from tests.end_to_end.sidecar import Sidecar, Starter
from tests.policy.bundles import EXAMPLE, PORTAL, TABLES, by_opa, comparable

FILES = find_tables(PORTAL, [TABLES])


def report(failures: list[tuple[Case, list[str]]]) -> str:
    return "\n".join(f"{case.name}\n  " + "\n  ".join(found) for case, found in failures)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_core(file: Path, decider: CoreDecider) -> None:
    failures = [(case, differences(case, decider.decide(case))) for case in load_table(file)]
    failures = [(case, found) for case, found in failures if found]
    assert not failures, report(failures)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_opa_server_decides_the_same(file: Path, decider: CoreDecider, portal_server: OpaServer) -> None:
    for case in load_table(file):
        ours = decider.decide(case)
        theirs = by_opa(decider, portal_server, case.request, case.at_ms)
        if isinstance(ours, Invalid) or isinstance(theirs, Invalid):
            assert ours == theirs, case.name
        else:
            assert comparable(ours) == comparable(theirs), case.name


AHEAD_MS = 5000
"""A request may name a moment that is a little ahead of the clock, and then it is exactly this one."""


class GrpcDecider:
    """Decides by a running sidecar. Its clock cannot be set: all times of a case move to now and back."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self._records = RecordServiceStub(sidecar.channel(sidecar.admin))
        self._standing: set[tuple[str, str]] = set()

    def decide(self, case: Case) -> Answer:
        context = case.request.get("context", {})
        says_when = not isinstance(context, dict) or "time" in context
        by_ms = time.time_ns() // 1_000_000 - case.at_ms + (0 if says_when else AHEAD_MS)
        token = self._write(case, by_ms)
        request: dict[str, Any] = shifted(dict(case.request), by_ms)
        if not says_when:
            request["context"] = {**request.get("context", {}), "time": format_moment(case.at_ms + by_ms)}
        try:
            answer = response_to_json(self._sidecar.check(request, fresh=token))
        except InvalidRequest as error:
            return Invalid(error.field, error.message)
        except grpc.RpcError as error:
            return _invalid(error)
        moved: dict[str, Any] = shifted(answer, -by_ms)
        return moved

    def _write(self, case: Case, by_ms: int) -> str:
        """Makes the case's records, moved in time, all that there is. Gives the state token."""
        changes = [Change(kind=kind, key=key) for kind, key in self._standing - set(case.records)]
        for (kind, key), value in case.records.items():
            changes.append(Change(kind=kind, key=key, value_json=json.dumps(shifted(value, by_ms))))
        self._standing = set(case.records)
        answer = self._records.ApplyChanges(ApplyChangesRequest(changes=changes), timeout=30)
        return str(answer.state_token)


def _invalid(error: Any) -> Invalid:
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, error
    field, _, message = error.details().partition(": ")
    return Invalid(field, message)


@pytest.fixture(scope="module")
def by_grpc(portal: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GrpcDecider]:
    """A sidecar of the portal, as a gateway meets it, with the built bundle of `pdp policy build`."""
    folder = tmp_path_factory.mktemp("sidecar")
    bundle = folder / "portal.tar.gz"
    bundle.write_bytes(portal.archive)
    starter = Starter(folder)
    try:
        yield GrpcDecider(starter(policy=bundle))
    finally:
        starter.close()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_sidecar_over_grpc(file: Path, by_grpc: GrpcDecider) -> None:
    failures = [(case, differences(case, by_grpc.decide(case))) for case in load_table(file)]
    failures = [(case, found) for case, found in failures if found]
    assert not failures, report(failures)


def test_example_bundle(opa: Opa, cache: Path) -> None:
    """The second, unrelated bundle: nothing of the portal is in the core."""
    bundle = load_bundle(EXAMPLE, opa=opa.program, cache_dir=cache)
    decider = CoreDecider(bundle.policy)
    cases = [case for file in find_tables(EXAMPLE) for case in load_table(file)]
    assert cases
    with OpaServer(opa, bundle.archive) as server:
        for case in cases:
            ours = decider.decide(case)
            assert not differences(case, ours), case.name
            if not isinstance(ours, Invalid):
                entrypoint = bundle.declaration.entrypoint
                theirs = by_opa(decider, server, case.request, case.at_ms, entrypoint=entrypoint)
                assert not isinstance(theirs, Invalid)
                assert comparable(ours) == comparable(theirs), case.name
