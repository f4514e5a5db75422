"""What the cache may answer, whatever happens in whatever order: compared with the rules, written anew."""

from dataclasses import dataclass, field

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from poortwachter_client.cache import Cache, CacheOptions, Watch
from poortwachter_client.contract.decision_pb2 import CacheTerms, CheckResponse
from poortwachter_client.contract.decision_service_pb2 import WatchResponse
from poortwachter_client.messages import decision_of

SECOND = 1_000_000_000
KEYS = ("k1", "k2")
TAGS = ("door/a", "door/b", "door/*")


@dataclass
class ManualClock:
    """Both clocks, set by the test."""

    steady: int = 100 * SECOND
    wall: int = 1_700_000_000 * SECOND

    def steady_ns(self) -> int:
        return self.steady

    def wall_ns(self) -> int:
        return self.wall


@dataclass
class Noted:
    """An answer that the model keeps."""

    identity: str
    stream: int
    tags: frozenset[str]
    steady_until: int
    wall_until: int


@dataclass
class Stream:
    """What one stream was told, by the model's account."""

    number: int
    watch: Watch
    lost: bool = False
    generation: int = 0
    sequences: tuple[int, ...] = ()
    leased_until: int = 0
    sent: dict[int, int] = field(default_factory=dict)


def answer(
    identity: str, tags: list[str], generation: int, sequences: list[int], until: int | None
) -> CheckResponse:
    response = CheckResponse(allow=True, decision_id=identity)
    response.cache.CopyFrom(CacheTerms(tags=tags, generation=generation, sequences=sequences))
    if until is not None:
        response.valid_until.CopyFrom(Timestamp(seconds=until // SECOND, nanos=until % SECOND))
    return response


def message(
    ping: int, generation: int, sequences: list[int], forget: list[str], lease: int | None
) -> WatchResponse:
    told = WatchResponse(ping=ping, generation=generation, sequences=sequences, forget=forget)
    if lease is not None:
        told.lease.CopyFrom(Duration(seconds=lease // SECOND, nanos=lease % SECOND))
    return told


# Most of what happens is in order, so that answers are kept and trouble has something to spoil.
sequences = st.sampled_from([[1]] * 6 + [[0], [2], [], [1, 1]])
generations = st.sampled_from([1] * 6 + [0, 2])
tag_lists = st.lists(st.sampled_from(TAGS), max_size=2)
spans = st.integers(1, 50).map(lambda tenths: tenths * SECOND // 10)


class CacheMachine(RuleBasedStateMachine):
    """Two sidecars' streams, lost and opened again; answers, messages and clocks as they come."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.options = CacheOptions(max_entries=2, clock_rate_error=0.1)
        self.cache = Cache(self.clock, self.options)
        self.streams = [Stream(0, Watch(self.cache)), Stream(1, Watch(self.cache))]
        self.places = [0, 1]
        self.noted: dict[str, Noted] = {}
        self.answers = 0

    def _stream(self, place: int) -> Stream:
        return self.streams[self.places[place]]

    def _forget(self, stream: Stream, tags: set[str] | None) -> None:
        self.noted = {
            key: each
            for key, each in self.noted.items()
            if each.stream != stream.number or (tags is not None and not each.tags & tags)
        }

    @rule(place=st.integers(0, 1))
    def ping(self, place: int) -> None:
        stream = self._stream(place)
        ping = stream.watch.ping()
        assert (ping.generation, tuple(ping.sequences)) == (stream.generation, stream.sequences)
        stream.sent[ping.ping] = self.clock.steady

    @rule(place=st.integers(0, 1), lease=spans.map(lambda span: 10 * span))
    def pong(self, place: int, lease: int) -> None:
        """What a stream mostly tells."""
        self.ping(place)
        self.clock.steady += SECOND // 10
        self.take(place, max(self._stream(place).sent), 1, [1], [], lease)

    @rule(
        place=st.integers(0, 1),
        answers=st.one_of(st.just(0), st.integers(1, 6)),
        generation=generations,
        sequences=sequences,
        forget=tag_lists,
        lease=st.one_of(st.none(), spans),
    )
    def take(
        self,
        place: int,
        answers: int,
        generation: int,
        sequences: list[int],
        forget: list[str],
        lease: int | None,
    ) -> None:
        stream = self._stream(place)
        stream.watch.take(message(answers, generation, sequences, forget, lease))
        self._forget(stream, set(forget) if generation == stream.generation else None)
        stream.generation, stream.sequences = generation, tuple(sequences)
        sent = stream.sent.get(answers)
        if sent is not None and lease is not None:
            stream.leased_until = max(stream.leased_until, sent + lease * 9 // 11)
        stream.sent = {number: at for number, at in stream.sent.items() if number > answers}

    @rule(
        place=st.integers(0, 1),
        earlier=st.sampled_from([False] * 4 + [True]),
        key=st.sampled_from(KEYS),
        tags=tag_lists,
        generation=generations,
        sequences=sequences,
        valid=st.sampled_from([None, None, None, -SECOND, SECOND, 3 * SECOND]),
    )
    def keep(
        self,
        place: int,
        earlier: bool,
        key: str,
        tags: list[str],
        generation: int,
        sequences: list[int],
        valid: int | None,
    ) -> None:
        """An answer to a call that began under a stream, maybe one that is lost by now."""
        stream = self.streams[place] if earlier else self._stream(place)
        self.answers += 1
        identity = str(self.answers)
        until = None if valid is None else self.clock.wall + valid
        response = answer(identity, tags, generation, sequences, until)
        stream.watch.keep(key, response, decision_of(response))
        fits = not stream.lost and generation == stream.generation != 0 and bool(sequences)
        fits = fits and len(sequences) == len(stream.sequences)
        if fits and all(own >= told for own, told in zip(sequences, stream.sequences, strict=True)):
            steady = 2**63 if valid is None else self.clock.steady + valid
            wall = 2**63 if until is None else until
            self.noted[key] = Noted(identity, stream.number, frozenset(tags), steady, wall)

    @rule(place=st.integers(0, 1))
    def lose(self, place: int) -> None:
        stream = self._stream(place)
        stream.watch.lost()
        stream.lost = True
        self._forget(stream, None)
        self.places[place] = len(self.streams)
        self.streams.append(Stream(len(self.streams), Watch(self.cache)))

    @precondition(lambda self: len(self.streams) > 2)
    @rule(generation=generations, lease=spans)
    def hear_of_a_lost_stream(self, generation: int, lease: int) -> None:
        """Its last message was under way: it means nothing any more."""
        lost = next(each for each in self.streams if each.lost)
        lost.watch.take(message(1, generation, [1], [], lease))
        assert not lost.watch.begun

    @rule(span=spans.map(lambda span: span // 3))
    def time_passes(self, span: int) -> None:
        self.clock.steady += span
        self.clock.wall += span

    @rule(jump=st.integers(-10 * SECOND, 10 * SECOND))
    def the_wall_clock_is_set(self, jump: int) -> None:
        self.clock.wall += jump

    @invariant()
    def an_answer_is_used_only_as_the_rules_allow(self) -> None:
        assert len(self.cache) <= 2
        assert not any(each.watch.keys for each in self.streams if each.lost)
        for key in KEYS:
            found = self.cache.find(key)
            if found is None:
                continue
            assert found.cached
            noted = self.noted.get(key)
            assert noted is not None, "it was forgotten"
            assert found.decision_id == noted.identity
            assert self.clock.steady < self.streams[noted.stream].leased_until, "no lease"
            assert self.clock.steady < noted.steady_until, "over, by the steady clock"
            assert self.clock.wall < noted.wall_until, "over, by the wall clock"


CacheMachine.TestCase.settings = settings(max_examples=300, stateful_step_count=40)
TestCache = CacheMachine.TestCase


def _leased(options: CacheOptions | None = None) -> tuple[ManualClock, Cache, Watch]:
    clock = ManualClock()
    cache = Cache(clock, options or CacheOptions())
    watch = Watch(cache)
    watch.take(message(watch.ping().ping, 1, [1], [], 11 * SECOND))
    return clock, cache, watch


def _keep(
    watch: Watch, key: str = "k", tags: tuple[str, ...] = ("door/a",), until: int | None = None
) -> None:
    response = answer("1", list(tags), 1, [1], until)
    watch.keep(key, response, decision_of(response))


def test_an_answer_is_found_while_everything_allows_it() -> None:
    """The machine above would hold of a cache that never answers."""
    clock, cache, watch = _leased()
    _keep(watch, until=clock.wall + 20 * SECOND)
    clock.steady += 9 * SECOND - 1
    assert cache.find("k")
    clock.steady += 1
    assert cache.find("k") is None, "nine of eleven seconds, as clocks differ by 10 %"
    watch.take(message(watch.ping().ping, 1, [1], [], 11 * SECOND))
    assert cache.find("k")
    clock.wall += 20 * SECOND
    assert cache.find("k") is None
    assert len(cache) == 0


def test_a_wall_clock_that_is_set_back_does_not_lengthen_an_answer() -> None:
    clock, cache, watch = _leased()
    _keep(watch, until=clock.wall + 2 * SECOND)
    clock.wall -= 3600 * SECOND
    clock.steady += 2 * SECOND
    assert cache.find("k") is None


def test_a_pause_between_finding_and_comparing_counts() -> None:
    """The lease runs out while an answer is in hand."""
    clock, cache, watch = _leased()
    _keep(watch, until=clock.wall + 1000 * SECOND)
    assert cache.find("k")

    def paused() -> int:
        clock.steady += 10 * SECOND
        return clock.wall

    clock.wall_ns = paused  # type: ignore[method-assign]
    assert cache.find("k") is None


@pytest.mark.parametrize(
    ("forget", "acknowledge", "found"),
    [((), False, True), (("door/b",), True, True), (("door/a",), True, False), (("door/*",), True, False)],
)
def test_what_a_message_names_is_forgotten_and_acknowledged(
    forget: tuple[str, ...], acknowledge: bool, found: bool
) -> None:
    _, cache, watch = _leased()
    _keep(watch, tags=("door/a", "door/*"))
    assert watch.take(message(watch.ping().ping, 1, [1], list(forget), None)) is acknowledge
    assert (cache.find("k") is not None) is found


def test_what_is_kept_is_bounded() -> None:
    _, cache, watch = _leased(CacheOptions(max_entries=100, max_bytes=10_000))
    for number in range(50):
        _keep(watch, f"key {number}", tags=(f"door/{number}",))
        assert cache.bytes <= 10_000
    assert 1 < len(cache) < 10
    assert cache.find("key 49")
    assert cache.find("key 0") is None
    watch.lost()
    assert (len(cache), cache.bytes, watch.tagged, watch.keys) == (0, 0, {}, set())


def test_one_that_is_larger_than_all_is_not_kept() -> None:
    _, cache, watch = _leased(CacheOptions(max_bytes=100))
    _keep(watch)
    assert len(cache) == 0


@pytest.mark.parametrize(
    "wrong",
    [{"max_entries": -1}, {"max_bytes": -1}, {"clock_rate_error": 1.0}, {"clock_rate_error": -0.1}],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CacheOptions(**wrong)  # type: ignore[arg-type]
