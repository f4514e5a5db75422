"""Changes as they stand in histories, and as the core takes them in (`pdp/core/src/records/packed.rs`).

MessagePack of `[[kind, key] (a deletion) or [kind, key, document], …]`, without bin types, as Redis's scripts
write it too: Lua has one kind of string.
"""

from collections.abc import Iterable, Sequence

import msgpack

from pdp.records.store import Delta, StoredChange

_FEW, _FEW_BITS, _MANY = 0x90, 0x0F, 0xDC


def pack_change(kind: str, key: str, value: bytes | None) -> bytes:
    """One change; `value` None deletes."""
    packed: bytes = msgpack.packb((kind, key) if value is None else (kind, key, value), use_bin_type=False)
    return packed


def join(changes: Sequence[bytes]) -> bytes:
    """All changes of a write from its single ones."""
    header: bytes = msgpack.Packer().pack_array_header(len(changes))
    return header + b"".join(changes)


def pack(changes: Iterable[tuple[str, str, bytes | None]]) -> bytes:
    """The changes of a write, each as kind, key and document."""
    return join([pack_change(*change) for change in changes])


def count(packed: bytes) -> int:
    """How many changes there are, without unpacking them."""
    first = packed[0]
    if first & ~_FEW_BITS == _FEW:
        return first & _FEW_BITS
    return int.from_bytes(packed[1:3] if first == _MANY else packed[1:5])


def last_changes(delta: Delta) -> list[StoredChange]:
    """The last change of each record."""
    last: dict[tuple[bytes, bytes], tuple[int, list[bytes]]] = {}
    for seq, packed in delta.writes:
        for kind, key, *value in msgpack.unpackb(packed, raw=True):
            last[kind, key] = (seq, value)
    return [
        StoredChange(kind.decode(), key.decode(), value[0] if value else None, seq)
        for (kind, key), (seq, value) in last.items()
    ]
