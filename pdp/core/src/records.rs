//! The account state in process: canonical documents by kind and key, all of one moment, with the moment until
//! which decisions may be made on them.

mod capture;
mod listing;
mod misses;
mod on_demand;
mod orders;
mod packed;
mod position;
mod shards;
mod snapshot;
mod spread;
mod state;
mod view;
mod waiting;
mod watches;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, RwLock};
use serde_json::Value;
use tokio::sync::Notify;

pub use self::capture::{Captured, Found};
pub use self::listing::Listed;
use self::on_demand::OnDemand;
pub use self::packed::{Unreadable, unpack};
pub use self::position::{Position, StateToken};
use self::shards::Shards;
pub use self::snapshot::Snapshot;
use self::spread::{FullKey, spread};
pub use self::state::Change;
pub use self::view::View;
pub use self::waiting::Waiting;
use self::watches::Watches;
pub use self::watches::{ALL, WatchMessage, tag};
use crate::bundle::Bundle;
use crate::cache::CacheFigures;
use crate::clock::Clock;
use crate::error::FailClosed;
use crate::timestamp::now_ms;

/// The deadline of a state that never goes stale.
pub const NEVER_NS: i64 = i64::MAX;

/// Why records cannot be captured now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotYet {
    /// There is no policy, or a shard has no state.
    Unavailable,
    /// The state is older than the one asked for.
    Behind,
    /// Records that are kept on demand are not held, by their full keys.
    Missing(Vec<Box<str>>),
}

/// Readers capture what a decision needs under a short lock; a change becomes visible as a whole.
pub struct RecordCache {
    shards: RwLock<Shards>,
    count: usize,
    /// Where kinds that are not replicated are found; None: every record is held.
    on_demand: Option<OnDemand>,
    watches: Watches,
    /// Of deadlines.
    pub clock: Clock,
    /// Signals every change of position to those that wait for one.
    moved: (Mutex<u64>, Condvar),
    /// When the store last confirmed that it held nothing newer, wall clock, for the metric of the state's age.
    confirmed_ms: AtomicI64,
}

impl NotYet {
    /// What a request gets that cannot wait any longer.
    pub fn denial(&self) -> FailClosed {
        match self {
            Self::Unavailable | Self::Missing(_) => FailClosed::StateUnavailable,
            Self::Behind => FailClosed::StateStale,
        }
    }
}

