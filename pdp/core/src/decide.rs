//! THE FLOW: request → time → records → policy → decision → metrics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use crate::bundle::Bundle;
use crate::cache::CachedEvaluator;
use crate::decision::{Decision, Outcome, new_decision_id};
use crate::error::{FailClosed, InvalidRequest};
use crate::evaluate::{EngineEvaluator, Evaluator, Question};
use crate::metrics::Metrics;
use crate::records::{Captured, RecordCache};
use crate::request::Request;

/// Settings of one core.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Bound of the decision cache; 0 switches it off.
    pub cache_bytes: u64,
    /// How far `context.time` may be from the clock.
    pub clock_skew_ms: i64,
    /// How long `at_least_as_fresh` may wait.
    pub freshness_wait: Duration,
    pub max_request_bytes: usize,
}

/// Records, policy, cache and metrics of one process.
pub struct Core {
    pub records: RecordCache,
    pub metrics: Metrics,
    pub settings: Settings,
    bundle: ArcSwapOption<Bundle>,
    evaluator: CachedEvaluator<EngineEvaluator>,
}

impl Core {
    pub fn new(settings: Settings) -> Self {
        Self {
            records: RecordCache::default(),
            metrics: Metrics::default(),
            bundle: ArcSwapOption::empty(),
            evaluator: CachedEvaluator::new(EngineEvaluator, settings.cache_bytes),
            settings,
        }
    }

    /// Decides one request. `clock_ms`: the clock's reading, epoch milliseconds. May wait for a state that
    /// the request asks for, within the bound of the settings; never fails otherwise than by an invalid
    /// request: what cannot be decided safely is a denial.
    pub fn decide(&self, request: &Request, clock_ms: i64) -> Result<Decision, InvalidRequest> {
        let began = Instant::now();
        let time_ms = self.time_of(request, clock_ms)?;
        let Some(bundle) = self.bundle.load_full() else {
            let outcome = Arc::new(Outcome::fail_closed(FailClosed::StateUnavailable));
            self.metrics.count(None, &request.document, None, &outcome, began.elapsed());
            return Ok(decision(outcome, None, None));
        };
        let fresh = self.fresh_enough(request) || self.wait_until_fresh(request);
        let captured = self.records.capture(&bundle.lookups, &request.document);
        let outcome = match &captured {
            None => Arc::new(Outcome::fail_closed(FailClosed::StateUnavailable)),
            Some(_) if !fresh => Arc::new(Outcome::fail_closed(FailClosed::StateStale)),
            Some(captured) => self.evaluator.outcome(&Question { bundle: &bundle, request, captured, time_ms })?,
        };
        self.metrics.count(Some(&bundle), &request.document, captured.as_ref(), &outcome, began.elapsed());
        Ok(decision(outcome, Some(&*bundle), captured))
    }

    /// Whether the state that the request asks for, if it does, is already there.
    pub fn fresh_enough(&self, request: &Request) -> bool {
        request.at_least_as_fresh.as_ref().is_none_or(|token| self.records.contains(token))
    }

    fn wait_until_fresh(&self, request: &Request) -> bool {
        let wait = self.settings.freshness_wait;
        request.at_least_as_fresh.as_ref().is_none_or(|token| self.records.wait_for(token, wait))
    }

    /// The moment to decide for: the request's own where it is later than the clock, never earlier, so that
    /// no caller can step back to before a lockout.
    fn time_of(&self, request: &Request, clock_ms: i64) -> Result<i64, InvalidRequest> {
        let Some(time_ms) = request.time else { return Ok(clock_ms) };
        if time_ms.abs_diff(clock_ms) > self.settings.clock_skew_ms.unsigned_abs() {
            let message = format!("is more than {} ms from the clock", self.settings.clock_skew_ms);
            return Err(InvalidRequest::new("context.time", message));
        }
        Ok(time_ms.max(clock_ms))
    }

    /// Decisions from now on are made by this bundle; those under way finish on the one they began with.
    pub fn set_bundle(&self, bundle: Arc<Bundle>) {
        self.bundle.store(Some(bundle));
        self.evaluator.clear();
    }

    pub fn bundle(&self) -> Option<Arc<Bundle>> {
        self.bundle.load_full()
    }

    /// True once a policy and a state are loaded.
    pub fn ready(&self) -> bool {
        self.bundle.load().is_some() && self.records.loaded()
    }

    pub fn cache_figures(&self) -> crate::cache::CacheFigures {
        self.evaluator.figures()
    }

    /// The input document that the policy would see. None: no policy or no state is loaded.
    pub fn policy_input(&self, request: &Request, clock_ms: i64) -> Result<Option<Vec<u8>>, InvalidRequest> {
        let time_ms = self.time_of(request, clock_ms)?;
        let Some(bundle) = self.bundle.load_full() else { return Ok(None) };
        bundle.check_request(&request.document)?;
        let captured = self.records.capture(&bundle.lookups, &request.document);
        Ok(captured.map(|captured| crate::input::assemble(&bundle, request, &captured, time_ms)))
    }

    /// The decision that another engine's result document stands for, by the rules of the embedded one.
    pub fn finish(
        &self,
        request: &Request,
        result: Option<&[u8]>,
        clock_ms: i64,
    ) -> Result<Decision, InvalidRequest> {
        let time_ms = self.time_of(request, clock_ms)?;
        let bundle = self.bundle.load_full();
        let captured = bundle.as_ref().and_then(|bundle| self.records.capture(&bundle.lookups, &request.document));
        let outcome = match &bundle {
            Some(bundle) => crate::decision::outcome_of(result, &bundle.output_times, time_ms),
            None => Outcome::fail_closed(FailClosed::StateUnavailable),
        };
        Ok(decision(Arc::new(outcome), bundle.as_deref(), captured))
    }
}

fn decision(outcome: Arc<Outcome>, bundle: Option<&Bundle>, captured: Option<Captured>) -> Decision {
    Decision {
        outcome,
        policy_revision: bundle.map_or_else(|| "".into(), |bundle| Arc::clone(&bundle.revision)),
        state_token: captured.map_or_else(|| "".into(), |captured| captured.token),
        decision_id: new_decision_id(),
    }
}

#[cfg(test)]
mod tests;
