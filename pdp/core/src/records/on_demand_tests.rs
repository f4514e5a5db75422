//! Holding records on demand never shows: beside a full replica at the same positions, whatever comes when.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::TestCaseError;
use proptest::{collection, option, prop_oneof};
use serde_json::{Value, json};

use super::spread::{FullKey, spread};
use super::testing::{at, delete, put};
use super::{Captured, Change, NotYet, RecordCache, Waiting};
use crate::bundle::testing::bundle;
use crate::clock::Clock;
use crate::error::EngineError;

fn lookups() -> Value {
    json!({
        "all": {"kind": "i", "all": true},
        "one": {"kind": "a", "key": ["subject.id"]},
        "two": {"kind": "a", "key": ["resource.id"]}})
}

/// A cache with empty shards; `bytes` 0: a full replica.
fn cache(shards: usize, bytes: u64) -> RecordCache {
    let cache = RecordCache::new(shards, bytes, Clock::manual());
    cache.set_bundle(Arc::new(bundle(&lookups(), |_| Err(EngineError::Undefined))));
    for shard in 0..shards {
        cache.install(shard, cache.snapshot(), at(0), 1);
    }
    cache
}

fn ask(cache: &RecordCache, one: &str, two: &str) -> Result<Captured, NotYet> {
    cache.capture(&json!({"subject": {"id": one}, "resource": {"id": two}}), None)
}

fn documents(captured: &Captured) -> Vec<Option<&[u8]>> {
    captured.found.iter().map(|found| found.document.as_deref()).collect()
}

/// Whether two captures say the same, and in versions that a decision cache may rely on.
fn same(one: &Captured, other: &Captured) -> bool {
    let versions = |captured: &Captured| captured.found.iter().map(|found| found.version).collect::<Vec<_>>();
    documents(one) == documents(other) && versions(one) == versions(other) && one.view.token == other.view.token
}

#[test]
fn a_record_is_fetched_once_for_all_who_wait_and_then_held() {
    let cache = cache(1, 100_000);
    let Err(missing) = ask(&cache, "x", "y") else { panic!("held before it came") };
    assert_eq!(missing, NotYet::Missing(vec!["a\0x".into(), "a\0y".into()]));
    let until = Instant::now().checked_add(Duration::from_secs(20));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut waiting = cache.waiting(until);
                while let Err(missing) = ask(&cache, "x", "y") {
                    assert!(waiting.on(&missing), "not in time");
                }
            });
        }
        let mut taken = Vec::new();
        while taken.len() < 2 {
            taken.extend(cache.take_misses(Duration::from_secs(10)));
        }
        taken.sort();
        assert_eq!(taken, [("a".to_owned(), "x".to_owned()), ("a".to_owned(), "y".to_owned())]);
        std::thread::sleep(Duration::from_millis(20));
        assert!(cache.take_misses(Duration::ZERO).is_empty(), "each is given once");
        assert!(cache.supply(0, &[put("a", "x", "{}", 0), delete("a", "y", 0)], 0));
    });
    assert_eq!(documents(&ask(&cache, "x", "y").expect("held")), [Some(&b"{}"[..]), Some(b"{}"), None]);
    let figures = cache.on_demand_figures().expect("on demand");
    assert_eq!((figures.entries, figures.misses >= 2, figures.hits >= 2), (2, true, true));
    assert!(figures.bytes > 0);
    assert!(cache.take_misses(Duration::ZERO).is_empty());
}

#[test]
fn a_record_that_does_not_come_is_a_denial_within_the_bound_and_asked_for_again_later() {
    let cache = cache(1, 100_000);
    let began = Instant::now();
    let mut waiting = cache.waiting(began.checked_add(Duration::from_millis(30)));
    let missing = loop {
        let Err(missing) = ask(&cache, "x", "x") else { panic!("never supplied") };
        if !waiting.on(&missing) {
            break missing;
        }
    };
    assert_eq!(missing.denial().code(), "STATE_UNAVAILABLE");
    assert!((30..5_000).contains(&began.elapsed().as_millis()));
    drop(waiting);
    assert_eq!(cache.take_misses(Duration::ZERO).len(), 1, "for the next one");
}

