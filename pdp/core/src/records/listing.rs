//! What searches read: keys in order, and the records of many requests at once.

use std::sync::Arc;

use serde_json::Value;

use super::capture::Captured;
use super::position::StateToken;
use super::spread::FullKey;
use super::view::View;
use super::{NotYet, RecordCache};
use crate::bundle::Bundle;

/// Keys of a kind, or the document of a record, with the policy and the state that they are of.
pub struct Listed<T> {
    pub what: T,
    pub bundle: Arc<Bundle>,
    pub view: Arc<View>,
}

impl RecordCache {
    /// At most so many keys of a kind that come after one (`""`: all do), in order. None: the kind is not held
    /// whole here, or the bundle does not search it.
    pub fn keys_after(&self, kind: &str, key: &str, most: usize) -> Result<Listed<Option<Vec<Box<str>>>>, NotYet> {
        let shards = self.shards.read();
        let (Some(bundle), Some(view)) = (&shards.bundle, shards.view()) else { return Err(NotYet::Unavailable) };
        let what = shards.keys_after(kind, key, most);
        Ok(Listed { what, bundle: Arc::clone(bundle), view: Arc::clone(view) })
    }

    /// The document of one record.
    pub fn document(&self, kind: &str, key: &str) -> Result<Listed<Option<Arc<[u8]>>>, NotYet> {
        let shards = self.shards.read();
        let (Some(bundle), Some(view)) = (&shards.bundle, shards.view()) else { return Err(NotYet::Unavailable) };
        let full = FullKey::of(kind, key);
        let Some(found) = shards.record(kind, &full, self.on_demand.as_ref()) else {
            return Err(NotYet::Missing(vec![full.text().into()]));
        };
        let what = found.map(|record| record.document);
        Ok(Listed { what, bundle: Arc::clone(bundle), view: Arc::clone(view) })
    }

    /// As `capture`, for several requests: all of one state.
    pub fn capture_all<'a>(
        &self,
        documents: impl Iterator<Item = &'a Value>,
        at_least: Option<&StateToken>,
    ) -> Result<Vec<Captured>, NotYet> {
        let shards = self.shards.read();
        if at_least.is_some_and(|token| !shards.contains(token)) {
            return Err(NotYet::Behind);
        }
        let (mut captured, mut missing) = (Vec::new(), Vec::new());
        for document in documents {
            match Captured::of(&shards, document, self.on_demand.as_ref()) {
                Ok(one) => captured.push(one),
                Err(NotYet::Missing(keys)) => missing.extend(keys),
                Err(why) => return Err(why),
            }
        }
        if missing.is_empty() { Ok(captured) } else { Err(NotYet::Missing(missing)) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::json;

    use crate::bundle::testing::searching;
    use crate::clock::Clock;
    use crate::records::testing::{at, delete, put};
    use crate::records::{RecordCache, Snapshot};

    fn cache(shards: usize, search: &serde_json::Value) -> RecordCache {
        let cache = RecordCache::new(shards, 0, Clock::manual());
        cache.set_bundle(Arc::new(searching(search)));
        (0..shards).for_each(|shard| cache.install(shard, Snapshot::default(), at(0), 1));
        cache
    }

    fn keys(cache: &RecordCache, kind: &str, after: &str, most: usize) -> Option<Vec<String>> {
        let listed = cache.keys_after(kind, after, most).expect("a state").what;
        listed.map(|keys| keys.iter().map(ToString::to_string).collect())
    }

    fn subjects() -> serde_json::Value {
        json!({"subject": {"user": {"kind": "a"}}})
    }

    proptest! {
        /// Whatever was written, over how many shards: pages put together are the keys in order.
        #[test]
        fn pages_are_the_keys_in_order(
            writes in proptest::collection::vec(("[a-d]{1,2}", any::<bool>()), 0..40),
            most in 1_usize..5,
            shards in 1_usize..4,
        ) {
            let cache = cache(shards, &subjects());
            let mut expected = BTreeSet::new();
            for (version, (key, there)) in (1..).zip(&writes) {
                let shard = super::super::spread::spread(super::FullKey::of("a", key).text(), shards);
                let change = if *there { put("a", key, "{}", version) } else { delete("a", key, version) };
                cache.apply(shard, &[change], at(version));
                if *there { expected.insert(key.clone()); } else { expected.remove(key); }
            }
            let (mut found, mut after) = (Vec::new(), String::new());
            loop {
                let page = keys(&cache, "a", &after, most).expect("in order");
                prop_assert!(page.len() <= most);
                let Some(last) = page.last() else { break };
                after.clone_from(last);
                found.extend(page);
            }
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_kind_is_in_order_from_when_the_bundle_searches_it() {
        let cache = cache(1, &json!({}));
        cache.apply(0, &[put("a", "y", "{}", 1), put("a", "x", "{}", 1)], at(1));
        assert_eq!(keys(&cache, "a", "", 9), None);
        cache.set_bundle(Arc::new(searching(&subjects())));
        assert_eq!(keys(&cache, "a", "", 9), Some(vec!["x".to_owned(), "y".to_owned()]));
        assert_eq!(keys(&cache, "i", "", 9), None, "another kind");
        let mut snapshot = cache.snapshot();
        snapshot.add("a", "z", b"{}", 2);
        cache.install(0, snapshot, at(2), 1);
        assert_eq!(keys(&cache, "a", "", 9), Some(vec!["z".to_owned()]));
    }

    #[test]
    fn a_kind_held_on_demand_is_not_listed() {
        let cache = RecordCache::new(1, 1 << 20, Clock::manual());
        cache.set_bundle(Arc::new(searching(&subjects())));
        cache.install(0, cache.snapshot(), at(0), 1);
        assert_eq!(keys(&cache, "a", "", 9), None);
    }
}
