"""The sidecars in a store's registry, all shards of each together."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pdp.records.store import Member, RecordStore, StoreError


class FleetShard(NamedTuple):
    """What a sidecar said of one shard: the sequence number of its state, the one that nothing under way is
    older than, and how many writes it had not said it holds.
    """

    applied: int
    drained: int
    lag: int


@dataclass(slots=True)
class FleetMember:
    """A sidecar of the registry.

    Attributes:
        instance: random, another one for each start.
        name: host, process id and address; "" when it said none.
        policy_revision: "" when it said none.
        shards: by number; zeros and the whole history as lag where it is not registered.
        is_self: whether it is the sidecar that was asked.
    """

    instance: str
    name: str = ""
    policy_revision: str = ""
    shards: list[FleetShard] = field(default_factory=list)
    is_self: bool = False


def about(name: str, policy_revision: str) -> str:
    """What a sidecar says of itself with each beat: one line of JSON."""
    return json.dumps({"name": name, "policy_revision": policy_revision}, separators=(",", ":"))


def fleet(store: RecordStore, instance: str = "") -> list[FleetMember]:
    """All members of the store's registry, by name. `instance`: of the sidecar that asks."""
    members: dict[str, FleetMember] = {}
    for shard in range(store.parameters().shards):
        registered = {member.instance: member for member in store.members(shard)}
        # Read after the members, so that nobody seems to be ahead of the history.
        head = store.head(shard).position.seq
        for each in registered.keys() - members.keys():
            missed = [FleetShard(0, 0, store.head(before).position.seq) for before in range(shard)]
            members[each] = FleetMember(each, shards=missed, is_self=each == instance)
        for member in members.values():
            _add(member, registered.get(member.instance), head)
    return sorted(members.values(), key=lambda member: (member.name, member.instance))


def _add(member: FleetMember, registered: Member | None, head: int) -> None:
    """Adds what the next shard's registry has of a member."""
    if registered is None:
        member.shards.append(FleetShard(0, 0, head))
        return
    said = _said(registered.about)
    member.name, member.policy_revision = said["name"], said["policy_revision"]
    member.shards.append(FleetShard(registered.seq, registered.drained, max(head - registered.seq, 0)))


def names(store: RecordStore, shard: int | None, instances: Sequence[str]) -> tuple[str, ...]:
    """The names of members, as far as the registry can be read; the instance itself where it has none."""
    known: dict[str, str] = {}
    if instances and shard is not None:
        with suppress(StoreError):
            known = {each.instance: _said(each.about)["name"] for each in store.members(shard)}
    return tuple(known.get(instance) or instance for instance in instances)


def _said(text: str) -> dict[str, str]:
    """What a member says of itself; whatever is no text counts as not said."""
    said: Any = None
    with suppress(ValueError):
        said = json.loads(text)
    fields = said if isinstance(said, dict) else {}
    return {
        name: value if isinstance(value := fields.get(name), str) else ""
        for name in ("name", "policy_revision")
    }