#[test]
fn a_change_after_the_fetch_is_not_overwritten_by_what_was_fetched() {
    let cache = cache(1, 100_000);
    let Err(missing) = ask(&cache, "x", "x") else { panic!("held before it came") };
    cache.ask_for(&missing);
    assert_eq!(cache.take_misses(Duration::ZERO).len(), 1);
    // Fetched at 0: there is none. Meanwhile:
    cache.apply(0, &[put("a", "x", "{\"blocked\":true}", 1)], at(1));
    assert!(cache.supply(0, &[delete("a", "x", 0)], 0));
    assert_eq!(documents(&ask(&cache, "x", "x").expect("held"))[1], Some(&b"{\"blocked\":true}"[..]));
}

#[test]
fn what_was_fetched_before_it_was_asked_for_or_after_the_present_state_is_not_taken() {
    let cache = cache(1, 100_000);
    cache.apply(0, &[put("a", "x", "{\"blocked\":true}", 3)], at(3));
    let Err(missing) = ask(&cache, "x", "x") else { panic!("never asked for") };
    cache.ask_for(&missing);
    assert_eq!(cache.take_misses(Duration::ZERO).len(), 1);
    assert!(!cache.supply(0, &[put("a", "x", "{\"n\":9}", 9)], 9), "from the future");
    assert!(ask(&cache, "x", "x").is_err());
    assert!(cache.supply(0, &[delete("a", "x", 0)], 2), "from a source that is behind");
    assert!(ask(&cache, "x", "x").is_err());
    assert_eq!(cache.take_misses(Duration::ZERO).len(), 1, "so it is asked for again");
    assert!(cache.supply(0, &[put("a", "x", "{\"blocked\":true}", 3)], 3));
    assert!(ask(&cache, "x", "x").is_ok());
}

#[test]
fn an_eviction_between_supply_and_capture_does_not_take_the_record_from_who_waits() {
    let cache = cache(1, 100_000);
    let evict = |key| cache.on_demand.as_ref().expect("on demand").evict("a", key);
    let Err(missing) = ask(&cache, "x", "x") else { panic!("held before it came") };
    let mut waiting = cache.waiting(None);
    assert!(waiting.on(&missing));
    cache.take_misses(Duration::ZERO);
    assert!(cache.supply(0, &[put("a", "x", "{}", 0)], 0));
    evict("x");
    cache.apply(0, &[put("a", "x", "{\"n\":1}", 1)], at(1));
    evict("x");
    assert_eq!(documents(&ask(&cache, "x", "x").expect("pinned"))[1], Some(&b"{\"n\":1}"[..]));
    drop(waiting);
    assert!(ask(&cache, "x", "x").is_err());
}

#[test]
fn a_new_snapshot_takes_nothing_over_from_the_old_one() {
    let cache = cache(1, 100_000);
    for key in ["x", "y"] {
        let Err(missing) = ask(&cache, key, key) else { panic!("held before it came") };
        cache.ask_for(&missing);
    }
    cache.take_misses(Duration::ZERO);
    assert!(cache.supply(0, &[put("a", "x", "{}", 0)], 0));
    cache.install(0, cache.snapshot(), at(0), 1);
    assert!(ask(&cache, "x", "x").is_err());
    assert!(cache.supply(0, &[put("a", "y", "{}", 0)], 0), "fetched before the snapshot");
    assert!(ask(&cache, "y", "y").is_err());
    assert_eq!(cache.take_misses(Duration::ZERO), [("a".to_owned(), "y".to_owned())]);
}

#[test]
fn a_kind_that_another_policy_needs_whole_must_be_loaded_first() {
    let cache = cache(1, 100_000);
    let whole = json!({"all": {"kind": "a", "all": true}});
    cache.set_bundle(Arc::new(bundle(&whole, |_| Err(EngineError::Undefined))));
    assert!(matches!(ask(&cache, "x", "x"), Err(NotYet::Unavailable)));
    let mut snapshot = cache.snapshot();
    snapshot.add("a", "x", b"1", 1);
    snapshot.add("i", "x", b"1", 1);
    cache.install(0, snapshot, at(1), 1);
    assert_eq!(documents(&ask(&cache, "x", "x").expect("loaded")), [Some(&b"{\"x\":1}"[..])]);
    assert_eq!(cache.counts(), [("a".to_owned(), 1)], "what nobody needs whole is not held");
}

