"""What a state is known to contain: the latest positions of the history that it was made from."""

from collections import OrderedDict

from pdp.records.store import Position

# A proof names a head at most a round trip old: thousands of writes, not more.
_KEPT = 20_000


class History:
    """The positions that a state went through since it was loaded, the latest ones of them."""

    def __init__(self, start: Position) -> None:
        self._chains: OrderedDict[int, bytes] = OrderedDict({start.seq: start.chain})
        self.position = start
        """Where the state stands."""

    def append(self, position: Position) -> None:
        """The state went on to `position`."""
        self._chains[position.seq] = position.chain
        self.position = position
        if len(self._chains) > _KEPT:
            self._chains.popitem(last=False)

    def contains(self, position: Position) -> bool:
        """Whether the state certainly holds all of the history up to `position`: equal chains only."""
        return self._chains.get(position.seq) == position.chain

    def covers(self, position: Position) -> bool:
        """Whether the state is at `position` or later, as far as is known: what is older than all that is
        kept counts as held.
        """
        oldest = next(iter(self._chains))
        return self.contains(position) or position.seq < oldest
