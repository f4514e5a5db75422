"""Virtual time: one real thread, a greenlet for each thread of the simulated processes, every step drawn from
one seed. Between any two steps a thread may be paused; messages are delayed or lost; each process has a clock
of its own, with a rate error."""

import heapq
import random
from collections.abc import Callable

from greenlet import greenlet

UNIT_NS = 40_000_000
"""The lease is 100 units: 4 seconds."""


class Trouble:
    """Which kinds of trouble a run has: drawn for each seed, often absent, so that rare combinations meet
    quiet surroundings."""

    def __init__(self, draw: random.Random) -> None:
        self.pause = draw.choice([0, 0.002, 0.01, 0.03])
        self.loss = draw.choice([0, 0, 0.02, 0.1])
        self.slow = draw.choice([0, 0.07])
        self.rate_error = draw.choice([0.05, 0.1, 0.2])
        self.slow_requests = draw.choice([0, 0, 0.1])
        self.churn = draw.choice([60, 350, 1e9])
        self.hang = draw.choice([0, 0.01, 0.1])
        self.calm = draw.choice([150, 450, 2_000, 1e9])
        self.cuts = draw.choice([150, 300, 1_000, 1e9])
        self.kill = draw.choice([0.6, 0.05])


class World:
    """Time, randomness and what runs. Durations are in units."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.trouble = Trouble(self.draw)
        self.now = 0.0
        self._queue: list[tuple[float, int, Callable[[], object]]] = []
        self._number = 0
        self._main = greenlet.getcurrent()

    def at(self, delay: float, action: Callable[[], object]) -> None:
        """Does something after a while."""
        self._number += 1
        heapq.heappush(self._queue, (self.now + delay, self._number, action))

    def spawn(self, work: Callable[[], object]) -> None:
        """Runs a thread."""
        thread = greenlet(work, parent=self._main)
        self.at(0, thread.switch)

    def sleep(self, delay: float) -> None:
        """Lets the others run for a while; the present thread goes on afterwards."""
        self.at(delay, greenlet.getcurrent().switch)
        self.suspend()

    def suspend(self) -> None:
        """Lets the others run until somebody switches to the present thread."""
        self._main.switch()

    def step(self) -> None:
        """The time between two instructions: short, sometimes a pause."""
        if self.draw.random() < self.trouble.pause:
            self.sleep(self.draw.choice([20, 60, 110, 150, 250, 400]) * self.draw.random())
        else:
            self.sleep(self.draw.random() * 0.3)

    def travel(self) -> float:
        """How long a message takes."""
        luck = self.draw.random()
        if luck >= self.trouble.slow:
            return self.draw.random() * 2
        return self.draw.random() * (40 if luck > 0.02 else 300)

    def lost(self) -> bool:
        """Whether this message is lost."""
        return self.draw.random() < self.trouble.loss

    def run(self, until: float) -> None:
        """Runs everything up to a moment."""
        while self._queue and self._queue[0][0] <= until:
            self.now, _, action = heapq.heappop(self._queue)
            action()


class Clock:
    """A process's CLOCK_BOOTTIME: any offset, a rate within the error."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._offset = int(world.draw.random() * 1e12)
        error = world.trouble.rate_error
        self.rate = 1 + error * world.draw.choice([-1, 1, world.draw.uniform(-1, 1)])

    def __call__(self) -> int:
        return self._offset + int(self.rate * self._world.now * UNIT_NS)

    def units(self, seconds: float) -> float:
        """How long a pause of so many seconds on this clock really is."""
        return seconds * 1e9 / UNIT_NS / self.rate


class Signal:
    """Between greenlets; see pdp.records.shard.Signal."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world, self._clock = world, clock
        self._set = False
        self._waiting: Callable[[], object] | None = None

    def set(self) -> None:
        self._set = True
        if self._waiting:
            self._waiting()

    def wait(self, seconds: float) -> None:
        if not self._set:
            here, woken = greenlet.getcurrent(), [False]

            def wake() -> None:
                if not woken[0]:
                    woken[0] = True
                    self._world.at(0, here.switch)

            self._waiting = wake
            self._world.at(self._clock.units(seconds), wake)
            self._world.suspend()
            self._waiting = None
        self._set = False
        self._world.step()
