//! A state of one shard under construction.

use hashbrown::{HashMap, HashSet};

use super::spread::FullKey;
use super::state::{Change, State};

/// Nobody decides on it before it is installed. Records and changes may come in any order: of each record the
/// newest form stays.
#[derive(Default)]
pub struct Snapshot {
    state: State,
    /// Records that were deleted meanwhile, and in which version.
    deleted: HashMap<Box<str>, u64>,
}

impl Snapshot {
    /// Of some kinds only, see `State::of_kinds`.
    pub(super) fn of_kinds(only: Option<HashSet<Box<str>>>) -> Self {
        Self { state: State::of_kinds(only), deleted: HashMap::new() }
    }

    pub fn add(&mut self, kind: &str, key: &str, document: &[u8], version: u64) {
        self.apply(&Change { kind, key, document: Some(document), version });
    }

    /// Takes in a change where it is newer than what is there.
    pub fn apply(&mut self, change: &Change<'_>) {
        let full =
            (change.document.is_none() || !self.deleted.is_empty()).then(|| FullKey::of(change.kind, change.key));
        let deleted = full.as_ref().and_then(|full| self.deleted.get(full.text())).copied();
        let there = self.state.version(change.kind, change.key).max(deleted);
        if there.is_some_and(|version| version >= change.version) {
            return;
        }
        if let (Some(full), None) = (full, change.document) {
            self.deleted.insert(full.text().into(), change.version);
        }
        self.state.apply(change);
    }

    pub(super) fn finish(self) -> State {
        let mut state = self.state;
        state.shrink();
        state
    }
}
