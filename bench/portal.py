"""A made-up portal of a given number of accounts in a store, and the requests to send to it."""

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any

from google.protobuf.json_format import ParseDict

from bench.servers import ROOT
from pdp import DecisionPoint
from pdp.decision.v1 import decision_pb2
from pdp.demo import portal as demo
from pdp.demo.requests import request

POLICY = ROOT / "policies/portal"
SEED = 2026
ACCOUNTS_PER_EMPLOYER = 2.36
DIFFERENT_REQUESTS = 5_000
ZIPF_DRAWS = 2_000_000


@dataclass(frozen=True)
class Portal:
    """A portal in a store (URL), how much is in it, and how long its import took (seconds)."""

    made_up: demo.Portal
    store: str
    accounts: int
    records: int
    import_seconds: float

    @classmethod
    def make(cls, accounts: int, work: Path, say: Callable[[str], None]) -> "Portal":
        """Makes up about `accounts` accounts with all that hangs on them, imports them into a new store."""
        made_up = demo.Portal(math.ceil(accounts / ACCOUNTS_PER_EMPLOYER), SEED)
        lines, store = work / f"portal-{accounts}.jsonl", work / f"portal-{accounts}.db"
        for old in work.glob(f"{store.name}*"):
            old.unlink()
        say(f"{accounts:,} accounts: making up the portal")
        counted = {"account": 0, "": 0}
        with lines.open("w", encoding="utf-8") as file:
            for kind, key, value in made_up.records():
                file.write(json.dumps({"kind": kind, "key": key, "value": value}, ensure_ascii=False) + "\n")
                counted[""] += 1
                counted["account"] += kind == "account"
        say(f"{accounts:,} accounts: importing {counted['']:,} records")
        started = time.monotonic()
        options = ["--records", f"sqlite:{store}", "--policy", str(POLICY)]
        subprocess.run(
            [sys.executable, "-m", "pdp", "records", "import", *options, str(lines)], cwd=ROOT, check=True
        )
        seconds = time.monotonic() - started
        lines.unlink()
        return cls(made_up, f"sqlite:{store}", counted["account"], counted[""], seconds)

    def check_requests(self) -> list[bytes]:
        """A realistic mix, drawn evenly over the employers, in the contract's protobuf."""
        return [_encoded(asked) for asked in _mix(self.made_up)]

    def documents(self) -> list[dict[str, Any]]:
        """The same mix in AuthZEN's shape."""
        return _mix(self.made_up)

    def policy_inputs(self) -> list[bytes]:
        """The same mix as the documents that the sidecar's own engine gets (canonical JSON)."""
        with DecisionPoint(POLICY, self.store) as point:
            return [point._core.policy_input(json.dumps(asked).encode()) for asked in _mix(self.made_up)]  # noqa: SLF001

    def check_requests_of_accounts(self) -> Iterator[bytes]:
        """As many requests as there are accounts, employer after employer."""
        random = Random(SEED)
        made = 0
        position = 0
        while made < self.accounts:
            for _ in self.made_up.employer(position).accounts:
                made += 1
                yield _encoded(request(self.made_up, random, position))
            position = (position + 1) % self.made_up.size

    def zipf(self) -> list[int]:
        """Places in `check_requests_of_accounts`, drawn from a Zipf distribution with exponent 1."""
        random = Random(SEED)
        weights = list(accumulate(1 / rank for rank in range(1, self.accounts + 1)))
        places = list(range(self.accounts))
        random.shuffle(places)
        return random.choices(places, cum_weights=weights, k=ZIPF_DRAWS)


@cache
def _mix(made_up: demo.Portal) -> list[dict[str, Any]]:
    random = Random(SEED)
    return [request(made_up, random) for _ in range(DIFFERENT_REQUESTS)]


def _encoded(asked: dict[str, Any]) -> bytes:
    return ParseDict(asked, decision_pb2.CheckRequest()).SerializeToString()
