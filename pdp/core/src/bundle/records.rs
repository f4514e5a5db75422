//! Record kinds: the check of a document when it is written, and its canonical form.

use serde_json::Value;

use super::Bundle;
use super::declaration::{KindDeclaration, Wait};
use super::path::Template;
use super::schema::Schema;
use crate::error::{InvalidRecord, LoadError};
use crate::strict_json;

/// A kind of record that the bundle declares.
pub struct Kind {
    /// Held whole by every sidecar: declared so, or looked up with `all`.
    pub replicated: bool,
    /// A change waits, unless asked otherwise, until no sidecar decides without it.
    pub barrier: bool,
    schema: Schema,
    key: Option<Template>,
    key_pattern: Option<Schema>,
}

/// A line of an import: the document in canonical form; None deletes the record.
pub struct ImportedLine {
    pub kind: String,
    pub key: String,
    pub document: Option<Vec<u8>>,
}

/// The first line of an import that is refused.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidLine {
    /// Counts from 1.
    pub line: usize,
    pub field: String,
    pub message: String,
}

/// Longest key in bytes: the bounds of the fields that keys are made of.
const MAX_KEY: usize = 2_304;

impl Kind {
    pub(super) fn load(name: &str, declared: &KindDeclaration, schema: Schema) -> Result<Self, LoadError> {
        let key = declared
            .key
            .as_deref()
            .map(Template::parse)
            .transpose()
            .map_err(|why| LoadError(format!("bundle.yaml: kinds.{name}.key: {why}")))?;
        let key_pattern = declared
            .key_pattern
            .as_ref()
            .map(|pattern| {
                let text = serde_json::json!({ "pattern": pattern }).to_string();
                Schema::load(&format!("bundle.yaml: kinds.{name}.key_pattern"), text.as_bytes())
            })
            .transpose()?;
        let barrier = declared.wait == Some(Wait::All);
        Ok(Self { replicated: declared.replicated, barrier, schema, key, key_pattern })
    }

    fn check_key(&self, key: &str, document: Option<&Value>) -> Result<(), String> {
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(format!("must have 1 to {MAX_KEY} bytes"));
        }
        if let Some(pattern) = &self.key_pattern
            && pattern.check(&Value::from(key)).is_err()
        {
            return Err("does not have the form of a key of this kind".to_owned());
        }
        let (Some(template), Some(document)) = (&self.key, document) else { return Ok(()) };
        let mut expected = String::new();
        if !template.fill(document, &mut expected) || expected != key {
            return Err("does not match the document".to_owned());
        }
        Ok(())
    }

    /// (field, message) when refused. Field `key` stands for the key itself.
    fn canonical(&self, key: &str, mut document: Value) -> Result<Vec<u8>, (String, String)> {
        self.schema.check(&document)?;
        self.check_key(key, Some(&document)).map_err(|why| ("key".to_owned(), why))?;
        self.schema.times_to_numbers(&mut document);
        Ok(document.to_string().into_bytes())
    }
}

impl Bundle {
    fn kind(&self, kind: &str) -> Result<&Kind, (String, String)> {
        self.kinds.get(kind).ok_or_else(|| {
            let known: Vec<&str> = self.kinds.keys().map(String::as_str).collect();
            ("kind".to_owned(), format!("{kind:?} is not a kind of this bundle; it has {}", known.join(", ")))
        })
    }

    /// Checks a document and gives its canonical form: compact, members sorted, times as epoch milliseconds.
    pub fn canonical(&self, kind: &str, key: &str, document: &[u8]) -> Result<Vec<u8>, InvalidRecord> {
        let refuse =
            |(field, message)| InvalidRecord { kind: kind.to_owned(), key: key.to_owned(), field, message };
        let value = strict_json::parse(document)
            .map_err(|why| refuse((String::new(), format!("is not a JSON document: {why}"))))?;
        self.kind(kind).and_then(|known| known.canonical(key, value)).map_err(refuse)
    }

    /// A canonical document as a user writes it.
    pub fn readable(&self, kind: &str, document: &[u8]) -> Result<Vec<u8>, InvalidRecord> {
        let refuse =
            |(field, message)| InvalidRecord { kind: kind.to_owned(), key: String::new(), field, message };
        let mut value = strict_json::parse(document).map_err(|why| refuse((String::new(), why)))?;
        self.kind(kind).map_err(refuse)?.schema.times_to_texts(&mut value);
        Ok(value.to_string().into_bytes())
    }

    /// Checks that a document has the shape in which this bundle would have stored it: the store may have been
    /// written under other schemas, or by hand, and a policy counts on what its own schemas promise. Kinds that
    /// the bundle does not declare are never looked up, so they pass.
    pub fn check_stored(&self, kind: &str, key: &str, document: &[u8]) -> Result<(), InvalidRecord> {
        let refuse =
            |(field, message)| InvalidRecord { kind: kind.to_owned(), key: key.to_owned(), field, message };
        let Some(known) = self.kinds.get(kind) else { return Ok(()) };
        let value = strict_json::parse(document)
            .map_err(|why| refuse((String::new(), format!("is not a JSON document: {why}"))))?;
        known.schema.check_stored(&value).map_err(refuse)?;
        known.check_key(key, Some(&value)).map_err(|why| refuse(("key".to_owned(), why)))
    }

    /// Reads whole JSON Lines: `{"kind", "key", "value"}`, value null deletes; blank lines count but say nothing.
    pub fn canonical_lines(&self, lines: &[u8], first_line: usize) -> Result<Vec<ImportedLine>, InvalidLine> {
        let mut imported = Vec::new();
        for (offset, text) in lines.split(|byte| *byte == b'\n').enumerate() {
            if text.trim_ascii().is_empty() {
                continue;
            }
            let refuse =
                |(field, message)| InvalidLine { line: first_line.saturating_add(offset), field, message };
            imported.push(self.canonical_line(text).map_err(refuse)?);
        }
        Ok(imported)
    }

    fn canonical_line(&self, text: &[u8]) -> Result<ImportedLine, (String, String)> {
        let value =
            strict_json::parse(text).map_err(|why| (String::new(), format!("is not a JSON document: {why}")))?;
        let Value::Object(mut line) = value else {
            return Err((String::new(), "must be an object with kind, key and value".to_owned()));
        };
        let kind = take_text(&mut line, "kind")?;
        let key = take_text(&mut line, "key")?;
        let document =
            line.remove("value").ok_or_else(|| ("value".to_owned(), "is required; null deletes".to_owned()))?;
        // An export may carry the version; nothing else belongs on a line.
        line.remove("version");
        if let Some(unknown) = line.keys().next() {
            return Err((unknown.clone(), "is not a known field here".to_owned()));
        }
        let known = self.kind(&kind)?;
        let within = |(field, message): (String, String)| {
            if field == "key" { (field, message) } else { (join("value", &field), message) }
        };
        let document = match document {
            Value::Null => {
                known.check_key(&key, None).map_err(|why| ("key".to_owned(), why))?;
                None
            }
            document => Some(known.canonical(&key, document).map_err(within)?),
        };
        Ok(ImportedLine { kind, key, document })
    }
}

fn take_text(line: &mut serde_json::Map<String, Value>, name: &str) -> Result<String, (String, String)> {
    match line.remove(name) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err((name.to_owned(), "must be a text".to_owned())),
        None => Err((name.to_owned(), "is required".to_owned())),
    }
}

fn join(parent: &str, field: &str) -> String {
    if field.is_empty() { parent.to_owned() } else { format!("{parent}.{field}") }
}
