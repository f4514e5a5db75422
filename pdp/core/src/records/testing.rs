//! Record caches for the tests of the core.
#![allow(clippy::expect_used)]

use std::sync::Arc;

use serde_json::Value;

use super::{Change, Position, RecordCache, Snapshot, StateToken};
use crate::bundle::testing::bundle;
use crate::clock::Clock;
use crate::error::EngineError;

/// A cache of so many shards with a manual clock, an empty state in each, and a bundle that never decides.
pub fn cache(shards: usize, lookups: &Value) -> RecordCache {
    let cache = RecordCache::new(shards, 0, Clock::manual());
    cache.set_bundle(Arc::new(bundle(lookups, |_| Err(EngineError::Undefined))));
    for shard in 0..shards {
        cache.install(shard, Snapshot::default(), at(0), 1);
    }
    cache
}

pub fn at(sequence: u64) -> Position {
    Position { sequence, chain: [7; 20] }
}

pub fn token(text: &str) -> StateToken {
    StateToken::parse(text).expect("a token")
}

pub fn put<'a>(kind: &'a str, key: &'a str, document: &'a str, version: u64) -> Change<'a> {
    Change { kind, key, document: Some(document.as_bytes()), version }
}

pub fn delete<'a>(kind: &'a str, key: &'a str, version: u64) -> Change<'a> {
    Change { kind, key, document: None, version }
}
