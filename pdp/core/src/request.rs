//! One question in the AuthZEN information model, checked and in canonical form.

use serde_json::{Map, Value};

use crate::error::InvalidRequest;
use crate::records::StateToken;
use crate::strict_json;
use crate::timestamp;

/// Longest `type` or `name`, in bytes.
const MAX_NAME: usize = 256;
/// Longest `id`, in bytes.
const MAX_ID: usize = 1_024;
/// Room made at first for the canonical text.
const TYPICAL_BYTES: usize = 1_536;

/// What reaches the policy, what governs the decision itself, and the canonical text of the former.
pub struct Request {
    /// `{"action", "context", "resource", "subject"}`, properties and context always present, without the
    /// members of the context that are the service's own.
    pub document: Value,
    /// `context.time`, epoch milliseconds.
    pub time: Option<i64>,
    /// A state to decide on, or a later one.
    pub at_least_as_fresh: Option<StateToken>,
    /// Whether the caller keeps answers under a watch.
    pub cacheable: bool,
    text: Vec<u8>,
    /// Where `,"resource"` starts in the text: what sorts before and after `"records"`.
    split: usize,
}

impl Request {
    /// Reads an AuthZEN JSON text; members that the model does not know are ignored, as AuthZEN asks.
    pub fn from_json(text: &[u8]) -> Result<Self, InvalidRequest> {
        let value = strict_json::parse(text)
            .map_err(|why| InvalidRequest::new("", format!("is not a JSON document: {why}")))?;
        let Value::Object(mut members) = value else {
            return Err(InvalidRequest::new("", "must be a JSON object"));
        };
        Self::from_parts(RawRequest::take(&mut members)?)
    }

    /// Checks the parts that every request has and brings them into canonical form.
    pub fn from_parts(raw: RawRequest) -> Result<Self, InvalidRequest> {
        let subject = entity("subject", raw.subject, &[("type", MAX_NAME), ("id", MAX_ID)])?;
        let action = entity("action", raw.action, &[("name", MAX_NAME)])?;
        let resource = entity("resource", raw.resource, &[("type", MAX_NAME), ("id", MAX_ID)])?;
        let mut context = raw.context;
        let time = take_time(&mut context)?;
        for own in ["traceparent", "tracestate"] {
            take_text(&mut context, "context", own)?;
        }
        let at_least_as_fresh = match raw.at_least_as_fresh.as_deref() {
            None | Some("") => None,
            Some(token) => Some(StateToken::parse(token).ok_or_else(|| {
                InvalidRequest::new("at_least_as_fresh", "is not a state token of this service")
            })?),
        };
        let mut text = Vec::with_capacity(TYPICAL_BYTES);
        text.extend_from_slice(b"{\"action\":");
        write(&mut text, &action);
        text.extend_from_slice(b",\"context\":");
        write(&mut text, &context);
        let split = text.len();
        text.extend_from_slice(b",\"resource\":");
        write(&mut text, &resource);
        text.extend_from_slice(b",\"subject\":");
        write(&mut text, &subject);
        let document = Value::Object(Map::from_iter([
            ("action".to_owned(), action),
            ("context".to_owned(), Value::Object(context)),
            ("resource".to_owned(), resource),
            ("subject".to_owned(), subject),
        ]));
        Ok(Self { document, time, at_least_as_fresh, cacheable: raw.cacheable, text, split })
    }

    /// Everything that the policy sees of the request: equal requests have equal texts.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The canonical text in two pieces, around the place of the member `records`; braces left open.
    pub fn around_records(&self) -> (&[u8], &[u8]) {
        self.text.split_at_checked(self.split).unwrap_or((&self.text, &[]))
    }
}

/// The parts as a door read them, before any check.
#[derive(Debug, Clone, Default)]
pub struct RawRequest {
    pub subject: Option<Map<String, Value>>,
    pub action: Option<Map<String, Value>>,
    pub resource: Option<Map<String, Value>>,
    pub context: Map<String, Value>,
    pub at_least_as_fresh: Option<String>,
    pub cacheable: bool,
}

impl RawRequest {
    /// Takes the members of the model out of an AuthZEN object; others stay behind.
    pub fn take(members: &mut Map<String, Value>) -> Result<Self, InvalidRequest> {
        Ok(Self {
            subject: take_object(members, "subject")?,
            action: take_object(members, "action")?,
            resource: take_object(members, "resource")?,
            context: take_object(members, "context")?.unwrap_or_default(),
            at_least_as_fresh: take_text(members, "", "at_least_as_fresh")?,
            // Watches are served over gRPC only.
            cacheable: false,
        })
    }
}

