//! No answer leaves after the deadline of the state that it was made from, whatever happens meanwhile. Each
//! protection is first shown to be one: without it, an allow on an old state leaves.
#![allow(clippy::expect_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::Core;
use super::testing::{position, request, settings};
use crate::bundle::testing::bundle;
use crate::clock::Clock;
use crate::decision::Decision;
use crate::error::EngineError;
use crate::records::{Change, Snapshot};

const DEADLINE: i64 = 1_000;

/// Denies whoever has a block.
fn unless_blocked(input: &[u8]) -> Result<Vec<u8>, EngineError> {
    let input: Value = serde_json::from_slice(input).map_err(|error| EngineError::Failed(error.to_string()))?;
    let allow = input["records"]["block"].is_null();
    let blocked = json!([{"code": "BLOCKED", "article": "1", "message": {"nl": "n", "en": "e"}, "details": {}}]);
    let reasons = if allow { json!([]) } else { blocked };
    Ok(json!({"allow": allow, "reasons": reasons, "obligations": [], "notices": [], "accountable": null,
        "valid_until": null})
    .to_string()
    .into_bytes())
}

/// A core at position 1 with a manual clock at 0; `during` runs in the middle of each evaluation, with how many
/// there were before it. Without a decision cache, so that every evaluation is one.
fn core(during: impl Fn(&Core, usize) + Send + Sync + 'static) -> Arc<Core> {
    Arc::new_cyclic(|own: &std::sync::Weak<Core>| {
        let (own, before) = (own.clone(), AtomicUsize::new(0));
        let core = Core::new(settings(0), Clock::manual());
        let lookups = json!({"block": {"kind": "a", "key": ["subject.id"]}});
        core.set_bundle(Arc::new(bundle(&lookups, move |input| {
            during(&own.upgrade().expect("a core"), before.fetch_add(1, Ordering::SeqCst));
            unless_blocked(input)
        })));
        core.records.install(0, Snapshot::default(), position(1), DEADLINE);
        core
    })
}

fn block(core: &Core) {
    let change = Change { kind: "a", key: "x", document: Some(b"{}"), version: 2 };
    core.records.apply(0, &[change], position(2));
}

/// Its first reason or `allow`, and the state that it was made from.
fn shown(decision: &Decision) -> (String, String) {
    let code = decision.outcome.reasons.first().map_or("allow", |reason| &reason.code);
    (code.to_owned(), decision.state_token().to_owned())
}

fn decided(core: &Core) -> (String, String) {
    shown(&core.decide(&request("x", &json!({})), 0).expect("a decision"))
}

fn pair(code: &str, token: &str) -> (String, String) {
    (code.to_owned(), token.to_owned())
}

/// The flow without one of its protections.
mod faults {
    use std::sync::Arc;

    use serde_json::json;

    use crate::decide::Core;
    use crate::decide::testing::request;
    use crate::decision::Decision;
    use crate::evaluate::{Evaluator, Question};

    /// Decides once, when `in_time` says so before or after the evaluation.
    fn decide(core: &Core, before: impl Fn(i64) -> bool, after: impl Fn(i64) -> bool) -> Option<Decision> {
        let request = request("x", &json!({}));
        let captured = core.records.capture(&request.document, None).ok()?;
        if !before(captured.deadline_ns) {
            return None;
        }
        let question = Question { request: &request, captured: &captured, time_ms: 0 };
        let outcome = core.evaluator.outcome(&question).ok()?;
        let bundle = Arc::clone(&captured.bundle);
        after(captured.deadline_ns).then(|| Decision::new(outcome, Some(&*bundle), Some(captured.view)))
    }

    /// Looks at the clock before it evaluates.
    pub fn checking_first(core: &Core) -> Option<Decision> {
        decide(core, |deadline| core.records.clock.now_ns() < deadline, |_| true)
    }