/// One step in the life of a store, of a replica and of a cache of it.
#[derive(Debug, Clone)]
enum Step {
    Write(bool, u8, Option<u8>),
    /// The next so many writes reach the replica and the cache.
    Apply(u8),
    Ask(u8, u8, bool),
    /// Nobody waits any more.
    GiveUp,
    /// What is missing is fetched from a source so many writes behind.
    Fetch(u8),
    Supply(u8),
    Evict(u8),
    Reload(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (any::<bool>(), 0..5u8, option::weighted(0.7, 0..9u8)).prop_map(|(i, key, n)| Step::Write(i, key, n)),
        4 => (1..4u8).prop_map(Step::Apply),
        7 => (0..5u8, 0..5u8, any::<bool>()).prop_map(|(one, two, wait)| Step::Ask(one, two, wait)),
        1 => any::<()>().prop_map(|()| Step::GiveUp),
        4 => (0..4u8).prop_map(Step::Fetch),
        4 => (0..9u8).prop_map(Step::Supply),
        2 => (0..5u8).prop_map(Step::Evict),
        1 => (0..2u8).prop_map(Step::Reload),
    ];
    collection::vec(step, 1..80)
}

/// A write: kind, key, document.
type Write = (&'static str, String, Option<String>);
/// Records of a shard as they were at a sequence number.
type Fetched = (usize, usize, Vec<(String, Option<(String, u64)>)>);

/// The histories of the shards, and how much of each has been applied.
struct Store {
    writes: Vec<Vec<Write>>,
    applied: Vec<usize>,
}

impl Store {
    fn new(shards: usize) -> Self {
        Self { writes: vec![Vec::new(); shards], applied: vec![0; shards] }
    }

    fn shard(&self, kind: &str, key: &str) -> usize {
        spread(FullKey::of(kind, key).text(), self.writes.len())
    }

    /// The document and its version at a sequence number.
    fn record(&self, shard: usize, kind: &str, key: &str, sequence: usize) -> Option<(String, u64)> {
        let writes = self.writes[shard].iter().zip(1u64..).take(sequence);
        let last = writes.filter(|((of, at, _), _)| *of == kind && at == key);
        let ((_, _, document), version) = last.last()?;
        Some((document.clone()?, version))
    }

    /// Applies the next writes of a shard to each cache as one change of position.
    fn apply(&mut self, shard: usize, count: usize, caches: [&RecordCache; 2]) {
        let from = self.applied[shard];
        let to = self.writes[shard].len().min(from + count);
        let changes: Vec<_> = (from..to)
            .map(|place| {
                let (kind, key, document) = &self.writes[shard][place];
                let (document, version) = (document.as_deref().map(str::as_bytes), place as u64 + 1);
                Change { kind, key, document, version }
            })
            .collect();
        caches.iter().for_each(|cache| cache.apply(shard, &changes, at(to as u64)));
        self.applied[shard] = to;
    }

    fn reload(&self, shard: usize, cache: &RecordCache) {
        let mut snapshot = cache.snapshot();
        let sequence = self.applied[shard];
        for (kind, key, _) in &self.writes[shard] {
            if let Some((document, version)) = self.record(shard, kind, key, sequence) {
                snapshot.add(kind, key, document.as_bytes(), version);
            }
        }
        cache.install(shard, snapshot, at(sequence as u64), 1);
    }

    /// What the cache misses, from a source that is so many writes behind.
    fn fetch(&self, cache: &RecordCache, behind: usize) -> Vec<Fetched> {
        let mut fetched: Vec<Fetched> = Vec::new();
        for (kind, key) in cache.take_misses(Duration::ZERO) {
            let shard = self.shard(&kind, &key);
            let sequence = self.writes[shard].len().saturating_sub(behind);
            let record = self.record(shard, &kind, &key, sequence);
            fetched.push((shard, sequence, vec![(key, record)]));
        }
        fetched
    }
}

fn supply(cache: &RecordCache, (shard, sequence, records): &Fetched) -> bool {
    let changes: Vec<_> = records
        .iter()
        .map(|(key, record)| match record {
            Some((document, version)) => put("a", key, document, *version),
            None => delete("a", key, 0),
        })
        .collect();
    cache.supply(*shard, &changes, *sequence as u64)
}

/// A replica and a cache that live through the same.
struct Twins<'a> {
    full: &'a RecordCache,
    partial: &'a RecordCache,
    store: Store,
    fetched: Vec<Fetched>,
    waiting: Vec<Waiting<'a>>,
}

