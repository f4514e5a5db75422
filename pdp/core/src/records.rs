//! The account state in process: canonical documents by kind and key, all of one moment, with the moment until
//! which decisions may be made on them.

mod capture;
mod position;
mod shards;
mod snapshot;
mod spread;
mod state;
mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, RwLock};
use serde_json::Value;

pub use self::capture::{Captured, Found};
pub use self::position::{Position, StateToken};
use self::shards::Shards;
pub use self::snapshot::Snapshot;
pub use self::state::Change;
pub use self::view::View;
use crate::bundle::Bundle;
use crate::clock::Clock;
use crate::error::FailClosed;
use crate::timestamp::now_ms;

/// The deadline of a state that never goes stale.
pub const NEVER_NS: i64 = i64::MAX;

/// Why records cannot be captured now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotYet {
    /// There is no policy, or a shard has no state.
    Unavailable,
    /// The state is older than the one asked for.
    Behind,
}

/// Readers capture what a decision needs under a short lock; a change becomes visible as a whole.
pub struct RecordCache {
    shards: RwLock<Shards>,
    count: usize,
    /// Of deadlines.
    pub clock: Clock,
    /// Signals every change of position to those that wait for one.
    moved: (Mutex<()>, Condvar),
    /// When the store last confirmed that it held nothing newer, wall clock, for the metric of the state's age.
    confirmed_ms: AtomicI64,
}

impl NotYet {
    /// What a request gets that cannot wait any longer.
    pub fn denial(self) -> FailClosed {
        match self {
            Self::Unavailable => FailClosed::StateUnavailable,
            Self::Behind => FailClosed::StateStale,
        }
    }
}

impl RecordCache {
    /// `shards` that share the records, at least one.
    pub fn new(shards: usize, clock: Clock) -> Self {
        let shards = Shards::new(shards);
        Self {
            count: shards.count(),
            shards: RwLock::new(shards),
            clock,
            moved: Default::default(),
            confirmed_ms: AtomicI64::default(),
        }
    }

    /// Shards are numbered from 0.
    pub fn shards(&self) -> usize {
        self.count
    }

    /// Decisions from now on are made by this bundle; those under way finish on the one they began with.
    pub fn set_bundle(&self, bundle: Arc<Bundle>) {
        let old = self.shards.write().set_bundle(bundle);
        drop(old);
    }

    pub fn bundle(&self) -> Option<Arc<Bundle>> {
        self.shards.read().bundle.clone()
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot::default()
    }

    /// Replaces the whole state of a shard in one step.
    pub fn install(&self, shard: usize, snapshot: Snapshot, position: Position, deadline_ns: i64) {
        let state = snapshot.finish();
        let mut shards = self.shards.write();
        let old = shards.install(shard, state, position, deadline_ns);
        // The lock first: dropping a million records takes a while.
        drop(shards);
        drop(old);
        self.confirm();
        self.moved.1.notify_all();
    }

    /// Applies changes in one step; the shard keeps its deadline.
    pub fn apply(&self, shard: usize, changes: &[Change<'_>], position: Position) {
        self.shards.write().apply(shard, changes, position);
        self.moved.1.notify_all();
    }

    /// Moves a shard's deadline to this moment, if it is later than the present one.
    pub fn prolong(&self, shard: usize, deadline_ns: i64) {
        self.shards.write().prolong(shard, deadline_ns);
        self.confirm();
    }

    fn confirm(&self) {
        self.confirmed_ms.store(now_ms(), Ordering::Relaxed);
    }

    /// The records that the bundle's lookups name for this request, all of one state, which is the one that the
    /// token names or a later one.
    pub fn capture(&self, document: &Value, at_least: Option<&StateToken>) -> Result<Captured, NotYet> {
        let shards = self.shards.read();
        if at_least.is_some_and(|token| !shards.contains(token)) {
            return Err(NotYet::Behind);
        }
        Captured::of(&shards, document).ok_or(NotYet::Unavailable)
    }

    /// Waits a moment for what could not be captured to come; false: it will not, or `until` is over.
    pub fn wait(&self, awaited: NotYet, until: Option<Instant>) -> bool {
        // A change between the caller's look and this wait is missed only for this long.
        let step = Duration::from_millis(5);
        let left = until.map_or(step, |until| until.saturating_duration_since(Instant::now()));
        if awaited == NotYet::Unavailable || left.is_zero() {
            return false;
        }
        self.moved.1.wait_for(&mut self.moved.0.lock(), left.min(step));
        true
    }

    /// The smallest sequence number of a shard that an answer under way was made from, and the shard's own.
    pub fn drained(&self, shard: usize) -> u64 {
        self.shards.read().drained(shard)
    }

    /// The earliest deadline of all shards.
    pub fn deadline_ns(&self) -> i64 {
        self.shards.read().deadline_ns()
    }

    /// How long the earliest deadline lies ahead; negative: decisions are denials.
    pub fn fresh_for_ns(&self) -> i64 {
        self.deadline_ns().saturating_sub(self.clock.now_ns())
    }

    /// What decisions now see; None: not every shard is loaded.
    pub fn view(&self) -> Option<Arc<View>> {
        self.shards.read().view().cloned()
    }

    /// Records held, by kind.
    pub fn counts(&self) -> Vec<(String, usize)> {
        self.shards.read().counts()
    }

    /// Sequence number of each shard's state; 0 where none is loaded.
    pub fn sequences(&self) -> Vec<u64> {
        self.shards.read().sequences()
    }

    /// Milliseconds since the store last confirmed that it held nothing newer; None: never.
    pub fn age_ms(&self) -> Option<i64> {
        match self.confirmed_ms.load(Ordering::Relaxed) {
            0 => None,
            confirmed => Some(now_ms().saturating_sub(confirmed).max(0)),
        }
    }
}

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
