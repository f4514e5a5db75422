//! One JSON Schema of a bundle: what a document must be, and where its times stand.

use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::LocationSegment;
use jsonschema::{Draft, ValidationError, Validator};
use serde_json::{Value, json};

use super::formats::{DATE_TIME, ELFPROEF, date_time, elfproef};
use super::times::Times;
use crate::error::LoadError;

pub struct Schema {
    text: Value,
    validator: Validator,
    /// Of documents as they are stored, with times as numbers.
    stored: Validator,
    times: Option<Times>,
}

impl Schema {
    /// Compiles the schema text; `name` is its path in the bundle.
    pub fn load(name: &str, text: &[u8]) -> Result<Self, LoadError> {
        let refuse = |why: String| LoadError(format!("{name}: {why}"));
        let schema: Value = serde_json::from_slice(text).map_err(|error| refuse(format!("not JSON: {error}")))?;
        refuse_unknown_formats(&schema).map_err(refuse)?;
        let compiled = |schema: &Value| {
            jsonschema::options()
                .with_draft(Draft::Draft202012)
                .offline()
                .should_validate_formats(true)
                .with_format(ELFPROEF, elfproef)
                .with_format(DATE_TIME, date_time)
                .build(schema)
                .map_err(|error| refuse(format!("not a JSON Schema: {error}")))
        };
        let stored = compiled(&with_times_as_numbers(schema.clone()))?;
        Ok(Self { validator: compiled(&schema)?, stored, times: Times::of(&schema), text: schema })
    }

    /// As `check`, for a document as it is stored.
    pub fn check_stored(&self, document: &Value) -> Result<(), (String, String)> {
        self.stored.validate(document).map_err(|error| explain(&error, None))
    }

    /// Checks a document; the error is (path of the field, sentence without the value).
    pub fn check(&self, document: &Value) -> Result<(), (String, String)> {
        self.validator.validate(document).map_err(|error| explain(&error, self.title(&error)))
    }

    /// What the schema calls the value at fault: its `title`, which says to people what a pattern means.
    fn title(&self, error: &ValidationError<'_>) -> Option<&str> {
        let (place, _) = error.schema_path().as_str().rsplit_once('/')?;
        // The title of a whole document is the name of its kind.
        let titled = (!place.is_empty()).then(|| self.text.pointer(place))??;
        titled.get("title")?.as_str()
    }

    /// Replaces RFC 3339 texts by epoch milliseconds, in a document that was checked.
    pub fn times_to_numbers(&self, document: &mut Value) {
        if let Some(times) = &self.times {
            times.to_numbers(document);
        }
    }

    /// The reverse of `times_to_numbers`.
    pub fn times_to_texts(&self, document: &mut Value) {
        if let Some(times) = &self.times {
            times.to_texts(document);
        }
    }
}

/// The schema of what `times_to_numbers` makes of the documents of this one.
fn with_times_as_numbers(schema: Value) -> Value {
    match schema {
        Value::Object(members) if members.get("format").and_then(Value::as_str) == Some(DATE_TIME) => {
            json!({"type": "integer"})
        }
        Value::Object(members) => {
            members.into_iter().map(|(name, member)| (name, with_times_as_numbers(member))).collect()
        }
        Value::Array(items) => items.into_iter().map(with_times_as_numbers).collect(),
        other => other,
    }
}

fn explain(error: &ValidationError<'_>, title: Option<&str>) -> (String, String) {
    let mut field = String::new();
    for segment in error.instance_path().segments() {
        match segment {
            LocationSegment::Property(name) => push_member(&mut field, &name),
            LocationSegment::Index(index) => field.push_str(&format!("[{index}]")),
        }
    }
    let message = match error.kind() {
        ValidationErrorKind::Required { property } => {
            push_member(&mut field, property.as_str().unwrap_or_default());
            "is required".to_owned()
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            push_member(&mut field, unexpected.first().map_or("", String::as_str));
            "is not a known field here".to_owned()
        }
        ValidationErrorKind::Format { format } if format == DATE_TIME => {
            "is not a time: write RFC 3339 with its zone, e.g. 2026-03-02T09:00:00Z".to_owned()
        }
        ValidationErrorKind::Format { format } if format == ELFPROEF => "does not pass the elfproef".to_owned(),
        kind => match title {
            Some(title) if is_about_form(kind) => format!("must be {title}"),
            // Masked: a value may be a citizen's number.
            _ => error.masked().to_string(),
        },
    };
    (field, message)
}

/// The failures that a library can only explain by regular expressions and keywords.
fn is_about_form(kind: &ValidationErrorKind) -> bool {
    matches!(
        kind,
        ValidationErrorKind::Pattern { .. }
            | ValidationErrorKind::AnyOf { .. }
            | ValidationErrorKind::OneOfNotValid { .. }
            | ValidationErrorKind::OneOfMultipleValid { .. }
    )
}

fn push_member(field: &mut String, name: &str) {
    if !field.is_empty() {
        field.push('.');
    }
    field.push_str(name);
}

/// A format that nobody checks would be a check that silently is none.
fn refuse_unknown_formats(schema: &Value) -> Result<(), String> {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(format)) = members.get("format")
                && format != DATE_TIME
                && format != ELFPROEF
            {
                return Err(format!("the format {format:?} is not known; known are {DATE_TIME} and {ELFPROEF}"));
            }
            members.values().try_for_each(refuse_unknown_formats)
        }
        Value::Array(items) => items.iter().try_for_each(refuse_unknown_formats),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use serde_json::{Value, json};

    use super::Schema;

    fn refused(schema: &Value, document: &Value) -> (String, String) {
        let schema = Schema::load("x", schema.to_string().as_bytes()).expect("a schema");
        schema.check(document).expect_err("not valid")
    }

    #[test]
    fn a_title_says_what_a_pattern_means() {
        let number = json!({"type": "string", "pattern": "^[0-9]{8}$", "title": "a KvK number: eight digits"});
        let schema = json!({
            "title": "An employer",
            "$defs": {"kvk": number},
            "properties": {
                "kvk": number, "others": {"items": {"$ref": "#/$defs/kvk"}},
                "bare": {"pattern": "^x$"},
                "said": {"title": "either yes or no", "oneOf": [{"required": ["yes"]}, {"required": ["no"]}]}},
            "anyOf": [{"required": ["kvk"]}, {"required": ["bare"]}]});
        for (document, field, message) in [
            (json!({"kvk": "1"}), "kvk", "must be a KvK number: eight digits"),
            (
                json!({"kvk": "12345678", "others": ["87654321", "x"]}),
                "others[1]",
                "must be a KvK number: eight digits",
            ),
            (json!({"bare": "x", "said": {}}), "said", "must be either yes or no"),
            (json!({"bare": "x", "said": {"yes": 1, "no": 1}}), "said", "must be either yes or no"),
            (json!({"kvk": 12_345_678}), "kvk", r#"value is not of type "string""#),
            (json!({"bare": "y"}), "bare", r#"value does not match "^x$""#),
            (json!({}), "", "value is not valid under any of the schemas listed in the 'anyOf' keyword"),
        ] {
            assert_eq!(refused(&schema, &document), (field.to_owned(), message.to_owned()));
        }
    }
}
