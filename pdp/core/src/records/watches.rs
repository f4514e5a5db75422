//! Gateways that keep answers and watch: what each must still forget, and what each may still be using.
//!
//! A gateway may use what it keeps for as long as the lease of its latest pong lasts. Until that long, on this
//! process's clock, the state counts as in use that it last said it holds: everything that earlier changes
//! made wrong is forgotten there. That goes on when its stream has ended.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::state::Change;
use super::view::View;

/// More than this for one gateway to forget, and it forgets everything.
const MOST: usize = if cfg!(test) { 6 } else { 10_000 };
/// Longest lease, for a state that never goes stale.
const LONGEST_LEASE_NS: i64 = 60_000_000_000;

/// For a gateway: forget what `forget` names (everything, when `generation` is another one than before), then take
/// the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchMessage {
    /// 0: none that an answer ever has.
    pub generation: u64,
    /// Of each shard.
    pub sequences: Vec<u64>,
    /// Tags of answers, as `Bundle::tags` makes them.
    pub forget: Vec<Arc<str>>,
    /// Counts from when the ping was sent; None: no new lease.
    pub lease_ns: Option<i64>,
}

/// A generation, and a sequence number for each shard.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    generation: u64,
    sequences: Vec<u64>,
}

#[derive(Default)]
struct Stream {
    forget: Vec<Arc<str>>,
    /// There was too much to forget, so it is everything.
    overflowed: bool,
    told: Told,
    acknowledged: Told,
    /// None: it never had a lease.
    granted_until: Option<i64>,
    closed: bool,
    wake: Arc<Notify>,
}

/// INVARIANT: the queues are filled under the lock that publishes a change, and taken under that lock for
/// reading: what a message names and its sequence numbers are of one moment.
#[derive(Default)]
pub(super) struct Watches {
    streams: Mutex<Streams>,
}

#[derive(Default)]
struct Streams {
    by_number: HashMap<u64, Stream>,
    opened: u64,
}

impl Watches {
    /// Opens a stream; gives its number and what is signalled when there is something to tell.
    pub fn open(&self) -> (u64, Arc<Notify>) {
        let mut streams = self.streams.lock();
        streams.opened = streams.opened.saturating_add(1);
        let (number, stream) = (streams.opened, Stream::default());
        let wake = Arc::clone(&stream.wake);
        streams.by_number.insert(number, stream);
        (number, wake)
    }

    /// Its lease goes on without it.
    pub fn close(&self, number: u64, now_ns: i64) {
        let mut streams = self.streams.lock();
        if let Some(stream) = streams.by_number.get_mut(&number) {
            stream.closed = true;
            stream.forget = Vec::new();
        }
        streams.drop_ended(now_ns);
    }

