//! The records that one decision uses, captured together so that no decision mixes two states.

use std::sync::Arc;

use serde_json::Value;

use super::state::State;
use crate::bundle::{Lookup, Source};

/// What one lookup found.
pub struct Found {
    /// 0: nothing. Otherwise another one whenever the content differs, within a generation.
    pub version: u64,
    /// None: no record.
    pub document: Option<Arc<[u8]>>,
}

/// The findings in the order of the bundle's lookups, and the state they are of.
pub struct Captured {
    pub found: Vec<Found>,
    pub token: Arc<str>,
    pub generation: u64,
}

impl Captured {
    pub(super) fn of(state: &State, lookups: &[Lookup], document: &Value) -> Self {
        let mut key = String::new();
        let found = lookups.iter().map(|lookup| find(state, lookup, document, &mut key)).collect();
        Self { found, token: state.token(), generation: state.generation() }
    }
}

fn find(state: &State, lookup: &Lookup, document: &Value, key: &mut String) -> Found {
    let nothing = Found { version: 0, document: None };
    let kind = state.kind(&lookup.kind);
    match &lookup.source {
        Source::All => match kind {
            Some(kind) => Found { version: kind.changed, document: Some(kind.joined()) },
            None => Found { version: 0, document: Some(Arc::from(*b"{}")) },
        },
        Source::Key(alternatives) => {
            let filled = alternatives.iter().any(|template| {
                key.clear();
                template.fill(document, key)
            });
            let record = if filled { kind.and_then(|kind| kind.records.get(key.as_str())) } else { None };
            record.map_or(nothing, |record| Found {
                version: record.version,
                document: Some(Arc::clone(&record.document)),
            })
        }
    }
}
