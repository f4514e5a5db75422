"""Which simulations are run: the protocol as built, and each protection left out."""

from typing import NamedTuple

from tests.simulation.protections import Protections

FULL = {
    "strict": Protections(),
    "strict, timed path only": Protections(fast=False),
    "relaxed": Protections(relaxed=True),
}


class Weakened(NamedTuple):
    """What is left out, and a seed that showed why it must not be; most need a rare coincidence."""

    protections: Protections
    seed: int


WEAKENED = {
    "deadline compared before the evaluation": Weakened(Protections(check_after=False), 9),
    "the present deadline compared": Weakened(Protections(bound_deadline=False), 27),
    "lease counted from the reply": Weakened(Protections(asked_before=False), 445),
    "numbers compared, not histories": Weakened(Protections(chain=False), 326),
    "a proof counts before its head is held": Weakened(Protections(head_held=False), 1),
    "published before it is registered": Weakened(Protections(first_proof=False), 288),
    "acknowledged before it is drained": Weakened(Protections(drain=False), 69),
    "an empty store is a store": Weakened(Protections(genesis=False), 39),
    "initialised again, the same epoch": Weakened(Protections(incarnation=False), 175),
    "a repeated write writes nothing": Weakened(Protections(touch=False), 632),
    "beats not acknowledged by replicas": Weakened(Protections(beats_acknowledged=False, relaxed=True), 590),
    "writes not acknowledged by replicas": Weakened(Protections(writes_acknowledged=False), 499),
    "no margin for clocks": Weakened(Protections(margin=False, fast=False), 118),
    "a new epoch's registry trusted": Weakened(Protections(settle=False, relaxed=True), 4),
    "a slow member forgotten": Weakened(Protections(silence=False), 1),
}
