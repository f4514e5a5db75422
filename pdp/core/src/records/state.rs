//! One state: the documents of one position in the store's history.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use hashbrown::HashMap;

/// A place in the store's history. Equal chains mean equal histories; equal numbers alone mean nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Of the store: another one after it was made anew or restored.
    pub epoch: String,
    pub sequence: u64,
    pub chain: [u8; 20],
}

/// What a caller holds of a position: `<sequence>.<first eight hex digits of the chain>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateToken {
    sequence: u64,
    chain: String,
}

impl StateToken {
    pub fn parse(text: &str) -> Option<Self> {
        let (sequence, chain) = text.split_once('.')?;
        let digits = !sequence.is_empty() && sequence.bytes().all(|byte| byte.is_ascii_digit());
        let hex = chain.len() == 8 && chain.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !digits || !hex {
            return None;
        }
        Some(Self { sequence: sequence.parse().ok()?, chain: chain.to_owned() })
    }
}

/// A change of one record; None deletes.
pub struct Change<'a> {
    pub kind: &'a str,
    pub key: &'a str,
    pub document: Option<&'a [u8]>,
    pub version: u64,
}

/// A document and the sequence number of the write that last changed it.
#[derive(Clone)]
pub(super) struct Record {
    pub version: u64,
    pub document: Arc<[u8]>,
}

#[derive(Default)]
pub(super) struct Kind {
    pub records: HashMap<Box<str>, Record>,
    /// Sequence number of the last change to any record of the kind.
    pub changed: u64,
    /// All documents as one JSON object, made when first asked for after a change.
    joined: OnceLock<Arc<[u8]>>,
}

impl Kind {
    /// `{"key": document, …}` in the order of the keys.
    pub fn joined(&self) -> Arc<[u8]> {
        Arc::clone(self.joined.get_or_init(|| {
            let sorted: BTreeMap<&str, &[u8]> =
                self.records.iter().map(|(key, record)| (&**key, &*record.document)).collect();
            let mut out = vec![b'{'];
            for (key, document) in sorted {
                if out.len() > 1 {
                    out.push(b',');
                }
                out.extend_from_slice(serde_json::Value::from(key).to_string().as_bytes());
                out.push(b':');
                out.extend_from_slice(document);
            }
            out.push(b'}');
            out.into()
        }))
    }
}

pub(super) struct State {
    kinds: HashMap<Box<str>, Kind>,
    sequence: u64,
    chain: String,
    token: Arc<str>,
    /// Counts snapshots: versions of different generations have nothing to do with each other.
    generation: u64,
}

impl Default for State {
    fn default() -> Self {
        Self { kinds: HashMap::new(), sequence: 0, chain: String::new(), token: "".into(), generation: 0 }
    }
}

impl State {
    pub fn put(&mut self, kind: &str, key: &str, document: &[u8], version: u64) {
        let kind = self.kind_mut(kind, version);
        kind.records.insert(key.into(), Record { version, document: document.into() });
    }

    pub fn remove(&mut self, kind: &str, key: &str, version: u64) {
        self.kind_mut(kind, version).records.remove(key);
    }

    fn kind_mut(&mut self, kind: &str, version: u64) -> &mut Kind {
        let kind = self.kinds.entry_ref(kind).or_default();
        kind.changed = kind.changed.max(version);
        kind.joined.take();
        kind
    }

    pub fn kind(&self, kind: &str) -> Option<&Kind> {
        self.kinds.get(kind)
    }

    /// Moves the state to a position.
    pub fn place(&mut self, position: Position, generation: u64) {
        self.sequence = position.sequence;
        self.generation = generation;
        self.chain.clear();
        for byte in position.chain.iter().take(4) {
            // Writing to a String does not fail.
            let _ = write!(self.chain, "{byte:02x}");
        }
        self.token = format!("{}.{}", self.sequence, self.chain).into();
    }

    /// A later state holds an earlier one of the same history; of the same number only the same one.
    pub fn contains(&self, token: &StateToken) -> bool {
        match self.sequence.cmp(&token.sequence) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => self.chain == token.chain,
            std::cmp::Ordering::Greater => true,
        }
    }

    pub fn shrink(&mut self) {
        for kind in self.kinds.values_mut() {
            kind.records.shrink_to_fit();
        }
    }

    pub fn token(&self) -> Arc<str> {
        Arc::clone(&self.token)
    }

    pub fn generation(&self) -> u64 {
        self.generation
    }

    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    pub fn counts(&self) -> Vec<(String, usize)> {
        let mut counts: Vec<_> =
            self.kinds.iter().map(|(kind, held)| (kind.to_string(), held.records.len())).collect();
        counts.sort();
        counts
    }
}
