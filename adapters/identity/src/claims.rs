//! Reads claims that brokers send in several shapes: a text, a list with one text, a boolean as text, nothing as "".

use serde_json::{Map, Value};

use crate::facts::Restricting;
use crate::problem::Problem;

pub type Claims = Map<String, Value>;

/// A claim with at most one value. Empty, null and the empty list are missing. Numbers are refused: one has lost its
/// leading zeros, or may have.
pub fn one(claims: &Claims, name: &str) -> Result<Option<String>, Problem> {
    match restricting(claims, name)? {
        Restricting::Present(text) => Ok(Some(text)),
        Restricting::Absent | Restricting::Empty => Ok(None),
    }
}

/// A claim with at most one value whose absence widens what the login may do.
pub fn restricting(claims: &Claims, name: &str) -> Result<Restricting, Problem> {
    match claims.get(name) {
        None => Ok(Restricting::Absent),
        Some(value) => {
            let mut texts = texts(value)?;
            match (texts.pop(), texts.is_empty()) {
                (None, _) => Ok(Restricting::Empty),
                (Some(text), true) => Ok(Restricting::Present(text)),
                (Some(_), false) => Err(Problem::ClaimMalformed),
            }
        }
    }
}

/// A claim with any number of values.
pub fn many(claims: &Claims, name: &str) -> Result<Vec<String>, Problem> {
    claims.get(name).map_or_else(|| Ok(Vec::new()), texts)
}

/// A boolean as such, or as XML Schema writes one.
pub fn boolean(claims: &Claims, name: &str) -> Result<Option<bool>, Problem> {
    if let Some(Value::Bool(value)) = claims.get(name) {
        return Ok(Some(*value));
    }
    match one(claims, name)?.as_deref() {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(_) => Err(Problem::ClaimMalformed),
    }
}

/// The texts of a value; an empty text among several is refused rather than left out.
fn texts(value: &Value) -> Result<Vec<String>, Problem> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Array(items) => match items.as_slice() {
            [item] if !item.is_array() => texts(item),
            _ => items
                .iter()
                .map(|item| item.as_str().filter(|text| !text.is_empty()).map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or(Problem::ClaimMalformed),
        },
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => Err(Problem::ClaimMalformed),
    }
}
