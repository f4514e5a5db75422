"""What `pdp doctor` looks at in Redis: durability, memory, replicas and the server's clock."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from pdp.cli.doctor_checks import Finding
from pdp.records.redis_node import Link
from pdp.records.redis_setups import setup_of
from pdp.records.redis_url import RedisUrl, parse_redis_url
from pdp.records.store import StoreError

_CONFIGURED = ("appendfsync", "min-replicas-to-write")
_CLOCK_SECONDS = 1.0
_FULL = 0.9


@dataclass(frozen=True, slots=True)
class _Server:
    """What a primary says of itself: INFO, and of CONFIG what may be asked."""

    name: str
    info: dict[str, str]
    config: dict[str, str]
    ahead_seconds: float

    def number(self, name: str) -> int:
        """A number of INFO, 0 when it is not there."""
        text = self.info.get(name, "")
        return int(text) if text.isdecimal() else 0


def check_redis(url: str, shards: int) -> Iterator[Finding]:
    """Looks at the primary of each shard. Raises StoreError."""
    parsed = parse_redis_url(url)
    setup = setup_of(parsed)
    try:
        seen: set[str] = set()
        for shard in range(shards):
            node = setup.primary(f"{parsed.namespace}:{shard}")
            if node.name in seen:
                continue
            seen.add(node.name)
            with node.link() as link:
                server = _asked(node.name, link)
            yield Finding("redis", "ok", f"{server.name}: version {server.info.get('redis_version', '?')}.")
            yield from _persistence(server, parsed)
            yield from _memory(server)
            yield from _replicas(server, parsed)
            yield from _clock(server)
    finally:
        setup.close()


def _asked(name: str, link: Link) -> _Server:
    before = time.time()
    answer = link.ask("INFO")
    now = (before + time.time()) / 2
    text = answer if isinstance(answer, str) else answer.decode()
    info = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    config: dict[str, str] = {}
    # A sidecar's user need not be allowed to ask.
    with suppress(StoreError):
        for setting in _CONFIGURED:
            found = link.ask("CONFIG", "GET", setting)
            config |= {_text(key): _text(value) for key, value in found.items()}
    server_time = int(info.get("server_time_usec", "0")) / 1e6
    return _Server(name, info, config, server_time - now if server_time else 0.0)


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()


def _persistence(server: _Server, url: RedisUrl) -> Iterator[Finding]:
    for name, what in (("aof_last_write_status", "append-only file"), ("rdb_last_bgsave_status", "snapshot")):
        if server.info.get(name, "ok") != "ok":
            text = f"{server.name} could not write its last {what}."
            yield Finding("redis", "fail", text, "Its disk may be full; it may refuse writes.")
    appendfsync = server.config.get("appendfsync")
    if server.info.get("aof_enabled") != "1":
        text = f"{server.name} keeps no append-only file: a restart loses what is newer than its snapshot."
        advice = "Set appendonly yes" + (", or never restart a primary: fail over." if url.acks else ".")
        yield Finding("redis", "warn", text, advice)
    elif appendfsync is None:
        text = f"{server.name} keeps an append-only file; its appendfsync may not be asked."
        yield Finding("redis", "ok", text)
    elif appendfsync != "always" and not url.acks:
        yield Finding(
            "redis",
            "warn",
            f"{server.name} has appendfsync {appendfsync}: a crash may lose its last writes, lockouts too.",
            "Set appendfsync always, or add replicas and the option acks.",
        )
    else:
        yield Finding("redis", "ok", f"{server.name} keeps an append-only file, appendfsync {appendfsync}.")


def _memory(server: _Server) -> Iterator[Finding]:
    policy, limit = server.info.get("maxmemory_policy", ""), server.number("maxmemory")
    if policy != "noeviction":
        yield Finding(
            "redis", "fail", f"{server.name} has maxmemory-policy {policy}.", "Set it to noeviction."
        )
    used = server.number("used_memory")
    if limit and used > _FULL * limit:
        text = f"{server.name} uses {used / limit:.0%} of its memory; full, it refuses every write."
        yield Finding("redis", "warn", text, "Give it more memory (maxmemory).")


def _replicas(server: _Server, url: RedisUrl) -> Iterator[Finding]:
    replicas = server.number("connected_slaves")
    if server.info.get("role") != "master":
        text = f"{server.name} is no primary but {server.info.get('role', 'something else')}."
        yield Finding("redis", "fail", text, "Name the primary, or use redis+sentinel://.")
        return
    if replicas < url.acks:
        yield Finding(
            "redis",
            "fail",
            f"{server.name} has {_of(replicas)}, and acks asks {url.acks} to acknowledge each write and "
            "each freshness proof: nothing can be written, and every sidecar denies.",
            "Bring the replicas back, or lower acks everywhere once one is gone for good.",
        )
    elif replicas > url.acks and not url.promotion_seconds:
        yield Finding(
            "redis",
            "warn",
            f"{server.name} has {_of(replicas)}, of which {url.acks} must acknowledge: another one that "
            "is promoted may lack lockouts.",
            f"Set acks={replicas}. One with replica-priority 0 counts too: it may acknowledge for another.",
        )
    else:
        yield Finding("redis", "ok", f"{server.name} has {_of(replicas)}; {url.acks} must acknowledge.")
    wanted = server.config.get("min-replicas-to-write")
    if url.promotion_seconds and wanted is not None and wanted != str(url.acks):
        text = f"{server.name} has min-replicas-to-write {wanted}, and acks is {url.acks}."
        yield Finding("redis", "warn", text, "In relaxed operation they must be equal.")


def _clock(server: _Server) -> Iterator[Finding]:
    if abs(server.ahead_seconds) > _CLOCK_SECONDS:
        way = "ahead of" if server.ahead_seconds > 0 else "behind"
        text = f"The clock of {server.name} is {abs(server.ahead_seconds):.1f} s {way} this machine's."
        advice = (
            "No lease depends on it; but one of the two is wrong, and times in records are wall-clock times."
        )
        yield Finding("clock", "warn", text, advice)
    else:
        yield Finding("clock", "ok", f"The clock of {server.name} agrees with this machine's.")


def _of(replicas: int) -> str:
    return "1 replica" if replicas == 1 else f"{replicas} replicas"
