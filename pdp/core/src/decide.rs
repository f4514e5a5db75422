//! THE FLOW: request → time → records → policy → in time? → decision → metrics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::bundle::Bundle;
use crate::cache::{CacheFigures, CachedEvaluator};
use crate::clock::Clock;
use crate::decision::{Decision, Outcome};
use crate::error::{FailClosed, InvalidRequest};
use crate::evaluate::{EngineEvaluator, Evaluator, Question};
use crate::metrics::Metrics;
use crate::records::{Captured, NotYet, RecordCache};
use crate::request::Request;

/// Settings of one core.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Bound of the decision cache; 0 switches it off.
    pub cache_bytes: u64,
    /// How far `context.time` may be from the clock.
    pub clock_skew_ms: i64,
    /// How long a request may wait for a state that it asks for, and for records that are held on demand.
    pub freshness_wait: Duration,
    pub max_request_bytes: usize,
    /// Of the records.
    pub shards: usize,
    /// Bound of the records that are kept as far as they are used; 0: every record is kept.
    pub on_demand_bytes: u64,
}

/// A decision, or why there can be none yet.
type Attempt = Result<Decision, NotYet>;

/// An outcome that may not leave yet, and the state that it was made from.
pub struct Held {
    captured: Captured,
    outcome: Arc<Outcome>,
}

impl Held {
    /// What the policy says, whether or not it may leave.
    pub fn allow(&self) -> bool {
        self.outcome.allow
    }
}

/// How often a request is decided before it is denied because the state ran out meanwhile.
const ATTEMPTS: usize = 2;

/// Records, policy, cache and metrics of one process.
pub struct Core {
    pub records: RecordCache,
    pub metrics: Metrics,
    pub settings: Settings,
    evaluator: CachedEvaluator<EngineEvaluator>,
}

impl Core {
    pub fn new(settings: Settings, clock: Clock) -> Self {
        Self {
            records: RecordCache::new(settings.shards, settings.on_demand_bytes, clock),
            metrics: Metrics::default(),
            evaluator: CachedEvaluator::new(EngineEvaluator, settings.cache_bytes),
            settings,
        }
    }

    /// Decides one request. `clock_ms`: the clock's reading, epoch milliseconds. May wait for a state that
    /// the request asks for, and for records held on demand, within the bound of the settings; never fails
    /// otherwise than by an invalid request: what cannot be decided safely is a denial.
    pub fn decide(&self, request: &Request, clock_ms: i64) -> Result<Decision, InvalidRequest> {
        self.decide_since(request, clock_ms, Instant::now())
    }

    /// As `decide`, for a request that came at `began`.
    pub fn decide_since(
        &self,
        request: &Request,
        clock_ms: i64,
        began: Instant,
    ) -> Result<Decision, InvalidRequest> {
        let mut waiting = self.records.waiting(began.checked_add(self.settings.freshness_wait));
        loop {
            match self.attempt(request, clock_ms, began)? {
                Ok(decision) => return Ok(decision),
                Err(why) if !waiting.on(&why) => return Ok(self.denial(request, &why, began)),
                Err(_) => {}
            }
        }
    }

    /// As `decide`, but None instead of a wait.
    pub fn decide_at_once(&self, request: &Request, clock_ms: i64) -> Result<Option<Decision>, InvalidRequest> {
        let began = Instant::now();
        match self.attempt(request, clock_ms, began)? {
            Ok(decision) => Ok(Some(decision)),
            Err(why @ NotYet::Unavailable) => Ok(Some(self.denial(request, &why, began))),
            Err(why) => {
                self.records.ask_for(&why);
                Ok(None)
            }
        }
    }

    /// Decides all at one moment; what they wait for, they wait for together.
    pub fn decide_all(
        &self,
        requests: Vec<Result<Request, InvalidRequest>>,
        clock_ms: i64,
    ) -> Vec<Result<Decision, InvalidRequest>> {
        let began = Instant::now();
        let first = requests.into_iter().map(|request| {
            let request = request?;
            Ok((self.decide_at_once(&request, clock_ms)?, request))
        });
        let first: Vec<Result<_, InvalidRequest>> = first.collect();
        let second = first.into_iter().map(|entry| match entry? {
            (Some(decision), _) => Ok(decision),
            (None, request) => self.decide_since(&request, clock_ms, began),
        });
        second.collect()
    }

    fn attempt(&self, request: &Request, clock_ms: i64, began: Instant) -> Result<Attempt, InvalidRequest> {
        let mut late = None;
        for _ in 0..ATTEMPTS {
            let held = match self.hold(request, clock_ms)? {
                Ok(held) => held,
                Err(why) => return Ok(Err(why)),
            };
            if self.in_time(&held) {
                return Ok(Ok(self.decision(request, held.captured, held.outcome, began)));
            }
            late = Some(held.captured);
        }
        let stale = Arc::new(Outcome::fail_closed(FailClosed::StateStale));
        Ok(late.map(|captured| self.decision(request, captured, stale, began)).ok_or(NotYet::Unavailable))
    }

