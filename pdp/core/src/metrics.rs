//! Every metric of the core: its name, its help, its labels. Nothing else names a metric.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::RwLock;
use serde_json::Value;

use crate::bundle::{Bundle, Known, Label};
use crate::decide::Core;
use crate::decision::Outcome;
use crate::records::Captured;

/// The value of a label that is not known to the bundle.
const OTHER: &str = "other";
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
struct Counter(RwLock<HashMap<String, AtomicU64>>);

impl Counter {
    fn add(&self, labels: [&str; 3]) {
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

    fn samples(&self) -> Vec<(Vec<String>, Reading)> {
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

fn value(count: &AtomicU64) -> Reading {
    Reading::Value(as_float(count.load(Ordering::Relaxed)))
}

/// Counts beyond 2^53 lose their last digits, which no dashboard shows.
#[allow(clippy::cast_precision_loss)]
fn as_float(count: u64) -> f64 {
    count as f64
}

#[derive(Default)]
struct Histogram {
    counts: [AtomicU64; BOUNDS.len()],
    beyond: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Histogram {
    fn observe(&self, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        let place = BOUNDS.iter().zip(&self.counts).find(|(bound, _)| seconds <= **bound);
        place.map_or(&self.beyond, |(_, count)| count).fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    fn reading(&self) -> Reading {
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

#[derive(Default)]
pub struct Metrics {
    decisions: Counter,
    reasons: Counter,
    latency: Histogram,
    invalid_requests: AtomicU64,
}

impl Metrics {
    /// Counts one decision. `document` is the request's; labels have only values that the bundle knows, so that
    /// all are `other` while there is none.
    pub fn count(
        &self,
        bundle: Option<&Bundle>,
        document: &Value,
        captured: Option<&Captured>,
        outcome: &Outcome,
        elapsed: Duration,
    ) {
        let service = label(bundle.and_then(|bundle| bundle.service_label.as_ref()), document, captured);
        let action = label(bundle.and_then(|bundle| bundle.action_label.as_ref()), document, captured);
        self.decisions.add([if outcome.allow { "allow" } else { "deny" }, service, action]);
        for reason in &outcome.reasons {
            self.reasons.add([&reason.code, service, action]);
        }
        self.latency.observe(elapsed);
    }

    pub fn count_invalid(&self) {
        self.invalid_requests.fetch_add(1, Ordering::Relaxed);
    }
}

fn label<'a>(label: Option<&Label>, document: &'a Value, captured: Option<&Captured>) -> &'a str {
    let Some(label) = label else { return OTHER };
    let Some(text) = label.path.text(document) else { return OTHER };
    let known = match &label.known {
        Known::ByLookup(place) => {
            captured.and_then(|captured| captured.found.get(*place)).is_some_and(|found| found.document.is_some())
        }
        Known::Values(values) => values.contains(text),
    };
    if known { text } else { OTHER }
}

/// All metrics of a core at this moment.
pub fn families(core: &Core) -> Vec<Family> {
    let metrics = &core.metrics;
    let mut families = vec![
        family(
            "pdp_decisions_total",
            "counter",
            "Decisions by outcome, service and action.",
            &["outcome", "service", "action"],
            metrics.decisions.samples(),
        ),
        family(
            "pdp_denial_reasons_total",
            "counter",
            "Reasons given in denials by code; one denial may give several.",
            &["code", "service", "action"],
            metrics.reasons.samples(),
        ),
        family(
            "pdp_decision_duration_seconds",
            "histogram",
            "Time from the decoded request to its decision.",
            &[],
            vec![(vec![], metrics.latency.reading())],
        ),
        family(
            "pdp_invalid_requests_total",
            "counter",
            "Requests refused as invalid, without a decision.",
            &[],
            vec![(vec![], value(&metrics.invalid_requests))],
        ),
    ];
    families.extend(cache_families(core));
    families.extend(state_families(core));
    families
}

fn cache_families(core: &Core) -> Vec<Family> {
    let figures = core.cache_figures();
    let single = |count: u64| vec![(vec![], Reading::Value(as_float(count)))];
    vec![
        family(
            "pdp_decision_cache_hits_total",
            "counter",
            "Decisions answered from the decision cache.",
            &[],
            single(figures.hits),
        ),
        family(
            "pdp_decision_cache_misses_total",
            "counter",
            "Decisions that the cache did not hold and were evaluated.",
            &[],
            single(figures.misses),
        ),
        family(
            "pdp_decision_cache_entries",
            "gauge",
            "Entries in the decision cache.",
            &[],
            single(figures.entries),
        ),
        family(
            "pdp_decision_cache_bytes",
            "gauge",
            "Memory of the decision cache's entries, estimated.",
            &[],
            single(figures.bytes),
        ),
    ]
}

fn state_families(core: &Core) -> Vec<Family> {
    let single = |reading: f64| vec![(vec![], Reading::Value(reading))];
    let held = core.records.counts();
    let records = held
        .into_iter()
        .map(|(kind, count)| (vec![kind], Reading::Value(as_float(u64::try_from(count).unwrap_or(u64::MAX)))))
        .collect();
    let policy = core.bundle().map(|bundle| (vec![bundle.revision.to_string()], Reading::Value(1.0)));
    let age = core.records.age_ms().and_then(|age| u64::try_from(age).ok()).map(Duration::from_millis);
    let mut families = vec![
        family(
            "pdp_policy_info",
            "gauge",
            "1 for the policy revision that decides now.",
            &["revision"],
            policy.into_iter().collect(),
        ),
        family("pdp_records", "gauge", "Records held, by kind.", &["kind"], records),
        family(
            "pdp_state_sequence",
            "gauge",
            "Sequence number of the state that decisions see.",
            &[],
            single(as_float(core.records.sequence())),
        ),
        family(
            "pdp_ready",
            "gauge",
            "1 when a policy and a state are loaded.",
            &[],
            single(if core.ready() { 1.0 } else { 0.0 }),
        ),
    ];
    if let Some(age) = age {
        families.push(family(
            "pdp_state_age_seconds",
            "gauge",
            "Time since the store was last seen to hold nothing newer.",
            &[],
            single(age.as_secs_f64()),
        ));
    }
    families
}

fn family(
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    samples: Vec<(Vec<String>, Reading)>,
) -> Family {
    Family { name, kind, help, labels, samples }
}