    /// Changes that are just being published.
    pub fn changed(&self, changes: &[Change<'_>]) {
        let mut streams = self.streams.lock();
        if changes.is_empty() || streams.by_number.is_empty() {
            return;
        }
        let kinds: HashSet<&str> = changes.iter().map(|change| change.kind).collect();
        let keyed = changes.iter().map(|change| tag(change.kind, change.key));
        let tags: Vec<Arc<str>> =
            keyed.chain(kinds.into_iter().map(|kind| tag(kind, ALL))).map(Arc::from).collect();
        for stream in streams.by_number.values_mut().filter(|stream| !stream.closed) {
            stream.forget.extend(tags.iter().cloned());
            if stream.overflowed || stream.forget.len() > MOST {
                stream.overflowed = true;
                stream.forget = Vec::new();
            }
            stream.wake.notify_one();
        }
    }

    /// A generation that is just being published.
    pub fn renewed(&self) {
        for stream in self.streams.lock().by_number.values_mut() {
            // All that an older generation made is to be forgotten anyway.
            stream.forget = Vec::new();
            stream.overflowed = false;
            stream.wake.notify_one();
        }
    }

    /// What the gateway last received, by its own account.
    pub fn acknowledge(&self, number: u64, generation: u64, sequences: &[u64]) {
        let mut streams = self.streams.lock();
        let Some(stream) = streams.by_number.get_mut(&number) else { return };
        let told = &stream.told;
        let whole = generation == told.generation && sequences.len() == told.sequences.len();
        // Whoever says that it holds more than it was told holds no more than that.
        let sequences = sequences.iter().zip(&told.sequences).map(|(said, told)| *said.min(told));
        stream.acknowledged =
            if whole { Told { generation, sequences: sequences.collect() } } else { Told::default() };
    }

    /// The answer to a ping. `left_ns`: how long the state may still be decided on, from `now_ns`.
    pub fn pong(&self, number: u64, view: Option<&View>, left_ns: i64, now_ns: i64) -> Vec<WatchMessage> {
        let mut streams = self.streams.lock();
        let Some(stream) = streams.by_number.get_mut(&number) else { return Vec::new() };
        let lease = left_ns.min(LONGEST_LEASE_NS);
        let lease = (view.is_some() && lease > 0).then_some(lease);
        if let Some(lease) = lease {
            stream.granted_until = stream.granted_until.max(Some(now_ns.saturating_add(lease)));
        }
        stream.tell(view, lease)
    }

    /// What is to be forgotten, when there is anything.
    pub fn news(&self, number: u64, view: Option<&View>) -> Vec<WatchMessage> {
        let mut streams = self.streams.lock();
        let Some(stream) = streams.by_number.get_mut(&number) else { return Vec::new() };
        // Who was never told anything keeps nothing.
        let begun = stream.told != Told::default();
        let renewed = stream.told.generation != view.map_or(0, |view| view.generation);
        if begun && (renewed || stream.overflowed || !stream.forget.is_empty()) {
            return stream.tell(view, None);
        }
        Vec::new()
    }

    /// The smallest sequence number of a shard that a gateway with a lease holds.
    pub fn drained(&self, shard: usize, generation: u64, now_ns: i64) -> Option<u64> {
        let mut streams = self.streams.lock();
        streams.drop_ended(now_ns);
        let leased = streams.by_number.values().filter(|stream| stream.leased(now_ns));
        leased.map(|stream| stream.acknowledged.sequence(shard, generation)).min()
    }

    #[cfg(test)]
    pub fn kept(&self) -> usize {
        self.streams.lock().by_number.len()
    }
}

impl Streams {
    fn drop_ended(&mut self, now_ns: i64) {
        self.by_number.retain(|_, stream| !stream.closed || stream.leased(now_ns));
    }
}

impl Stream {
    fn leased(&self, now_ns: i64) -> bool {
        self.granted_until.is_some_and(|until| now_ns < until)
    }

    fn tell(&mut self, view: Option<&View>, lease_ns: Option<i64>) -> Vec<WatchMessage> {
        let forget = std::mem::take(&mut self.forget);
        let mut messages = Vec::new();
        if std::mem::take(&mut self.overflowed) {
            let everything = WatchMessage { generation: 0, sequences: vec![], forget: vec![], lease_ns: None };
            messages.push(everything);
        }
        let (generation, sequences) =
            view.map_or((0, Vec::new()), |view| (view.generation, view.sequences().collect()));
        self.told = Told { generation, sequences: sequences.clone() };
        messages.push(WatchMessage { generation, sequences, forget, lease_ns });
        messages
    }
}

impl Told {
    /// Of an older generation: nothing.
    fn sequence(&self, shard: usize, generation: u64) -> u64 {
        let sequence = self.sequences.get(shard).filter(|_| self.generation == generation);
        sequence.copied().unwrap_or_default()
    }
}

/// In place of a key: any of the kind's.
pub const ALL: &str = "*";

/// What answers that depend on a record are tagged with.
pub fn tag(kind: &str, key: &str) -> String {
    [kind, "/", key].concat()
}
