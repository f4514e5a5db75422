"""Health over HTTP: ready says whether decisions are made, fresh whether they can allow."""

import json
import urllib.error
import urllib.request
from typing import Any

from pdp._core import Core, Policy, Server

CHAIN = bytes(range(20))


def _get(server: Server, path: str) -> tuple[int, dict[str, Any]]:
    url = f"http://{server.http_address}{path}"
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_stale_sidecar_is_ready_and_not_fresh(doors: Policy) -> None:
    core = Core(manual_clock=True, shards=2)
    server = Server(core, grpc="127.0.0.1:0", http="127.0.0.1:0", threads=1)
    server.start()

    def shown() -> tuple[int, int, str, int | None]:
        ready, document = _get(server, "/healthz/ready")
        fresh, same = _get(server, "/healthz/fresh")
        assert document == same
        return ready, fresh, document["state"], document["fresh_for_ms"]

    try:
        core.set_policy(doors)
        core.install(0, core.snapshot(), 1, CHAIN, deadline_ns=5_000_000)
        assert shown() == (503, 503, "loading", None)
        core.install(1, core.snapshot(), 1, CHAIN, deadline_ns=9_000_000)
        assert shown() == (200, 200, "fresh", 5)
        core.set_clock_ns(5_000_000)
        assert shown() == (200, 503, "stale", 0)
        core.set_clock_ns(7_500_000)
        assert shown() == (200, 503, "stale", -3)
        for shard in (0, 1):
            core.install(shard, core.snapshot(), 1, CHAIN)
        assert shown() == (200, 200, "fresh", None)
        assert _get(server, "/healthz/live") == (200, {"live": True})
    finally:
        server.stop(0.0)
