//! The documents of one shard.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use hashbrown::{HashMap, HashSet};

use super::orders::Orders;

/// A change of one record; None deletes.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    pub kind: &'a str,
    pub key: &'a str,
    pub document: Option<&'a [u8]>,
    pub version: u64,
}

/// A document and the sequence number of the write that last changed it.
#[derive(Clone)]
pub(super) struct Record {
    pub version: u64,
    pub document: Arc<[u8]>,
}

#[derive(Default)]
pub(super) struct Kind {
    pub records: HashMap<Box<str>, Record>,
    /// Grows with every change to any record of the kind; usually the sequence number of the last one.
    pub changed: u64,
    /// All documents as one JSON object, made when first asked for after a change.
    joined: OnceLock<Arc<[u8]>>,
}

impl Kind {
    pub fn joined(&self) -> Arc<[u8]> {
        Arc::clone(self.joined.get_or_init(|| join(std::iter::once(self))))
    }
}

/// All documents of kinds as one JSON object: `{"key": document, …}` in the order of the keys.
pub(super) fn join<'a>(kinds: impl Iterator<Item = &'a Kind>) -> Arc<[u8]> {
    let records = kinds.flat_map(|kind| &kind.records);
    let sorted: BTreeMap<&str, &[u8]> = records.map(|(key, record)| (&**key, &*record.document)).collect();
    let mut out = vec![b'{'];
    for (key, document) in sorted {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(serde_json::Value::from(key).to_string().as_bytes());
        out.push(b':');
        out.extend_from_slice(document);
    }
    out.push(b'}');
    out.into()
}

#[derive(Default)]
pub(super) struct State {
    kinds: HashMap<Box<str>, Kind>,
    /// The only kinds that are held, and held whole; None: all.
    only: Option<HashSet<Box<str>>>,
    orders: Orders,
}

impl State {
    pub fn of_kinds(only: Option<HashSet<Box<str>>>) -> Self {
        Self { only, ..Self::default() }
    }

    /// Whether all records of the kind are held.
    #[inline]
    pub fn holds(&self, kind: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(kind))
    }

    /// Changes of kinds that are not held say nothing here.
    pub fn apply(&mut self, change: &Change<'_>) {
        if !self.holds(change.kind) {
            return;
        }
        let kind = self.kinds.entry_ref(change.kind).or_default();
        kind.changed = kind.changed.saturating_add(1).max(change.version);
        kind.joined.take();
        self.orders.apply(change);
        match change.document {
            Some(document) => {
                let record = Record { version: change.version, document: document.into() };
                kind.records.insert(change.key.into(), record);
            }
            None => drop(kind.records.remove(change.key)),
        }
    }

    pub fn kind(&self, kind: &str) -> Option<&Kind> {
        self.kinds.get(kind)
    }

    /// Keeps the keys of these kinds in order, and of no others.
    pub fn order<'a>(&mut self, kinds: impl Iterator<Item = &'a str>) {
        let Self { kinds: held, orders, .. } = self;
        orders.keep(kinds, |kind| held.get(kind).into_iter().flat_map(|kind| kind.records.keys()));
    }

    /// The keys of a kind that come after one, in order. None: the kind is not held whole and in order.
    pub fn keys_after(&self, kind: &str, key: &str) -> Option<impl Iterator<Item = &str>> {
        self.orders.after(kind, key).filter(|_| self.holds(kind))
    }

    pub fn version(&self, kind: &str, key: &str) -> Option<u64> {
        Some(self.kind(kind)?.records.get(key)?.version)
    }

    pub fn shrink(&mut self) {
        for kind in self.kinds.values_mut() {
            kind.records.shrink_to_fit();
        }
    }

    /// Records held, by kind, in no order.
    pub fn counts(&self) -> impl Iterator<Item = (&str, usize)> {
        self.kinds.iter().map(|(kind, held)| (&**kind, held.records.len()))
    }
}
