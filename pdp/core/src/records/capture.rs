//! The records that one decision uses, captured together with their position and deadline, so that no decision
//! mixes two states.

use std::sync::Arc;

use serde_json::Value;

use super::NotYet;
use super::on_demand::OnDemand;
use super::shards::Shards;
use super::spread::FullKey;
use super::view::View;
use crate::bundle::{Bundle, Lookup, Source, first_key};

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
    pub(super) fn of(shards: &Shards, document: &Value, on_demand: Option<&OnDemand>) -> Result<Self, NotYet> {
        let (Some(bundle), Some(view)) = (&shards.bundle, shards.view()) else { return Err(NotYet::Unavailable) };
        let mut search = Search { shards, on_demand, document, full: FullKey::default(), missing: Vec::new() };
        let mut found = Vec::with_capacity(bundle.lookups.len());
        for lookup in &bundle.lookups {
            // None: a kind that is needed whole and was loaded when another policy decided.
            found.push(search.find(lookup).ok_or(NotYet::Unavailable)?);
        }
        if !search.missing.is_empty() {
            return Err(NotYet::Missing(search.missing));
        }
        Ok(Self { found, bundle: Arc::clone(bundle), view: Arc::clone(view), deadline_ns: shards.deadline_ns() })
    }
}

struct Search<'a> {
    shards: &'a Shards,
    on_demand: Option<&'a OnDemand>,
    /// The request's.
    document: &'a Value,
    full: FullKey,
    /// Full keys of records that are not held.
    missing: Vec<Box<str>>,
}

impl Search<'_> {
    /// None: the kind is needed whole and is not held so.
    fn find(&mut self, lookup: &Lookup) -> Option<Found> {
        let alternatives = match &lookup.source {
            Source::All => {
                let (version, all) = self.shards.all(&lookup.kind)?;
                return Some(Found { version, document: Some(all) });
            }
            Source::Key(alternatives) => alternatives,
        };
        let nothing = Found { version: 0, document: None };
        let full = &mut self.full;
        if !first_key(alternatives, self.document, full.begin(&lookup.kind)) {
            return Some(nothing);
        }
        match self.shards.record(&lookup.kind, full, self.on_demand) {
            Some(Some(record)) => Some(Found { version: record.version, document: Some(record.document) }),
            Some(None) => Some(nothing),
            None => {
                self.missing.push(full.text().into());
                Some(nothing)
            }
        }
    }
}
