//! Writing: decisions, batches and pages as AuthZEN has them.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response};
use pdp_core::ask::Answered;
use pdp_core::decision::{Advice, Decision, Outcome, Reason};
use pdp_core::records::View;
use pdp_core::server::http::HeldBody;
use pdp_core::timestamp;
use serde_json::{Map, Value, json};

/// Room for what stands around an outcome.
const ENVELOPE_BYTES: usize = 256;

/// 200 with JSON that was made from these states.
pub fn ok(body: Vec<u8>, held: impl IntoIterator<Item = Arc<View>>) -> Response<Body> {
    let mut response = Response::new(HeldBody::new(body, held).into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// One decision.
pub fn decision(decision: Decision) -> Response<Body> {
    let mut body = Vec::new();
    write(&decision, &mut body);
    ok(body, decision.view)
}

/// The answers of a batch. What could not be decided is denied, and says why.
pub fn decisions(answers: Vec<Answered>) -> Response<Body> {
    let (mut body, mut held) = (b"{\"evaluations\":[".to_vec(), Vec::new());
    for (place, answer) in answers.into_iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        match answer {
            Ok(decision) => {
                write(&decision, &mut body);
                held.extend(decision.view);
            }
            Err(error) => {
                let message = if error.field.is_empty() { error.message } else { error.to_string() };
                let failed = json!({"decision": false, "context": {"error": {"status": 400, "message": message}}});
                body.extend_from_slice(failed.to_string().as_bytes());
            }
        }
    }
    body.extend_from_slice(b"]}");
    ok(body, held)
}

fn write(decision: &Decision, body: &mut Vec<u8>) {
    let outcome = &decision.outcome;
    let head = outcome.encoded_json.get_or_init(|| head(outcome).into_bytes().into());
    body.reserve(head.len().saturating_add(ENVELOPE_BYTES));
    body.extend_from_slice(head);
    member(body, "", "decision_id", &decision.decision_id);
    member(body, ",", "policy_revision", &decision.policy_revision);
    member(body, ",", "state_token", decision.state_token());
    body.extend_from_slice(b"}}");
}

/// A member whose name needs no escaping, after `before`.
fn member(body: &mut Vec<u8>, before: &str, name: &str, text: &str) {
    body.extend_from_slice(before.as_bytes());
    body.push(b'"');
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(b"\":");
    body.extend_from_slice(Value::from(text).to_string().as_bytes());
}

/// `{"decision": …, "context": {` and what depends on the outcome alone, ready for more members.
fn head(outcome: &Outcome) -> String {
    let mut context = Map::new();
    if !outcome.reasons.is_empty() {
        let joined = |of: &dyn Fn(&Reason) -> String, between: &str| {
            outcome.reasons.iter().map(of).collect::<Vec<_>>().join(between)
        };
        let user = json!({
            "en": joined(&|reason| reason.message.en.clone(), " "),
            "nl": joined(&|reason| reason.message.nl.clone(), " "),
        });
        context.insert("reason_admin".to_owned(), json!({"en": joined(&for_administrators, ", ")}));
        context.insert("reason_user".to_owned(), user);
        context.insert("reasons".to_owned(), outcome.reasons.iter().map(Reason::to_json).collect());
    }
    for (name, advice) in [("obligations", &outcome.obligations), ("notices", &outcome.notices)] {
        if !advice.is_empty() {
            context.insert(name.to_owned(), advice.iter().map(Advice::to_json).collect());
        }
    }
    if let Some(accountable) = &outcome.accountable {
        context.insert("accountable".to_owned(), Value::Object(accountable.clone()));
    }
    if let Some(end) = outcome.valid_until.and_then(timestamp::format) {
        context.insert("valid_until".to_owned(), end.into());
    }
    let mut text = json!({"decision": outcome.allow}).to_string();
    text.pop();
    text.push_str(",\"context\":");
    text.push_str(&Value::Object(context).to_string());
    text.pop();
    if !text.ends_with('{') {
        text.push(',');
    }
    text
}

fn for_administrators(reason: &Reason) -> String {
    if reason.article.is_empty() { reason.code.clone() } else { format!("{} ({})", reason.code, reason.article) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use axum::http::Response;
    use http_body_util::BodyExt;
    use pdp_core::decision::{Advice, Decision, Outcome};
    use pdp_core::error::{FailClosed, InvalidRequest};
    use serde_json::{Map, Value, json};

    use super::{decision, decisions};

    async fn read(response: Response<Body>) -> Value {
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        serde_json::from_slice(&body).expect("JSON")
    }

    fn made(outcome: Outcome) -> Decision {
        let mut made = Decision::new(Arc::new(outcome), None, None);
        made.decision_id = "d".repeat(32);
        made.policy_revision = "r \"1\"".into();
        made
    }

    fn allowed() -> Outcome {
        let mut outcome = Outcome::fail_closed(FailClosed::StateStale);
        (outcome.allow, outcome.failed) = (true, false);
        outcome.reasons.clear();
        outcome
    }

    fn envelope(more: Value) -> Value {
        let mut context = json!({"decision_id": "d".repeat(32), "policy_revision": "r \"1\"", "state_token": ""});
        for (name, value) in more.as_object().into_iter().flatten() {
            context[name] = value.clone();
        }
        context
    }

    #[tokio::test]
    async fn an_allowed_decision_says_little() {
        let answer = read(decision(made(allowed()))).await;
        assert_eq!(answer, json!({"decision": true, "context": envelope(json!({}))}));
    }

    #[tokio::test]
    async fn all_that_a_decision_says_is_in_its_context() {
        let parameters = Map::from_iter([("id".to_owned(), json!(7))]);
        let advice = Advice { kind: "t".to_owned(), article: "2.4".to_owned(), parameters: parameters.clone() };
        let mut outcome = Outcome::fail_closed(FailClosed::StateStale);
        outcome.reasons[0].article = "4.5".to_owned();
        outcome.reasons.push(outcome.reasons[0].clone());
        outcome.obligations.push(advice.clone());
        outcome.notices.push(advice);
        outcome.accountable = Some(parameters);
        outcome.valid_until = Some(1_772_442_000_000);
        let reason = outcome.reasons[0].to_json();
        let (nl, en) = FailClosed::StateStale.message();
        let advice = json!({"type": "t", "article": "2.4", "id": 7});
        let decision = made(outcome);
        // The second time from what was kept.
        for _ in 0..2 {
            let answer = read(super::decision(decision.clone())).await;
            let context = envelope(json!({
                "reason_admin": {"en": "STATE_STALE (4.5), STATE_STALE (4.5)"},
                "reason_user": {"nl": format!("{nl} {nl}"), "en": format!("{en} {en}")},
                "reasons": [reason, reason],
                "obligations": [advice],
                "notices": [advice],
                "accountable": {"id": 7},
                "valid_until": "2026-03-02T09:00:00Z",
            }));
            assert_eq!(answer, json!({"decision": false, "context": context}));
        }
    }

    #[tokio::test]
    async fn what_failed_in_a_batch_is_denied_in_its_place() {
        let failed = |field: &str| Err(InvalidRequest::new(field, "is required"));
        let answer = read(decisions(vec![failed("subject.id"), Ok(made(allowed())), failed("")])).await;
        let error =
            |message: &str| json!({"decision": false, "context": {"error": {"status": 400, "message": message}}});
        assert_eq!(answer["evaluations"][0], error("subject.id: is required"));
        assert_eq!(answer["evaluations"][1]["decision"], json!(true));
        assert_eq!(answer["evaluations"][2], error("is required"));
    }
}
