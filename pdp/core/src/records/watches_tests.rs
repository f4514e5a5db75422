//! Gateways that watch: a state counts as drained only when none of them can use an older one.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::VecDeque;
use std::sync::Arc;

use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::TestCaseError;
use proptest::{collection, prop_oneof};
use serde_json::{Value, json};

use super::testing::{at, cache, put};
use super::{RecordCache, Snapshot, WatchMessage};
use crate::bundle::testing::bundle;
use crate::decision::{CacheTerms, Decision, Outcome, Reason};
use crate::error::{EngineError, FailClosed};

fn lookups() -> Value {
    json!({"one": {"kind": "a", "key": ["subject.id"]}, "all": {"kind": "i", "all": true}})
}

/// A state at 0 that is fresh until 100, by a clock at 0.
fn watched() -> RecordCache {
    let cache = cache(1, &lookups());
    cache.prolong(0, 100);
    cache
}

fn change(cache: &RecordCache, key: &str, sequence: u64) {
    cache.apply(0, &[put("a", key, "{}", sequence)], at(sequence));
}

fn only(messages: Vec<WatchMessage>) -> WatchMessage {
    let [message] = <[_; 1]>::try_from(messages).expect("one message");
    message
}

fn forget(message: &WatchMessage) -> Vec<&str> {
    let mut tags: Vec<_> = message.forget.iter().map(|tag| &**tag).collect();
    tags.sort_unstable();
    tags
}

#[test]
fn a_pong_names_what_to_forget_the_state_and_a_lease() {
    let cache = watched();
    let (number, wake) = cache.watch();
    change(&cache, "before", 1);
    assert!(cache.news(number).is_empty(), "who was told nothing keeps nothing");
    let first = only(cache.pong(number, 0, &[]));
    assert_eq!((&first.sequences[..], first.lease_ns), (&[1][..], Some(100)));
    change(&cache, "x", 2);
    cache.apply(0, &[put("i", "1", "{}", 3), put("i", "2", "{}", 3)], at(3));
    assert!(futures_util::FutureExt::now_or_never(wake.notified()).is_some());
    let news = only(cache.news(number));
    assert_eq!(forget(&news), ["a/*", "a/x", "i/*", "i/1", "i/2"]);
    assert_eq!((news.generation, &news.sequences[..], news.lease_ns), (first.generation, &[3][..], None));
    assert!(cache.news(number).is_empty());
    cache.clock.set_ns(40);
    let second = only(cache.pong(number, first.generation, &[3]));
    assert_eq!((forget(&second).len(), second.lease_ns), (0, Some(60)));
    cache.clock.set_ns(100);
    assert_eq!(only(cache.pong(number, first.generation, &[3])).lease_ns, None, "stale");
}

#[test]
fn a_lease_counts_until_it_ends_with_what_was_acknowledged() {
    let cache = watched();
    let (number, _) = cache.watch();
    change(&cache, "x", 1);
    assert_eq!(cache.drained(0), 1, "no lease, nothing to wait for");
    let told = only(cache.pong(number, 0, &[]));
    assert_eq!(cache.drained(0), 0, "not acknowledged yet");
    cache.pong(number, told.generation, &[1]);
    assert_eq!(cache.drained(0), 1);
    change(&cache, "x", 2);
    assert_eq!(cache.drained(0), 1);
    cache.pong(number, told.generation, &[99]);
    assert_eq!(cache.drained(0), 1, "no more than it was told before");
    cache.unwatch(number);
    change(&cache, "x", 3);
    assert_eq!(cache.drained(0), 1, "its lease goes on");
    cache.clock.set_ns(99);
    assert_eq!((cache.drained(0), cache.watches.kept()), (1, 1));
    cache.clock.set_ns(100);
    assert_eq!((cache.drained(0), cache.watches.kept()), (3, 0));
    assert!(cache.pong(number, told.generation, &[3]).is_empty(), "closed");
}

#[test]
fn another_snapshot_or_policy_is_another_generation() {
    let cache = watched();
    let (number, _) = cache.watch();
    change(&cache, "x", 1);
    let mut told = only(cache.pong(number, 0, &[]));
    cache.pong(number, told.generation, &[1]);
    let policy = || cache.set_bundle(Arc::new(bundle(&lookups(), |_| Err(EngineError::Undefined))));
    let snapshot = || cache.install(0, Snapshot::default(), at(7), 100);
    for (renew, sequence) in [(&policy as &dyn Fn(), 1), (&snapshot, 7)] {
        change(&cache, "x", 1);
        renew();
        assert_eq!(cache.drained(0), 0);
        let news = only(cache.news(number));
        assert_ne!(news.generation, told.generation);
        assert_eq!((&news.sequences[..], forget(&news).len()), (&[sequence][..], 0));
        cache.pong(number, told.generation, &told.sequences);
        assert_eq!(cache.drained(0), 0, "acknowledged of an older generation");
        cache.pong(number, news.generation, &news.sequences);
        assert_eq!(cache.drained(0), sequence);
        told = news;
    }
}

