"""Redis: one server, replicas, Sentinels, a Cluster."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from tests.servers.processes import Server, binary, free_port, stopping

_STANDARD = {
    "bind": "127.0.0.1",
    "save": '""',
    "appendonly": "no",
    "databases": "16",
    # Replicas need not wait for others that may join.
    "repl-diskless-sync-delay": "0",
}


class RedisServer(Server):
    """A Redis server on a port of the loopback."""

    def __init__(self, folder: Path, port: int, settings: dict[str, str], ready: str, mode: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "redis.conf"
        lines = [f"{name} {value}" for name, value in settings.items()]
        config.write_text("\n".join(["dir .", *lines]) + "\n")
        super().__init__([binary("redis-server"), str(config), *([mode] if mode else [])], folder, ready)
        self.port = port

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """URL of the server, with a plain connection and no password."""
        return f"redis://{self.address}"

    def client(self, **settings: Any) -> redis.Redis:
        """A client, for looking and for turning knobs."""
        return redis.Redis(port=self.port, socket_timeout=10, **settings)


def start_redis(folder: Path, **settings: str) -> RedisServer:
    """A running server; the caller stops it. Settings are those of redis.conf, with '_' for '-'."""
    given = {name.replace("_", "-"): value for name, value in settings.items()}
    log = ""
    for _ in range(5):
        port = free_port()
        ports = {"port": "0", "tls-port": str(port)} if "tls-cert-file" in given else {"port": str(port)}
        server = RedisServer(
            folder / f"redis-{port}", port, _STANDARD | ports | given, "Ready to accept connections"
        )
        if server.start():
            return server
        log = server.log.read_text(errors="replace")
    raise AssertionError(f"Redis does not start: {log[-2000:]}")


@contextmanager
def redis_server(folder: Path, **settings: str) -> Iterator[RedisServer]:
    """A server while the context is open."""
    server = start_redis(folder, **settings)
    with stopping([server]):
        yield server


@contextmanager
def redis_with_replicas(folder: Path, replicas: int, **settings: str) -> Iterator[list[RedisServer]]:
    """A primary, then its replicas, once these are in step."""
    servers = [start_redis(folder, **settings)]
    with stopping(servers):
        for _ in range(replicas):
            servers.append(start_redis(folder, replicaof=f"127.0.0.1 {servers[0].port}", **settings))
        wait_for(lambda: servers[0].client().info("replication")["connected_slaves"] == replicas)
        wait_for(lambda: servers[0].client().wait(replicas, 100) == replicas)
        yield servers


@contextmanager
def redis_sentinels(
    folder: Path, primary: RedisServer, service: str = "records", number: int = 3, down_ms: int = 500
) -> Iterator[list[RedisServer]]:
    """Sentinels that watch a primary (and its replicas), once they know each other."""
    sentinels: list[RedisServer] = []
    with stopping(sentinels):
        for _ in range(number):
            port = free_port()
            settings = {
                "bind": "127.0.0.1",
                "port": str(port),
                f"sentinel monitor {service}": f"127.0.0.1 {primary.port} {number // 2 + 1}",
                f"sentinel down-after-milliseconds {service}": str(down_ms),
                f"sentinel failover-timeout {service}": "3000",
            }
            sentinel = RedisServer(
                folder / f"sentinel-{port}", port, settings, "Sentinel ID is", mode="--sentinel"
            )
            assert sentinel.start()
            sentinels.append(sentinel)
        for sentinel in sentinels:
            wait_for(
                lambda sentinel=sentinel: (
                    sentinel.client().sentinel_master(service)["num-other-sentinels"] == number - 1
                )
            )
        yield sentinels


@contextmanager
def redis_cluster(folder: Path, masters: int = 3, replicas: int = 0) -> Iterator[list[RedisServer]]:
    """The nodes of a Cluster that is ready."""
    nodes: list[RedisServer] = []
    with stopping(nodes):
        while len(nodes) < masters * (1 + replicas):
            nodes.append(start_redis(folder, cluster_enabled="yes", cluster_node_timeout="2000"))
        addresses = [node.address for node in nodes]
        cli = [binary("redis-cli"), "--cluster", "create", *addresses]
        subprocess.run(
            [*cli, "--cluster-replicas", str(replicas), "--cluster-yes"], check=True, capture_output=True
        )
        for node in nodes:
            wait_for(lambda node=node: node.client().cluster("info")["cluster_state"] == "ok")
        yield nodes


def wait_for(condition: Any, seconds: float = 20.0) -> None:
    """Returns once a condition holds."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.02)
