//! The keys of kinds that are searched, in order, so that a list of them can be read page by page.

use std::collections::BTreeSet;
use std::ops::Bound;

use hashbrown::HashMap;

use super::state::Change;

/// By kind. A kind that nobody searches is not here and costs nothing.
#[derive(Default)]
pub(super) struct Orders(HashMap<Box<str>, BTreeSet<Box<str>>>);

impl Orders {
    pub fn apply(&mut self, change: &Change<'_>) {
        // Most bundles declare no search: no look-up for them.
        if self.0.is_empty() {
            return;
        }
        if let Some(keys) = self.0.get_mut(change.kind) {
            match change.document {
                Some(_) => drop(keys.insert(change.key.into())),
                None => drop(keys.remove(change.key)),
            }
        }
    }

    /// Keeps these kinds and no others; `keys` gives those of a kind that is new here.
    pub fn keep<'a, 'k, K: Iterator<Item = &'k Box<str>>>(
        &mut self,
        kinds: impl Iterator<Item = &'a str>,
        keys: impl Fn(&str) -> K,
    ) {
        let mut old = std::mem::take(&mut self.0);
        for kind in kinds {
            if !self.0.contains_key(kind) {
                let order = old.remove(kind).unwrap_or_else(|| keys(kind).cloned().collect());
                self.0.insert(kind.into(), order);
            }
        }
    }

    /// The keys after one; None: they are not kept here.
    pub fn after(&self, kind: &str, key: &str) -> Option<impl Iterator<Item = &str>> {
        let keys = self.0.get(kind)?;
        Some(keys.range::<str, _>((Bound::Excluded(key), Bound::Unbounded)).map(|key| &**key))
    }
}