    /// The first part of a decision, for simulations that pause before the last one.
    pub fn hold(&self, request: &Request, clock_ms: i64) -> Result<Result<Held, NotYet>, InvalidRequest> {
        let time_ms = self.time_of(request, clock_ms)?;
        let captured = match self.records.capture(&request.document, request.at_least_as_fresh.as_ref()) {
            Ok(captured) => captured,
            Err(why) => return Ok(Err(why)),
        };
        let outcome = self.evaluator.outcome(&Question { request, captured: &captured, time_ms })?;
        Ok(Ok(Held { captured, outcome }))
    }

    /// The last act of a decision, on the deadline captured with the records: this process may have been paused
    /// for any time since, and a proof that came meanwhile is one of newer records.
    pub fn in_time(&self, held: &Held) -> bool {
        self.records.clock.now_ns() < held.captured.deadline_ns
    }

    fn decision(&self, request: &Request, captured: Captured, outcome: Arc<Outcome>, began: Instant) -> Decision {
        let Captured { bundle, found, view, .. } = captured;
        self.metrics.count(Some(&bundle), &request.document, &found, &outcome, began.elapsed());
        let decision = Decision::new(outcome, Some(&*bundle), Some(view));
        if request.cacheable { decision.keepable(|| bundle.tags(&request.document)) } else { decision }
    }

    fn denial(&self, request: &Request, why: &NotYet, began: Instant) -> Decision {
        let (bundle, view) = (self.records.bundle(), self.records.view());
        let outcome = Arc::new(Outcome::fail_closed(why.denial()));
        self.metrics.count(bundle.as_deref(), &request.document, &[], &outcome, began.elapsed());
        Decision::new(outcome, bundle.as_deref(), view)
    }

    /// The moment to decide for: the request's own where it is later than the clock, never earlier, so that
    /// no caller can step back to before a lockout.
    pub(crate) fn time_of(&self, request: &Request, clock_ms: i64) -> Result<i64, InvalidRequest> {
        let Some(time_ms) = request.time else { return Ok(clock_ms) };
        if time_ms.abs_diff(clock_ms) > self.settings.clock_skew_ms.unsigned_abs() {
            let message = format!("is more than {} ms from the clock", self.settings.clock_skew_ms);
            return Err(InvalidRequest::new("context.time", message));
        }
        Ok(time_ms.max(clock_ms))
    }

    /// The denial of a call that a door refuses before there is a question to decide, counted as every other.
    /// `details` say more of the reason.
    pub fn refuse(&self, why: FailClosed, details: Map<String, Value>, began: Instant) -> Decision {
        let mut outcome = Outcome::fail_closed(why);
        outcome.reasons.iter_mut().for_each(|reason| reason.details.clone_from(&details));
        let bundle = self.records.bundle();
        let view = self.records.view();
        self.metrics.count(bundle.as_deref(), &Value::Null, &[], &outcome, began.elapsed());
        Decision::new(Arc::new(outcome), bundle.as_deref(), view)
    }

    /// Decisions from now on are made by this bundle; those under way finish on the one they began with.
    pub fn set_bundle(&self, bundle: Arc<Bundle>) {
        self.records.set_bundle(bundle);
        self.evaluator.clear();
    }

    /// True once a policy and a state of every shard are loaded.
    pub fn ready(&self) -> bool {
        self.records.bundle().is_some() && self.records.view().is_some()
    }

    pub fn cache_figures(&self) -> CacheFigures {
        self.evaluator.figures()
    }

    /// The input document that the policy would see. None: no policy or no state is loaded.
    pub fn policy_input(&self, request: &Request, clock_ms: i64) -> Result<Option<Vec<u8>>, InvalidRequest> {
        let time_ms = self.time_of(request, clock_ms)?;
        let mut waiting = self.records.waiting(Instant::now().checked_add(self.settings.freshness_wait));
        let captured = loop {
            match self.records.capture(&request.document, None) {
                Ok(captured) => break captured,
                Err(why) if !waiting.on(&why) => return Ok(None),
                Err(_) => {}
            }
        };
        captured.bundle.check_request(&request.document)?;
        Ok(Some(crate::input::assemble(request, &captured, time_ms)))
    }

    /// The decision that another engine's result document stands for, by the rules of the embedded one.
    pub fn finish(
        &self,
        request: &Request,
        result: Option<&[u8]>,
        clock_ms: i64,
    ) -> Result<Decision, InvalidRequest> {
        let time_ms = self.time_of(request, clock_ms)?;
        let (bundle, view) = (self.records.bundle(), self.records.view());
        let outcome = match &bundle {
            Some(bundle) => crate::decision::outcome_of(result, &bundle.output_times, time_ms),
            None => Outcome::fail_closed(FailClosed::StateUnavailable),
        };
        Ok(Decision::new(Arc::new(outcome), bundle.as_deref(), view))
    }
}

#[cfg(test)]
mod deadline_tests;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