#[test]
fn too_much_to_forget_is_everything() {
    let cache = watched();
    let (number, _) = cache.watch();
    let told = only(cache.pong(number, 0, &[]));
    for sequence in 1..20 {
        change(&cache, &sequence.to_string(), sequence);
    }
    let messages = cache.news(number);
    let [everything, last] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!((everything.generation, everything.lease_ns), (0, None));
    assert_eq!((last.generation, &last.sequences[..]), (told.generation, &[19][..]));
    assert_eq!(forget(last), [""; 0]);
    assert_eq!(forget(&only(cache.pong(number, told.generation, &[0]))), [""; 0], "all was told before");
    change(&cache, "x", 20);
    assert_eq!(forget(&only(cache.news(number))), ["a/*", "a/x"]);
}

#[test]
fn a_state_that_never_goes_stale_gives_a_bounded_lease() {
    let cache = watched();
    cache.prolong(0, super::NEVER_NS);
    let (number, _) = cache.watch();
    assert_eq!(only(cache.pong(number, 0, &[])).lease_ns, Some(60_000_000_000));
}

#[test]
fn what_is_named_and_the_sequence_number_are_of_one_moment() {
    const CHANGES: u64 = 20_000;
    let cache = watched();
    let (number, _) = cache.watch();
    let mut before = only(cache.pong(number, 0, &[])).sequences[0];
    std::thread::scope(|scope| {
        scope.spawn(|| (1..=CHANGES).for_each(|sequence| change(&cache, &sequence.to_string(), sequence)));
        while before < CHANGES {
            let messages = if before.is_multiple_of(2) { cache.news(number) } else { cache.pong(number, 0, &[]) };
            let everything = messages.len() > 1;
            for message in messages {
                let Some(&now) = message.sequences.first() else { continue };
                let named: std::collections::BTreeSet<_> =
                    message.forget.iter().map(|tag| tag.to_string()).collect();
                let keys = (before + 1..=now).map(|sequence| format!("a/{sequence}"));
                let all = (now > before).then(|| "a/*".to_owned());
                assert!(everything || named == keys.chain(all).collect(), "{before} to {now}: {named:?}");
                before = now;
            }
        }
    });
}

#[test]
fn an_answer_tells_what_it_depends_on_unless_the_service_itself_denied() {
    let cache = watched();
    change(&cache, "x", 1);
    let made = |outcome: Outcome, document: &Value| {
        let captured = cache.capture(document, None).expect("a state");
        Decision::new(Arc::new(outcome), Some(&captured.bundle), Some(captured.view))
            .keepable(|| captured.bundle.tags(document))
            .cache
    };
    let denial = Outcome::fail_closed(FailClosed::PolicyError);
    let outcome = Outcome { failed: false, reasons: Vec::<Reason>::new(), ..denial.clone() };
    let generation = cache.view().expect("a view").generation;
    let terms = |tags: &[&str]| {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Some(CacheTerms { tags, generation, sequences: vec![1] })
    };
    assert_eq!(made(outcome.clone(), &json!({"subject": {"id": "none"}})), terms(&["i/*", "a/none"]));
    assert_eq!(made(outcome, &json!({})), terms(&["i/*"]), "no key, no record");
    assert_eq!(made(denial, &json!({})), None);
}

/// One step in the life of a sidecar, a gateway that watches it, and what is under way between them.
#[derive(Debug, Clone)]
enum Step {
    Change(u8),
    Prove,
    Reload(bool),
    Policy,
    Tick(u8),
    /// The gateway sends a ping; the sidecar answers its oldest one; the gateway reads its oldest message.
    Send,
    Serve,
    Receive,
    News,
    /// The sidecar answers a request; its oldest answer reaches the gateway.
    Ask(u8),
    Keep,
    Break,
    Open,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let unit = || any::<()>();
    let step = prop_oneof![
        6 => (0..3u8).prop_map(Step::Change),
        2 => unit().prop_map(|()| Step::Prove),
        1 => any::<bool>().prop_map(Step::Reload),
        1 => unit().prop_map(|()| Step::Policy),
        2 => (1..60u8).prop_map(Step::Tick),
        4 => unit().prop_map(|()| Step::Send),
        4 => unit().prop_map(|()| Step::Serve),
        7 => unit().prop_map(|()| Step::Receive),
        3 => unit().prop_map(|()| Step::News),
        5 => (0..3u8).prop_map(Step::Ask),
        5 => unit().prop_map(|()| Step::Keep),
        1 => unit().prop_map(|()| Step::Break),
        2 => unit().prop_map(|()| Step::Open),
    ];
    collection::vec(step, 1..120)
}

/// An answer about a key, and the snapshot that it was made from.
#[derive(Debug, Clone)]
struct Answer {
    key: u8,
    load: u64,
    terms: CacheTerms,
}

/// As `proto/pdp/decision/v1` asks of a gateway.
#[derive(Default)]
struct Gateway {
    watch: Option<u64>,
    generation: u64,
    sequence: u64,
    kept: Vec<Answer>,
    lease_until: i64,
    /// When sent, and what was acknowledged.
    pings: VecDeque<(i64, u64, u64)>,
    /// When the ping was sent, and the state's deadline when it was answered.
    messages: VecDeque<(i64, i64, WatchMessage)>,
    answers: VecDeque<Answer>,
}

