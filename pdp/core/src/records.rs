//! The account state in process: canonical documents by kind and key, all of one moment.

mod capture;
mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, RwLock};
use serde_json::Value;

pub use self::capture::{Captured, Found};
use self::state::State;
pub use self::state::{Change, Position, StateToken};
use crate::bundle::Lookup;
use crate::timestamp::now_ms;

/// Readers capture what a decision needs under a short lock; a change becomes visible as a whole.
#[derive(Default)]
pub struct RecordCache {
    /// None until the first snapshot is installed: nothing can be decided before.
    state: RwLock<Option<State>>,
    /// Signals every change of position to those that wait for one.
    moved: (Mutex<()>, Condvar),
    /// When the store was last seen to hold nothing newer, wall clock, for the metric of the state's age.
    confirmed_ms: AtomicI64,
}

/// A state under construction; nobody decides on it before it is installed.
#[derive(Default)]
pub struct Snapshot {
    state: State,
}

impl Snapshot {
    pub fn add(&mut self, kind: &str, key: &str, document: &[u8], version: u64) {
        self.state.put(kind, key, document, version);
    }
}

impl RecordCache {
    /// Replaces the whole state in one step.
    pub fn install(&self, snapshot: Snapshot, position: Position) {
        let mut state = snapshot.state;
        state.shrink();
        let mut current = self.state.write();
        let generation = current.as_ref().map_or(1, |old| old.generation().saturating_add(1));
        state.place(position, generation);
        let old = current.replace(state);
        // The lock first: dropping a million records takes a while.
        drop(current);
        drop(old);
        self.confirm_fresh();
        self.moved.1.notify_all();
    }

    /// Applies changes in one step. Before the first snapshot they say nothing and are left out.
    pub fn apply(&self, changes: &[Change<'_>], position: Position) {
        if let Some(state) = self.state.write().as_mut() {
            for change in changes {
                match change.document {
                    Some(document) => state.put(change.kind, change.key, document, change.version),
                    None => state.remove(change.kind, change.key, change.version),
                }
            }
            let generation = state.generation();
            state.place(position, generation);
        }
        self.confirm_fresh();
        self.moved.1.notify_all();
    }

    /// Notes that the store was read just now and holds nothing newer.
    pub fn confirm_fresh(&self) {
        self.confirmed_ms.store(now_ms(), Ordering::Relaxed);
    }

    /// The records that the lookups name for this request, all of one state. None: no state is loaded.
    pub fn capture(&self, lookups: &[Lookup], document: &Value) -> Option<Captured> {
        self.state.read().as_ref().map(|state| Captured::of(state, lookups, document))
    }

    /// Whether decisions now see the state that a token names, or a later one.
    pub fn contains(&self, token: &StateToken) -> bool {
        self.state.read().as_ref().is_some_and(|state| state.contains(token))
    }

    /// Waits until `contains`; false: it did not come within the bound.
    pub fn wait_for(&self, token: &StateToken, bound: Duration) -> bool {
        let end = Instant::now().checked_add(bound);
        let mut held = self.moved.0.lock();
        loop {
            if self.contains(token) {
                return true;
            }
            // A change between the look above and this wait is missed only for this long.
            let step = Duration::from_millis(5);
            let left = end.map_or(step, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            self.moved.1.wait_for(&mut held, left.min(step));
        }
    }

    /// Token of the state that decisions now see.
    pub fn token(&self) -> Option<Arc<str>> {
        self.state.read().as_ref().map(State::token)
    }

    pub fn loaded(&self) -> bool {
        self.state.read().is_some()
    }

    /// Records held, by kind.
    pub fn counts(&self) -> Vec<(String, usize)> {
        self.state.read().as_ref().map(State::counts).unwrap_or_default()
    }

    /// Sequence number of the state; 0 when none is loaded.
    pub fn sequence(&self) -> u64 {
        self.state.read().as_ref().map_or(0, State::sequence)
    }

    /// Milliseconds since the store was last seen to hold nothing newer; None: never.
    pub fn age_ms(&self) -> Option<i64> {
        match self.confirmed_ms.load(Ordering::Relaxed) {
            0 => None,
            confirmed => Some(now_ms().saturating_sub(confirmed).max(0)),
        }
    }
}

#[cfg(test)]
mod tests;
