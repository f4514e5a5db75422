//! What metrics are made of: counters by labels, histograms, and their readings.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::RwLock;

/// The value of a label that is not known.
pub const OTHER: &str = "other";
/// Most series a counter may have; further ones count under `other`.
const MAX_SERIES: usize = 10_000;
/// Upper bounds of the latency histogram, seconds.
const BOUNDS: [f64; 14] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_15, 0.000_2, 0.000_3, 0.000_5, 0.001, 0.002_5, 0.005, 0.01,
    0.05, 0.25,
];

/// One metric with all its samples, ready for an exposition format.
pub struct Family {
    pub name: &'static str,
    pub kind: &'static str,
    pub help: &'static str,
    pub labels: &'static [&'static str],
    pub samples: Vec<(Vec<String>, Reading)>,
}

impl Family {
    pub fn counter(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        samples: Vec<(Vec<String>, Reading)>,
    ) -> Self {
        Self { name, kind: "counter", help, labels, samples }
    }

    pub fn gauge(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        samples: Vec<(Vec<String>, Reading)>,
    ) -> Self {
        Self { name, kind: "gauge", help, labels, samples }
    }
}

/// A sample without labels.
pub fn single(reading: f64) -> Vec<(Vec<String>, Reading)> {
    vec![(vec![], Reading::Value(reading))]
}

pub enum Reading {
    Value(f64),
    /// (Upper bound, cumulative count) in order, the last for all; and the sum of the observed values.
    Histogram {
        buckets: Vec<(f64, u64)>,
        sum: f64,
    },
}

/// A counter by three label values, kept under the values with a NUL after each.
#[derive(Default)]
pub struct Counter(RwLock<HashMap<String, AtomicU64>>);

impl Counter {
    pub fn add(&self, labels: [&str; 3]) {
        KEY.with_borrow_mut(|key| {
            key.clear();
            for label in labels {
                key.push_str(label);
                key.push('\0');
            }
            if let Some(count) = self.0.read().get(key.as_str()) {
                count.fetch_add(1, Ordering::Relaxed);
                return;
            }
            let mut series = self.0.write();
            let key = if series.len() < MAX_SERIES { key.clone() } else { [OTHER, "\0"].concat().repeat(3) };
            series.entry(key).or_default().fetch_add(1, Ordering::Relaxed);
        });
    }

    pub fn samples(&self) -> Vec<(Vec<String>, Reading)> {
        let mut samples: Vec<_> = self.0.read().iter().map(|(key, count)| (split(key), value(count))).collect();
        samples.sort_by(|left, right| left.0.cmp(&right.0));
        samples
    }
}

thread_local! {
    static KEY: RefCell<String> = const { RefCell::new(String::new()) };
}

fn split(key: &str) -> Vec<String> {
    key.split_terminator('\0').map(str::to_owned).collect()
}

pub fn value(count: &AtomicU64) -> Reading {
    Reading::Value(as_float(count.load(Ordering::Relaxed)))
}

/// Counts beyond 2^53 lose their last digits, which no dashboard shows.
#[allow(clippy::cast_precision_loss)]
pub fn as_float(count: u64) -> f64 {
    count as f64
}

#[derive(Default)]
pub struct Histogram {
    counts: [AtomicU64; BOUNDS.len()],
    beyond: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Histogram {
    pub fn observe(&self, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        let place = BOUNDS.iter().zip(&self.counts).find(|(bound, _)| seconds <= **bound);
        place.map_or(&self.beyond, |(_, count)| count).fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub fn reading(&self) -> Reading {
        let mut total = 0u64;
        let mut buckets = Vec::new();
        for (bound, count) in BOUNDS.iter().zip(&self.counts) {
            total = total.saturating_add(count.load(Ordering::Relaxed));
            buckets.push((*bound, total));
        }
        buckets.push((f64::INFINITY, total.saturating_add(self.beyond.load(Ordering::Relaxed))));
        let nanoseconds = self.nanoseconds.load(Ordering::Relaxed);
        Reading::Histogram { buckets, sum: Duration::from_nanos(nanoseconds).as_secs_f64() }
    }
}