impl Gateway {
    fn receive(&mut self) -> Result<(), TestCaseError> {
        let Some((sent, deadline, message)) = self.messages.pop_front() else { return Ok(()) };
        if message.generation != self.generation {
            self.kept.clear();
        }
        self.kept
            .retain(|answer| !answer.terms.tags.iter().any(|tag| message.forget.contains(&tag.as_str().into())));
        self.generation = message.generation;
        self.sequence = message.sequences.first().copied().unwrap_or_default();
        if let Some(lease) = message.lease_ns {
            self.lease_until = sent + lease;
            prop_assert!(self.lease_until <= deadline);
        }
        Ok(())
    }

    fn keep(&mut self) {
        let Some(answer) = self.answers.pop_front() else { return };
        let late = answer.terms.sequences[0] < self.sequence;
        if self.watch.is_some() && answer.terms.generation == self.generation && !late {
            self.kept.push(answer);
        }
    }
}

struct World {
    cache: RecordCache,
    gateway: Gateway,
    sequence: u64,
    load: u64,
    /// The sequence number of the last change of each key.
    changed: [u64; 3],
}

impl World {
    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let now = self.cache.clock.now_ns();
        match step {
            Step::Change(key) => {
                self.sequence += 1;
                self.changed[usize::from(*key)] = self.sequence;
                change(&self.cache, &key.to_string(), self.sequence);
            }
            Step::Prove => self.cache.prolong(0, now + 100),
            Step::Reload(fork) => {
                self.load += 1;
                // Another history may go on anywhere, with anything changed.
                self.sequence = if *fork { self.sequence / 2 } else { self.sequence };
                self.changed = [self.sequence; 3];
                self.cache.install(0, Snapshot::default(), at(self.sequence), now + 50);
            }
            Step::Policy => {
                self.cache.set_bundle(Arc::new(bundle(&lookups(), |_| Err(EngineError::Undefined))));
            }
            Step::Tick(time) => drop(self.cache.clock.set_ns(now + i64::from(*time))),
            Step::Send | Step::Serve | Step::Receive | Step::News => self.exchange(step, now)?,
            Step::Ask(key) => self.ask(*key, now),
            Step::Keep => self.gateway.keep(),
            Step::Break => {
                self.gateway.watch.take().into_iter().for_each(|number| self.cache.unwatch(number));
                self.gateway.pings.clear();
                self.gateway.messages.clear();
            }
            Step::Open if self.gateway.watch.is_none() => {
                let answers = std::mem::take(&mut self.gateway.answers);
                self.gateway = Gateway { watch: Some(self.cache.watch().0), answers, ..Gateway::default() };
            }
            Step::Open => {}
        }
        Ok(())
    }

    fn exchange(&mut self, step: &Step, now: i64) -> Result<(), TestCaseError> {
        let Some(number) = self.gateway.watch else { return Ok(()) };
        let gateway = &mut self.gateway;
        let deadline = self.cache.deadline_ns();
        match step {
            Step::Send => gateway.pings.push_back((now, gateway.generation, gateway.sequence)),
            Step::Serve => {
                let Some((sent, generation, sequence)) = gateway.pings.pop_front() else { return Ok(()) };
                let messages = self.cache.pong(number, generation, &[sequence]);
                gateway.messages.extend(messages.into_iter().map(|message| (sent, deadline, message)));
            }
            Step::News => {
                let messages = self.cache.news(number);
                gateway.messages.extend(messages.into_iter().map(|message| (now, deadline, message)));
            }
            _ => gateway.receive()?,
        }
        Ok(())
    }

    fn ask(&mut self, key: u8, now: i64) {
        let document = json!({"subject": {"id": key.to_string()}});
        let captured = self.cache.capture(&document, None).expect("a state");
        if now < captured.deadline_ns {
            let (tags, view) = (captured.bundle.tags(&document), captured.view);
            let terms = CacheTerms { tags, generation: view.generation, sequences: view.sequences().collect() };
            self.gateway.answers.push_back(Answer { key, load: self.load, terms });
        }
    }

    /// Whatever the gateway may use now and is wrong by now, the sidecar does not call drained.
    fn check(&self) -> Result<(), TestCaseError> {
        if self.cache.clock.now_ns() >= self.gateway.lease_until {
            return Ok(());
        }
        let drained = self.cache.drained(0);
        for answer in &self.gateway.kept {
            if answer.load != self.load {
                prop_assert_eq!(drained, 0, "{:?}", answer);
            }
            let changed = self.changed[usize::from(answer.key)];
            let wrong = answer.load == self.load && answer.terms.sequences[0] < changed;
            prop_assert!(!wrong || drained < changed, "{drained} {changed} {answer:?}");
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn nothing_is_drained_that_a_gateway_may_still_use(steps in steps()) {
        let cache = watched();
        let mut world =
            World { cache, gateway: Gateway::default(), sequence: 0, load: 0, changed: [0; 3] };
        for step in steps {
            world.step(&step)?;
            world.check()?;
        }
    }
}
