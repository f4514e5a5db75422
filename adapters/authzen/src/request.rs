//! Reading: an AuthZEN body becomes questions for the core. Members that AuthZEN does not know are ignored.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use pdp_core::error::InvalidRequest;
use pdp_core::request::{RawRequest, Request, take_object};
use pdp_core::strict_json;
use serde_json::{Map, Value};

use crate::error::Refusal;

/// Most evaluations in one call.
pub const MOST_EVALUATIONS: usize = 1_000;

/// Whether a body is JSON, by the only Content-Type of its request.
pub fn check_content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (one, other) = (types.next().and_then(|value| value.to_str().ok()), types.next());
    let mut parts = one.unwrap_or_default().split(';').map(str::trim);
    let json = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.all(|part| match part.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    if json && utf8 && other.is_none() {
        return Ok(());
    }
    Err(Refusal::bad_request("Content-Type", "must be application/json"))
}

/// The members of a body.
pub fn read(body: &[u8]) -> Result<Map<String, Value>, InvalidRequest> {
    if body.trim_ascii().is_empty() {
        return Err(InvalidRequest::new("", "has no body"));
    }
    match strict_json::parse(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(InvalidRequest::new("", "must be a JSON object")),
        Err(why) => Err(InvalidRequest::new("", format!("is not a JSON document: {why}"))),
    }
}

/// Takes `context.time` out of a body, and out of each of its evaluations.
pub fn leave_out_time(members: &mut Map<String, Value>) {
    let evaluations = members.get_mut("evaluations").and_then(Value::as_array_mut);
    let items = evaluations.into_iter().flatten().filter_map(Value::as_object_mut);
    for item in items {
        item.get_mut("context").and_then(Value::as_object_mut).map(|context| context.remove("time"));
    }
    members.get_mut("context").and_then(Value::as_object_mut).map(|context| context.remove("time"));
}

/// When a call with several evaluations ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Semantic {
    ExecuteAll,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

impl Semantic {
    /// Whether nothing is decided after this; `allowed` is false for what could not be decided too.
    pub fn ends_with(self, allowed: bool) -> bool {
        match self {
            Self::ExecuteAll => false,
            Self::DenyOnFirstDeny => !allowed,
            Self::PermitOnFirstPermit => allowed,
        }
    }
}

/// A call to the evaluations endpoint.
pub enum Evaluations {
    /// No evaluations, or an empty list: as at the evaluation endpoint.
    One(RawRequest),
    Several(Several),
}

pub struct Several {
    defaults: RawRequest,
    items: Vec<Value>,
    most_bytes: usize,
    pub semantic: Semantic,
}

impl Evaluations {
    /// `most_bytes` bounds each question, as it bounds the body of one: members of the call stand in for those of a
    /// thousand.
    pub fn read(mut members: Map<String, Value>, most_bytes: usize) -> Result<Self, InvalidRequest> {
        let semantic = semantic(&mut members)?;
        let items = match members.remove("evaluations") {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(InvalidRequest::new("evaluations", "must be a list")),
        };
        if items.len() > MOST_EVALUATIONS {
            let message = format!("has {} evaluations; at most {MOST_EVALUATIONS} are read", items.len());
            return Err(InvalidRequest::new("evaluations", message));
        }
        let defaults = RawRequest::take(&mut members)?;
        let bytes = length(&defaults);
        if bytes > most_bytes {
            return Err(InvalidRequest::too_long(bytes, most_bytes));
        }
        if items.is_empty() {
            return Ok(Self::One(defaults));
        }
        Ok(Self::Several(Several { defaults, items, most_bytes, semantic }))
    }
}

impl Several {
    /// The questions in their order. One that is wrong is so alone.
    pub fn requests(self) -> impl ExactSizeIterator<Item = Result<Request, InvalidRequest>> {
        let Self { defaults, items, most_bytes, .. } = self;
        items.into_iter().map(move |item| {
            let request = Request::from_parts(completed(&defaults, item)?)?;
            let bytes = request.text().len();
            if bytes > most_bytes { Err(InvalidRequest::too_long(bytes, most_bytes)) } else { Ok(request) }
        })
    }
}

/// Bytes of the members that reach the policy, as JSON.
fn length(raw: &RawRequest) -> usize {
    let entities = [&raw.subject, &raw.action, &raw.resource].into_iter().flatten().chain([&raw.context]);
    entities
        .map(|entity| serde_json::to_vec(entity).map_or(usize::MAX, |text| text.len()))
        .fold(0, usize::saturating_add)
}

