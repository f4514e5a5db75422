"""The chain hash: equal chains mean equal histories, in whatever store they were written.

    changes digest  sha1 over the changes in order; each is
                    len(kind) kind len(key) key 0x01 len(document) document   a new document
                    len(kind) kind len(key) key 0x00                          a deletion
    chain(0)        the store's genesis, 20 random bytes
    chain(n)        sha1(chain(n-1) | n as 8 bytes | len(write id) write id | changes digest)

Lengths are 4 bytes, numbers big-endian, texts UTF-8, hashes raw (20 bytes). SHA-1 names a history here, as
Redis's scripts can compute it too; it protects no secret.
"""

import hashlib
import secrets
import struct

HASH_BYTES = 20

_LENGTH = struct.Struct(">I")
_NUMBER = struct.Struct(">Q")


def new_genesis() -> bytes:
    """20 random bytes: the chain of an empty store, unlike that of any other."""
    return secrets.token_bytes(HASH_BYTES)


class ChangesDigest:
    """The digest of one write's changes, built up while they pass by."""

    def __init__(self) -> None:
        self._hash = hashlib.sha1(usedforsecurity=False)

    def add(self, kind: str, key: str, value: bytes | None) -> None:
        """Takes in the next change; `value` None is a deletion."""
        kind_bytes, key_bytes = kind.encode(), key.encode()
        head = b"".join((_LENGTH.pack(len(kind_bytes)), kind_bytes, _LENGTH.pack(len(key_bytes)), key_bytes))
        if value is None:
            self._hash.update(head + b"\x00")
        else:
            self._hash.update(b"".join((head, b"\x01", _LENGTH.pack(len(value)), value)))

    def digest(self) -> bytes:
        """The digest so far, 20 bytes."""
        return self._hash.digest()


def next_chain(chain: bytes, seq: int, write_id: str, changes_digest: bytes) -> bytes:
    """`chain(seq)` from `chain(seq - 1)`."""
    id_bytes = write_id.encode()
    text = b"".join((chain, _NUMBER.pack(seq), _LENGTH.pack(len(id_bytes)), id_bytes, changes_digest))
    return hashlib.sha1(text, usedforsecurity=False).digest()
