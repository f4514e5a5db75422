"""`pdp doctor` on SQLite: what is well, what is not, and what to do."""

import json
from pathlib import Path

import pytest

from pdp._core import Core, Policy
from pdp.cli.main import run
from pdp.records.store import Beat, Change, RecordStore, open_store
from tests.unit.records.serving import LEASE_MS, serving

ROOT = Path(__file__).resolve().parents[3]
PORTAL = ROOT / "policies" / "portal"

Findings = list[dict[str, str]]


def examined(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, Findings]:
    """Exit code and findings."""
    code = run(["doctor", "--json", "--policy", str(PORTAL), *options])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def wrong(findings: Findings) -> list[str]:
    return [f"{finding['level']} {finding['check']}" for finding in findings if finding["level"] != "ok"]


def said(findings: Findings) -> str:
    return "\n".join(finding["text"] for finding in findings)


def test_all_is_well(
    store: RecordStore, portal: Policy, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    core = Core()
    core.set_policy(portal)
    served = serving(store, core, portal)
    try:
        code, findings = examined(capsys, "--records", url)
    finally:
        served.follower.stop()
    assert (code, wrong(findings)) == (0, []), findings
    checks = ["settings", "policy", "clock", "store", "records", "leases"]
    assert list(dict.fromkeys(finding["check"] for finding in findings)) == checks
    assert "Sidecars registered: 1, silent: 0." in said(findings)
    assert run(["doctor", "--policy", str(PORTAL), "--records", url]) == 0
    assert capsys.readouterr().out.startswith("ok    settings")


def test_a_silent_sidecar_of_another_policy(
    store: RecordStore, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    head = store.head().position
    about = '{"name":"the host that went","policy_revision":"older"}'
    store.beat(Beat("gone", 1, head, head.seq, LEASE_MS, about))
    code, findings = examined(capsys, "--records", url)
    assert (code, wrong(findings)) == (0, ["warn leases", "warn leases"])
    assert "the host that went gave no sign of life." in said(findings)
    assert "Several policy revisions decide: " in said(findings)


@pytest.mark.parametrize(
    ("options", "failures", "sentence"),
    [
        (["--threads", "many"], ["fail settings"], 'Setting "threads" must be'),
        (["--policy", "no/such"], ["fail policy"], "no/such"),
        (["--records", "sqlite:/no/such/a.db"], ["fail store"], "/no/such/a.db"),
        (
            ["--max-staleness-seconds", "9"],
            ["fail store"],
            "max_staleness_seconds is 9, but",
        ),
        (["--admin", "0.0.0.0:7082"], ["warn settings"], "can be reached from other machines"),
    ],
)
def test_what_is_wrong(
    store: RecordStore,
    url: str,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    failures: list[str],
    sentence: str,
) -> None:
    code, findings = examined(capsys, "--records", url, *options)
    assert wrong(findings) == failures
    assert sentence in said(findings)
    assert code == (1 if failures[0].startswith("fail") else 0)


def test_a_store_that_is_not_encrypted(capsys: pytest.CaptureFixture[str]) -> None:
    code, findings = examined(capsys, "--records", "redis://pdp:geheim@192.0.2.1:6379")
    assert code == 1
    assert "redis://pdp:***@192.0.2.1:6379 is not encrypted." in said(findings)
    assert "geheim" not in str(findings)


def test_it_makes_no_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = examined(capsys, "--records", f"sqlite:{tmp_path}/new.db")
    assert code == 1
    assert not list(tmp_path.iterdir())


def test_records_that_the_bundle_lacks(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    store = open_store(url)
    store.write([Change("door", "a", b"{}")])
    store.close()
    _, findings = examined(capsys, "--records", url)
    assert "The bundle declares no kind 'door'" in said(findings)


def test_records_that_the_schemas_refuse_are_named(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    store = open_store(url)
    bad = [Change("employer", f"{number:08}", b'{"kvk":1}') for number in range(12)]
    store.write([Change("terms", "1", b"{"), *bad])
    store.close()
    code, findings = examined(capsys, "--records", url)
    assert code == 1
    assert wrong(findings) == ["fail records"] * 11
    assert 'employer/00000000: kvk: value is not of type "string".' in said(findings)
    assert "So are 3 other records." in said(findings)
