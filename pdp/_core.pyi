"""Types of the compiled core (Rust, `pdp/core/python`): it decides, Python hosts."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, final

Histogram: TypeAlias = tuple[list[tuple[float, int]], float]
Reading: TypeAlias = float | Histogram

class RequestError(ValueError):
    """An invalid request. `field` is its path ("subject.id"), `message` says what is wrong with it."""

    field: str
    message: str

class RecordError(ValueError):
    """A record that its kind's schema refuses. `field` is the path in the document ("" the document
    itself)."""

    kind: str
    key: str
    field: str
    message: str

class LineError(ValueError):
    """A line of an import that is refused. `line` counts from 1; `field` as in RecordError."""

    line: int
    field: str
    message: str

class PolicyLoadError(ValueError):
    """A bundle that cannot be loaded; the text is one sentence that says why."""

class IdentityError(ValueError):
    """A refused declaration of logins or set of keys; the text is one sentence that names the place."""

@final
class Policy:
    """A loaded bundle: compiled policy, data, declaration and schemas. Immutable."""

    def __new__(
        cls,
        *,
        wasm: bytes,
        data: bytes,
        declaration: bytes,
        schemas: Mapping[str, bytes],
        revision: str,
        routes: bytes | None = None,
        evaluation_limit_ms: int = 100,
        evaluation_memory_bytes: int = 67_108_864,
    ) -> Policy:
        """`wasm`: policy.wasm of `opa build -t wasm`; `data`: data.json; `declaration`: bundle.yaml as JSON;
        `schemas`: path as in the declaration → JSON Schema; `routes`: routes.yaml as JSON. Raises
        PolicyLoadError."""

    revision: str
    kinds: list[str]
    entrypoint: str

    replicated_kinds: list[str]
    """Kinds that every sidecar holds whole, also on demand: `replicated: true`, or looked up with `all`."""

    barrier_kinds: list[str]
    """Kinds whose changes wait, unless asked otherwise, until no sidecar decides without them:
    `wait: all`."""

    routes: list[str] | None
    """The names of all routes; None: the bundle has no routes.yaml."""

    def find_route(self, method: str, target: str, headers: Sequence[tuple[str, bytes]]) -> str:
        """What a request is, as JSON: `{"route", "action", "resource", "context"}`, `{"public": route}`,
        `{"refused": why}` or `"unknown"`. Raises ValueError for what is no HTTP request."""

    def canonical(self, kind: str, key: str, value: bytes) -> bytes:
        """Checks a document (JSON) and gives its canonical form. Raises RecordError."""

    def readable(self, kind: str, value: bytes) -> bytes:
        """The document as a user writes it: times as RFC 3339 UTC. Raises RecordError for an unknown kind."""

    def canonical_lines(self, lines: bytes, first_line: int = 1) -> list[tuple[str, str, bytes | None]]:
        """Whole JSON Lines (`{"kind","key","value"}`, value null deletes; blank lines are skipped) to
        (kind, key, canonical document). Raises LineError with the first bad line."""

@final
class Snapshot:
    """A state of one shard under construction; installed at once by `Core.install`."""

    def add(self, records: Sequence[tuple[str, str, bytes, int]]) -> None:
        """(kind, key, canonical document, version) each; a record that is there in a newer version stays."""

    def apply(self, writes: Sequence[tuple[int, bytes]]) -> None:
        """The changes of writes, see `Core.apply`, each where it is newer than what is there."""

@final
class Core:
    """Records, policy and decision cache of one process. Safe to use from many threads.

    The records of each shard are a state with a position in the shard's history and a deadline: the moment on
    the clock of `clock_ns` until which an answer from that state may leave. A decision uses the earliest
    deadline of all shards, as captured together with its records, and compares it as its last act.
    """

    def __new__(
        cls,
        *,
        cache_bytes: int = 67_108_864,
        clock_skew_ms: int = 10_000,
        freshness_wait_ms: int = 500,
        max_request_bytes: int = 65_536,
        shards: int = 1,
        on_demand_bytes: int = 0,
        manual_clock: bool = False,
    ) -> Core:
        """`cache_bytes` 0 switches the decision cache off. `on_demand_bytes` above 0: kinds that the bundle
        does not declare `replicated` are kept only as far as they are used, within this bound.
        `manual_clock`: the clock of deadlines stands still but for `set_clock_ns` (for simulations)."""

    policy: Policy | None
    """The policy that decides now."""

    def take_policy_error(self) -> str | None:
        """Why an evaluation of the policy failed since this was last asked; None: none did."""

    def set_policy(self, policy: Policy) -> None:
        """Decisions from now on are made by this policy; those under way finish on the old one. To be set
        before records are loaded: they are checked against its schemas as they come in, not those there."""

    def clock_ns(self) -> int:
        """The clock of deadlines: CLOCK_BOOTTIME, nanoseconds."""

    def set_clock_ns(self, now: int) -> None:
        """Sets the clock of a core made with `manual_clock`; ValueError for any other."""

    def snapshot(self) -> Snapshot: ...
    def install(
        self, shard: int, snapshot: Snapshot, seq: int, chain: bytes, *, deadline_ns: int | None = None
    ) -> None:
        """Replaces a shard's whole state in one step. `chain`: 20 bytes (shared chain hash of the store's
        history). `deadline_ns` None: the state never goes stale (a library without a store)."""

    def apply(self, shard: int, writes: Sequence[tuple[int, bytes]], seq: int, chain: bytes) -> None:
        """The changes of writes, in their order: all become visible in one step. Of each write its number,
        which its records get as their version, and its changes as `pdp.records.packing` has them. The shard
        keeps its deadline. Raises RecordError for a document that the policy's schemas refuse, ValueError for
        changes that cannot be read; nothing was changed then. Releases the GIL."""

    def prolong(self, shard: int, deadline_ns: int) -> None:
        """Moves a shard's deadline to this moment, if it is later than the present one."""

    def drained(self, shard: int) -> int:
        """The smallest sequence number of the state, of the states that answers under way were made from, and
        of the positions that watching gateways acknowledged."""

    def fresh_for_ns(self) -> int:
        """How long the earliest deadline lies ahead; negative: stale, and decisions are denials."""

    def take_misses(self, wait_seconds: float) -> list[tuple[str, str]]:
        """On demand: the (kind, key) that decisions wait for, each given once; waits for the first. Changes
        to them that are applied from now on are kept. Releases the GIL."""

    def supply(self, shard: int, records: Sequence[tuple[str, str, bytes | None, int]], seq: int) -> bool:
        """On demand: records fetched at a position (None: there is none; version as stored, 0 with None).
        False when the shard's state is not at `seq` yet: apply what is missing, then supply again."""

    def state_token(self) -> str:
        """Token of the state that decisions now see, all shards joined with commas; "" before the first
        install of every shard."""

    def count_event(self, name: str, label: str) -> None:
        """Counts what the host does, under a metric that the core names: `name` "beat", label "proof",
        "fork", "unconfirmed" or "failed"; "load", "full" or "on_demand"; "barrier", "fast", "timed" or
        "pending"; "ingest", "applied", "repeated" or "dead". ValueError for others."""

    def ready(self) -> bool:
        """True once a policy and a state of every shard are loaded."""

    def check(self, request: bytes, at_ms: int | None = None) -> bytes:
        """Decides a request (AuthZEN JSON) and gives the decision as JSON. `at_ms`: the clock's reading
        (epoch milliseconds) instead of now. Releases the GIL. Raises RequestError."""

    def check_batch(self, requests: Sequence[bytes], at_ms: int | None = None) -> list[bytes | RequestError]:
        """As `check`, all at one moment."""

    def hold(self, request: bytes, at_ms: int | None = None) -> Held:
        """For simulations: a decision up to its last check, which a pause may precede. Raises
        RequestError."""

    def policy_input(self, request: bytes, at_ms: int | None = None) -> bytes:
        """The input document (canonical JSON) that the policy would see. Raises RequestError."""

    def finish(self, request: bytes, result: bytes | None, at_ms: int | None = None) -> bytes:
        """The decision that another engine's result document (JSON; None: undefined or an error) stands
        for, by the same strict rules as the embedded engine's."""

    def metrics(self) -> list[tuple[str, str, str, list[str], list[tuple[list[str], Reading]]]]:
        """(name, "counter" | "gauge" | "histogram", help, label names, samples). A sample is (label values,
        value); a histogram's value is ([(upper bound, cumulative count), …], sum)."""

