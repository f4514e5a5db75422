"""Where the primary of each shard is: one server, what Sentinels say, or the nodes of a Cluster."""

import random
import threading
from typing import Protocol

from redis.crc import key_slot

from pdp.records.redis_errors import NotSentError
from pdp.records.redis_node import Node
from pdp.records.redis_url import Address, RedisUrl
from pdp.records.store import StoreError


class Setup(Protocol):
    """Finds the primary of each shard. Safe to use from many threads."""

    def primary(self, tag: str) -> Node:
        """The server that is the primary for keys with a hash tag, as far as is known. Raises StoreError."""

    def doubt(self, tag: str, target: Address | None = None) -> bool:
        """That server failed, or says that `target` is the primary: the next call looks again.

        False: there is no other that could be the primary.
        """

    def close(self) -> None:
        """Closes all connections."""


def setup_of(url: RedisUrl) -> Setup:
    """The set-up that a URL names."""
    if url.setup == "sentinel":
        return Sentinels(url)
    return Cluster(url) if url.setup == "cluster" else SingleServer(url)


class SingleServer:
    """One server, which is always the primary."""

    def __init__(self, url: RedisUrl) -> None:
        self._node = Node(url.addresses[0], url.login, url.tls, url.db)

    def primary(self, tag: str) -> Node:  # noqa: ARG002 - one for all
        """See Setup."""
        return self._node

    def doubt(self, tag: str, target: Address | None = None) -> bool:  # noqa: ARG002
        """See Setup."""
        return False

    def close(self) -> None:
        """See Setup."""
        self._node.close()


class Sentinels:
    """The primary that Sentinels agreed on: of all that answer, the one with the latest promotion counts."""

    def __init__(self, url: RedisUrl) -> None:
        self._url = url
        self._sentinels = [
            Node(address, url.sentinel_login, url.tls, mode="sentinel") for address in url.addresses
        ]
        self._lock = threading.Lock()
        self._node: Node | None = None
        self._doubted = True

    def primary(self, tag: str) -> Node:  # noqa: ARG002 - one for all
        """See Setup."""
        with self._lock:
            if self._node is None or self._doubted:
                address = self._ask()
                if self._node is None or self._node.address != address:
                    if self._node:
                        self._node.close()
                    self._node = Node(address, self._url.login, self._url.tls, self._url.db)
                self._doubted = False
            return self._node

    def doubt(self, tag: str, target: Address | None = None) -> bool:  # noqa: ARG002 - Sentinels know better
        """See Setup."""
        self._doubted = True
        return True

    def close(self) -> None:
        """See Setup."""
        for node in (*self._sentinels, *([self._node] if self._node else [])):
            node.close()

    def _ask(self) -> Address:
        found: tuple[int, Address] | None = None
        failures: list[StoreError] = []
        for sentinel in self._sentinels:
            try:
                with sentinel.link() as link:
                    answer = link.ask("SENTINEL", "MASTER", self._url.service)
            except StoreError as error:
                failures.append(error)
                continue
            epoch = int(answer[b"config-epoch"])
            if found is None or epoch > found[0]:
                found = epoch, (answer[b"ip"].decode(), int(answer[b"port"]))
        if found is not None:
            return found[1]
        if all("No such master" in str(failure) for failure in failures):
            raise StoreError(f"The Sentinels know no service {self._url.service!r}.")
        raise NotSentError(f"No Sentinel can be asked for the primary: {failures[-1]}")


class Cluster:
    """The nodes of a Redis Cluster."""

    def __init__(self, url: RedisUrl) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._nodes: dict[Address, Node] = {}
        # First and last slot → its primary.
        self._slots: dict[tuple[int, int], Address] = {}
        # Who was last said to be a primary, and so knows the slots best.
        self._named: Address | None = None
        self._doubted = True

    def primary(self, tag: str) -> Node:
        """See Setup."""
        slot = key_slot(tag.encode())
        with self._lock:
            if self._doubted:
                self._slots = self._ask()
                self._doubted = False
            for (first, last), address in self._slots.items():
                if first <= slot <= last:
                    return self._node(address)
        raise StoreError("Redis Cluster has no node for the record store's keys at the moment.")

    def doubt(self, tag: str, target: Address | None = None) -> bool:  # noqa: ARG002 - all are asked for anew
        """See Setup."""
        with self._lock:
            self._doubted = True
            self._named = target if target and target[0] else None
        return True

    def close(self) -> None:
        """See Setup."""
        for node in self._nodes.values():
            node.close()

    def _node(self, address: Address) -> Node:
        if address not in self._nodes:
            self._nodes[address] = Node(address, self._url.login, self._url.tls, mode="cluster")
        return self._nodes[address]

    def _ask(self) -> dict[tuple[int, int], Address]:
        known = list(dict.fromkeys([*self._slots.values(), *self._url.addresses]))
        # Not always the same one: it may be cut off from the others.
        random.shuffle(known)
        failure: StoreError | None = None
        for address in [self._named, *known] if self._named else known:
            try:
                with self._node(address).link() as link:
                    answer = link.ask("CLUSTER", "SLOTS")
            except NotSentError as error:
                failure = error
                continue
            return {
                (start, end): (primary[0].decode() if primary[0] else address[0], primary[1])
                for start, end, primary, *_ in answer
            }
        raise NotSentError(f"No node of the Redis Cluster can be asked: {failure}")
