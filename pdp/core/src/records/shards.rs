//! All that decisions are made on, of one moment: what stands under the lock of the records.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use hashbrown::HashMap;
use parking_lot::Mutex;

use super::on_demand::OnDemand;
use super::position::{self, Position, StateToken};
use super::spread::{FullKey, spread};
use super::state::{Change, Kind, Record, State, join};
use super::view::{Place, View, Views};
use crate::bundle::Bundle;

/// The policy and the shards.
///
/// INVARIANT: `view` and `deadline_ns` are those of `shards` and `bundle` as they are, whenever the lock is
/// free: whoever reads them together with records mixes no two moments.
pub(super) struct Shards {
    pub bundle: Option<Arc<Bundle>>,
    shards: Vec<Option<Shard>>,
    /// None until every shard is loaded: nothing can be decided before.
    view: Option<Arc<View>>,
    /// The earliest of all shards.
    deadline_ns: i64,
    /// Counts whatever is more than a change to records: another policy, another snapshot of a shard.
    generation: u64,
    views: Views,
    /// Whole kinds of several shards as one JSON object, under what they are made from.
    joined: Mutex<HashMap<Box<str>, Joined>>,
}

struct Joined {
    generation: u64,
    version: u64,
    text: Arc<[u8]>,
}

/// One shard as it is loaded.
pub(super) struct Shard {
    state: State,
    position: Position,
    /// Counts the snapshots of this shard.
    load: u64,
    /// Until when answers made from it may leave.
    deadline_ns: i64,
}

impl Shards {
    pub fn new(shards: usize) -> Self {
        Self {
            bundle: None,
            shards: std::iter::repeat_with(|| None).take(shards.max(1)).collect(),
            view: None,
            deadline_ns: i64::MIN,
            generation: 0,
            views: Views::default(),
            joined: Mutex::default(),
        }
    }

    pub fn set_bundle(&mut self, bundle: Arc<Bundle>) -> Option<Arc<Bundle>> {
        for shard in self.shards.iter_mut().flatten() {
            shard.state.order(bundle.search.kinds());
        }
        let old = self.bundle.replace(bundle);
        self.generation = self.generation.saturating_add(1);
        self.publish();
        old
    }

    /// Replaces a shard; gives the old one, which is better dropped outside of the lock.
    pub fn install(
        &mut self,
        shard: usize,
        mut state: State,
        position: Position,
        deadline_ns: i64,
        on_demand: Option<&OnDemand>,
    ) -> Option<Shard> {
        self.generation = self.generation.saturating_add(1);
        let load = self.generation;
        // Done before the lock was taken, unless the bundle has changed since.
        state.order(self.bundle.iter().flat_map(|bundle| bundle.search.kinds()));
        if let Some(on_demand) = on_demand {
            let shards = self.shards.len();
            on_demand.restart(load, position.sequence, |full| spread(full, shards) == shard);
        }
        let old = self.shards.get_mut(shard)?.replace(Shard { state, position, load, deadline_ns });
        self.publish();
        old
    }

