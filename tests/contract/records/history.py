"""The writes of a known history, for the process that does them and the test that knows what must stand."""

from pdp.records.store import Change


def changes_of(seq: int) -> list[Change]:
    """The changes of a write: a counter, some new records, and one of an earlier write deleted."""
    records = [Change("item", f"{seq}-{number}", b"x" * 500) for number in range(seq % 40 + 1)]
    return [Change("counter", "only", str(seq).encode()), *records, Change("item", f"{seq - 1}-0", None)]
