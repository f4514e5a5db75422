#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::spread::{FullKey, spread};
use super::testing::{at, cache, delete, put, token};
use super::{Captured, NotYet, RecordCache, Snapshot};
use crate::bundle::testing::bundle;
use crate::clock::Clock;
use crate::error::EngineError;

fn capture(cache: &RecordCache, id: &str) -> Captured {
    cache.capture(&json!({"subject": {"id": id}}), None).expect("a state")
}

fn documents(captured: &Captured) -> Vec<Option<String>> {
    let text = |document: &Arc<[u8]>| String::from_utf8(document.to_vec()).expect("a text");
    captured.found.iter().map(|found| found.document.as_ref().map(text)).collect()
}

#[test]
fn captures_by_key_alternative_and_all() {
    let cache = cache(
        1,
        &json!({
            "all": {"kind": "i", "all": true},
            "one": {"kind": "a", "key": ["subject.absent", "k:{subject.id}"]},
            "none": {"kind": "a", "key": ["subject.id"]}}),
    );
    let mut snapshot = cache.snapshot();
    snapshot.add("a", "k:x", b"{\"n\":1}", 3);
    snapshot.add("i", "2", b"{}", 1);
    snapshot.add("i", "1", b"{\"a\":0}", 2);
    cache.install(0, snapshot, at(3), 1);
    let captured = capture(&cache, "x");
    assert_eq!(
        documents(&captured),
        [Some("{\"1\":{\"a\":0},\"2\":{}}".to_owned()), None, Some("{\"n\":1}".to_owned())]
    );
    assert_eq!((&*captured.view.token, captured.deadline_ns), ("3.07070707", 1));
}

#[test]
fn nothing_is_captured_before_a_policy_and_every_shard_are_loaded() {
    let cache = RecordCache::new(2, 0, Clock::manual());
    let unavailable = || matches!(cache.capture(&json!({}), None), Err(NotYet::Unavailable));
    cache.install(0, Snapshot::default(), at(1), 5);
    cache.set_bundle(Arc::new(bundle(&json!({}), |_| Err(EngineError::Undefined))));
    cache.apply(1, &[put("a", "x", "{}", 1)], at(1));
    assert!(unavailable() && cache.view().is_none() && cache.fresh_for_ns() < 0);
    assert_eq!((cache.drained(0), cache.drained(1), cache.sequences()), (1, 0, vec![1, 0]));
    cache.install(1, Snapshot::default(), at(0), 4);
    assert!(!unavailable());
    assert_eq!(cache.counts(), [], "changes before the snapshot say nothing");
    assert_eq!((cache.fresh_for_ns(), &*cache.view().expect("a view").token), (4, "1.07070707,1:0.07070707"));
}

#[test]
fn a_change_shows_as_another_version() {
    for shards in [1, 2] {
        let cache = cache(shards, &json!({"all": {"kind": "i", "all": true}}));
        let shown = || {
            let captured = capture(&cache, "x");
            (captured.found[0].version, documents(&captured)[0].clone().expect("a document"))
        };
        let mut seen = vec![shown()];
        // With two shards both orders of their numbers: the sum of one may equal the maximum of another.
        let keys = ["1", "2", "3", "4", "5", "6", "7"];
        for (sequence, key) in (1..).zip(keys) {
            let shard = spread(FullKey::of("i", key).text(), shards);
            cache.apply(shard, &[put("i", key, "{}", 1)], at(sequence));
            seen.push(shown());
        }
        cache.apply(spread(FullKey::of("i", "1").text(), shards), &[delete("i", "1", 9)], at(9));
        seen.push(shown());
        for (place, (version, text)) in seen.iter().enumerate() {
            for (earlier, before) in &seen[..place] {
                assert!(version > earlier && text != before, "{seen:?}");
            }
        }
        assert_eq!(seen[0], (0, "{}".to_owned()));
        assert_eq!(cache.counts(), [("i".to_owned(), 6)]);
        assert_eq!(shown(), shown());
    }
}

