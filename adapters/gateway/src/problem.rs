//! A denial for programs: `application/problem+json` (RFC 9457).

use http::StatusCode;
use pdp_core::decision::{Advice, Decision, Reason};
use serde_json::{Value, json};

use crate::accept::Language;

/// A denial as a problem document; `reasons` says all that applies, `detail` the same as sentences.
pub fn document(status: StatusCode, decision: &Decision, language: Language, login: Option<&str>) -> String {
    let outcome = &decision.outcome;
    let advice = |given: &[Advice]| given.iter().map(Advice::to_json).collect::<Vec<_>>();
    let detail: Vec<&str> = outcome.reasons.iter().map(|reason| text(reason, language)).collect();
    let mut document = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail.join(" "),
        "decision_id": decision.decision_id,
        "reasons": outcome.reasons.iter().map(Reason::to_json).collect::<Vec<_>>(),
        "obligations": advice(&outcome.obligations),
        "notices": advice(&outcome.notices),
    });
    if let (Some(login), Value::Object(members)) = (login, &mut document) {
        members.insert("login".to_owned(), login.into());
    }
    document.to_string()
}

/// A reason's sentence in a language, in the other where it is missing. What an operator says of the very case, such
/// as how long an interruption lasts, stands in the details as `message` and comes first.
pub fn text(reason: &Reason, language: Language) -> &str {
    let said =
        reason.details.get("message").and_then(|message| message.get(language.tag())).and_then(Value::as_str);
    if let Some(said) = said.filter(|said| !said.is_empty()) {
        return said;
    }
    let (own, other) = match language {
        Language::Dutch => (&reason.message.nl, &reason.message.en),
        Language::English => (&reason.message.en, &reason.message.nl),
    };
    if own.is_empty() { other } else { own }
}
