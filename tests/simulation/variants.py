"""Which simulations are run: the protocol as built, and each protection left out."""

from tests.simulation.protections import Protections

FULL = {
    "strict": Protections(),
    "strict, timed path only": Protections(fast=False),
    "relaxed": Protections(relaxed=True),
}

WEAKENED = {
    "deadline compared before the evaluation": Protections(check_after=False),
    "the present deadline compared": Protections(bound_deadline=False),
    "lease counted from the reply": Protections(asked_before=False),
    "numbers compared, not histories": Protections(chain=False),
    "a proof counts before its head is held": Protections(head_held=False),
    "published before it is registered": Protections(first_proof=False),
    "acknowledged before it is drained": Protections(drain=False),
    "an empty store is a store": Protections(genesis=False),
    "initialised again, the same epoch": Protections(incarnation=False),
    "a repeated write writes nothing": Protections(touch=False),
    "beats not acknowledged by replicas": Protections(beats_acknowledged=False, relaxed=True),
    "writes not acknowledged by replicas": Protections(writes_acknowledged=False),
    "no margin for clocks": Protections(margin=False, fast=False),
    "a new epoch's registry trusted": Protections(settle=False, relaxed=True),
    "a slow member forgotten": Protections(silence=False),
    "a deposed primary not waited out": Protections(promotion_margin=False, relaxed=True),
}