    /// Before the shard is loaded changes say nothing and are left out.
    pub fn apply(
        &mut self,
        shard: usize,
        changes: &[Change<'_>],
        position: Position,
        on_demand: Option<&OnDemand>,
    ) {
        let Some(Some(loaded)) = self.shards.get_mut(shard) else { return };
        if let Some(on_demand) = on_demand {
            on_demand.apply(loaded.load, changes.iter().filter(|change| !loaded.state.holds(change.kind)));
        }
        for change in changes {
            loaded.state.apply(change);
        }
        loaded.position = position;
        self.publish();
    }

    pub fn prolong(&mut self, shard: usize, deadline_ns: i64) {
        let Some(Some(loaded)) = self.shards.get_mut(shard) else { return };
        loaded.deadline_ns = loaded.deadline_ns.max(deadline_ns);
        self.settle_deadline();
    }

    fn publish(&mut self) {
        let Some(loaded) = self.loaded() else { return };
        let places = loaded.iter().map(|shard| Place { load: shard.load, sequence: shard.position.sequence });
        let view = Arc::new(View {
            token: position::token(loaded.iter().map(|shard| &shard.position)).into(),
            generation: self.generation,
            places: places.collect(),
        });
        self.views.add(&view);
        self.view = Some(view);
        self.settle_deadline();
    }

    fn settle_deadline(&mut self) {
        let deadlines =
            self.shards.iter().map(|shard| shard.as_ref().map_or(i64::MIN, |loaded| loaded.deadline_ns));
        self.deadline_ns = deadlines.min().unwrap_or(i64::MIN);
    }

    /// All shards; None: one has no state yet.
    fn loaded(&self) -> Option<Vec<&Shard>> {
        self.shards.iter().map(Option::as_ref).collect()
    }

    pub fn view(&self) -> Option<&Arc<View>> {
        self.view.as_ref()
    }

    pub fn deadline_ns(&self) -> i64 {
        self.deadline_ns
    }

    pub fn generation(&self) -> u64 {
        self.generation
    }

    pub fn count(&self) -> usize {
        self.shards.len()
    }

    /// The record under a full key of this kind, None: there is none. None at all: it is not held.
    #[inline]
    pub fn record(&self, kind: &str, full: &FullKey, on_demand: Option<&OnDemand>) -> Option<Option<Record>> {
        let shard = self.shards.get(spread(full.text(), self.shards.len()))?.as_ref()?;
        if shard.state.holds(kind) {
            return Some(shard.state.kind(kind).and_then(|kind| kind.records.get(full.key())).cloned());
        }
        on_demand?.get(full, shard.load)
    }

    /// The snapshot that a shard was loaded from, and its sequence number.
    pub fn place(&self, shard: usize) -> Option<Place> {
        let loaded = self.shards.get(shard)?.as_ref()?;
        Some(Place { load: loaded.load, sequence: loaded.position.sequence })
    }

    fn kinds<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Kind> {
        self.shards.iter().flatten().filter_map(move |shard| shard.state.kind(kind))
    }

    /// Every record of a kind, and a version that is another one whenever one of them differs. None: they are
    /// not held whole.
    pub fn all(&self, kind: &str) -> Option<(u64, Arc<[u8]>)> {
        if !self.shards.iter().flatten().all(|shard| shard.state.holds(kind)) {
            return None;
        }
        let mut kinds = self.kinds(kind);
        let Some(first) = kinds.next() else { return Some((0, Arc::from(*b"{}"))) };
        if self.shards.len() < 2 {
            return Some((first.changed, first.joined()));
        }
        // Each addend only ever grows, so equal sums are equal addends.
        let version = kinds.fold(first.changed, |sum, kind| sum.saturating_add(kind.changed));
        let generation = self.generation;
        let mut joined = self.joined.lock();
        if let Some(held) = joined.get(kind)
            && (held.generation, held.version) == (generation, version)
        {
            return Some((version, Arc::clone(&held.text)));
        }
        let text = join(self.kinds(kind));
        joined.insert(kind.into(), Joined { generation, version, text: Arc::clone(&text) });
        Some((version, text))
    }

    /// So many keys of a kind that come after one, in order. None: they are not held whole.
    pub fn keys_after(&self, kind: &str, key: &str, most: usize) -> Option<Vec<Box<str>>> {
        let mut keys = Vec::new();
        for shard in self.shards.iter().flatten() {
            keys.extend(shard.state.keys_after(kind, key)?.take(most).map(Box::<str>::from));
        }
        if self.shards.len() > 1 {
            keys.sort_unstable();
            keys.truncate(most);
        }
        Some(keys)
    }

    pub fn contains(&self, token: &StateToken) -> bool {
        token.parts().iter().all(|part| {
            let shard = self.shards.get(part.shard).and_then(Option::as_ref);
            shard.is_some_and(|loaded| loaded.position.contains(part))
        })
    }

    /// The smallest sequence number of a shard in this view and in those that are in use.
    pub fn drained(&self, shard: usize) -> u64 {
        let Some(Some(loaded)) = self.shards.get(shard) else { return 0 };
        let mut smallest = loaded.position.sequence;
        for view in self.views.in_use() {
            // A state of another snapshot may be of another history, in which the same numbers are other writes.
            let place = view.places.get(shard).filter(|place| place.load == loaded.load);
            smallest = smallest.min(place.map_or(0, |place| place.sequence));
        }
        // What the last users of views did with them came before what the caller does next.
        fence(Ordering::Acquire);
        smallest
    }

    /// Of each shard; 0 where none is loaded.
    pub fn sequences(&self) -> Vec<u64> {
        let sequence = |shard: &Option<Shard>| shard.as_ref().map_or(0, |loaded| loaded.position.sequence);
        self.shards.iter().map(sequence).collect()
    }

    /// Records held, by kind.
    pub fn counts(&self) -> Vec<(String, usize)> {
        let mut counts = std::collections::BTreeMap::<_, usize>::new();
        for (kind, held) in self.shards.iter().flatten().flat_map(|shard| shard.state.counts()) {
            let count = counts.entry(kind.to_owned()).or_default();
            *count = count.saturating_add(held);
        }
        counts.into_iter().collect()
    }
}
