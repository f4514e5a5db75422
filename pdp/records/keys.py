"""Every key in Redis, and which shard holds a record. Nothing else builds a key.

All keys of a shard share the hash tag `{<name space>:<shard>}`, so that one script can reach them in Redis
Cluster. The checksum that Cluster spreads tags by is linear: shards 0 to 3, 4 to 7, … each lie in the four
quarters of the slots.

    {pdp:0}:meta            hash    what `initialise` wrote, and where the history stands
    {pdp:0}:stream          stream  the history: entry <seq>-0 is the write <seq>
    {pdp:0}:writes          hash    write id → "<seq>:" chain, changes digest (20 bytes each)
    {pdp:0}:kinds           set     kinds that ever had a record
    {pdp:0}:doc:<kind>      hash    key → "<seq>:" document, or "~<large write>:" document
    {pdp:0}:keys:<kind>     zset    the same keys, in order (all scores 0)
    {pdp:0}:source:<kind>   hash    key → source version, kept when the record is deleted
    {pdp:0}:large           hash    large write → the sequence number that it got
    {pdp:0}:members         hash    instance → "<beat>:<seq>:<drained>:" about
    {pdp:0}:acks            zset    instance → drained
    {pdp:0}:lock            string  the large write under way; expires
    {pdp:0}:staged:<large write>:…  what it has prepared; expires
"""

import zlib
from dataclasses import dataclass


def shard_of(kind: str, key: str, shards: int) -> int:
    """The shard of a record, counted from 0; the Rust core computes the same."""
    return zlib.crc32(kind.encode() + b"\0" + key.encode()) % shards


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one shard.

    Attributes:
        namespace: begins every key; two stores in one Redis have different ones.
        shard: number of the shard.
    """

    namespace: str
    shard: int

    @property
    def tag(self) -> str:
        """The hash tag, which decides on the slot in a Cluster."""
        return f"{self.namespace}:{self.shard}"

    @property
    def prefix(self) -> str:
        """What all keys of the shard begin with."""
        return f"{{{self.tag}}}:"

    @property
    def meta(self) -> str:
        """See the module."""
        return f"{self.prefix}meta"

    @property
    def registry(self) -> list[str]:
        """Meta, members and acks: what every script that writes is given first."""
        return [self.meta, f"{self.prefix}members", f"{self.prefix}acks"]

    @property
    def stream(self) -> str:
        """See the module."""
        return f"{self.prefix}stream"

    @property
    def writes(self) -> str:
        """See the module."""
        return f"{self.prefix}writes"

    @property
    def kinds(self) -> str:
        """See the module."""
        return f"{self.prefix}kinds"

    @property
    def large(self) -> str:
        """See the module."""
        return f"{self.prefix}large"

    @property
    def lock(self) -> str:
        """See the module."""
        return f"{self.prefix}lock"

    def documents(self, kind: str) -> str:
        """The documents of a kind."""
        return f"{self.prefix}doc:{kind}"

    def of_kind(self, kind: str) -> list[str]:
        """Documents, ordered keys and source versions of a kind."""
        return [self.documents(kind), f"{self.prefix}keys:{kind}", f"{self.prefix}source:{kind}"]

    def staged(self, large: str) -> list[str]:
        """State, deletions and expectations of a large write."""
        return [f"{self.prefix}staged:{large}:{part}" for part in ("state", "deleted", "expected")]

    def staged_kind(self, large: str, kind: str) -> list[str]:
        """As `of_kind`, what a large write will put in their place."""
        return [f"{self.prefix}staged:{large}:{part}:{kind}" for part in ("doc", "keys", "source")]

    def is_staged(self, key: str) -> bool:
        """Whether a key is of a large write that is under way, or was left by one that ended."""
        return key == self.lock or key.startswith(f"{self.prefix}staged:")
