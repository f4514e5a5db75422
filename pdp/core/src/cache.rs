//! The decision cache: a wrapper around an evaluator that never changes an answer.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::decision::Outcome;
use crate::error::InvalidRequest;
use crate::evaluate::{Evaluator, Question};

/// Assumed size of an entry for the number of entries a cache is made for.
const TYPICAL_ENTRY: u64 = 2_048;

/// An outcome and the first moment it was made for; it holds until its own `valid_until`.
#[derive(Clone)]
struct Entry {
    made_for: i64,
    outcome: Arc<Outcome>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Box<[u8]>, Entry> for Weight {
    fn weight(&self, key: &Box<[u8]>, entry: &Entry) -> u64 {
        let parts = entry.outcome.reasons.len().saturating_add(entry.outcome.obligations.len());
        let outcome = parts.saturating_add(entry.outcome.notices.len()).saturating_mul(512);
        u64::try_from(key.len().saturating_add(outcome).saturating_add(256)).unwrap_or(u64::MAX)
    }
}

/// Keyed by everything that an outcome depends on but the time: the bundle, what the policy sees of the
/// request, and the versions of the records it used within the state's generation. Whole keys are compared, not only their hashes.
pub struct CachedEvaluator<E> {
    inner: E,
    entries: Option<Cache<Box<[u8]>, Entry, Weight>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// Figures of the cache, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheFigures {
    pub hits: u64,
    pub misses: u64,
    pub entries: u64,
    pub bytes: u64,
}

impl<E: Evaluator> CachedEvaluator<E> {
    /// `bytes` bounds the memory of entries; 0: every question goes to the inner evaluator.
    pub fn new(inner: E, bytes: u64) -> Self {
        let expected = usize::try_from(bytes / TYPICAL_ENTRY).unwrap_or(usize::MAX);
        let entries = (bytes > 0).then(|| Cache::with_weighter(expected, bytes, Weight));
        Self { inner, entries, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    pub fn figures(&self) -> CacheFigures {
        let size = |cache: &Cache<_, _, _>| u64::try_from(cache.len()).unwrap_or(u64::MAX);
        CacheFigures {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            entries: self.entries.as_ref().map_or(0, size),
            bytes: self.entries.as_ref().map_or(0, Cache::weight),
        }
    }

    /// Drops all entries: those of a bundle that was replaced are of no more use.
    pub fn clear(&self) {
        if let Some(entries) = &self.entries {
            entries.clear();
        }
    }
}

impl<E: Evaluator> Evaluator for CachedEvaluator<E> {
    fn outcome(&self, question: &Question<'_>) -> Result<Arc<Outcome>, InvalidRequest> {
        let Some(entries) = &self.entries else { return self.inner.outcome(question) };
        KEY.with_borrow_mut(|key| {
            write_key(question, key);
            if let Some(entry) = entries.get(key.as_slice())
                && holds_at(&entry, question.time_ms)
            {
                self.hits.fetch_add(1, Ordering::Relaxed);
                return Ok(entry.outcome);
            }
            self.misses.fetch_add(1, Ordering::Relaxed);
            let outcome = self.inner.outcome(question)?;
            if !outcome.failed {
                let entry = Entry { made_for: question.time_ms, outcome: Arc::clone(&outcome) };
                entries.insert(key.as_slice().into(), entry);
            }
            Ok(outcome)
        })
    }
}

thread_local! {
    static KEY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The parts have fixed lengths but the last, so different questions have different keys.
fn write_key(question: &Question<'_>, key: &mut Vec<u8>) {
    key.clear();
    key.extend_from_slice(&question.captured.bundle.id.to_le_bytes());
    key.extend_from_slice(&question.captured.view.generation.to_le_bytes());
    for found in &question.captured.found {
        key.extend_from_slice(&found.version.to_le_bytes());
    }
    key.extend_from_slice(question.request.text());
}

fn holds_at(entry: &Entry, time_ms: i64) -> bool {
    entry.made_for <= time_ms && entry.outcome.valid_until.is_none_or(|end| time_ms < end)
}
