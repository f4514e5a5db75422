"""The chain hash: equal chains mean equal histories, in whatever store they were written.

    changes digest  sha1 over the changes in order; each is
                    len(kind) kind len(key) key flags [source version] [len(document) document]
                    flags, one byte: 0x01 a new document (else a deletion), 0x02 with a source version
    chain(0)        the store's genesis, 20 random bytes
    chain(n)        sha1(chain(n-1) | n as 8 bytes | len(write id) write id | changes digest)

Lengths are 4 bytes, source versions 8, numbers big-endian, texts UTF-8, hashes raw (20 bytes). The digest is
over the changes as they were asked for, also those that a source version leaves out, so that a repeated write
compares equal whatever it meets. SHA-1 names a history here, as Redis's scripts can compute it too; it
protects no secret.
"""

import hashlib
import secrets
import struct

from pdp.records.store import Change, StoreError

HASH_BYTES = 20

# What SQLite's integers hold.
LARGEST_SOURCE_VERSION = 2**63 - 1

_LENGTH = struct.Struct(">I")
_NUMBER = struct.Struct(">Q")


def new_genesis() -> bytes:
    """20 random bytes: the chain of an empty store, unlike that of any other."""
    return secrets.token_bytes(HASH_BYTES)


class ChangesDigest:
    """The digest of one write's changes, built up while they pass by."""

    def __init__(self) -> None:
        self._hash = hashlib.sha1(usedforsecurity=False)

    def add(self, change: Change) -> None:
        """Takes in the next change. Raises StoreError for a source version that no store can keep."""
        kind, key, value, _expected, source = change
        kind_bytes, key_bytes = kind.encode(), key.encode()
        flags = (value is not None) | (source is not None) << 1
        parts = [
            _LENGTH.pack(len(kind_bytes)),
            kind_bytes,
            _LENGTH.pack(len(key_bytes)),
            key_bytes,
            flags.to_bytes(1),
        ]
        if source is not None:
            if not 0 <= source <= LARGEST_SOURCE_VERSION:
                raise StoreError(
                    f"{kind}/{key}: source version {source} is not between 0 and {LARGEST_SOURCE_VERSION}."
                )
            parts.append(_NUMBER.pack(source))
        if value is not None:
            parts += (_LENGTH.pack(len(value)), value)
        self._hash.update(b"".join(parts))

    def digest(self) -> bytes:
        """The digest so far, 20 bytes."""
        return self._hash.digest()


def next_chain(chain: bytes, seq: int, write_id: str, changes_digest: bytes) -> bytes:
    """`chain(seq)` from `chain(seq - 1)`."""
    id_bytes = write_id.encode()
    text = b"".join((chain, _NUMBER.pack(seq), _LENGTH.pack(len(id_bytes)), id_bytes, changes_digest))
    return hashlib.sha1(text, usedforsecurity=False).digest()
