//! Values of the request in a question: `{fiscal_number}`, `{query.branch}`, `{header.x-purpose}`.
//!
//! `{name?}` may be missing, and leaves out the member that it is the whole of; any other missing value refuses the
//! request. `{{` and `}}` are braces.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use http::{HeaderMap, HeaderName};
use regex::Regex;
use serde_json::{Map, Value};

use crate::error::{Refusal, RoutesError};
use crate::{header, query};

/// Longest inserted value, in bytes.
const MOST_BYTES: usize = 1_024;

/// Where an inserted value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// A segment of the path, by its place among the route's variables.
    Path(usize),
    Query(String),
    Header(HeaderName),
}

#[derive(Debug, Clone)]
struct Insertion {
    source: Source,
    optional: bool,
    /// Of a value of the query or a header; a path whose variables do not match has no route.
    pattern: Option<Regex>,
    default: Option<String>,
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Insertion(Insertion),
}

/// A JSON value with insertions in its texts.
#[derive(Debug, Clone)]
pub enum Template {
    Fixed(Value),
    Text(Pieces),
    Object(Vec<(String, Template)>),
    Array(Vec<Template>),
}

/// The pieces of one text.
#[derive(Debug, Clone)]
pub struct Pieces(Vec<Piece>);

/// What a template may name.
pub struct Names<'a> {
    /// Of the route's path, in order.
    pub variables: &'a [String],
    /// By the name between the braces.
    pub defaults: &'a HashMap<String, String>,
    /// By the same.
    pub patterns: &'a HashMap<&'a str, Regex>,
    /// Those that were read.
    read: RefCell<HashSet<String>>,
}

impl<'a> Names<'a> {
    pub fn new(
        variables: &'a [String],
        defaults: &'a HashMap<String, String>,
        patterns: &'a HashMap<&'a str, Regex>,
    ) -> Self {
        Self { variables, defaults, patterns, read: RefCell::default() }
    }

    /// The names that the templates of the route at this place read. A default that none of them reads is an error.
    pub fn all_read(self, place: &str) -> Result<HashSet<String>, RoutesError> {
        let read = self.read.into_inner();
        match self.defaults.keys().find(|name| !read.contains(*name)) {
            Some(name) => Err(RoutesError::new(format!("{place}.defaults.{name}"), "nothing reads this value")),
            None => Ok(read),
        }
    }
}

/// The values of one request.
pub struct Values<'a> {
    /// In the order of the route's variables.
    pub path: &'a [String],
    pub query: &'a str,
    pub headers: &'a HeaderMap,
}

