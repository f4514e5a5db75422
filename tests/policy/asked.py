"""Decides generated portals: by the core, and on the same input by a real OPA server."""

import json
from typing import Any

from pdp import _core
from pdp.policy.bundle import Bundle
from pdp.policy.deciders import CoreDecider, OpaServer, encode
from tests.policy.portals import NOW_MS, Records


class Asked:
    """Decides portals by the bundle, one after the other."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.decider = CoreDecider(bundle.policy)

    def load(self, found: Records, *, backwards: bool = False) -> bool:
        """Installs records; False: one of them is refused when it is written."""
        rows = []
        for (kind, key), value in found.items():
            text = json.dumps(value, sort_keys=backwards)
            try:
                rows.append((kind, key, self.bundle.policy.canonical(kind, key, text.encode()), 1))
            except _core.RecordError:
                return False
        self.decider.install(rows[::-1] if backwards else rows)
        return True

    def canonical(self, found: Records) -> Records | None:
        """The records as a policy sees them, times as numbers; None: one is refused."""
        try:
            return {
                (kind, key): json.loads(self.bundle.policy.canonical(kind, key, encode(value)))
                for (kind, key), value in found.items()
            }
        except _core.RecordError:
            return None

    def load_unchecked(self, found: Records) -> None:
        """Installs records as they are, past every check, as no store would hold them."""
        core = _core.Core(cache_bytes=0)
        # A core without a policy has no schemas to check records against.
        snapshot = core.snapshot()
        snapshot.add([(kind, key, encode(value), 1) for (kind, key), value in found.items()])
        core.install(0, snapshot, 1, bytes(20))
        core.set_policy(self.bundle.policy)
        self.decider.core = core

    def decision(self, request: Any, at_ms: int = NOW_MS) -> dict[str, Any] | None:
        """The decision without its id; None: an invalid request."""
        try:
            made: dict[str, Any] = json.loads(self.decider.core.check(encode(request), at_ms))
        except _core.RequestError:
            return None
        del made["decision_id"], made["state_token"]
        assert made["allow"] is not made["reasons"]
        assert made["allow"] == (not made["reasons"])
        return made

    def allows(self, found: Records, request: Any) -> bool:
        """Whether records and request that are both accepted end in an allow."""
        made = self.decision(request) if self.load(found) else None
        return made is not None and made["allow"]

    def by_opa(self, server: OpaServer, request: Any, *, strict: bool = False) -> dict[str, Any]:
        """As `decision`, by OPA on the same input."""
        core = self.decider.core
        policy_input = core.policy_input(encode(request), NOW_MS)
        result = server.evaluate(self.bundle.policy.entrypoint, policy_input, strict=strict)
        made: dict[str, Any] = json.loads(core.finish(encode(request), result, NOW_MS))
        del made["decision_id"], made["state_token"]
        return made
