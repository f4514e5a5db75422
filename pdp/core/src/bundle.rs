//! A loaded bundle: what it declares, its schemas, its compiled policy. Immutable once loaded.

mod declaration;
mod formats;
mod path;
mod records;
mod schema;
mod search;
mod times;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde_json::Value;

use self::declaration::Declaration;
pub use self::path::Path;
pub use self::path::Template;
pub use self::records::{ImportedLine, InvalidLine, Kind};
use self::schema::Schema;
pub use self::search::{Actions, Search};
use crate::error::{EngineError, InvalidRequest, LoadError};
use crate::policy::PolicyEngine;
use crate::records::{ALL, tag};

/// Where the keys of a lookup come from.
pub enum Source {
    /// Alternatives in order: the first whose parts are all present is the key.
    Key(Vec<Template>),
    /// Every record of the kind.
    All,
}

/// One entry of `input.records`.
pub struct Lookup {
    pub name: String,
    pub kind: String,
    pub source: Source,
}

/// When the value of a label counts as known.
pub enum Known {
    /// The lookup at this place found a record.
    ByLookup(usize),
    Values(HashSet<String>),
}

pub struct Label {
    pub path: Path,
    pub known: Known,
}

pub struct Bundle {
    /// Another one for each load in this process: part of the decision cache's key.
    pub id: u64,
    pub revision: Arc<str>,
    pub entrypoint: String,
    pub kinds: BTreeMap<String, Kind>,
    /// In the order of their names.
    pub lookups: Vec<Lookup>,
    pub output_times: HashSet<String>,
    /// The metric labels `service` and `action`; absent: always `other`.
    pub service_label: Option<Label>,
    pub action_label: Option<Label>,
    pub search: Search,
    pub engine: Box<dyn PolicyEngine>,
    request_schema: Option<Schema>,
    last_policy_error: Mutex<Option<String>>,
}

/// The pieces of a bundle, as bytes.
pub struct Parts<'a> {
    pub declaration: &'a [u8],
    /// Path as in the declaration → JSON Schema.
    pub schemas: &'a BTreeMap<String, Vec<u8>>,
    pub revision: &'a str,
}

impl Bundle {
    /// Puts a bundle together; `engine` makes the policy engine for the entrypoint.
    pub fn load(
        parts: &Parts<'_>,
        engine: impl FnOnce(&str) -> Result<Box<dyn PolicyEngine>, LoadError>,
    ) -> Result<Self, LoadError> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let declaration = Declaration::read(parts.declaration)?;
        let schema = |path: &str| {
            let text = parts
                .schemas
                .get(path)
                .ok_or_else(|| LoadError(format!("bundle.yaml names the schema {path:?}, which is not there")))?;
            Schema::load(path, text)
        };
        let request_schema = declaration.request_schema.as_deref().map(schema).transpose()?;
        let mut kinds = BTreeMap::new();
        for (name, kind) in &declaration.kinds {
            kinds.insert(name.clone(), Kind::load(name, kind, schema(&kind.schema)?)?);
        }
        let lookups = lookups(&declaration)?;
        for lookup in lookups.iter().filter(|lookup| matches!(lookup.source, Source::All)) {
            if let Some(kind) = kinds.get_mut(&lookup.kind) {
                kind.replicated = true;
            }
        }
        Ok(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            revision: parts.revision.into(),
            kinds,
            output_times: declaration.output_times.iter().cloned().collect(),
            service_label: label(&declaration, "service", &lookups)?,
            action_label: label(&declaration, "action", &lookups)?,
            lookups,
            search: Search::load(&declaration.search, &declaration.kinds)?,
            engine: engine(&declaration.entrypoint)?,
            entrypoint: declaration.entrypoint,
            request_schema,
            last_policy_error: Mutex::new(None),
        })
    }

    /// The names of the kinds that are so.
    pub fn kinds_that<'a>(&'a self, are: impl Fn(&Kind) -> bool + 'a) -> impl Iterator<Item = &'a str> {
        self.kinds.iter().filter(move |(_, kind)| are(kind)).map(|(name, _)| name.as_str())
    }

    /// Keeps why an evaluation failed, for the operator's log.
    pub fn note_policy_error(&self, error: &EngineError) {
        *self.last_policy_error.lock() = Some(error.to_string());
    }

    /// Why an evaluation failed since the last call of this; None: none did.
    pub fn take_policy_error(&self) -> Option<String> {
        self.last_policy_error.lock().take()
    }

    /// What an answer to a request depends on: a tag for each lookup whose key is there, record or not.
    pub fn tags(&self, document: &Value) -> Vec<String> {
        let mut tags: Vec<String> = Vec::with_capacity(self.lookups.len());
        let mut key = String::new();
        for lookup in &self.lookups {
            key.clear();
            let there = match &lookup.source {
                Source::All => {
                    key.push_str(ALL);
                    true
                }
                Source::Key(alternatives) => first_key(alternatives, document, &mut key),
            };
            let tag = tag(&lookup.kind, &key);
            if there && !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        tags
    }

    /// Checks a request document against the bundle's request schema.
    pub fn check_request(&self, document: &Value) -> Result<(), InvalidRequest> {
        match &self.request_schema {
            Some(schema) => schema.check(document).map_err(|(field, message)| InvalidRequest::new(field, message)),
            None => Ok(()),
        }
    }
}

/// Writes the key that the first alternative whose parts are all present makes of a request to the end of
/// `out`; false: none is.
pub fn first_key(alternatives: &[Template], document: &Value, out: &mut String) -> bool {
    let begin = out.len();
    alternatives.iter().any(|template| {
        out.truncate(begin);
        template.fill(document, out)
    })
}

fn lookups(declaration: &Declaration) -> Result<Vec<Lookup>, LoadError> {
    let mut lookups = Vec::new();
    for (name, lookup) in &declaration.lookups {
        let refuse = |why: String| LoadError(format!("bundle.yaml: lookups.{name}.key: {why}"));
        let templates: Vec<Template> =
            lookup.key.iter().map(|key| Template::parse(key)).collect::<Result<_, _>>().map_err(refuse)?;
        for path in templates.iter().flat_map(Template::paths) {
            if !["subject", "action", "resource", "context"].contains(&path.root()) {
                return Err(refuse(format!(
                    "a path starts at subject, action, resource or context, not {:?}",
                    path.root()
                )));
            }
        }
        let source = if lookup.all { Source::All } else { Source::Key(templates) };
        lookups.push(Lookup { name: name.clone(), kind: lookup.kind.clone(), source });
    }
    Ok(lookups)
}

fn label(declaration: &Declaration, name: &str, lookups: &[Lookup]) -> Result<Option<Label>, LoadError> {
    let Some(label) = declaration.labels.get(name) else { return Ok(None) };
    let refuse = |why: String| LoadError(format!("bundle.yaml: labels.{name}: {why}"));
    let known = match &label.known_by {
        Some(known_by) => Known::ByLookup(
            lookups
                .iter()
                .position(|lookup| lookup.name == *known_by)
                .ok_or_else(|| refuse(format!("{known_by:?} is not a lookup of this bundle")))?,
        ),
        None => Known::Values(label.values.iter().cloned().collect()),
    };
    Ok(Some(Label { path: Path::parse(&label.path).map_err(refuse)?, known }))
}

#[cfg(test)]
pub mod testing;
