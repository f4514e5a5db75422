#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use serde_json::json;

use super::{Change, Position, RecordCache, Snapshot, StateToken};
use crate::bundle::testing::lookups;

fn at(sequence: u64) -> Position {
    Position { epoch: "e".to_owned(), sequence, chain: [7; 20] }
}

fn token(text: &str) -> StateToken {
    StateToken::parse(text).expect("a token")
}

#[test]
fn captures_by_key_alternative_and_all() {
    let lookups = lookups(&json!({
        "all": {"kind": "i", "all": true},
        "one": {"kind": "a", "key": ["subject.absent", "k:{subject.id}"]},
        "none": {"kind": "a", "key": ["subject.id"]}}));
    let cache = RecordCache::default();
    let request = json!({"subject": {"id": "x"}});
    assert!(cache.capture(&lookups, &request).is_none(), "nothing can be decided before a state is loaded");
    let mut snapshot = Snapshot::default();
    snapshot.add("a", "k:x", b"{\"n\":1}", 3);
    snapshot.add("i", "2", b"{}", 1);
    snapshot.add("i", "1", b"{\"a\":0}", 2);
    cache.install(snapshot, at(3));
    let captured = cache.capture(&lookups, &request).expect("a state");
    let documents: Vec<_> = captured.found.iter().map(|found| found.document.as_deref()).collect();
    assert_eq!(documents, [Some(&b"{\"1\":{\"a\":0},\"2\":{}}"[..]), None, Some(&b"{\"n\":1}"[..])]);
    assert_eq!(&*captured.token, "3.07070707");
}

#[test]
fn a_change_shows_as_another_version() {
    let lookups = lookups(&json!({"all": {"kind": "i", "all": true}}));
    let cache = RecordCache::default();
    cache.install(Snapshot::default(), at(0));
    let versions = || cache.capture(&lookups, &json!({})).expect("a state").found[0].version;
    assert_eq!(versions(), 0);
    cache.apply(&[Change { kind: "i", key: "1", document: Some(b"{}"), version: 1 }], at(1));
    assert_eq!(versions(), 1);
    cache.apply(&[Change { kind: "i", key: "1", document: None, version: 2 }], at(2));
    assert_eq!(versions(), 2);
    assert_eq!(cache.counts(), [("i".to_owned(), 0)]);
}

#[test]
fn waits_for_a_state_within_its_bound() {
    let cache = RecordCache::default();
    cache.install(Snapshot::default(), at(1));
    assert!(cache.wait_for(&token("1.07070707"), Duration::ZERO));
    assert!(cache.wait_for(&token("0.12345678"), Duration::ZERO));
    assert!(!cache.wait_for(&token("1.08070707"), Duration::ZERO), "another history");
    assert!(!cache.wait_for(&token("2.07070707"), Duration::from_millis(20)));
    std::thread::scope(|scope| {
        scope.spawn(|| cache.apply(&[], at(2)));
        assert!(cache.wait_for(&token("2.07070707"), Duration::from_secs(10)));
    });
}

#[test]
fn tokens_have_one_form() {
    for bad in [
        "",
        "1",
        "1.",
        ".07070707",
        "+1.07070707",
        "1.0707070",
        "1.0707070G",
        "1.07070707.",
        "99999999999999999999.07070707",
    ] {
        assert!(StateToken::parse(bad).is_none(), "{bad}");
    }
}
