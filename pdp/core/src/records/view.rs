//! Views: what goes along with every answer of the state that it was made from, and which of them are in use.

use std::sync::{Arc, Weak};

/// All shards at one moment, without their records. Whoever holds it uses the state that it stands for:
/// `RecordCache::drained` counts it for as long as anything of an answer made from it is under way.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Of all shards.
    pub token: Box<str>,
    /// Another one whenever anything but a change to records made it.
    pub generation: u64,
    pub(super) places: Box<[Place]>,
}

/// Where one shard stands in a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Counts the snapshots of this shard: numbers of different ones have nothing to do with each other.
    pub load: u64,
    pub sequence: u64,
}

impl View {
    /// Of no shard, for tests.
    #[cfg(test)]
    pub fn named(token: &str) -> Self {
        Self { token: token.into(), ..Self::default() }
    }

    /// One for each shard.
    pub fn sequences(&self) -> impl Iterator<Item = u64> {
        self.places.iter().map(|place| place.sequence)
    }
}

/// Fewer views than this are not worth a look for those that are out of use.
const FEW: usize = 64;

/// The views that may be in use.
///
/// Those out of use are dropped whenever their number has doubled, so that there are at most twice as many as
/// requests under way (or `FEW`), however fast the state moves and however long one request takes.
#[derive(Default)]
pub(super) struct Views {
    published: Vec<Weak<View>>,
    most: usize,
}

impl Views {
    pub fn add(&mut self, view: &Arc<View>) {
        if self.published.len() >= self.most.max(FEW) {
            self.published.retain(|view| view.strong_count() > 0);
            self.most = self.published.len().saturating_mul(2);
        }
        self.published.push(Arc::downgrade(view));
    }

    pub fn in_use(&self) -> impl Iterator<Item = Arc<View>> {
        self.published.iter().filter_map(Weak::upgrade)
    }

    #[cfg(test)]
    pub fn kept(&self) -> usize {
        self.published.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{FEW, View, Views};

    #[test]
    fn a_request_that_takes_long_does_not_keep_the_views_after_it() {
        let mut views = Views::default();
        let long = Arc::new(View::default());
        views.add(&long);
        for _ in 0..50_000 {
            views.add(&Arc::new(View::default()));
        }
        assert!(views.kept() <= FEW + 1, "{}", views.kept());
        assert_eq!(views.in_use().count(), 1);
        let many: Vec<_> = (0..1_000).map(|_| Arc::new(View::default())).collect();
        many.iter().for_each(|view| views.add(view));
        assert_eq!(views.in_use().count(), 1_001);
        drop((long, many));
        views.add(&Arc::new(View::default()));
        assert_eq!(views.in_use().count(), 0);
    }
}
