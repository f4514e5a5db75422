"""What both clients do between a request and a decision, without input or output: their common core."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from poortwachter_client.cache import Cache, CacheOptions, Watch
from poortwachter_client.clock import Clock, SystemClock
from poortwachter_client.contract.decision_pb2 import CheckRequest, CheckResponse
from poortwachter_client.contract.decision_service_pb2 import CheckBatchRequest, CheckBatchResponse
from poortwachter_client.decision import Decision, pdp_unavailable
from poortwachter_client.errors import InvalidRequest
from poortwachter_client.messages import cache_key, decision_of, request_message
from poortwachter_client.sidecars import Attempt, Balance, Course, RetryOptions, Sidecars, is_local

Metadata = Sequence[tuple[str, str | bytes]]
Request = Mapping[str, Any]

LATE = "an answer that came too late"

_MOST_BYTES = 64 << 20

CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    # Each client has its own connections, and does its own repeating: across sidecars, within its budget.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    # A proxy of the environment is not on the way to a sidecar.
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A connection whose other end is gone without a word is found by this.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.max_receive_message_length", _MOST_BYTES),
)


@dataclass(frozen=True, slots=True)
class Call:
    """What one call came to, for metrics.

    Attributes:
        outcome: "allow", "deny", "unavailable" or "invalid"; of a batch "answered" instead of the first two.
        cached: whether it was answered from the cache.
        seconds: how long it took.
        attempts: how many sidecars were asked; 0 from the cache.
    """

    outcome: str
    cached: bool
    seconds: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Options:
    """The settings of a client; see `Client`."""

    timeout: float = 0.25
    cache: CacheOptions | None = None
    balance: Balance = "first"
    retries: RetryOptions = field(default_factory=RetryOptions)
    credentials: grpc.ChannelCredentials | None = None
    plaintext: bool = False
    metadata: Metadata = ()
    observe: Callable[[Call], None] | None = None
    clock: Clock = field(default_factory=SystemClock)

    def checked(self, addresses: Sequence[str]) -> Sidecars:
        """The sidecars to ask. Raises ValueError when a setting makes no sense or is not safe."""
        if self.timeout <= 0:
            raise ValueError("timeout: must be above 0 seconds")
        sidecars = Sidecars(addresses, clock=self.clock, balance=self.balance, retries=self.retries)
        far = [each.address for each in sidecars.all if not is_local(each.address)]
        if far and self.credentials is None and not self.plaintext:
            raise ValueError(
                f"addresses: {far[0]} is not on this machine, so anyone between could answer for it: "
                "give credentials, or plaintext=True where the network itself is protected"
            )
        return sidecars


class Core:
    """A client without its channels."""

    def __init__(self, addresses: Sequence[str], options: Options) -> None:
        self.sidecars = options.checked(addresses)
        self.options = options
        self.cache = Cache(options.clock, options.cache) if options.cache is not None else None

    def kept(self, request: Request) -> tuple[str | None, Decision | None]:
        """What the request's answers are kept under (None: nothing is), and the one that may be used now."""
        if self.cache is None:
            return None, None
        observe = self.options.observe
        began_ns = self.options.clock.steady_ns() if observe else 0
        key = cache_key(request)
        decision = None if key is None else self.cache.find(key)
        if decision is not None and key is not None and observe is not None:
            seconds = (self.options.clock.steady_ns() - began_ns) / 1e9
            observe(Call("allow" if decision.allow else "deny", True, seconds, 0))
            decision = self.cache.find(key)  # again, so that the comparison with the lease is the last act
        return key, decision

    def question(self, request: Request, key: str | None, timeout: float | None) -> "Question":
        """A request that a sidecar is to be asked. Raises InvalidRequest."""
        course = self._course(timeout)
        try:
            return Question(self, course, request_message(request), key)
        except InvalidRequest:
            self.count(course, "invalid")
            raise

    def batch(self, requests: Sequence[Request], timeout: float | None) -> "Batch":
        """Requests that a sidecar is to be asked at once."""
        return Batch(self, self._course(timeout), requests)

    def _course(self, timeout: float | None) -> Course:
        return Course(self.sidecars, self.options.timeout if timeout is None else timeout)

    @property
    def watching(self) -> bool:
        """Whether answers of at least one sidecar can be kept now."""
        return any(each.watch is not None and each.watch.begun for each in self.sidecars.all)

    @property
    def cached(self) -> int:
        """How many answers are kept."""
        return len(self.cache) if self.cache is not None else 0

    def metadata(self, metadata: Metadata) -> tuple[tuple[str, str | bytes], ...]:
        """What goes with each call, and with this one."""
        return (*self.options.metadata, *metadata)

    def count(self, course: Course, outcome: str) -> None:
        """Tells the metrics what a call came to."""
        if self.options.observe is not None:
            seconds = (self.options.clock.steady_ns() - course.began_ns) / 1e9
            self.options.observe(Call(outcome, False, seconds, course.attempts))

    def watch(self) -> Watch:
        """A watch whose stream is being opened."""
        assert self.cache is not None  # noqa: S101
        return Watch(self.cache)