@final
class Held:
    """A decision that may not leave yet; the state that it was made from counts as in use until `release`."""

    allow: bool
    """What the policy says; False without a state."""

    def in_time(self) -> bool:
        """The last check: whether the deadline captured with the state still lies ahead."""

    def release(self) -> None:
        """The answer left, or was dropped."""

@final
class Gateway:
    """What the doors for gateways share: routes of the core's policy, identity, whose word counts."""

    def __new__(
        cls, core: Core, *, identity: Identity | None = None, trusted_peers: str = "127.0.0.0/8, ::1"
    ) -> Gateway:
        """`identity` None: nobody is logged in through a gateway. `trusted_peers`: addresses, networks and
        `name:NAME` of client certificates, with commas. Raises ValueError that names the entry."""

@final
class Identity:
    """Where logins come from, and the keys of those who issue them. Safe to use from many threads."""

    @staticmethod
    def from_json(declaration: bytes) -> Identity:
        """A declaration (docs/identity.md) as JSON. Raises IdentityError."""

    def keys_sources(self) -> list[tuple[str, str, int]]:
        """(issuer, URL or path of its keys, seconds between two looks at them) each, in the order of the
        issuers' names."""

    def set_keys(self, issuer: str, jwks: bytes) -> int:
        """Replaces an issuer's keys at once and gives the number of usable ones; the same set again confirms
        it. Raises IdentityError, and then nothing changed."""

    def take_refresh(self) -> list[str]:
        """The issuers whose keys should be read again now, as a token named a key that they lack; each at
        most once in its cool-down."""

    def identify(
        self,
        headers: list[tuple[str, bytes]],
        *,
        trusted: bool,
        name: str | None = None,
        now_ms: int | None = None,
    ) -> bytes:
        """JSON `{"subject": {"type", "id", "properties"?}, "problem": null or {"code", "message"}}`.
        `trusted`: a gateway whose headers count sent them, `name`: its certificate's. Raises ValueError for
        what is no header."""

@final
class Server:
    """The sockets that gateways call. Bound on construction, answering after `start`, until `stop`."""

    def __new__(
        cls,
        core: Core,
        *,
        grpc: str,
        http: str,
        threads: int = 0,
        gateway: Gateway | None = None,
        forward_auth: str = "",
        authzen: str = "",
        authzen_url: str = "",
        authzen_ignores_time: bool = False,
        tls: tuple[str, str, str] | None = None,
    ) -> Server:
        """Addresses as "HOST:PORT", port 0: a free one; "" for a door: closed. `threads` 0: one per core.
        `gateway`: answers Envoy on the gRPC address, and others on `forward_auth`. `authzen`: where the
        AuthZEN API answers; `authzen_url`: the base URL of its metadata document, "" for no document;
        `authzen_ignores_time`: `context.time` says nothing there.
        `tls`: paths of certificate, key and client authorities ("" for none) of the doors over HTTP. Raises
        OSError with one clear sentence."""

    grpc_address: str
    http_address: str
    door_addresses: list[tuple[str, str]]
    """(Setting, address as bound) of each open door over HTTP."""

    def start(self) -> None: ...
    def stop(self, grace_seconds: float) -> bool:
        """Refuses new calls, answers those in flight, returns True when all were answered in time."""
