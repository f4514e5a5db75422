"""The URL of a record store in Redis.

    redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]                           one server
    redis+sentinel://[[USER]:PASSWORD@]HOST[:PORT],HOST…/SERVICE[/DB]    the primary that Sentinels know
    redis+cluster://[[USER]:PASSWORD@]HOST[:PORT],HOST…                  Redis Cluster, from any of its nodes

`rediss` in place of `redis` is TLS. User and password are of a Redis ACL; with percent signs for what is
special in a URL. Options follow as `?NAME=VALUE&…`:

    acks                how many replicas must acknowledge each write and each freshness proof
                        (must be given for Sentinel and Cluster; for one server 0)
    promotion_seconds   0: `acks` is the number of all connected replicas (strict); otherwise
                        within this time of a promotion replicas stop to acknowledge to a deposed primary
                        (relaxed)
    namespace           begins every key, `pdp`; several stores in one Redis have different ones
    ssl_ca_certs        file with the certificates of the authorities to trust; without it the system's
    ssl_certfile, ssl_keyfile    the client's certificate and key, where the server asks for them
    ssl_check_hostname  `no`: the certificate may be for another name
    sentinel_username, sentinel_password    for the Sentinels, where they have their own

A sidecar's user needs no more than this ACL rule (`pdp records init` also needs `+scan`, and in a
Cluster all need `+cluster|slots`):

    ACL SETUSER pdp on >PASSWORD ~{pdp:* resetchannels -@all
      +hello +select +info +eval +evalsha +wait
      +hget +hset +hsetnx +hmget +hgetall +hdel +hexists +hincrby +hlen +hscan
      +zadd +zrem +zrange +zcount +zcard +sadd +smembers +xadd +xrange +xread +xtrim
      +get +set +del +unlink +exists +expire +persist +rename +type +rpush +lrange +llen
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pdp.records.store import StoreError

Address = tuple[str, int]

_SCHEMES = ("redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
_PORTS = {"": 6379, "sentinel": 26379, "cluster": 6379}
_OPTIONS = ("acks", "promotion_seconds", "namespace")
_TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")
_SENTINEL_OPTIONS = ("sentinel_username", "sentinel_password")
# No braces, which would make another hash tag; no glob, as ACL rules have patterns.
_NAMESPACE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Tls:
    """How TLS is spoken.

    Attributes:
        ca_certs: file of trusted authorities, "": the system's.
        certfile: the client's certificate, "": none.
        keyfile: its key.
        check_hostname: whether the server's certificate must be for its name.
    """

    ca_certs: str = ""
    certfile: str = ""
    keyfile: str = ""
    check_hostname: bool = True


@dataclass(frozen=True, slots=True)
class Login:
    """User and password; never printed. "": the server's default user, no password."""

    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A URL, taken apart.

    Attributes:
        setup: "", "sentinel" or "cluster".
        addresses: the server; the Sentinels; some nodes of the Cluster.
        service: what the Sentinels call the primary, "" without Sentinels.
        db: number of the database.
        login: for the servers that hold records.
        sentinel_login: for the Sentinels.
        tls: None without TLS.
        acks: replicas that must acknowledge.
        promotion_seconds: see the module.
        namespace: begins every key.
    """

    setup: str
    addresses: tuple[Address, ...]
    service: str
    db: int
    login: Login
    sentinel_login: Login
    tls: Tls | None
    acks: int
    promotion_seconds: float
    namespace: str


def parse_redis_url(url: str) -> RedisUrl:
    """Takes a URL apart. Raises StoreError, never with a password in it."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise StoreError("The URL of the record store is not one; write redis://HOST:PORT.") from error
    if parts.scheme not in _SCHEMES:
        raise StoreError(f"{parts.scheme!r} is no kind of record store; there are {', '.join(_SCHEMES)}.")
    if parts.fragment:
        raise StoreError("The record store's URL has a '#'; write %23 where it is part of a password.")
    name, _, setup = parts.scheme.partition("+")
    user, at, hosts = parts.netloc.rpartition("@")
    options = _options(parts, setup, tls=name == "rediss")
    service, db = _path(parts, setup)
    username, _, password = user.partition(":")
    return RedisUrl(
        setup=setup,
        addresses=_addresses(hosts, setup),
        service=service,
        db=db,
        login=Login(unquote(username), unquote(password)) if at else Login(),
        sentinel_login=Login(options.get("sentinel_username", ""), options.get("sentinel_password", "")),
        tls=_tls(options) if name == "rediss" else None,
        acks=_acks(options, setup),
        promotion_seconds=_promotion_seconds(options),
        namespace=_namespace(options),
    )


