//! A request that waits for a state or for records, within a bound of time.

use std::time::{Duration, Instant};

use super::{NotYet, RecordCache};

/// How long to wait at most where nobody set a bound.
const UNBOUNDED: Duration = Duration::from_millis(500);

/// Made by `RecordCache::waiting`. What it asked for is kept for it until it is dropped.
pub struct Waiting<'a> {
    records: &'a RecordCache,
    until: Option<Instant>,
    asked: Vec<Box<str>>,
    /// INVARIANT: read before the records were last looked at, so that no move between a look and the wait is missed.
    seen: u64,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(records: &'a RecordCache, until: Option<Instant>) -> Self {
        Self { records, until, asked: Vec::new(), seen: records.moves() }
    }

    /// Waits a moment for what could not be captured to come; false: it will not, or the time is over.
    pub fn on(&mut self, awaited: &NotYet) -> bool {
        match awaited {
            NotYet::Unavailable => return false,
            NotYet::Behind => {}
            NotYet::Missing(keys) => {
                let first = self.asked.len();
                for key in keys {
                    if !self.asked.contains(key) {
                        if !self.records.ask(key, true) {
                            return false;
                        }
                        self.asked.push(key.clone());
                    }
                }
                // From now on it is kept; it may have come just before.
                if self.asked.len() > first && !self.left().is_zero() {
                    return true;
                }
            }
        }
        let left = self.left();
        if left.is_zero() {
            return false;
        }
        self.records.wait_for_move(self.seen, left);
        self.seen = self.records.moves();
        true
    }

    fn left(&self) -> Duration {
        self.until.map_or(UNBOUNDED, |until| until.saturating_duration_since(Instant::now()))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        for key in &self.asked {
            self.records.release(key);
        }
    }
}