fn semantic(members: &mut Map<String, Value>) -> Result<Semantic, InvalidRequest> {
    let mut options = take_object(members, "options")?.unwrap_or_default();
    let name = match options.remove("evaluations_semantic") {
        None => return Ok(Semantic::ExecuteAll),
        Some(Value::String(name)) => name,
        Some(_) => return Err(InvalidRequest::new("options.evaluations_semantic", "must be a text")),
    };
    match name.as_str() {
        "execute_all" => Ok(Semantic::ExecuteAll),
        "deny_on_first_deny" => Ok(Semantic::DenyOnFirstDeny),
        "permit_on_first_permit" => Ok(Semantic::PermitOnFirstPermit),
        _ => {
            let message = "must be execute_all, deny_on_first_deny or permit_on_first_permit";
            Err(InvalidRequest::new("options.evaluations_semantic", message))
        }
    }
}

/// An item of `evaluations` with the call's own members where it has none: whole ones, never parts of one and of
/// the other, save for what `identified` says.
fn completed(defaults: &RawRequest, item: Value) -> Result<RawRequest, InvalidRequest> {
    let Value::Object(mut members) = item else {
        return Err(InvalidRequest::new("", "must be a JSON object"));
    };
    let has_context = members.contains_key("context");
    let own = RawRequest::take(&mut members)?;
    Ok(RawRequest {
        subject: identified(own.subject, defaults.subject.as_ref()),
        action: own.action.or_else(|| defaults.action.clone()),
        resource: identified(own.resource, defaults.resource.as_ref()),
        context: if has_context { own.context } else { defaults.context.clone() },
        at_least_as_fresh: own.at_least_as_fresh.or_else(|| defaults.at_least_as_fresh.clone()),
        cacheable: false,
    })
}

