//! The strict reading of a policy's result document. Whatever is not exactly a decision denies.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Advice, Encoded, Message, Outcome, Reason};
use crate::error::FailClosed;
use crate::strict_json;
use crate::timestamp;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResultDocument {
    allow: bool,
    reasons: Vec<ReasonDocument>,
    obligations: Vec<Map<String, Value>>,
    notices: Vec<Map<String, Value>>,
    // `deserialize_with` also makes the member required: a lost one is no decision.
    #[serde(deserialize_with = "Option::deserialize")]
    accountable: Option<Map<String, Value>>,
    #[serde(deserialize_with = "Option::deserialize")]
    valid_until: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReasonDocument {
    code: String,
    article: String,
    message: MessageDocument,
    details: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageDocument {
    nl: String,
    en: String,
}

/// The outcome that a result document stands for; None (undefined or an error) and everything that is not
/// exactly a decision is a denial with `POLICY_ERROR`.
///
/// `output_times`: integers under these names leave as RFC 3339. `time_ms`: the moment decided for.
pub fn outcome_of(result: Option<&[u8]>, output_times: &HashSet<String>, time_ms: i64) -> Outcome {
    result
        .and_then(|document| read(document, output_times, time_ms))
        .unwrap_or_else(|| Outcome::fail_closed(FailClosed::PolicyError))
}

fn read(document: &[u8], output_times: &HashSet<String>, time_ms: i64) -> Option<Outcome> {
    // Through a Value, so that numbers and nesting are read as strictly as everywhere else.
    let value = strict_json::parse(document).ok()?;
    let result: ResultDocument = serde_json::from_value(value).ok()?;
    // An allow with reasons and a denial without one contradict themselves.
    if result.allow != result.reasons.is_empty() {
        return None;
    }
    if result.valid_until.is_some_and(|end| end <= time_ms) {
        return None;
    }
    let mut reasons = Vec::new();
    for reason in result.reasons {
        let mut details = reason.details;
        write_times(&mut details, output_times);
        if reason.code.is_empty() {
            return None;
        }
        let message = Message { nl: reason.message.nl, en: reason.message.en };
        reasons.push(Reason { code: reason.code, article: reason.article, message, details });
    }
    reasons.sort_by_cached_key(|reason| {
        (reason.code.clone(), reason.article.clone(), Value::Object(reason.details.clone()).to_string())
    });
    Some(Outcome {
        allow: result.allow,
        reasons,
        obligations: advice(result.obligations, output_times)?,
        notices: advice(result.notices, output_times)?,
        accountable: result.accountable,
        valid_until: result.valid_until,
        failed: false,
        encoded: Encoded::default(),
        encoded_json: Encoded::default(),
    })
}

fn advice(documents: Vec<Map<String, Value>>, output_times: &HashSet<String>) -> Option<Vec<Advice>> {
    let mut out = Vec::new();
    for mut parameters in documents {
        let (Some(Value::String(kind)), Some(Value::String(article))) =
            (parameters.remove("type"), parameters.remove("article"))
        else {
            return None;
        };
        write_times(&mut parameters, output_times);
        out.push(Advice { kind, article, parameters });
    }
    out.sort_by_cached_key(|advice| (advice.kind.clone(), Value::Object(advice.parameters.clone()).to_string()));
    Some(out)
}

fn write_times(members: &mut Map<String, Value>, output_times: &HashSet<String>) {
    for (name, value) in members {
        write_time(value, output_times.contains(name), output_times);
    }
}

/// `named`: the value stands under a name of times, itself or as an item of a list that does.
fn write_time(value: &mut Value, named: bool, output_times: &HashSet<String>) {
    match value {
        Value::Object(members) => write_times(members, output_times),
        Value::Array(items) => items.iter_mut().for_each(|item| write_time(item, named, output_times)),
        Value::Number(number) if named => {
            if let Some(text) = number.as_i64().and_then(timestamp::format) {
                *value = Value::String(text);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::{Value, json};

    use super::{outcome_of, write_times};

    const DENIAL: &str = r#"{"allow":false,"reasons":[
        {"code":"B","article":"1","message":{"nl":"n","en":"e"},"details":{"until":0,"n":1}},
        {"code":"A","article":"1","message":{"nl":"n","en":"e"},"details":{}}],
        "obligations":[{"type":"t","article":"1","x":1}],"notices":[],"accountable":null,"valid_until":10}"#;
    const ALLOW: &str = r#"{"allow":true,"reasons":[],"obligations":[],"notices":[],"accountable":{"kvk":"1"},"valid_until":null}"#;

    fn codes(document: Option<&str>) -> (bool, Vec<String>) {
        let times = HashSet::from(["until".to_owned()]);
        let outcome = outcome_of(document.map(str::as_bytes), &times, 5);
        (outcome.allow, outcome.reasons.into_iter().map(|reason| reason.code).collect())
    }

    #[test]
    fn reads_a_decision_and_sorts_its_reasons() {
        assert_eq!(codes(Some(DENIAL)), (false, vec!["A".to_owned(), "B".to_owned()]));
        assert_eq!(codes(Some(ALLOW)), (true, vec![]));
        let outcome = outcome_of(Some(DENIAL.as_bytes()), &HashSet::from(["until".to_owned()]), 5);
        let until = outcome.reasons.last().and_then(|reason| reason.details.get("until").cloned());
        assert_eq!(until, Some("1970-01-01T00:00:00Z".into()));
    }

    #[test]
    fn times_are_written_wherever_they_stand() {
        let mut document = json!({
            "until": 0, "from": [0, [1], "x", null], "n": [0, 1],
            "scopes": [{"until": 1000, "n": 1000}, [{"deep": {"from": 2000}}]],
            "nested": {"until": 0.5, "n": 0}});
        let times = HashSet::from(["until".to_owned(), "from".to_owned()]);
        if let Value::Object(members) = &mut document {
            write_times(members, &times);
        }
        assert_eq!(
            document,
            json!({
                "until": "1970-01-01T00:00:00Z",
                "from": ["1970-01-01T00:00:00Z", ["1970-01-01T00:00:00.001Z"], "x", null], "n": [0, 1],
                "scopes": [{"until": "1970-01-01T00:00:01Z", "n": 1000},
                           [{"deep": {"from": "1970-01-01T00:00:02Z"}}]],
                "nested": {"until": 0.5, "n": 0}})
        );
    }

    #[test]
    fn everything_else_is_a_policy_error() {
        let error = (false, vec!["POLICY_ERROR".to_owned()]);
        for document in [None, Some(""), Some("true"), Some("{}"), Some("[]")] {
            assert_eq!(codes(document), error, "{document:?}");
        }
        for (from, to) in [
            (r#""allow":true"#, r#""allow":"true""#),
            (r#""allow":true"#, r#""allow":1"#),
            (r#""allow":true"#, r#""allow":null"#),
            (r#""allow":true,"#, ""),
            (r#""allow":true"#, r#""allow":false"#),
            (r#""obligations":[]"#, r#""obligations":[{"type":"x"}]"#),
            (r#""obligations":[],"#, ""),
            (r#","valid_until":null"#, ""),
            (r#""accountable":{"kvk":"1"},"#, ""),
            (r#""valid_until":null"#, r#""valid_until":"1""#),
            (r#""valid_until":null"#, r#""valid_until":5"#),
            (r#""notices":[]"#, r#""notices":[],"more":1"#),
        ] {
            assert_eq!(codes(Some(&ALLOW.replacen(from, to, 1))), error, "{to}");
        }
        assert_eq!(codes(Some(&DENIAL.replacen("false", "true", 1))), error, "an allow with reasons");
    }
}
