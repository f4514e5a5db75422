#![allow(clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
use proptest::{collection, prop_oneof};
use serde_json::{Value, json};

use super::Core;
use super::testing::{position, request, settings};
use crate::bundle::testing::bundle;
use crate::clock::Clock;
use crate::error::EngineError;
use crate::metrics::{Reading, families};
use crate::records::{Change, NEVER_NS, Snapshot};
use crate::request::Request;

/// Allows while the account's number is above the time, which is also its `valid_until`.
fn by_number(input: &[u8]) -> Result<Vec<u8>, EngineError> {
    let input: Value = serde_json::from_slice(input).map_err(|error| EngineError::Failed(error.to_string()))?;
    let time = input["time"].as_i64().unwrap_or_default();
    let number = input["records"]["account"]["n"].as_i64().unwrap_or_default();
    let reasons = if number > time {
        json!([])
    } else {
        json!([{"code": "LATE", "article": "1", "message": {"nl": "n", "en": "e"}, "details": {"n": number}}])
    };
    let valid_until = if number > time { json!(number) } else { Value::Null };
    Ok(json!({"allow": number > time, "reasons": reasons, "obligations": [], "notices": [], "accountable": null,
        "valid_until": valid_until})
    .to_string()
    .into_bytes())
}

fn core(cache_bytes: u64, engine: impl Fn(&[u8]) -> Result<Vec<u8>, EngineError> + Send + Sync + 'static) -> Core {
    let core = Core::new(settings(cache_bytes), Clock::Boottime);
    core.set_bundle(Arc::new(bundle(&json!({"account": {"kind": "a", "key": ["subject.id"]}}), engine)));
    core.records.install(0, Snapshot::default(), position(0), NEVER_NS);
    core
}

fn codes(core: &Core, request: &Request, clock_ms: i64) -> Vec<String> {
    let decision = core.decide(request, clock_ms).expect("a decision");
    assert_eq!(decision.outcome.allow, decision.outcome.reasons.is_empty());
    decision.outcome.reasons.iter().map(|reason| reason.code.clone()).collect()
}

/// The samples of the counter with this in its name: labels and count.
fn counted(core: &Core, name: &str) -> Vec<String> {
    let family = families(core).into_iter().find(|family| family.name.contains(name)).expect("a metric");
    let samples = family.samples.into_iter().map(|(labels, reading)| match reading {
        Reading::Value(count) => format!("{} {count}", labels.join(" ")),
        Reading::Histogram { .. } => panic!("{name} is no counter"),
    });
    samples.collect()
}

#[test]
fn denies_whatever_it_cannot_decide_safely() {
    let bare = Core::new(settings(0), Clock::Boottime);
    assert_eq!(codes(&bare, &request("x", &json!({})), 0), ["STATE_UNAVAILABLE"]);
    assert_eq!(counted(&bare, "denial_reasons"), ["STATE_UNAVAILABLE other other 1"]);
    assert_eq!(counted(&bare, "decisions_total"), ["deny other other 1"]);
    bare.set_bundle(Arc::new(bundle(&json!({}), by_number)));
    assert_eq!(codes(&bare, &request("x", &json!({})), 0), ["STATE_UNAVAILABLE"]);
    let broken = core(0, |_| Err(EngineError::Undefined));
    assert_eq!(codes(&broken, &request("x", &json!({})), 0), ["POLICY_ERROR"]);
    let stale = core(0, by_number);
    let asks = request("x", &json!({"at_least_as_fresh": "5.01010101"}));
    assert_eq!(codes(&stale, &asks, 0), ["STATE_STALE"]);
    stale.records.apply(0, &[], position(5));
    assert_eq!(codes(&stale, &asks, 0), ["LATE"]);
}

