//! Where a schema says `format: date-time`, and the conversion of just those values.

use serde_json::Value;

use super::formats::DATE_TIME;
use crate::timestamp;

/// A schema that refers to itself is followed this far.
const MAX_REFERENCES: usize = 8;

/// The places of times in a document: a time here, in members, in all other members, in items.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Times {
    here: bool,
    members: Vec<(String, Times)>,
    others: Option<Box<Times>>,
    items: Option<Box<Times>>,
}

impl Times {
    /// The places named by a schema; None: it names none.
    pub fn of(schema: &Value) -> Option<Self> {
        let mut times = Self::default();
        times.collect(schema, schema, MAX_REFERENCES);
        times.any().then_some(times)
    }

    fn any(&self) -> bool {
        self.here
            || self.members.iter().any(|(_, times)| times.any())
            || self.others.is_some()
            || self.items.is_some()
    }

    fn collect(&mut self, schema: &Value, root: &Value, references: usize) {
        if schema.get("format").and_then(Value::as_str) == Some(DATE_TIME) {
            self.here = true;
        }
        for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            self.member(name, member, root, references);
        }
        if let Some(others) = schema.get("additionalProperties").filter(|others| others.is_object()) {
            merge(&mut self.others, others, root, references);
        }
        if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
            merge(&mut self.items, items, root, references);
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            for part in schema.get(keyword).and_then(Value::as_array).into_iter().flatten() {
                self.collect(part, root, references);
            }
        }
        for keyword in ["then", "else"] {
            if let Some(part) = schema.get(keyword) {
                self.collect(part, root, references);
            }
        }
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
        if let (Some(referred), Some(left)) =
            (target.and_then(|target| root.pointer(target)), references.checked_sub(1))
        {
            self.collect(referred, root, left);
        }
    }

    /// A member without times is kept too: what is said of all other members is not said of it.
    fn member(&mut self, name: &str, schema: &Value, root: &Value, references: usize) {
        if let Some((_, known)) = self.members.iter_mut().find(|(known, _)| known == name) {
            known.collect(schema, root, references);
            return;
        }
        let mut times = Self::default();
        times.collect(schema, root, references);
        self.members.push((name.to_owned(), times));
    }

    /// RFC 3339 text → epoch milliseconds.
    pub fn to_numbers(&self, value: &mut Value) {
        self.convert(value, &|value| value.as_str().and_then(timestamp::parse).map(Value::from));
    }

    /// Epoch milliseconds → RFC 3339 text.
    pub fn to_texts(&self, value: &mut Value) {
        self.convert(value, &|value| value.as_i64().and_then(timestamp::format).map(Value::from));
    }

    fn convert(&self, value: &mut Value, how: &dyn Fn(&Value) -> Option<Value>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match self.members.iter().find(|(known, _)| known == name) {
                        Some((_, times)) => times.convert(member, how),
                        None => self.others.iter().for_each(|times| times.convert(member, how)),
                    }
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.items.iter().for_each(|times| times.convert(item, how));
                }
            }
            leaf if self.here => {
                if let Some(converted) = how(leaf) {
                    *leaf = converted;
                }
            }
            _ => {}
        }
    }
}

fn merge(into: &mut Option<Box<Times>>, schema: &Value, root: &Value, references: usize) {
    let mut times = into.take().unwrap_or_default();
    times.collect(schema, root, references);
    *into = times.any().then_some(times);
}

#[cfg(test)]
mod tests {
    use super::Times;
    use serde_json::json;

    #[test]
    fn converts_times_and_nothing_else() {
        let schema = json!({
            "$defs": {"moment": {"type": "string", "format": "date-time"}},
            "properties": {
                "from": {"$ref": "#/$defs/moment"},
                "note": {"type": "string"},
                "terms": {"items": {"oneOf": [{"properties": {"accepted_at": {"format": "date-time"}}},
                                              {"properties": {"rejected_at": {"format": "date-time"}}}]}}}});
        let times = Times::of(&schema).unwrap_or_default();
        let written = json!({"from": "1970-01-01T00:00:01Z", "note": "1970-01-01T00:00:01Z",
            "terms": [{"accepted_at": "1970-01-01T00:00:02Z"}, {"rejected_at": "1970-01-01T00:00:03Z"}]});
        let mut document = written.clone();
        times.to_numbers(&mut document);
        assert_eq!(
            document,
            json!({"from": 1000, "note": "1970-01-01T00:00:01Z",
            "terms": [{"accepted_at": 2000}, {"rejected_at": 3000}]})
        );
        times.to_texts(&mut document);
        assert_eq!(document, written);
    }

    #[test]
    fn leaves_a_named_member_alone_when_all_others_are_times() {
        let schema = json!({
            "properties": {"note": {"type": "string"}},
            "additionalProperties": {"type": "string", "format": "date-time"}});
        let mut document = json!({"note": "1970-01-01T00:00:01Z", "from": "1970-01-01T00:00:01Z"});
        Times::of(&schema).unwrap_or_default().to_numbers(&mut document);
        assert_eq!(document, json!({"note": "1970-01-01T00:00:01Z", "from": 1000}));
        assert_eq!(Times::of(&json!({"properties": {"note": {"type": "string"}}})), None);
    }
}
