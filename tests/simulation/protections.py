"""The protections of the barrier, each of which a variant can leave out: in our own code by a subclass that
overrides the one method concerned, in the store's scripts by a switch."""

from dataclasses import dataclass

from pdp.records.barrier import Barrier
from pdp.records.history import History
from pdp.records.shard import ShardFollower
from pdp.records.store import Position


@dataclass(frozen=True)
class Protections:
    """What is on; everything unless said otherwise.

    `relaxed`: one of two replicas acknowledges, and promotion keeps what it acknowledged (A4, A5).
    """

    check_after: bool = True
    """The deadline is compared after the evaluation."""
    bound_deadline: bool = True
    """The deadline compared is the one captured with the state."""
    asked_before: bool = True
    """A proof lasts from the moment before it was asked for."""
    chain: bool = True
    """Histories are compared, not numbers."""
    head_held: bool = True
    """A proof counts only once the state holds the head that it named."""
    first_proof: bool = True
    """A state is published with a proof, so registered."""
    drain: bool = True
    """What is acknowledged is older than nothing under way."""
    genesis: bool = True
    """An empty store gives nothing."""
    incarnation: bool = True
    """A store that was initialised again is another epoch."""
    touch: bool = True
    """A repeated write writes, so that WAIT has something to wait for."""
    beats_acknowledged: bool = True
    writes_acknowledged: bool = True
    margin: bool = True
    """The timed path allows for rate errors of clocks."""
    settle: bool = True
    """The registry is trusted only in an epoch that lasted long enough."""
    silence: bool = True
    """A member is forgotten only after it was silent for long enough."""
    promotion_margin: bool = True
    """Relaxed: a deposed primary's acknowledgements are waited out."""
    fast: bool = True
    relaxed: bool = False

    @property
    def acks(self) -> int:
        return 1 if self.relaxed else 2


class NumbersOnly(History):
    """Without `chain`."""

    def contains(self, position: Position) -> bool:
        return position.seq <= self.position.seq


class AnyHead(History):
    """Without `head_held`."""

    def contains(self, position: Position) -> bool:
        return True


class AskedAfter(ShardFollower):
    """Without `asked_before`."""

    def _beat(self, position: Position, drained: int) -> tuple[int, Position]:
        _, head = super()._beat(position, drained)
        return self._host.clock(), head


class Unregistered(ShardFollower):
    """Without `first_proof`: answers for a lease after loading, and registers when it gets round to it."""

    _registers = 0

    def _first_proof(self, state: object, history: History) -> int:
        now = self._host.clock()
        self._registers = now + int(self._host.random() * 0.9 * self._timing.lease_ns)
        return now + self._timing.lease_ns

    def beat(self) -> None:
        if self._host.clock() >= self._registers:
            super().beat()


class Hasty(Barrier):
    """Without `silence`: whoever is behind is forgotten."""

    def silent(self, shard: int, instance: str, number: int) -> bool:
        return True
