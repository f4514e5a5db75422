"""Troubles of all kinds at once, from a seed; `make soak` goes on with other seeds for as long as told."""

from pathlib import Path

import pytest

from tests.faults.mix import run_round


@pytest.mark.parametrize("setup", ["pair", "file"])
def test_a_round_of_mixed_troubles(setup: str, tmp_path: Path) -> None:
    ended = run_round(setup, seed=1, seconds=6, folder=tmp_path)
    assert not ended.anomalies, "\n".join(ended.anomalies)
    assert ended.numbers["judged"] > 50