class _Asked:
    """What is the same for one request and for a batch."""

    def __init__(self, core: Core, course: Course) -> None:
        self._core, self._course = core, course

    def next(self) -> Attempt | None:
        """See `Course.next`."""
        return self._course.next()

    def failed(self, attempt: Attempt, error: grpc.RpcError) -> None:
        """The attempt ended with an error. Raises InvalidRequest when it says that the request is none."""
        name, details = error.code().name, error.details() or ""
        self._course.failed(attempt, name)
        if name == "INVALID_ARGUMENT":
            self._core.count(self._course, "invalid")
            path, colon, sentence = details.partition(": ")
            raise InvalidRequest(path, sentence) if colon else InvalidRequest("", details)

    def _unavailable(self, cause: str) -> Decision:
        self._core.count(self._course, "unavailable")
        return pdp_unavailable(cause)


class Question(_Asked):
    """One request on its way to a decision: make each attempt until one is answered; none was: denied."""

    def __init__(self, core: Core, course: Course, message: CheckRequest, key: str | None) -> None:
        super().__init__(core, course)
        self._message, self._key = message, key

    def message(self, attempt: Attempt) -> CheckRequest:
        """What to send. What the answer depends on is asked for only where it can be kept."""
        watch = attempt.watch
        self._message.cacheable = self._key is not None and watch is not None and watch.begun
        return self._message

    def answered(self, attempt: Attempt, response: CheckResponse) -> Decision:
        """The decision."""
        self._course.answered(attempt)
        decision = decision_of(response)
        if self._key is not None and attempt.watch is not None and response.HasField("cache"):
            attempt.watch.keep(self._key, response, decision)
        if self._course.is_late():
            return self._unavailable(LATE)
        self._core.count(self._course, "allow" if decision.allow else "deny")
        # The clock is read as the last act, so that a pause anywhere before it counts.
        return pdp_unavailable(LATE) if self._course.is_late() else decision

    def denied(self) -> Decision:
        """The decision when no attempt is left."""
        return self._unavailable(self._course.cause)


class Batch(_Asked):
    """As `Question` for several requests. They are decided at one moment, so none comes from the cache."""

    def __init__(self, core: Core, course: Course, requests: Sequence[Request]) -> None:
        super().__init__(core, course)
        self.message = CheckBatchRequest()
        self._answers: list[InvalidRequest | None] = []
        for request in requests:
            try:
                self.message.requests.append(request_message(request))
                self._answers.append(None)
            except InvalidRequest as error:
                self._answers.append(error)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to ask."""
        return not self.message.requests

    def answered(self, attempt: Attempt, response: CheckBatchResponse) -> list[Decision | InvalidRequest]:
        """The decisions, in order."""
        self._course.answered(attempt)
        if len(response.results) != len(self.message.requests):
            return self._filled([self._unavailable("another number of answers")] * len(self._answers))
        decisions = [
            InvalidRequest(result.invalid.field, result.invalid.message)
            if result.HasField("invalid")
            else decision_of(result.response)
            for result in response.results
        ]
        if self._course.is_late():
            return self._filled([self._unavailable(LATE)] * len(decisions))
        self._core.count(self._course, "answered")
        return self._filled(decisions)

    def denied(self) -> list[Decision | InvalidRequest]:
        """The decisions when no attempt is left, or there is nothing to ask."""
        if self.empty:
            return self._filled([])
        return self._filled([self._unavailable(self._course.cause)] * len(self._answers))

    def _filled(self, decisions: Sequence[Decision | InvalidRequest]) -> list[Decision | InvalidRequest]:
        rest = iter(decisions)
        return [next(rest) if answer is None else answer for answer in self._answers]
