//! The records that one decision uses, captured together with their position and deadline, so that no decision
//! mixes two states.

use std::sync::Arc;

use serde_json::Value;

use super::shards::Shards;
use super::spread::FullKey;
use super::view::View;
use crate::bundle::{Bundle, Lookup, Source};

/// What one lookup found.
pub struct Found {
    /// 0: nothing. Otherwise another one whenever the content differs, within a generation.
    pub version: u64,
    /// None: no record.
    pub document: Option<Arc<[u8]>>,
}

/// The policy, its findings in the order of its lookups, and the state that they are of.
pub struct Captured {
    pub bundle: Arc<Bundle>,
    pub found: Vec<Found>,
    pub view: Arc<View>,
    /// Until when an answer made from this may leave: never to be read again later, as a newer one says
    /// nothing of these records.
    pub deadline_ns: i64,
}

impl Captured {
    /// None: no policy or not every shard is loaded.
    pub(super) fn of(shards: &Shards, document: &Value) -> Option<Self> {
        let (Some(bundle), Some(view)) = (&shards.bundle, shards.view()) else { return None };
        let mut full = FullKey::default();
        let found = bundle.lookups.iter().map(|lookup| find(shards, lookup, document, &mut full)).collect();
        Some(Self { found, bundle: Arc::clone(bundle), view: Arc::clone(view), deadline_ns: shards.deadline_ns() })
    }
}

fn find(shards: &Shards, lookup: &Lookup, document: &Value, full: &mut FullKey) -> Found {
    let alternatives = match &lookup.source {
        Source::All => {
            let (version, all) = shards.all(&lookup.kind);
            return Found { version, document: Some(all) };
        }
        Source::Key(alternatives) => alternatives,
    };
    let nothing = Found { version: 0, document: None };
    let filled = alternatives.iter().any(|template| template.fill(document, full.begin(&lookup.kind)));
    if !filled {
        return nothing;
    }
    let state = shards.state(full.shard(shards.count()));
    let record = state.and_then(|state| state.kind(&lookup.kind)).and_then(|kind| kind.records.get(full.key()));
    record
        .map_or(nothing, |record| Found { version: record.version, document: Some(Arc::clone(&record.document)) })
}
