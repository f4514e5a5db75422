//! How records are spread over shards: the one place that says it, for the whole core.

/// Between the kind and the key where both stand in one text; neither holds it.
const BETWEEN: char = '\0';

/// Room for the texts of most records.
const TYPICAL_BYTES: usize = 160;

/// A record's kind and key in one text, reused from lookup to lookup.
pub(super) struct FullKey {
    text: String,
    /// Where the key begins.
    key_at: usize,
}

impl Default for FullKey {
    fn default() -> Self {
        Self { text: String::with_capacity(TYPICAL_BYTES), key_at: 0 }
    }
}

impl FullKey {
    pub fn of(kind: &str, key: &str) -> Self {
        let mut full = Self::default();
        full.begin(kind).push_str(key);
        full
    }

    /// Starts anew with a kind; the key is to be appended to what it gives.
    #[inline]
    pub fn begin(&mut self, kind: &str) -> &mut String {
        self.text.clear();
        self.text.push_str(kind);
        self.text.push(BETWEEN);
        self.key_at = self.text.len();
        &mut self.text
    }

    #[inline]
    pub fn text(&self) -> &str {
        &self.text
    }

    #[inline]
    pub fn key(&self) -> &str {
        self.text.get(self.key_at..).unwrap_or_default()
    }

    /// Kind and key of a text that was made here.
    pub fn split(text: &str) -> Option<(&str, &str)> {
        text.split_once(BETWEEN)
    }
}

/// The shard of a record, of so many, by its full key. The store spreads records by the same rule: the CRC-32
/// (zlib's) of the kind, a NUL and the key, modulo the number of shards.
#[inline]
pub(super) fn spread(full: &str, shards: usize) -> usize {
    if shards < 2 {
        return 0;
    }
    let checksum = usize::try_from(crc32fast::hash(full.as_bytes())).unwrap_or_default();
    checksum.checked_rem(shards).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{FullKey, spread};

    #[test]
    fn the_shard_is_what_zlib_makes_of_kind_and_key() {
        // As Python says: zlib.crc32(kind.encode() + b"\0" + key.encode()) % 16.
        for (kind, key, shard) in SHARDS {
            assert_eq!(spread(FullKey::of(kind, key).text(), 16), shard, "{kind} {key}");
            assert_eq!(spread(FullKey::of(kind, key).text(), 1), 0);
        }
    }

    const SHARDS: [(&str, &str, usize); 4] =
        [("account", "u1", 1), ("account", "", 10), ("block", "account:é", 6), ("incident", "2026-03/brand", 14)];

    #[test]
    fn a_key_may_be_begun_again() {
        let mut full = FullKey::default();
        full.begin("account").push_str("half of it");
        full.begin("account").push('x');
        assert_eq!((full.key(), full.text()), ("x", FullKey::of("account", "x").text()));
        assert_eq!(FullKey::split(full.text()), Some(("account", "x")));
    }
}
