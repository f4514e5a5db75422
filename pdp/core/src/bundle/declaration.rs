//! `bundle.yaml`: what a bundle declares of itself. Python reads the YAML and hands it over as JSON.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::search::SearchDeclaration;
use crate::error::LoadError;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// For people; the core has no use for it.
    #[serde(rename = "name")]
    pub _name: String,
    /// `portal/decision` for the rule `data.portal.decision`.
    pub entrypoint: String,
    /// Path of the schema over `{subject, action, resource, context}`.
    #[serde(default)]
    pub request_schema: Option<String>,
    #[serde(default)]
    pub kinds: BTreeMap<String, KindDeclaration>,
    #[serde(default)]
    pub lookups: BTreeMap<String, LookupDeclaration>,
    /// Integers under these names in details, obligations and notices leave as RFC 3339.
    #[serde(default)]
    pub output_times: Vec<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, LabelDeclaration>,
    #[serde(default)]
    pub search: SearchDeclaration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindDeclaration {
    pub schema: String,
    /// Template over the document that its key must equal, e.g. `{employer}:{intermediary}`.
    #[serde(default)]
    pub key: Option<String>,
    #[serde(default)]
    pub key_pattern: Option<String>,
    /// Held whole by every sidecar, also where other kinds are held on demand.
    #[serde(default)]
    pub replicated: bool,
    /// How long a change of this kind waits, unless asked otherwise.
    #[serde(default)]
    pub wait: Option<Wait>,
}

/// How long a change waits, where that is more than until it is durable and its own sidecar decides on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// Until no sidecar decides without it.
    All,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookupDeclaration {
    pub kind: String,
    /// Alternatives in order; the first whose parts are all present is the key.
    #[serde(default)]
    pub key: Vec<String>,
    /// All records of the kind, as one object.
    #[serde(default)]
    pub all: bool,
}

/// A metric label that is bounded: a value that is not known counts as `other`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelDeclaration {
    pub path: String,
    #[serde(default)]
    pub known_by: Option<String>,
    #[serde(default)]
    pub values: Vec<String>,
}

impl Declaration {
    pub fn read(json: &[u8]) -> Result<Self, LoadError> {
        let declaration: Self =
            serde_json::from_slice(json).map_err(|error| LoadError(format!("bundle.yaml: {error}")))?;
        for name in declaration.kinds.keys() {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            if !name.bytes().all(plain) || name.is_empty() {
                return Err(LoadError(format!(
                    "bundle.yaml: kinds.{name}: a name has letters, digits, underscores and hyphens only"
                )));
            }
        }
        for (name, lookup) in &declaration.lookups {
            if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') || name.is_empty() {
                return Err(LoadError(format!(
                    "bundle.yaml: lookups.{name}: a name has letters, digits and underscores only"
                )));
            }
            if !declaration.kinds.contains_key(&lookup.kind) {
                return Err(LoadError(format!(
                    "bundle.yaml: lookups.{name}.kind: {:?} is not a kind of this bundle",
                    lookup.kind
                )));
            }
            if lookup.all != lookup.key.is_empty() {
                return Err(LoadError(format!("bundle.yaml: lookups.{name}: give either `key` or `all: true`")));
            }
        }
        for (name, label) in &declaration.labels {
            if label.known_by.is_none() == label.values.is_empty() {
                return Err(LoadError(format!("bundle.yaml: labels.{name}: give either `known_by` or `values`")));
            }
        }
        Ok(declaration)
    }
}