#[test]
fn each_record_is_looked_up_in_its_own_shard() {
    let cache = cache(16, &json!({"one": {"kind": "a", "key": ["subject.id"]}}));
    for number in 0..40 {
        let key = number.to_string();
        let own = spread(FullKey::of("a", &key).text(), 16);
        for shard in 0..16 {
            let document = json!({"own": shard == own}).to_string();
            cache.apply(shard, &[put("a", &key, &document, number + 1)], at(number + 1));
        }
        assert_eq!(documents(&capture(&cache, &key)), [Some("{\"own\":true}".to_owned())]);
    }
}

#[test]
fn a_snapshot_keeps_the_newest_form_of_each_record_in_whatever_order_they_come() {
    let cache = cache(1, &json!({"all": {"kind": "i", "all": true}}));
    let mut snapshot = cache.snapshot();
    snapshot.add("i", "1", b"1", 4);
    snapshot.apply(&put("i", "1", "0", 3));
    snapshot.apply(&delete("i", "2", 6));
    snapshot.add("i", "2", b"0", 5);
    snapshot.add("i", "3", b"0", 1);
    snapshot.apply(&put("i", "3", "3", 7));
    snapshot.apply(&delete("i", "4", 8));
    snapshot.apply(&put("i", "4", "4", 9));
    snapshot.add("i", "4", b"0", 2);
    cache.install(0, snapshot, at(9), 1);
    assert_eq!(documents(&capture(&cache, "x")), [Some("{\"1\":1,\"3\":3,\"4\":4}".to_owned())]);
}

#[test]
fn the_deadline_is_the_earliest_and_only_ever_moves_on() {
    let cache = cache(2, &json!({}));
    cache.prolong(0, 50);
    assert_eq!(cache.deadline_ns(), 1, "the other shard's");
    cache.prolong(1, 40);
    cache.prolong(1, 30);
    assert_eq!(capture(&cache, "x").deadline_ns, 40);
    cache.apply(1, &[], at(1));
    assert_eq!(cache.deadline_ns(), 40, "applying keeps it");
    let before = capture(&cache, "x");
    cache.install(1, Snapshot::default(), at(0), i64::MIN);
    assert_eq!((cache.deadline_ns(), before.deadline_ns), (i64::MIN, 40));
    assert!(cache.fresh_for_ns() < 0);
}

#[test]
fn waits_for_a_state_within_its_bound() {
    let cache = cache(2, &json!({}));
    cache.apply(0, &[], at(1));
    let behind = |text| matches!(cache.capture(&Value::Null, Some(&token(text))), Err(NotYet::Behind));
    assert!(!behind("1.07070707") && !behind("0.12345678") && !behind("1:0.07070707,1.07070707"));
    assert!(behind("1.08070707"), "another history");
    assert!(behind("1.07070707,1:1.07070707") && behind("2:0.07070707"), "every part counts");
    let until = Instant::now().checked_add(Duration::from_secs(10));
    assert!(!cache.waiting(Some(Instant::now())).on(&NotYet::Behind));
    assert!(!cache.waiting(until).on(&NotYet::Unavailable));
    std::thread::scope(|scope| {
        scope.spawn(|| cache.apply(1, &[], at(1)));
        while behind("1.07070707,1:1.07070707") {
            assert!(cache.waiting(until).on(&NotYet::Behind));
        }
    });
}

#[test]
fn drained_counts_the_states_in_use() {
    let cache = cache(2, &json!({}));
    cache.apply(0, &[], at(3));
    let first = capture(&cache, "x");
    cache.apply(0, &[], at(4));
    cache.apply(1, &[], at(8));
    let second = capture(&cache, "x");
    cache.apply(0, &[], at(5));
    assert_eq!((cache.drained(0), cache.drained(1)), (3, 0));
    drop(first);
    assert_eq!((cache.drained(0), cache.drained(1)), (4, 8));
    cache.install(0, Snapshot::default(), at(7), 1);
    assert_eq!((cache.drained(0), cache.drained(1)), (0, 8), "of another history for all we know");
    drop(second);
    assert_eq!((cache.drained(0), cache.drained(1)), (7, 8));
}