#[test]
fn the_time_is_the_request_s_within_the_skew_and_never_before_the_clock() {
    let core = core(0, by_number);
    core.records.apply(
        0,
        &[Change { kind: "a", key: "x", document: Some(b"{\"n\":1772442005000}"), version: 1 }],
        position(1),
    );
    let at = |time: &str| request("x", &json!({"context": {"time": time}}));
    let clock = 1_772_442_000_000;
    assert!(codes(&core, &at("2026-03-02T09:00:00Z"), clock).is_empty());
    assert_eq!(codes(&core, &at("2026-03-02T09:00:05Z"), clock), ["LATE"], "later than the clock: the request's");
    assert_eq!(codes(&core, &at("2026-03-02T09:00:00Z"), clock + 5_000), ["LATE"], "earlier: the clock's");
    for outside in ["2026-03-02T09:00:10.001Z", "2026-03-02T08:59:49.999Z"] {
        let refused = core.decide(&at(outside), clock).expect_err("outside the skew");
        assert_eq!(refused.field, "context.time");
    }
}

#[test]
fn the_cache_answers_again_only_while_nothing_changed() {
    static EVALUATED: AtomicUsize = AtomicUsize::new(0);
    let core = core(1_000_000, |input| {
        EVALUATED.fetch_add(1, Ordering::Relaxed);
        by_number(input)
    });
    let evaluated = || EVALUATED.swap(0, Ordering::Relaxed);
    core.records.apply(
        0,
        &[Change { kind: "a", key: "x", document: Some(b"{\"n\":100}"), version: 1 }],
        position(1),
    );
    let first = core.decide(&request("x", &json!({})), 10).expect("a decision");
    let again = core.decide(&request("x", &json!({"context": {"traceparent": "00-1"}})), 99).expect("a decision");
    assert_eq!((first.outcome.allow, again.outcome.allow, evaluated()), (true, true, 1));
    assert_ne!(first.decision_id, again.decision_id);
    assert_eq!(codes(&core, &request("x", &json!({})), 100), ["LATE"], "valid_until has come");
    assert_eq!(evaluated(), 1);
    assert!(codes(&core, &request("x", &json!({})), 9).is_empty(), "an entry says nothing of the time before it");
    assert_eq!(evaluated(), 1);
    core.records.apply(0, &[Change { kind: "a", key: "x", document: None, version: 2 }], position(2));
    assert_eq!(codes(&core, &request("x", &json!({})), 10), ["LATE"]);
    core.records.install(0, Snapshot::default(), position(2), NEVER_NS);
    assert_eq!(codes(&core, &request("x", &json!({})), 10), ["LATE"]);
    assert_eq!(evaluated(), 2);
    core.set_bundle(Arc::new(bundle(&json!({}), |_| Err(EngineError::Undefined))));
    assert_eq!(codes(&core, &request("x", &json!({})), 10), ["POLICY_ERROR"]);
}

/// One step of a life with a cache.
#[derive(Debug, Clone)]
enum Step {
    Put(u8, i64),
    Delete(u8),
    Reload,
    Ask(u8, u8, i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0..3u8, 0..50i64).prop_map(|(key, number)| Step::Put(key, number)),
        1 => (0..3u8).prop_map(Step::Delete),
        1 => any::<()>().prop_map(|()| Step::Reload),
        6 => (0..3u8, 0..2u8, 0..50i64).prop_map(|(key, note, clock)| Step::Ask(key, note, clock)),
    ];
    collection::vec(step, 1..60)
}

proptest! {
    /// Whatever changes and however the clock moves, a core with a cache answers as one without.
    #[test]
    fn a_cache_never_changes_an_answer(steps in steps()) {
        let (cached, plain) = (core(100_000, by_number), core(0, by_number));
        for (sequence, step) in (1u64..).zip(steps) {
            for core in [&cached, &plain] {
                match &step {
                    Step::Put(key, number) => {
                        let document = json!({"n": number}).to_string();
                        core.records.apply(0, &[Change { kind: "a", key: &key.to_string(),
                            document: Some(document.as_bytes()), version: sequence }], position(sequence));
                    }
                    Step::Delete(key) => core.records.apply(0, &[Change { kind: "a", key: &key.to_string(),
                        document: None, version: sequence }], position(sequence)),
                    Step::Reload => core.records.install(0, Snapshot::default(), position(sequence), NEVER_NS),
                    Step::Ask(..) => {}
                }
            }
            if let Step::Ask(key, note, clock) = step {
                let request = request(&key.to_string(), &json!({"context": {"note": note.to_string()}}));
                let answers = [&cached, &plain].map(|core| core.decide(&request, clock).map(|made| made.outcome));
                prop_assert_eq!(&answers[0], &answers[1]);
            }
        }
    }
}