impl RecordCache {
    /// `shards` that share the records, at least one; `on_demand_bytes` bounds what is held of kinds that are
    /// not replicated, 0: every record is held.
    pub fn new(shards: usize, on_demand_bytes: u64, clock: Clock) -> Self {
        let shards = Shards::new(shards);
        Self {
            on_demand: (on_demand_bytes > 0).then(|| OnDemand::new(on_demand_bytes)),
            count: shards.count(),
            shards: RwLock::new(shards),
            clock,
            watches: Watches::default(),
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
        let mut shards = self.shards.write();
        let old = shards.set_bundle(bundle);
        self.watches.renewed();
        drop(shards);
        drop(old);
    }

    pub fn bundle(&self) -> Option<Arc<Bundle>> {
        self.shards.read().bundle.clone()
    }

    /// A snapshot to fill: of all kinds, or on demand of those that the bundle of now declares replicated.
    pub fn snapshot(&self) -> Snapshot {
        let replicated = |bundle: &Bundle| bundle.kinds_that(|kind| kind.replicated).map(Box::from).collect();
        let bundle = self.on_demand.as_ref().map(|_| self.bundle());
        Snapshot::of_kinds(bundle.map(|bundle| bundle.as_deref().map(replicated).unwrap_or_default()))
    }

    /// Replaces the whole state of a shard in one step.
    pub fn install(&self, shard: usize, snapshot: Snapshot, position: Position, deadline_ns: i64) {
        let mut state = snapshot.finish();
        state.order(self.bundle().iter().flat_map(|bundle| bundle.search.kinds()));
        let mut shards = self.shards.write();
        let old = shards.install(shard, state, position, deadline_ns, self.on_demand.as_ref());
        self.watches.renewed();
        // The lock first: dropping a million records takes a while.
        drop(shards);
        drop(old);
        self.confirm();
        self.move_on();
    }

    /// Applies changes in one step; the shard keeps its deadline.
    pub fn apply(&self, shard: usize, changes: &[Change<'_>], position: Position) {
        let mut shards = self.shards.write();
        shards.apply(shard, changes, position, self.on_demand.as_ref());
        self.watches.changed(changes);
        drop(shards);
        self.move_on();
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
        Captured::of(&shards, document, self.on_demand.as_ref())
    }

    /// For a request that may wait until then.
    pub fn waiting(&self, until: Option<Instant>) -> Waiting<'_> {
        Waiting::new(self, until)
    }

    /// Wakes whoever waits for another state.
    fn move_on(&self) {
        let mut moves = self.moved.0.lock();
        *moves = moves.wrapping_add(1);
        self.moved.1.notify_all();
    }

    /// Another number after each move.
    fn moves(&self) -> u64 {
        *self.moved.0.lock()
    }

    /// Returns once there was a move since this number was read.
    fn wait_for_move(&self, since: u64, at_most: Duration) {
        let mut moves = self.moved.0.lock();
        if *moves == since {
            self.moved.1.wait_for(&mut moves, at_most);
        }
    }

    /// Asks for a record by its full key; `waits`: and keeps it once it came, until `release`. False: too many
    /// are asked for.
    fn ask(&self, full: &str, waits: bool) -> bool {
        let shards = self.shards.read();
        let place = shards.place(spread(full, self.count));
        let (Some(on_demand), Some(place)) = (&self.on_demand, place) else { return false };
        on_demand.ask(full, place.load, place.sequence, waits)
    }

    fn release(&self, full: &str) {
        if let Some(on_demand) = &self.on_demand {
            on_demand.release(full);
        }
    }

    /// Has records fetched that nobody waits for yet.
    pub fn ask_for(&self, awaited: &NotYet) {
        let NotYet::Missing(keys) = awaited else { return };
        for key in keys {
            self.ask(key, false);
        }
    }

    /// Kind and key of records that decisions need and that are not held, each given once; waits for the first.
    pub fn take_misses(&self, wait: Duration) -> Vec<(String, String)> {
        let Some(on_demand) = &self.on_demand else {
            std::thread::sleep(wait);
            return Vec::new();
        };
        let taken = on_demand.take(wait);
        let split = taken.iter().filter_map(|full| FullKey::split(full));
        split.map(|(kind, key)| (kind.to_owned(), key.to_owned())).collect()
    }

    /// Takes in records of a shard as they were at a sequence number (no document: there was none). Of use are
    /// those that were given by `take_misses` and not changed since. False: the shard is not there yet.
    pub fn supply(&self, shard: usize, records: &[Change<'_>], sequence: u64) -> bool {
        let shards = self.shards.read();
        let Some(place) = shards.place(shard).filter(|place| place.sequence >= sequence) else { return false };
        if let Some(on_demand) = &self.on_demand {
            let own =
                |record: &&Change<'_>| spread(FullKey::of(record.kind, record.key).text(), self.count) == shard;
            on_demand.supply(place.load, sequence, records.iter().filter(own));
        }
        drop(shards);
        self.move_on();
        true
    }

    /// What is held on demand; None: every record is held.
    pub fn on_demand_figures(&self) -> Option<CacheFigures> {
        self.on_demand.as_ref().map(OnDemand::figures)
    }

    /// The smallest sequence number of a shard of the state, of the states that answers under way were made from,
    /// and of what watching gateways hold for as long as they may use what they keep.
    pub fn drained(&self, shard: usize) -> u64 {
        let shards = self.shards.read();
        let watched = self.watches.drained(shard, shards.generation(), self.clock.now_ns());
        shards.drained(shard).min(watched.unwrap_or(u64::MAX))
    }

    /// Opens a gateway's watch: its number, and what is signalled when there is news for it.
    pub fn watch(&self) -> (u64, Arc<Notify>) {
        self.watches.open()
    }

    /// A watch's stream has ended; what the gateway may still use goes on to count.
    pub fn unwatch(&self, number: u64) {
        self.watches.close(number, self.clock.now_ns());
    }

    /// The answer to a watch's ping, which says what was last received.
    pub fn pong(&self, number: u64, generation: u64, sequences: &[u64]) -> Vec<WatchMessage> {
        let shards = self.shards.read();
        self.watches.acknowledge(number, generation, sequences);
        let now_ns = self.clock.now_ns();
        let left_ns = shards.deadline_ns().saturating_sub(now_ns);
        self.watches.pong(number, shards.view().map(Arc::as_ref), left_ns, now_ns)
    }

    /// What a watch is to be told without having asked.
    pub fn news(&self, number: u64) -> Vec<WatchMessage> {
        let shards = self.shards.read();
        self.watches.news(number, shards.view().map(Arc::as_ref))
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
mod on_demand_tests;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod watches_tests;
