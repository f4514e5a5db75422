//! Changes as they stand in the histories of stores.

use hashbrown::HashMap;
use serde_bytes::Bytes;
use thiserror::Error;

use super::state::Change;

/// What stands in a history as a write's changes is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the changes of write {0} cannot be read")]
pub struct Unreadable(pub u64);

/// The last change of each record, from writes in their order: the number of each, and its changes as MessagePack,
/// `[[kind, key] (a deletion) or [kind, key, document], …]`, with texts and documents as UTF-8, of either type.
pub fn unpack<'a>(writes: impl Iterator<Item = (u64, &'a [u8])>) -> Result<Vec<Change<'a>>, Unreadable> {
    let mut changes: Vec<Change<'a>> = Vec::new();
    let mut places = HashMap::new();
    for (version, packed) in writes {
        let unreadable = || Unreadable(version);
        let entries: Vec<Vec<&'a Bytes>> = rmp_serde::from_slice(packed).map_err(|_| unreadable())?;
        for entry in &entries {
            let change = change(entry, version).ok_or_else(unreadable)?;
            let place = *places.entry((change.kind, change.key)).or_insert(changes.len());
            match changes.get_mut(place) {
                Some(earlier) => *earlier = change,
                None => changes.push(change),
            }
        }
    }
    Ok(changes)
}

fn change<'a>(entry: &[&'a Bytes], version: u64) -> Option<Change<'a>> {
    let (kind, key, document) = match *entry {
        [kind, key] => (kind, key, None),
        [kind, key, document] => (kind, key, Some(&**document)),
        _ => return None,
    };
    let text = |bytes: &'a Bytes| std::str::from_utf8(bytes).ok();
    Some(Change { kind: text(kind)?, key: text(key)?, document, version })
}

#[cfg(test)]
mod tests {
    use super::{Unreadable, unpack};

    /// Kind, key, document, version.
    type Shown = (String, String, Option<Vec<u8>>, u64);

    fn shown(writes: &[(u64, &[u8])]) -> Result<Vec<Shown>, Unreadable> {
        let changes = unpack(writes.iter().copied())?;
        let shown = changes
            .iter()
            .map(|c| (c.kind.to_owned(), c.key.to_owned(), c.document.map(<[u8]>::to_vec), c.version));
        Ok(shown.collect())
    }

    fn put(key: &str, document: &[u8], version: u64) -> Shown {
        ("k".to_owned(), key.to_owned(), Some(document.to_vec()), version)
    }

    #[test]
    fn texts_and_bytes_are_the_same_and_the_last_change_of_a_record_stays() {
        // [["k", "a", "1"], ["k", "b", bin "2"]], [["k", "b"]], [], [[bin "k", "a", "3"]]
        let writes: [(u64, &[u8]); 4] = [
            (1, b"\x92\x93\xa1k\xa1a\xa11\x93\xa1k\xa1b\xc4\x012"),
            (2, b"\x91\x92\xa1k\xa1b"),
            (3, b"\x90"),
            (4, b"\x91\x93\xc4\x01k\xa1a\xa13"),
        ];
        let deleted = ("k".to_owned(), "b".to_owned(), None, 2);
        assert_eq!(shown(writes.get(..1).unwrap_or_default()), Ok(vec![put("a", b"1", 1), put("b", b"2", 1)]));
        assert_eq!(shown(&writes), Ok(vec![put("a", b"3", 4), deleted]));
        assert_eq!(shown(&[]), Ok(vec![]));
    }

    #[test]
    fn what_is_no_list_of_changes_is_refused_by_its_number() {
        let bad: [&[u8]; 8] = [
            b"",
            b"\xa1k",
            b"\x91\x90",
            b"\x91\x91\xa1k",
            b"\x91\x92\xa1k\x01",
            b"\x91\x92\xa1k\xa2a",
            b"\x91\x92\xa1k\xa1\xff",
            b"\x91\x94\xa1k\xa1a\xa11\xa12",
        ];
        for packed in bad {
            assert_eq!(shown(&[(1, b"\x90"), (7, packed)]), Err(Unreadable(7)), "{packed:?}");
        }
    }
}
