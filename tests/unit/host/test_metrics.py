"""The metrics page: a translation of what the core measured."""

import urllib.request

import pytest

from pdp.errors import ServeError
from pdp.metrics import MetricsServer, Sample

INFINITE = float("inf")


class _Measured:
    def metrics(self) -> list[tuple[str, str, str, list[str], list[Sample]]]:
        return [
            ("trial_calls_total", "counter", "Calls.", ["outcome", "service"], [(["allow", "a\nb"], 3.0)]),
            ("trial_age_seconds", "gauge", "Age.", [], [([], 1.5)]),
            ("trial_duration_seconds", "histogram", "Time.", [], [([], ([(0.1, 1), (INFINITE, 2)], 0.4))]),
            ("trial_records", "gauge", "Records.", ["kind"], []),
        ]


def _page(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        text: str = answer.read().decode()
    return text


def test_the_page_has_every_sample() -> None:
    server = MetricsServer(_Measured(), "127.0.0.1:0")
    try:
        lines = _page(server.address).splitlines()
    finally:
        server.stop()
    for line in (
        "# TYPE trial_calls_total counter",
        'trial_calls_total{outcome="allow",service="a\\nb"} 3.0',
        "# HELP trial_age_seconds Age.",
        "trial_age_seconds 1.5",
        'trial_duration_seconds_bucket{le="0.1"} 1.0',
        'trial_duration_seconds_bucket{le="+Inf"} 2.0',
        "trial_duration_seconds_count 2.0",
        "trial_duration_seconds_sum 0.4",
        "# TYPE trial_records gauge",
    ):
        assert line in lines
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)


def test_an_address_in_use_is_one_sentence() -> None:
    server = MetricsServer(_Measured(), "127.0.0.1:0")
    try:
        with pytest.raises(ServeError, match=r"^Cannot serve metrics on .*: Address already in use\.$"):
            MetricsServer(_Measured(), server.address)
    finally:
        server.stop()