/// An entity without a type is of the default's type, and one without an id that is of the default's type has its id
/// (certification scenario C-3.2.7). A type is never put together with the id of another type.
fn identified(
    own: Option<Map<String, Value>>,
    default: Option<&Map<String, Value>>,
) -> Option<Map<String, Value>> {
    let (mut own, default) = match (own, default) {
        (None, default) => return default.cloned(),
        (own, None) => return own,
        (Some(own), Some(default)) => (own, default),
    };
    if let (false, Some(of)) = (own.contains_key("type"), default.get("type")) {
        own.insert("type".to_owned(), of.clone());
    }
    if let (false, Some(id)) = (own.contains_key("id"), default.get("id"))
        && own.get("type") == default.get("type")
    {
        own.insert("id".to_owned(), id.clone());
    }
    Some(own)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};
    use pdp_core::request::{RawRequest, Request};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{Evaluations, check_content_type, read};

    fn documents(body: &Value) -> Vec<Result<Value, String>> {
        let members = read(body.to_string().as_bytes()).expect("an object");
        let Evaluations::Several(several) = Evaluations::read(members, 10_000).expect("evaluations") else {
            panic!("not several");
        };
        several
            .requests()
            .map(|request| request.map(|request| request.document).map_err(|error| error.field))
            .collect()
    }

    #[test]
    fn defaults_are_whole_entities() {
        let documents = documents(&json!({
            "subject": {"type": "user", "id": "1", "properties": {"role": "admin"}},
            "action": {"name": "read", "properties": {"soft": true}},
            "resource": {"type": "record", "id": "7", "properties": {"status": "active"}},
            "context": {"ip": "::1"},
            "evaluations": [
                {},
                {"subject": {"type": "user", "id": "2"}, "action": {"name": "write"}, "context": {}},
                {"resource": {"id": "8"}},
                {"resource": {"properties": {"status": "archived"}}},
                {"resource": {"type": "folder"}},
                {"subject": "alice"},
                5,
            ],
        }));
        let subject = json!({"type": "user", "id": "1", "properties": {"role": "admin"}});
        let action = json!({"name": "read", "properties": {"soft": true}});
        let resource = |id: &str, properties: Value| json!({"type": "record", "id": id, "properties": properties});
        let expected = [
            Ok(json!({"subject": subject, "action": action, "context": {"ip": "::1"},
                "resource": resource("7", json!({"status": "active"}))})),
            Ok(json!({"subject": {"type": "user", "id": "2", "properties": {}}, "context": {},
                "action": {"name": "write", "properties": {}}, "resource": resource("7", json!({"status": "active"}))})),
            Ok(json!({"subject": subject, "action": action, "context": {"ip": "::1"},
                "resource": resource("8", json!({}))})),
            Ok(json!({"subject": subject, "action": action, "context": {"ip": "::1"},
                "resource": resource("7", json!({"status": "archived"}))})),
            Err("resource.id".to_owned()),
            Err("subject".to_owned()),
            Err(String::new()),
        ];
        assert_eq!(documents, expected);
    }

    #[test]
    fn each_question_is_bounded() {
        let long = "x".repeat(10_000);
        let item = json!({"subject": {"type": "u", "id": "1"}, "action": {"name": "a"},
            "resource": {"type": "r", "id": "1"}, "context": {"a": long}});
        assert_eq!(documents(&json!({"evaluations": [item]})), [Err(String::new())]);
        let members = read(json!({"context": {"a": long}, "evaluations": [{}]}).to_string().as_bytes());
        let refused = Evaluations::read(members.expect("an object"), 10_000).err().map(|error| error.message);
        assert_eq!(refused.as_deref(), Some("has 10008 bytes; at most 10000 are read"));
    }

    #[test]
    fn names_what_is_wrong_with_the_whole() {
        for (body, field) in [
            (json!({"evaluations": {}}), "evaluations"),
            (json!({"evaluations": null}), "evaluations"),
            (json!({"evaluations": vec![json!({}); super::MOST_EVALUATIONS + 1]}), "evaluations"),
            (json!({"evaluations": [{}], "options": []}), "options"),
            (json!({"evaluations": [{}], "options": {"evaluations_semantic": 1}}), "options.evaluations_semantic"),
            (
                json!({"evaluations": [{}], "options": {"evaluations_semantic": "any"}}),
                "options.evaluations_semantic",
            ),
            (json!({"evaluations": [{}], "subject": "alice"}), "subject"),
            (json!({"evaluations": [], "context": 1}), "context"),
        ] {
            let members = read(body.to_string().as_bytes()).expect("an object");
            assert_eq!(
                Evaluations::read(members, 10_000).err().map(|error| error.field).as_deref(),
                Some(field),
                "{body}"
            );
        }
    }

    #[test]
    fn a_body_is_one_json_object_in_utf_8() {
        for body in [&b""[..], b" \n", b"[]", b"null", b"{", b"{} {}", b"{\"a\":1,\"a\":2}", b"{\"a\":\"\xff\"}"] {
            assert!(read(body).is_err(), "{body:?}");
        }
        for (content_type, good) in [
            ("application/json", true),
            ("Application/JSON; charset=\"UTF-8\"", true),
            ("application/json; charset=iso-8859-1", false),
            ("application/json, text/plain", false),
            ("application/problem+json", false),
            ("text/plain", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(super::CONTENT_TYPE, HeaderValue::from_static(content_type))]);
            assert_eq!(check_content_type(&headers).is_ok(), good, "{content_type}");
        }
        assert!(check_content_type(&HeaderMap::new()).is_err());
        let mut twice = HeaderMap::new();
        twice.append(super::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        twice.append(super::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert!(check_content_type(&twice).is_err());
    }

    /// Bodies that are nearly right.
    fn bodies() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-z]{0,4}".prop_map(Value::from),
        ];
        let name = prop::sample::select(vec![
            "subject",
            "action",
            "resource",
            "context",
            "type",
            "id",
            "name",
            "properties",
            "evaluations",
            "options",
            "evaluations_semantic",
            "time",
        ]);
        leaf.prop_recursive(5, 40, 6, move |inner| {
            let members = proptest::collection::vec((name.clone(), inner.clone()), 0..6);
            prop_oneof![
                proptest::collection::vec(inner, 0..4).prop_map(Value::from),
                members.prop_map(|members| {
                    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
                }),
            ]
        })
    }

    proptest! {
        /// Whatever comes: an error, or questions that name a subject, an action and a resource.
        #[test]
        fn a_question_names_its_entities(body in bodies()) {
            let Ok(members) = read(body.to_string().as_bytes()) else { return Ok(()) };
            let requests: Vec<_> = match Evaluations::read(members.clone(), 10_000) {
                Err(_) => Vec::new(),
                Ok(Evaluations::One(raw)) => vec![Request::from_parts(raw)],
                Ok(Evaluations::Several(several)) => several.requests().collect(),
            };
            let one = RawRequest::take(&mut members.clone()).and_then(Request::from_parts);
            for request in requests.into_iter().chain([one]).flatten() {
                for (entity, name) in
                    [("subject", "type"), ("subject", "id"), ("action", "name"), ("resource", "type"), ("resource", "id")]
                {
                    let text = request.document[entity][name].as_str();
                    prop_assert!(text.is_some_and(|text| !text.is_empty()));
                }
            }
        }

        #[test]
        fn survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes).map(|members| Evaluations::read(members, 10_000));
        }
    }
}
