"""Asks a sidecar with one of the Python clients, each request in turn, and prints how long calls took (us).

Usage: python -m bench.client_worker KIND ADDRESS REQUESTS SECONDS, with `poortwachter_client` on the path.
REQUESTS is a file of requests, one a line. Calls without and with a cache take turns.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

from poortwachter_client import AsyncClient, CacheOptions, Client

TURNS = 5
TIMEOUT = 10.0


def _threads(address: str, requests: list[Any], seconds: float) -> dict[str, list[float]]:
    plain = Client([address], timeout=TIMEOUT)
    caching = Client([address], timeout=TIMEOUT, cache=CacheOptions())
    caching.connect()
    while not caching.watching:
        time.sleep(0.01)
    for request in requests:
        plain.check(request)
        caching.check(request)
    taken: dict[str, list[float]] = {"asked": [], "cached": []}
    for name, client in _turns(plain, caching):
        ends = time.perf_counter() + seconds / TURNS
        for request in cycle(requests):
            began = time.perf_counter()
            decision = client.check(request)
            ended = time.perf_counter()
            if decision.cached is (name == "cached"):
                taken[name].append((ended - began) * 1e6)
            if ended > ends:
                break
    plain.close()
    caching.close()
    return taken


async def _asyncio(address: str, requests: list[Any], seconds: float) -> dict[str, list[float]]:
    plain = AsyncClient([address], timeout=TIMEOUT)
    caching = AsyncClient([address], timeout=TIMEOUT, cache=CacheOptions())
    await caching.connect()
    while not caching.watching:  # noqa: ASYNC110 - there is nothing to wait on
        await asyncio.sleep(0.01)
    for request in requests:
        await plain.check(request)
        await caching.check(request)
    taken: dict[str, list[float]] = {"asked": [], "cached": []}
    for name, client in _turns(plain, caching):
        await asyncio.sleep(0.01)  # a cached check never waits, and the watch must have its turn
        ends = time.perf_counter() + seconds / TURNS
        for place, request in enumerate(cycle(requests)):
            began = time.perf_counter()
            decision = await client.check(request)
            ended = time.perf_counter()
            if decision.cached is (name == "cached"):
                taken[name].append((ended - began) * 1e6)
            if ended > ends:
                break
            if place % 1_000 == 0:
                await asyncio.sleep(0)
    await plain.close()
    await caching.close()
    return taken


def _turns(plain: Any, caching: Any) -> Iterator[tuple[str, Any]]:
    for _ in range(TURNS):
        yield "asked", plain
        yield "cached", caching


def main() -> None:
    """Measures and prints."""
    kind, address, file, seconds = sys.argv[1:]
    requests = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]
    if kind == "threads":
        taken = _threads(address, requests, float(seconds))
    else:
        taken = asyncio.run(_asyncio(address, requests, float(seconds)))
    print(json.dumps({name: _quantiles(each) for name, each in taken.items()}))


def _quantiles(taken: list[float]) -> dict[str, float]:
    taken.sort()
    if not taken:
        raise SystemExit("nothing was answered as it should be")
    return {"calls": len(taken), "p50": taken[len(taken) // 2], "p99": taken[len(taken) * 99 // 100]}


if __name__ == "__main__":
    main()
