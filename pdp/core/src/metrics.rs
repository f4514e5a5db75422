//! Every metric of the core: its name, its help, its labels. Nothing else names a metric.

mod instruments;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use self::instruments::{Counter, Histogram, OTHER, as_float, single, value};
pub use self::instruments::{Family, Reading};
use crate::bundle::{Bundle, Known, Label};
use crate::cache::CacheFigures;
use crate::decide::Core;
use crate::decision::Outcome;
use crate::records::{Found, NEVER_NS};

/// What the host or a door does and the core counts for it.
struct Event {
    name: &'static str,
    metric: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    values: &'static [&'static str],
}

const EVENTS: [Event; 6] = [
    Event {
        name: "beat",
        metric: "pdp_beats_total",
        help: "Beats to the record store by outcome: a freshness proof, or why there was none.",
        labels: &["outcome"],
        values: &["proof", "fork", "unconfirmed", "failed"],
    },
    Event {
        name: "load",
        metric: "pdp_snapshot_loads_total",
        help: "Snapshots loaded from the record store: of all kinds, or of the replicated ones only.",
        labels: &["mode"],
        values: &["full", "on_demand"],
    },
    Event {
        name: "barrier",
        metric: "pdp_barriers_total",
        help: "Writes that waited for all sidecars, by what made them hold; pending: not within their time.",
        labels: &["path"],
        values: &["fast", "timed", "pending"],
    },
    Event {
        name: "ingest",
        metric: "pdp_ingested_total",
        help: "Messages taken in from systems of record, by what became of them.",
        labels: &["outcome"],
        values: &["applied", "repeated", "dead"],
    },
    Event {
        name: "gateway",
        metric: "pdp_gateway_requests_total",
        help: "Requests that gateways asked about (ext_authz, forward-auth) by answer; public: nothing to decide.",
        labels: &["answer"],
        values: &["public", "allowed", "login", "step_up", "denied"],
    },
    Event {
        name: "search",
        metric: "pdp_searches_total",
        help: "Pages of searches that were answered, by what was searched for.",
        labels: &["sought"],
        values: &["subject", "resource", "action"],
    },
];

/// Most values of an event's label.
const MAX_VALUES: usize = 5;

#[derive(Default)]
pub struct Metrics {
    decisions: Counter,
    reasons: Counter,
    latency: Histogram,
    invalid_requests: AtomicU64,
    events: [[AtomicU64; MAX_VALUES]; EVENTS.len()],
}

impl Metrics {
    /// Counts one decision. `document` is the request's; labels have only values that the bundle knows, so that
    /// all are `other` while there is none.
    pub fn count(
        &self,
        bundle: Option<&Bundle>,
        document: &Value,
        found: &[Found],
        outcome: &Outcome,
        elapsed: Duration,
    ) {
        let service = label(bundle.and_then(|bundle| bundle.service_label.as_ref()), document, found);
        let action = label(bundle.and_then(|bundle| bundle.action_label.as_ref()), document, found);
        self.decisions.add([if outcome.allow { "allow" } else { "deny" }, service, action]);
        for reason in &outcome.reasons {
            self.reasons.add([&reason.code, service, action]);
        }
        self.latency.observe(elapsed);
    }

    pub fn count_invalid(&self) {
        self.invalid_requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts what the host or a door does. None: there is no such event or label.
    pub fn count_event(&self, name: &str, label: &str) -> Option<()> {
        let (event, counts) = EVENTS.iter().zip(&self.events).find(|(event, _)| event.name == name)?;
        let (_, count) = event.values.iter().zip(counts).find(|(value, _)| **value == label)?;
        count.fetch_add(1, Ordering::Relaxed);
        Some(())
    }

    fn event_families(&self) -> impl Iterator<Item = Family> {
        EVENTS.iter().zip(&self.events).map(|(event, counts)| {
            let samples = event.values.iter().zip(counts);
            let samples = samples.map(|(label, count)| (vec![(*label).to_owned()], value(count))).collect();
            Family::counter(event.metric, event.help, event.labels, samples)
        })
    }
}

fn label<'a>(label: Option<&Label>, document: &'a Value, found: &[Found]) -> &'a str {
    let Some(label) = label else { return OTHER };
    let Some(text) = label.path.text(document) else { return OTHER };
    let known = match &label.known {
        Known::ByLookup(place) => found.get(*place).is_some_and(|found| found.document.is_some()),
        Known::Values(values) => values.contains(text),
    };
    if known { text } else { OTHER }
}

/// All metrics of a core at this moment.
pub fn families(core: &Core) -> Vec<Family> {
    let metrics = &core.metrics;
    let mut families = vec![
        Family::counter(
            "pdp_decisions_total",
            "Decisions by outcome, service and action.",
            &["outcome", "service", "action"],
            metrics.decisions.samples(),
        ),
        Family::counter(
            "pdp_denial_reasons_total",
            "Reasons given in denials by code; one denial may give several.",
            &["code", "service", "action"],
            metrics.reasons.samples(),
        ),
        Family {
            name: "pdp_decision_duration_seconds",
            kind: "histogram",
            help: "Time from the decoded request to its decision.",
            labels: &[],
            samples: vec![(vec![], metrics.latency.reading())],
        },
        Family::counter(
            "pdp_invalid_requests_total",
            "Requests refused as invalid, without a decision.",
            &[],
            vec![(vec![], value(&metrics.invalid_requests))],
        ),
    ];
    families.extend(metrics.event_families());
    families.extend(cache_families(core));
    families.extend(core.records.on_demand_figures().into_iter().flat_map(on_demand_families));
    families.extend(state_families(core));
    families.extend(freshness_families(core));
    families
}