impl Twins<'_> {
    fn shards(&self) -> usize {
        self.store.writes.len()
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Write(incident, key, number) => {
                let (kind, key) = (if incident { "i" } else { "a" }, key.to_string());
                let shard = self.store.shard(kind, &key);
                self.store.writes[shard].push((kind, key, number.map(|number| number.to_string())));
            }
            Step::Apply(count) => self.apply(count.into()),
            Step::Ask(one, two, waits) => self.ask(&one.to_string(), &two.to_string(), waits)?,
            Step::GiveUp => self.waiting.clear(),
            Step::Fetch(behind) => self.fetched.extend(self.store.fetch(self.partial, behind.into())),
            Step::Supply(_) if self.fetched.is_empty() => {}
            Step::Supply(place) => {
                let place = usize::from(place) % self.fetched.len();
                if supply(self.partial, &self.fetched[place]) {
                    self.fetched.remove(place);
                }
            }
            Step::Evict(key) => {
                self.partial.on_demand.as_ref().expect("on demand").evict("a", &key.to_string());
            }
            Step::Reload(shard) => {
                let shard = usize::from(shard) % self.shards();
                [self.full, self.partial].iter().for_each(|cache| self.store.reload(shard, cache));
            }
        }
        Ok(())
    }

    fn apply(&mut self, count: usize) {
        (0..self.shards()).for_each(|shard| self.store.apply(shard, count, [self.full, self.partial]));
    }

    /// A capture that there is must be the replica's.
    fn ask(&mut self, one: &str, two: &str, waits: bool) -> Result<(), TestCaseError> {
        let whole = ask(self.full, one, two).expect("a replica holds everything");
        match ask(self.partial, one, two) {
            Ok(captured) => prop_assert!(same(&captured, &whole), "{:?}", documents(&captured)),
            Err(missing) if waits => {
                self.waiting.push(self.partial.waiting(None));
                prop_assert!(self.waiting.last_mut().is_some_and(|waiting| waiting.on(&missing)));
            }
            Err(missing) => self.partial.ask_for(&missing),
        }
        Ok(())
    }

    /// Once the store answers, so does everything else.
    fn end(&mut self) -> Result<(), TestCaseError> {
        self.apply(usize::MAX / 2);
        self.fetched.iter().for_each(|batch| assert!(supply(self.partial, batch)));
        for key in 0..5 {
            let (one, two) = (key.to_string(), ((key + 1) % 5).to_string());
            let mut waiting = self.partial.waiting(None);
            while let Err(missing) = ask(self.partial, &one, &two) {
                prop_assert!(waiting.on(&missing));
                let fetched = self.store.fetch(self.partial, 0);
                fetched.iter().for_each(|batch| assert!(supply(self.partial, batch)));
            }
            self.ask(&one, &two, false)?;
        }
        prop_assert_eq!(self.full.drained(0), self.partial.drained(0));
        Ok(())
    }
}

proptest! {
    #[test]
    fn what_is_held_on_demand_is_what_a_replica_holds(steps in steps(), shards in 1..3usize) {
        // Room for two or three records, so that some are dropped by themselves.
        let (full, partial) = (cache(shards, 0), cache(shards, 320));
        let mut twins = Twins { full: &full, partial: &partial, store: Store::new(shards),
            fetched: Vec::new(), waiting: Vec::new() };
        for step in steps {
            twins.step(step)?;
        }
        twins.end()?;
    }
}