    /// Looks at the deadline that there is after the evaluation.
    pub fn reading_the_deadline_afresh(core: &Core) -> Option<Decision> {
        decide(core, |_| true, |_| core.records.clock.now_ns() < core.records.deadline_ns())
    }

    /// As it should be, but once only.
    pub fn none(core: &Core) -> Option<Decision> {
        decide(core, |_| true, |deadline| core.records.clock.now_ns() < deadline)
    }
}

/// The lockout comes, and the lease of the state before it ends, while a request is being evaluated on that
/// state.
fn locked_out_meanwhile(core: &Core, evaluations: usize) {
    if evaluations == 0 {
        block(core);
        core.records.clock.set_ns(DEADLINE);
    }
}

/// The same, and a proof of the new state has come too.
fn locked_out_and_proved_meanwhile(core: &Core, evaluations: usize) {
    locked_out_meanwhile(core, evaluations);
    core.records.prolong(0, 5 * DEADLINE);
}

#[test]
fn a_check_before_the_evaluation_only_lets_an_old_allow_leave() {
    let allowed = faults::checking_first(&core(locked_out_meanwhile)).as_ref().map(shown);
    assert_eq!(allowed, Some(pair("allow", "1.01010101")), "the fault bites");
    assert!(faults::none(&core(locked_out_meanwhile)).is_none());
    assert_eq!(decided(&core(locked_out_meanwhile)), pair("STATE_STALE", "2.01010101"));
}

#[test]
fn a_deadline_that_is_not_the_captured_one_lets_an_old_allow_leave() {
    let allowed = faults::reading_the_deadline_afresh(&core(locked_out_and_proved_meanwhile)).as_ref().map(shown);
    assert_eq!(allowed, Some(pair("allow", "1.01010101")), "the fault bites");
    assert!(faults::none(&core(locked_out_and_proved_meanwhile)).is_none());
    assert_eq!(decided(&core(locked_out_and_proved_meanwhile)), pair("BLOCKED", "2.01010101"));
}

#[test]
fn a_state_that_runs_out_twice_is_a_denial() {
    let core = core(|core, evaluations| {
        assert!(evaluations < 2);
        core.records.clock.set_ns(DEADLINE);
    });
    assert_eq!(decided(&core), pair("STATE_STALE", "1.01010101"));
    assert!(core.ready(), "a denial is an answer");
    core.records.prolong(0, DEADLINE + 1);
}

#[test]
fn the_second_attempt_may_run_out_after_a_first_proof() {
    let core = core(|core, evaluations| {
        core.records.clock.set_ns(core.records.deadline_ns());
        if evaluations == 0 {
            core.records.prolong(0, 2 * DEADLINE);
        }
    });
    assert_eq!(decided(&core), pair("STATE_STALE", "1.01010101"));
}

#[test]
fn a_new_proof_of_an_unchanged_state_is_found_by_the_second_attempt() {
    let core = core(|core, evaluations| {
        assert!(evaluations < 2);
        core.records.clock.set_ns(DEADLINE);
        core.records.prolong(0, 2 * DEADLINE);
    });
    assert_eq!(decided(&core), pair("allow", "1.01010101"));
}

#[test]
fn a_change_alone_leaves_a_decision_on_the_state_that_it_began_with() {
    let core = core(|core, evaluations| {
        if evaluations == 0 {
            block(core);
            core.records.clock.set_ns(DEADLINE - 1);
        }
    });
    assert_eq!(decided(&core), pair("allow", "1.01010101"));
    assert_eq!(decided(&core), pair("BLOCKED", "2.01010101"));
}

#[test]
fn a_fenced_state_denies_whatever_the_clock_says() {
    let core = core(|_, _| {});
    core.records.install(0, Snapshot::default(), position(3), i64::MIN);
    core.records.clock.set_ns(i64::MIN);
    assert_eq!(decided(&core), pair("STATE_STALE", "3.01010101"));
}