fn cache_families(core: &Core) -> [Family; 4] {
    let figures = core.cache_figures();
    let single = |count: u64| single(as_float(count));
    [
        Family::counter(
            "pdp_decision_cache_hits_total",
            "Decisions answered from the decision cache.",
            &[],
            single(figures.hits),
        ),
        Family::counter(
            "pdp_decision_cache_misses_total",
            "Decisions that the cache did not hold and were evaluated.",
            &[],
            single(figures.misses),
        ),
        Family::gauge(
            "pdp_decision_cache_entries",
            "Entries in the decision cache.",
            &[],
            single(figures.entries),
        ),
        Family::gauge(
            "pdp_decision_cache_bytes",
            "Memory of the decision cache's entries, estimated.",
            &[],
            single(figures.bytes),
        ),
    ]
}

fn on_demand_families(figures: CacheFigures) -> [Family; 4] {
    let single = |count: u64| single(as_float(count));
    [
        Family::counter(
            "pdp_on_demand_hits_total",
            "Lookups of records held on demand that found them, or that there is none.",
            &[],
            single(figures.hits),
        ),
        Family::counter(
            "pdp_on_demand_misses_total",
            "Records held on demand that decisions needed and that had to be fetched first.",
            &[],
            single(figures.misses),
        ),
        Family::gauge("pdp_on_demand_entries", "Records held on demand.", &[], single(figures.entries)),
        Family::gauge(
            "pdp_on_demand_bytes",
            "Memory of the records held on demand, estimated.",
            &[],
            single(figures.bytes),
        ),
    ]
}

fn state_families(core: &Core) -> [Family; 4] {
    let held = core.records.counts();
    let records = held
        .into_iter()
        .map(|(kind, count)| (vec![kind], Reading::Value(as_float(u64::try_from(count).unwrap_or(u64::MAX)))))
        .collect();
    let policy = core.records.bundle().map(|bundle| (vec![bundle.revision.to_string()], Reading::Value(1.0)));
    let sequences = core.records.sequences();
    let several = sequences.len() > 1;
    let sequences = sequences.into_iter().enumerate().map(|(shard, sequence)| {
        let labels = if several { vec![shard.to_string()] } else { vec![] };
        (labels, Reading::Value(as_float(sequence)))
    });
    [
        Family::gauge(
            "pdp_policy_info",
            "1 for the policy revision that decides now.",
            &["revision"],
            policy.into_iter().collect(),
        ),
        Family::gauge("pdp_records", "Records held, by kind.", &["kind"], records),
        Family::gauge(
            "pdp_state_sequence",
            "Sequence number of the state that decisions see; by shard where there are several.",
            if several { &["shard"] } else { &[] },
            sequences.collect(),
        ),
        Family::gauge(
            "pdp_ready",
            "1 when a policy and a state are loaded.",
            &[],
            single(if core.ready() { 1.0 } else { 0.0 }),
        ),
    ]
}

fn freshness_families(core: &Core) -> Vec<Family> {
    let left = core.records.fresh_for_ns();
    let mut families = vec![Family::gauge(
        "pdp_state_fresh",
        "1 while the state may be decided on; 0: every decision is a denial.",
        &[],
        single(if left > 0 { 1.0 } else { 0.0 }),
    )];
    if core.records.view().is_some() {
        let never = core.records.deadline_ns() == NEVER_NS;
        families.push(Family::gauge(
            "pdp_state_fresh_for_seconds",
            "How long the state may still be decided on without a new freshness proof; negative: since when not.",
            &[],
            single(if never { f64::INFINITY } else { seconds(left) }),
        ));
    }
    if let Some(age) = core.records.age_ms() {
        families.push(Family::gauge(
            "pdp_state_age_seconds",
            "Time since the store last confirmed that it holds nothing newer.",
            &[],
            single(seconds(age.saturating_mul(1_000_000))),
        ));
    }
    families
}

/// Nanoseconds beyond 2^53 lose their last digits, which no dashboard shows.
#[allow(clippy::cast_precision_loss)]
fn seconds(nanoseconds: i64) -> f64 {
    nanoseconds as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::{EVENTS, MAX_VALUES, Metrics};

    #[test]
    fn counts_the_events_it_knows() {
        let metrics = Metrics::default();
        for event in &EVENTS {
            assert!(event.values.len() <= MAX_VALUES);
            assert!(event.values.iter().all(|value| metrics.count_event(event.name, value).is_some()));
        }
        assert!(metrics.count_event("beat", "fast").is_none());
        assert!(metrics.count_event("else", "proof").is_none());
    }
}
