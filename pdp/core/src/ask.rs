//! Decisions for doors: as `Core::decide`, without holding up the thread that asks.
//!
//! A door answers many calls on one thread, so what waits for a newer state or for records does it elsewhere. The
//! caller keeps the decision, or its view, until its answer has left: until then it counts as using the state that
//! it was made from (`RecordCache::drained`).

use std::sync::Arc;
use std::time::Instant;

use crate::decide::Core;
use crate::decision::Decision;
use crate::error::InvalidRequest;
use crate::request::Request;
use crate::search::{Page, Query, SearchError};
use crate::timestamp::now_ms;

/// A decision, or why the request is none.
pub type Answered = Result<Decision, InvalidRequest>;

/// A long batch lets other calls in after each of this many decisions.
const YIELD_EVERY: usize = 8;

/// Decides one request now. Counting an invalid one is left to the caller, who knows whether it was a whole call.
pub async fn decide(core: &Arc<Core>, request: Request) -> Answered {
    let (began, clock_ms) = (Instant::now(), now_ms());
    if let Some(decision) = core.decide_at_once(&request, clock_ms)? {
        return Ok(decision);
    }
    let decided = waiting(core, move |core| core.decide_since(&request, clock_ms, began)).await;
    decided.map_err(|error| InvalidRequest::new("", error))?
}

/// Decides all at one moment, in their order. Those that must wait do so after the others, and wait together. An
/// entry that is no valid request fails alone.
///
/// # Errors
/// A text when the whole could not be decided, because the process is ending.
pub async fn decide_all(
    core: &Arc<Core>,
    requests: impl ExactSizeIterator<Item = Result<Request, InvalidRequest>>,
) -> Result<Vec<Answered>, String> {
    decide_until(core, requests, |_| false).await
}

/// As `decide_all`, but ends with the first answer that is `enough`: what comes after it has no answer.
///
/// # Errors
/// As `decide_all`.
pub async fn decide_until(
    core: &Arc<Core>,
    requests: impl ExactSizeIterator<Item = Result<Request, InvalidRequest>>,
    enough: impl Fn(&Answered) -> bool,
) -> Result<Vec<Answered>, String> {
    let (began, clock_ms) = (Instant::now(), now_ms());
    let mut answers = Vec::with_capacity(requests.len());
    let mut later = Vec::new();
    for (place, request) in requests.enumerate() {
        if place % YIELD_EVERY == YIELD_EVERY - 1 {
            tokio::task::yield_now().await;
        }
        let decided = request.and_then(|request| match core.decide_at_once(&request, clock_ms)? {
            Some(decision) => Ok(Some(decision)),
            None => {
                later.push((place, request));
                Ok(None)
            }
        });
        // An answer is known to be the last once no earlier one waits.
        let decided = decided.transpose();
        let last = later.is_empty() && decided.as_ref().is_some_and(&enough);
        answers.push(decided);
        if last {
            break;
        }
    }
    if !later.is_empty() {
        let decide = move |core: &Core| {
            let decided = later
                .into_iter()
                .map(|(place, request)| (place, Some(core.decide_since(&request, clock_ms, began))));
            decided.collect::<Vec<_>>()
        };
        for (place, decided) in waiting(core, decide).await? {
            if let Some(answer) = answers.get_mut(place) {
                *answer = decided;
            }
        }
    }
    let undecided = || InvalidRequest::new("", "could not be decided");
    let mut answers: Vec<Answered> =
        answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(undecided()))).collect();
    if let Some(last) = answers.iter().position(enough) {
        answers.truncate(last.saturating_add(1));
    }
    Ok(answers)
}

/// One page of a search. It waits and works elsewhere: it may take as long as many decisions. `turn` is kept until
/// that work has ended, also when nobody waits for it any more.
pub async fn search(core: &Arc<Core>, query: Query, turn: impl Send + 'static) -> Result<Page, SearchError> {
    let clock_ms = now_ms();
    let work = move |core: &Core| {
        let page = core.search(&query, clock_ms);
        drop(turn);
        page
    };
    let found = waiting(core, work).await;
    found.map_err(|error| SearchError::Invalid(InvalidRequest::new("", error)))?
}

/// What waits for a newer state or for records must not hold up the calls that share this thread.
async fn waiting<T: Send + 'static>(
    core: &Arc<Core>,
    work: impl FnOnce(&Core) -> T + Send + 'static,
) -> Result<T, String> {
    let core = Arc::clone(core);
    let done = tokio::task::spawn_blocking(move || work(&core)).await;
    done.map_err(|error| format!("could not be decided: {error}"))
}
