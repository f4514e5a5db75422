//! From a question to its outcome: the evaluated way. The cached way wraps this one.

use std::sync::Arc;

use crate::decision::{Outcome, outcome_of};
use crate::error::InvalidRequest;
use crate::input::assemble;
use crate::records::Captured;
use crate::request::Request;

/// All that an outcome may depend on.
pub struct Question<'a> {
    pub request: &'a Request,
    /// The policy and the records.
    pub captured: &'a Captured,
    /// Epoch milliseconds.
    pub time_ms: i64,
}

/// Answers questions. Two implementations give the same outcome to the same question.
pub trait Evaluator: Send + Sync {
    fn outcome(&self, question: &Question<'_>) -> Result<Arc<Outcome>, InvalidRequest>;
}

/// Asks the bundle's policy engine, every time.
pub struct EngineEvaluator;

impl Evaluator for EngineEvaluator {
    fn outcome(&self, question: &Question<'_>) -> Result<Arc<Outcome>, InvalidRequest> {
        let bundle = &question.captured.bundle;
        bundle.check_request(&question.request.document)?;
        let input = assemble(question.request, question.captured, question.time_ms);
        let result = bundle.engine.evaluate(&input);
        if let Err(error) = &result {
            bundle.note_policy_error(error);
        }
        Ok(Arc::new(outcome_of(result.ok().as_deref(), &bundle.output_times, question.time_ms)))
    }
}