def _options(parts: SplitResult, setup: str, *, tls: bool) -> dict[str, str]:
    known = _OPTIONS + (_TLS_OPTIONS if tls else ()) + (_SENTINEL_OPTIONS if setup == "sentinel" else ())
    options: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known:
            only = " (only with rediss)" if name in _TLS_OPTIONS else ""
            raise StoreError(f"{parts.scheme} has no option {name!r}{only}; there are {', '.join(known)}.")
        if name in options:
            raise StoreError(f"The record store's URL has the option {name!r} twice.")
        options[name] = value
    return options


def _addresses(hosts: str, setup: str) -> tuple[Address, ...]:
    texts = hosts.split(",")
    if len(texts) > 1 and not setup:
        raise StoreError("Several hosts need redis+sentinel:// or redis+cluster://.")
    return tuple(_address(text, _PORTS[setup]) for text in texts)


def _address(text: str, usual_port: int) -> Address:
    try:
        split = urlsplit(f"//{text}")
        host, port = split.hostname, split.port
    except ValueError:
        host, port = None, None
    if not host or port == 0:
        raise StoreError(f"{text!r} is no host for a record store; write HOST or HOST:PORT.")
    return host, port or usual_port


def _path(parts: SplitResult, setup: str) -> tuple[str, int]:
    """The Sentinels' service and the number of the database."""
    pieces = parts.path.strip("/").split("/") if parts.path.strip("/") else []
    service = ""
    if setup == "sentinel":
        if not pieces:
            raise StoreError("redis+sentinel names no service; write redis+sentinel://HOST:PORT/SERVICE.")
        service = unquote(pieces.pop(0))
    db = pieces.pop(0) if pieces else "0"
    if pieces or not db.isascii() or not db.isdecimal():
        raise StoreError(f"The record store's URL has the path {parts.path!r}; a database is a number.")
    if setup == "cluster" and db != "0":
        raise StoreError("Redis Cluster has one database only; leave the number away.")
    return service, int(db)


def _tls(options: dict[str, str]) -> Tls:
    for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"):
        if name in options and not Path(options[name]).is_file():
            raise StoreError(f"{name}: there is no file {options[name]}.")
    if ("ssl_certfile" in options) != ("ssl_keyfile" in options):
        raise StoreError("ssl_certfile and ssl_keyfile go together; one of them is missing.")
    check = options.get("ssl_check_hostname", "yes").lower()
    if check not in {"yes", "no", "true", "false"}:
        raise StoreError(f"ssl_check_hostname must be yes or no, not {check!r}.")
    return Tls(
        ca_certs=options.get("ssl_ca_certs", ""),
        certfile=options.get("ssl_certfile", ""),
        keyfile=options.get("ssl_keyfile", ""),
        check_hostname=check in {"yes", "true"},
    )


def _acks(options: dict[str, str], setup: str) -> int:
    text = options.get("acks", "" if setup else "0")
    if not text:
        raise StoreError(
            f"redis+{setup} needs the option acks: how many replicas must acknowledge a write, "
            "in strict operation all that it has."
        )
    if not text.isascii() or not text.isdecimal():
        raise StoreError(f"acks must be a number of replicas, not {text!r}.")
    return int(text)


def _promotion_seconds(options: dict[str, str]) -> float:
    text = options.get("promotion_seconds", "0")
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text):
        raise StoreError(f"promotion_seconds must be a number of seconds, not {text!r}.")
    return float(text)


def _namespace(options: dict[str, str]) -> str:
    text = options.get("namespace", "pdp")
    if not _NAMESPACE.fullmatch(text):
        raise StoreError(f"namespace must be up to 64 letters, digits, '.', '_' or '-', not {text!r}.")
    return text
