"""`pdp records init` on SQLite: once, and changed only when asked."""

from pathlib import Path

import pytest

from pdp.cli.main import run
from pdp.records.store import Parameters, open_store
from tests.unit.records.serving import shortened


def parameters(url: str) -> Parameters:
    store = open_store(url, create=False)
    try:
        return store.parameters()
    finally:
        store.close()


def test_an_empty_store_is_made_and_initialised_once(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for said in ("initialised with", "initialised already, with"):
        assert run(["records", "init", "--records", url]) == 0
        assert capsys.readouterr().out == (
            f"{url}: {said} a staleness of at most 4 s, a clock rate error of at most 10 %, and 1 shard.\n"
        )
    assert parameters(url) == Parameters()


def test_other_values_need_change(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    shortened(url, 300).close()
    asked = ["records", "init", "--records", url, "--max-staleness", "1", "--clock-rate-error", "5"]
    assert run(asked) == 3
    errors = capsys.readouterr().err
    assert "The store was initialised with a staleness of at most 0.3 s, a clock rate error of at" in errors
    assert (
        "With --change it gets a staleness of at most 1 s, a clock rate error of at most 5 %, and 1" in errors
    )
    assert errors.endswith("every sidecar denies meanwhile, and has to be started again.\n")
    assert parameters(url).lease_ms == 300
    assert run([*asked, "--change"]) == 0
    captured = capsys.readouterr()
    assert "until old proofs of freshness have run out" in captured.err
    assert parameters(url) == Parameters(1_000, 50_000, 1)
    assert run(["records", "init", "--records", url]) == 0
    assert "initialised already, with a staleness of at most 1 s" in capsys.readouterr().out


def test_shards_stay(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    open_store(url).close()
    assert run(["records", "init", "--records", url, "--shards", "4", "--change"]) == 3
    assert "The number of shards stays 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--records", "sqlite:/no/such/folder/a.db"], "/no/such/folder"),
        (["--records", "oracle:x"], "is no kind of record store"),
        (["--max-staleness", "0.1"], "is not in the range"),
        (["--shards", "0"], "is not in the range"),
        (["--clock-rate-error", "90"], "is not in the range"),
    ],
)
def test_what_cannot_be(
    options: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["records", "init", *options]) == 3
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