/// Canonical JSON: members are kept sorted, and writing to memory does not fail.
fn write(text: &mut Vec<u8>, value: &impl serde::Serialize) {
    let written = serde_json::to_writer(text, value);
    debug_assert!(written.is_ok());
}

fn entity(
    name: &str,
    members: Option<Map<String, Value>>,
    required: &[(&str, usize)],
) -> Result<Value, InvalidRequest> {
    let mut members = members.ok_or_else(|| InvalidRequest::new(name, "is required"))?;
    let mut out = Map::new();
    for (field, longest) in required {
        let path = || format!("{name}.{field}");
        let text = take_text(&mut members, name, field)?;
        let text = text.ok_or_else(|| InvalidRequest::new(path(), "is required"))?;
        if text.is_empty() {
            return Err(InvalidRequest::new(path(), "must not be empty"));
        }
        if text.len() > *longest {
            return Err(InvalidRequest::new(path(), format!("must have at most {longest} bytes")));
        }
        out.insert((*field).to_owned(), Value::String(text));
    }
    let properties = match members.remove("properties") {
        None => Map::new(),
        Some(Value::Object(properties)) => properties,
        Some(_) => return Err(InvalidRequest::new(format!("{name}.properties"), "must be an object")),
    };
    out.insert("properties".to_owned(), Value::Object(properties));
    Ok(Value::Object(out))
}

fn take_time(context: &mut Map<String, Value>) -> Result<Option<i64>, InvalidRequest> {
    let Some(text) = take_text(context, "context", "time")? else { return Ok(None) };
    let moment = timestamp::parse(&text).ok_or_else(|| {
        InvalidRequest::new(
            "context.time",
            "is not a time: write RFC 3339 with its zone, e.g. 2026-03-02T09:00:00Z",
        )
    })?;
    Ok(Some(moment))
}

fn take_text(
    members: &mut Map<String, Value>,
    parent: &str,
    name: &str,
) -> Result<Option<String>, InvalidRequest> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => {
            let path = if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
            Err(InvalidRequest::new(path, "must be a text"))
        }
    }
}

/// A member that must be an object where it is there.
pub fn take_object(
    members: &mut Map<String, Value>,
    name: &str,
) -> Result<Option<Map<String, Value>>, InvalidRequest> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(InvalidRequest::new(name, "must be an object")),
    }
}

#[cfg(test)]
mod tests {
    use super::Request;

    fn field_of(text: &str) -> Option<String> {
        Request::from_json(text.as_bytes()).err().map(|error| error.field)
    }

    const GOOD: &str = r#"{"subject":{"type":"u","id":"1"},"action":{"name":"read"},
        "resource":{"type":"w","id":"2"},"context":{"time":"2026-03-02T09:00:00Z","ip":"::1","traceparent":"00"}}"#;

    #[test]
    fn the_canonical_text_leaves_out_time_and_trace() -> Result<(), crate::error::InvalidRequest> {
        let request = Request::from_json(GOOD.as_bytes())?;
        assert_eq!(request.time, Some(1_772_442_000_000));
        let (head, tail) = request.around_records();
        assert_eq!(head, br#"{"action":{"name":"read","properties":{}},"context":{"ip":"::1"}"#);
        assert_eq!(tail, br#","resource":{"id":"2","properties":{},"type":"w"},"subject":{"id":"1","properties":{},"type":"u"}"#);
        Ok(())
    }

    #[test]
    fn names_the_field_that_is_wrong() {
        assert_eq!(field_of(GOOD), None);
        for (from, to, field) in [
            (r#""id":"1""#, r#""id":1"#, "subject.id"),
            (r#""id":"1""#, r#""id":"""#, "subject.id"),
            (r#","id":"1""#, "", "subject.id"),
            (r#""name":"read""#, r#""name":null"#, "action.name"),
            (r#"{"name":"read"}"#, "5", "action"),
            (r#""id":"2""#, r#""id":"2","properties":[]"#, "resource.properties"),
            ("2026-03-02T09", "2026-13-02T09", "context.time"),
            (r#""ip":"::1""#, r#""tracestate":7"#, "context.tracestate"),
            (r#""ip":"::1""#, r#""ip":"a","ip":"b""#, ""),
        ] {
            assert_eq!(field_of(&GOOD.replacen(from, to, 1)).as_deref(), Some(field), "{to}");
        }
    }
}
