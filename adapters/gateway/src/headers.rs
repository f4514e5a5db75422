//! What of a decision travels in headers: to the application behind the gateway, and on denials to the client.

use http::{HeaderName, HeaderValue};
use pdp_core::decision::{Advice, Decision};
use serde_json::Value;
use sfv::{BareItem, Item, Key, List, ListEntry, Parameters, String as SfString, Token};

/// Every header of ours begins so; none that a client sends may reach the application.
pub const PREFIX: &str = "x-pdp-";
pub const DECISION_ID: HeaderName = HeaderName::from_static("x-pdp-decision-id");
const ACCOUNTABLE: HeaderName = HeaderName::from_static("x-pdp-accountable");
const OBLIGATIONS: HeaderName = HeaderName::from_static("x-pdp-obligations");
const NOTICES: HeaderName = HeaderName::from_static("x-pdp-notices");
const CODES: HeaderName = HeaderName::from_static("x-pdp-codes");
/// Where to log in, or to do so at a higher level.
pub const LOGIN: HeaderName = HeaderName::from_static("x-pdp-login");

/// All of them, for gateways that remove by name.
pub const NAMES: [HeaderName; 6] = [DECISION_ID, ACCOUNTABLE, OBLIGATIONS, NOTICES, CODES, LOGIN];

/// Longest list of obligations, notices or codes, in bytes: gateways bound the headers that they read.
const MOST_BYTES: usize = 4_096;

/// Whether headers can carry what the application behind the gateway must do: it must not be allowed without.
pub fn carry_obligations(decision: &Decision) -> bool {
    let obligations = &decision.outcome.obligations;
    let entries: Vec<ListEntry> = obligations.iter().filter_map(advice).collect();
    let all = entries.len() == obligations.len();
    let text = list(entries.into_iter().map(Some)).unwrap_or_default();
    all && text.len() <= MOST_BYTES && HeaderValue::from_str(&text).is_ok()
}

/// The headers that say what was decided.
pub fn of(decision: &Decision) -> Vec<(HeaderName, HeaderValue)> {
    let outcome = &decision.outcome;
    let accountable = outcome.accountable.as_ref().and_then(|party| serde_json::to_string(party).ok()).map(ascii);
    let codes = outcome.reasons.iter().map(|reason| entry(&reason.code, Parameters::new()));
    let texts = [
        (DECISION_ID, Some(decision.decision_id.clone())),
        (ACCOUNTABLE, accountable),
        (OBLIGATIONS, list(outcome.obligations.iter().map(advice))),
        (NOTICES, list(outcome.notices.iter().map(advice))),
        (CODES, list(codes)),
    ];
    let headers = texts.into_iter().filter_map(|(name, text)| {
        let value = HeaderValue::from_str(&text?).ok()?;
        (value.len() <= MOST_BYTES).then_some((name, value))
    });
    headers.collect()
}

/// A structured field list (RFC 9651); None for an empty one, which such a field cannot be.
fn list(entries: impl Iterator<Item = Option<ListEntry>>) -> Option<String> {
    use sfv::FieldType as _;
    entries.flatten().collect::<List>().serialize()
}

fn entry(name: &str, params: Parameters) -> Option<ListEntry> {
    let bare_item = BareItem::Token(Token::from_string(name.to_owned()).ok()?);
    Some(ListEntry::Item(Item { bare_item, params }))
}

/// The type as a token, and what else it says as parameters.
fn advice(advice: &Advice) -> Option<ListEntry> {
    let mut params = Parameters::new();
    for (name, value) in &advice.parameters {
        if let (Ok(key), Some(value)) = (Key::from_string(name.clone()), parameter(value)) {
            params.insert(key, value);
        }
    }
    entry(&advice.kind, params)
}

/// Texts, whole numbers and truth values as such, anything else as JSON; None: null.
fn parameter(value: &Value) -> Option<BareItem> {
    match value {
        Value::Null => None,
        Value::Bool(truth) => Some(BareItem::Boolean(*truth)),
        Value::Number(number) => {
            let whole = number.as_i64().and_then(|number| sfv::Integer::try_from(number).ok());
            whole.map_or_else(|| text(&ascii(value.to_string())), |whole| Some(BareItem::Integer(whole)))
        }
        Value::String(plain) => text(plain).or_else(|| text(&ascii(value.to_string()))),
        Value::Array(_) | Value::Object(_) => text(&ascii(value.to_string())),
    }
}

fn text(plain: &str) -> Option<BareItem> {
    SfString::from_string(plain.to_owned()).ok().map(BareItem::String)
}

/// JSON in which every character beyond ASCII, and DEL, is escaped.
fn ascii(json: String) -> String {
    let plain = |character: char| character.is_ascii() && character != '\u{7f}';
    if json.chars().all(plain) {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if plain(character) {
            out.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use pdp_core::decision::{Advice, Decision, Message, Outcome, Reason};
    use pdp_core::error::FailClosed;
    use serde_json::{Map, Value, json};

    use super::of;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    fn advice(kind: &str, parameters: Value) -> Advice {
        Advice { kind: kind.to_owned(), article: "2.3".to_owned(), parameters: object(parameters) }
    }

    fn headers(outcome: Outcome) -> Vec<(String, String)> {
        let decision = Decision::new(Arc::new(outcome), None, None);
        let headers = of(&decision).into_iter();
        let texts = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        texts.filter(|(name, _)| name != "x-pdp-decision-id").collect()
    }

    #[test]
    fn what_was_decided_in_structured_fields() {
        let mut outcome = Outcome::fail_closed(FailClosed::PolicyError);
        outcome.reasons.push(Reason {
            code: "ACCOUNT_BLOCKED".to_owned(),
            article: String::new(),
            message: Message { nl: String::new(), en: String::new() },
            details: Map::new(),
        });
        outcome.accountable = Some(object(json!({"kvk": "12345678", "naam": "Müller 😀"})));
        outcome.obligations = vec![
            advice("accept_terms", json!({"version": "4.2", "days": 42, "url": "https://é/"})),
            advice("step_up", json!({"acr_values": ["a", "b"], "now": true, "nothing": null, "Big": 1})),
            advice("no token", json!({})),
        ];
        let want = [
            ("x-pdp-accountable", "{\"kvk\":\"12345678\",\"naam\":\"M\\u00fcller \\ud83d\\ude00\"}"),
            (
                "x-pdp-obligations",
                r#"accept_terms;days=42;url="\"https://\\u00e9/\"";version="4.2", step_up;acr_values="[\"a\",\"b\"]";now"#,
            ),
            ("x-pdp-codes", "POLICY_ERROR, ACCOUNT_BLOCKED"),
        ];
        let want: Vec<_> = want.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        assert_eq!(headers(outcome), want);
    }

    #[test]
    fn an_endless_list_is_left_out() {
        let mut outcome = Outcome::fail_closed(FailClosed::PolicyError);
        outcome.notices = vec![advice("note", json!({"text": "x".repeat(5_000)}))];
        assert!(headers(outcome).iter().all(|(name, _)| name != "x-pdp-notices"));
    }

    #[test]
    fn obligations_that_do_not_fit_are_noticed() {
        for (kind, text, carried) in
            [("do", "x".repeat(100), true), ("do", "x".repeat(5_000), false), ("d o", String::new(), false)]
        {
            let mut outcome = Outcome::fail_closed(FailClosed::PolicyError);
            outcome.obligations = vec![advice(kind, json!({"text": text}))];
            let decision = Decision::new(Arc::new(outcome), None, None);
            assert_eq!(super::carry_obligations(&decision), carried, "{kind}");
        }
    }
}