impl Template {
    pub fn read(value: &Value, place: &str, names: &Names<'_>) -> Result<Self, RoutesError> {
        Ok(match value {
            Value::String(text) => {
                let pieces = Pieces::read(text, place, names)?;
                pieces.fixed().map_or_else(|| Self::Text(pieces.clone()), Self::Fixed)
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                let items = items.map(|(number, item)| Self::read(item, &format!("{place}[{number}]"), names));
                Self::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Object(members) => Self::members(members, place, names)?,
            other => Self::Fixed(other.clone()),
        })
    }

    pub fn members(members: &Map<String, Value>, place: &str, names: &Names<'_>) -> Result<Self, RoutesError> {
        let members = members
            .iter()
            .map(|(name, value)| Ok((name.clone(), Self::read(value, &format!("{place}.{name}"), names)?)));
        Ok(Self::Object(members.collect::<Result<_, RoutesError>>()?))
    }

    /// The value for a request; None: it is the whole of a missing optional value.
    pub fn filled(&self, values: &Values<'_>) -> Result<Option<Value>, Refusal> {
        Ok(Some(match self {
            Self::Fixed(value) => value.clone(),
            Self::Text(pieces) => return Ok(pieces.filled(values)?.map(Value::String)),
            Self::Object(members) => {
                let mut filled = Map::new();
                for (name, template) in members {
                    if let Some(value) = template.filled(values)? {
                        filled.insert(name.clone(), value);
                    }
                }
                Value::Object(filled)
            }
            Self::Array(items) => {
                let filled = items.iter().map(|item| item.filled(values)).collect::<Result<Vec<_>, _>>()?;
                Value::Array(filled.into_iter().flatten().collect())
            }
        }))
    }
}

impl Pieces {
    fn read(text: &str, place: &str, names: &Names<'_>) -> Result<Self, RoutesError> {
        let refuse = |message: String| RoutesError::new(place, message);
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
                plain.push_str(from.get(..1).unwrap_or_default());
                rest = after;
                continue;
            }
            let inside = from.strip_prefix('{').and_then(|inside| inside.split_once('}'));
            let (name, after) = inside.ok_or_else(|| refuse(format!("{text:?} has a brace without its other")))?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Insertion(Insertion::read(name, names).map_err(refuse)?));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        let optional = |piece: &Piece| matches!(piece, Piece::Insertion(insertion) if insertion.optional);
        if pieces.len() > 1 && pieces.iter().any(optional) {
            return Err(refuse(format!("{text:?}: an optional value must be the whole text")));
        }
        Ok(Self(pieces))
    }

    fn fixed(&self) -> Option<Value> {
        match self.0.as_slice() {
            [Piece::Text(text)] => Some(Value::String(text.clone())),
            _ => None,
        }
    }

    fn filled(&self, values: &Values<'_>) -> Result<Option<String>, Refusal> {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Insertion(insertion) => match insertion.value(values)? {
                    Some(value) => filled.push_str(&value),
                    None => return Ok(None),
                },
            }
        }
        Ok(Some(filled))
    }
}

impl Insertion {
    fn read(text: &str, names: &Names<'_>) -> Result<Self, String> {
        let (name, optional) = text.strip_suffix('?').map_or((text, false), |name| (name, true));
        let source = if let Some(parameter) = name.strip_prefix("query.").filter(|name| !name.is_empty()) {
            Source::Query(parameter.to_owned())
        } else if let Some(header) = name.strip_prefix("header.") {
            let lower = header.parse().ok().filter(|_| header == header.to_ascii_lowercase());
            Source::Header(lower.ok_or_else(|| format!("{header:?} is no header's name in lower case"))?)
        } else {
            let place = names.variables.iter().position(|variable| variable == name);
            Source::Path(place.ok_or_else(|| {
                format!("{name:?} is no variable of the path, and neither query.NAME nor header.NAME")
            })?)
        };
        let default = names.defaults.get(name).cloned();
        if matches!(source, Source::Path(_)) && (optional || default.is_some()) {
            return Err(format!("{name:?} is a variable of the path and so never missing"));
        }
        let pattern = match source {
            Source::Path(_) => None,
            Source::Query(_) | Source::Header(_) => names.patterns.get(name).cloned(),
        };
        names.read.borrow_mut().insert(name.to_owned());
        Ok(Self { source, optional, pattern, default })
    }

    /// None: missing, and optional.
    fn value(&self, values: &Values<'_>) -> Result<Option<String>, Refusal> {
        let found = match &self.source {
            Source::Path(place) => values.path.get(*place).cloned(),
            Source::Query(name) => query::parameter(values.query, name)?,
            Source::Header(name) => header::value(values.headers, name)?,
        };
        let found = found.filter(|value| !value.is_empty()).or_else(|| self.default.clone());
        match found {
            Some(value) if value.len() > MOST_BYTES => Err(Refusal::ValueTooLong),
            Some(value) if value.chars().any(char::is_control) => Err(Refusal::ValueCharacter),
            Some(value) if self.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(&value)) => {
                Err(Refusal::ValuePattern)
            }
            Some(value) => Ok(Some(value)),
            None if self.optional => Ok(None),
            None => Err(Refusal::ValueMissing),
        }
    }
}
