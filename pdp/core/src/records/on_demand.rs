//! Records that are held only as far as they are used, within a bound.
//!
//! INVARIANT: what is held of a shard's present load is what a full replica holds at the shard's present
//! position. It comes from changes, which carry whole documents, and from records that were fetched at a position
//! which the shard has reached, unless a change came since they were asked for. Whoever holds the shards' lock
//! for reading therefore sees one state.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::misses::Misses;
use super::spread::FullKey;
use super::state::{Change, Record};
use crate::cache::CacheFigures;

/// Assumed size of an entry for the number of entries that room is made for.
const TYPICAL_ENTRY: u64 = 512;
/// Of an entry besides its key and its document.
const OVERHEAD: usize = 96;

/// A record, or that there is none.
#[derive(Clone)]
struct Entry {
    /// The snapshot of its shard that it belongs to.
    load: u64,
    record: Option<Record>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Box<str>, Entry> for Weight {
    fn weight(&self, key: &Box<str>, entry: &Entry) -> u64 {
        let document = entry.record.as_ref().map_or(0, |record| record.document.len());
        u64::try_from(key.len().saturating_add(document).saturating_add(OVERHEAD)).unwrap_or(u64::MAX)
    }
}

/// Keyed by kind and key in one text, as `FullKey` writes it.
pub(super) struct OnDemand {
    held: Cache<Box<str>, Entry, Weight>,
    misses: Mutex<Misses>,
    /// Signals those who fetch.
    asked: Condvar,
    hits: AtomicU64,
}

impl OnDemand {
    pub fn new(bytes: u64) -> Self {
        let expected = usize::try_from(bytes / TYPICAL_ENTRY).unwrap_or(usize::MAX);
        Self {
            held: Cache::with_weighter(expected, bytes, Weight),
            misses: Mutex::default(),
            asked: Condvar::new(),
            hits: AtomicU64::new(0),
        }
    }

    pub fn figures(&self) -> CacheFigures {
        CacheFigures {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.lock().asked(),
            entries: u64::try_from(self.held.len()).unwrap_or(u64::MAX),
            bytes: self.held.weight(),
        }
    }

    /// The record (None: there is none) as of a shard's load; None: it is not held.
    pub fn get(&self, full: &FullKey, load: u64) -> Option<Option<Record>> {
        match self.held.get(full.text()).filter(|entry| entry.load == load) {
            Some(entry) => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                Some(entry.record)
            }
            None => self.misses.lock().found(full.text()),
        }
    }

    /// Asks for a record of a shard in this load at this sequence number, see `Misses::ask`.
    pub fn ask(&self, key: &str, load: u64, since: u64, waits: bool) -> bool {
        let asked = self.misses.lock().ask(key, load, since, waits);
        self.asked.notify_one();
        asked
    }

    pub fn release(&self, key: &str) {
        self.misses.lock().release(key);
    }

    /// What is to be fetched, each given once; waits for the first.
    pub fn take(&self, wait: Duration) -> Vec<Box<str>> {
        let until = Instant::now().checked_add(wait);
        let mut misses = self.misses.lock();
        loop {
            let taken = misses.take();
            let left = until.map_or(wait, |until| until.saturating_duration_since(Instant::now()));
            if !taken.is_empty() || left.is_zero() {
                return taken;
            }
            self.asked.wait_for(&mut misses, left);
        }
    }

    /// Changes of a shard, which holds their kinds on demand. What is neither held nor asked for is let go. The
    /// caller holds the shards' lock for writing.
    pub fn apply<'a>(&self, load: u64, changes: impl Iterator<Item = &'a Change<'a>>) {
        let mut misses = None;
        for change in changes {
            let misses = misses.get_or_insert_with(|| self.misses.lock());
            let full = FullKey::of(change.kind, change.key);
            let record =
                change.document.map(|document| Record { version: change.version, document: document.into() });
            if misses.settle(full.text(), record.as_ref()) || self.held.contains_key(full.text()) {
                self.hold(full.text(), load, record);
            }
        }
    }

    /// Records as they were at a position that the shard has reached. The caller holds the shards' lock.
    pub fn supply<'a>(&self, load: u64, sequence: u64, records: impl Iterator<Item = &'a Change<'a>>) {
        let mut misses = self.misses.lock();
        for fetched in records {
            let full = FullKey::of(fetched.kind, fetched.key);
            let record =
                fetched.document.map(|document| Record { version: fetched.version, document: document.into() });
            if misses.supply(full.text(), record.as_ref(), load, sequence) {
                self.hold(full.text(), load, record);
            }
        }
        self.asked.notify_one();
    }

    fn hold(&self, key: &str, load: u64, record: Option<Record>) {
        // First away with the old one: the cache may refuse the new one.
        self.held.remove(key);
        self.held.insert(key.into(), Entry { load, record });
    }

    /// A shard was loaded anew. What is held of its load before is not found any more.
    pub fn restart(&self, load: u64, since: u64, is_of_shard: impl Fn(&str) -> bool) {
        self.misses.lock().restart(load, since, is_of_shard);
        self.asked.notify_one();
    }

    #[cfg(test)]
    pub fn evict(&self, kind: &str, key: &str) {
        self.held.remove(FullKey::of(kind, key).text());
    }
}
