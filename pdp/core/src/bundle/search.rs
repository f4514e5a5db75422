//! What can be searched: where the candidates of each type come from. A candidate is a result only when the policy
//! allows it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::declaration::KindDeclaration;
use super::path::Path;
use crate::error::LoadError;
use crate::search::Sought;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchDeclaration {
    /// By `subject.type`.
    #[serde(default)]
    subject: BTreeMap<String, KeysDeclaration>,
    /// By `resource.type`.
    #[serde(default)]
    resource: BTreeMap<String, KeysDeclaration>,
    /// By `resource.type`.
    #[serde(default)]
    action: BTreeMap<String, ActionsDeclaration>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysDeclaration {
    kind: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionsDeclaration {
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    path: Option<String>,
}

/// By type: the kind of record whose keys are the identifiers of candidates.
pub type Keys = BTreeMap<String, String>;

/// Where the names of actions come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actions {
    /// Each once, in order.
    Names(Vec<String>),
    /// The list of names that stands at this path of the record whose key is the resource's identifier.
    Listed { kind: String, path: Path },
}

/// The candidates of the three searches, by type of subject or of resource.
#[derive(Debug, Clone, Default)]
pub struct Search {
    pub subject: Keys,
    pub resource: Keys,
    pub action: BTreeMap<String, Actions>,
}

impl Search {
    pub(super) fn load(
        declared: &SearchDeclaration,
        kinds: &BTreeMap<String, KindDeclaration>,
    ) -> Result<Self, LoadError> {
        let known = |place: &str, kind: &str| {
            if kinds.contains_key(kind) {
                return Ok(kind.to_owned());
            }
            Err(LoadError(format!("bundle.yaml: search.{place}.kind: {kind:?} is not a kind of this bundle")))
        };
        let keys = |name: &str, declared: &BTreeMap<String, KeysDeclaration>| {
            let each =
                declared.iter().map(|(of, keys)| Ok((of.clone(), known(&format!("{name}.{of}"), &keys.kind)?)));
            each.collect::<Result<Keys, LoadError>>()
        };
        let actions = declared.action.iter().map(|(of, actions)| {
            let place = format!("action.{of}");
            let loaded = match (&actions.kind, &actions.path, actions.names.is_empty()) {
                (None, None, false) => {
                    let sorted: BTreeSet<String> = actions.names.iter().cloned().collect();
                    Actions::Names(sorted.into_iter().collect())
                }
                (Some(kind), Some(path), true) => {
                    let path = Path::parse(path)
                        .map_err(|why| LoadError(format!("bundle.yaml: search.{place}.path: {why}")))?;
                    Actions::Listed { kind: known(&place, kind)?, path }
                }
                _ => {
                    let why = "give either `names` or `kind` and `path`";
                    return Err(LoadError(format!("bundle.yaml: search.{place}: {why}")));
                }
            };
            Ok((of.clone(), loaded))
        });
        Ok(Self {
            subject: keys("subject", &declared.subject)?,
            resource: keys("resource", &declared.resource)?,
            action: actions.collect::<Result<_, LoadError>>()?,
        })
    }

    /// Whether any type of such entities is searched.
    pub fn declares(&self, sought: Sought) -> bool {
        !match sought {
            Sought::Subject => self.subject.is_empty(),
            Sought::Resource => self.resource.is_empty(),
            Sought::Action => self.action.is_empty(),
        }
    }

    /// The kinds whose keys are candidates; one may come twice.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.subject.values().chain(self.resource.values()).map(String::as_str)
    }
}
