"""Writes as the core takes them in."""

from pdp.records.packing import pack


def write(*changes: tuple[str, str, bytes | None, int]) -> tuple[int, bytes]:
    """A write of these changes (None deletes), all of them of one version."""
    (version,) = {version for *_, version in changes}
    return version, pack((kind, key, value) for kind, key, value, _ in changes)
