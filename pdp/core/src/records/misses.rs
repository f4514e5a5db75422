//! Records that decisions asked for and that are not held: who waits for them, and what came of it.

use std::time::{Duration, Instant};

use hashbrown::HashMap;

use super::state::Record;

/// Most records that may be asked for at a time; requests for further ones are denied at once.
const MOST: usize = 100_000;
/// A record that was handed out this long ago and did not come is handed out again when it is asked for again:
/// it could not be fetched then.
const AGAIN: Duration = Duration::from_secs(1);
/// A record that nobody waits for any more may still come this late and be kept.
const LATE: Duration = Duration::from_secs(5);

struct Miss {
    /// The snapshot of its shard, and the sequence number there, when it was first asked for: all changes since
    /// were looked at, so it is of use fetched at this number or a later one.
    load: u64,
    since: u64,
    waiting: usize,
    stage: Stage,
}

enum Stage {
    /// To be handed out.
    Queued,
    Taken(Instant),
    /// What it is, for those who wait for it: the cache may drop it before they look.
    Found(Option<Record>),
}

/// INVARIANT: every miss in stage `Queued` is in `queue`.
#[derive(Default)]
pub(super) struct Misses {
    pending: HashMap<Box<str>, Miss>,
    queue: Vec<Box<str>>,
    /// Records that were ever asked for.
    asked: u64,
}

impl Misses {
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// Asks for a record of a shard in this load at this sequence number; `waits`: until `release`. False: too
    /// many are asked for, and this one is not.
    pub fn ask(&mut self, key: &str, load: u64, since: u64, waits: bool) -> bool {
        if !self.pending.contains_key(key) {
            if self.pending.len() >= MOST {
                return false;
            }
            self.pending.insert(key.into(), Miss { load, since, waiting: 0, stage: Stage::Queued });
            self.queue.push(key.into());
            self.asked = self.asked.saturating_add(1);
        }
        let Some(miss) = self.pending.get_mut(key) else { return false };
        miss.waiting = miss.waiting.saturating_add(usize::from(waits));
        if matches!(miss.stage, Stage::Taken(at) if at.elapsed() >= AGAIN) {
            miss.stage = Stage::Queued;
            self.queue.push(key.into());
        }
        true
    }

    /// One who waited does not any more.
    pub fn release(&mut self, key: &str) {
        let Some(miss) = self.pending.get_mut(key) else { return };
        miss.waiting = miss.waiting.saturating_sub(1);
        if miss.waiting == 0 && matches!(miss.stage, Stage::Found(_)) {
            self.pending.remove(key);
        }
    }

    /// What is to be fetched, each given once.
    pub fn take(&mut self) -> Vec<Box<str>> {
        self.pending
            .retain(|_, miss| miss.waiting > 0 || !matches!(miss.stage, Stage::Taken(at) if at.elapsed() >= LATE));
        let mut taken = std::mem::take(&mut self.queue);
        taken.retain(|key| match self.pending.get_mut(key) {
            Some(miss) if matches!(miss.stage, Stage::Queued) => {
                miss.stage = Stage::Taken(Instant::now());
                true
            }
            _ => false,
        });
        taken
    }

    /// What a record is now, from whatever source; false: nobody asked for it.
    pub fn settle(&mut self, key: &str, record: Option<&Record>) -> bool {
        let Some(miss) = self.pending.get_mut(key) else { return false };
        if miss.waiting > 0 {
            miss.stage = Stage::Found(record.cloned());
        } else {
            self.pending.remove(key);
        }
        true
    }

    /// What a record was at a sequence number of this load; true: and still is, and it was asked for.
    pub fn supply(&mut self, key: &str, record: Option<&Record>, load: u64, sequence: u64) -> bool {
        let Some(miss) = self.pending.get_mut(key) else { return false };
        if miss.load != load || !matches!(miss.stage, Stage::Taken(_)) {
            return false;
        }
        if sequence < miss.since {
            // From a source that was behind: changes in between were not kept.
            miss.stage = Stage::Queued;
            self.queue.push(key.into());
            return false;
        }
        self.settle(key, record)
    }

    /// A shard was loaded anew: of its records all that was found or is under way says nothing any more.
    pub fn restart(&mut self, load: u64, since: u64, is_of_shard: impl Fn(&str) -> bool) {
        for (key, miss) in &mut self.pending {
            if is_of_shard(key) {
                if !matches!(miss.stage, Stage::Queued) {
                    miss.stage = Stage::Queued;
                    self.queue.push(key.clone());
                }
                (miss.load, miss.since) = (load, since);
            }
        }
    }

    pub fn found(&self, key: &str) -> Option<Option<Record>> {
        match &self.pending.get(key)?.stage {
            Stage::Found(record) => Some(record.clone()),
            _ => None,
        }
    }
}
