//! Searches: which subjects, resources or actions would a decision allow? Candidates come from records, as the
//! bundle declares, and each is decided by the policy as if it were asked about; the allowed ones are results.
//!
//! One call looks at a bounded number of candidates and says where the next call goes on. All results of a page are
//! true of one state: when the state moves within a page, the page ends there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bundle::{Actions, Bundle};
use crate::decide::Core;
use crate::error::{FailClosed, InvalidRequest};
use crate::evaluate::{EngineEvaluator, Evaluator, Question};
use crate::records::{Captured, NotYet, View};
use crate::request::{RawRequest, Request};
use crate::strict_json;

/// Candidates that one call looks at, at most.
pub const MOST_EXAMINED: usize = 1_000;
/// After this long a call looks at no more candidates.
const MOST_TIME: Duration = Duration::from_millis(250);
/// Candidates whose records are captured together.
const CHUNK: usize = 32;
/// How often candidates are listed anew because the state moved before their records were captured.
const LISTINGS: usize = 4;
/// In place of a candidate where only the rest of the request counts.
const ANYONE: &str = "-";

/// The entity of a request that is searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    Subject,
    Resource,
    Action,
}

impl Sought {
    /// The member of the request that it is.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Resource => "resource",
            Self::Action => "action",
        }
    }
}

/// What is asked, and which page of it.
#[derive(Debug, Clone)]
pub struct Query {
    pub sought: Sought,
    /// Without the identifier that is sought; one that is there says nothing.
    pub request: RawRequest,
    /// Candidates after this one, in the order of their bytes; `""`: from the first.
    pub after: String,
    /// Most results of the page.
    pub limit: usize,
}

/// Results, each of which an evaluation at the page's state would allow.
pub struct Page {
    /// Identifiers of subjects or resources, or names of actions, in the order of their bytes.
    pub found: Vec<String>,
    /// The candidate after which the next page begins; None: there are no more.
    pub next: Option<String>,
    pub policy_revision: Arc<str>,
    /// The state, in use for as long as this lives.
    pub view: Arc<View>,
}

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchError {
    Invalid(InvalidRequest),
    /// The bundle declares no such search.
    NotDeclared,
    /// Records of this kind are held as far as they are used: nobody here knows all of them.
    NotHeld(String),
    /// The service itself cannot decide now.
    Unavailable(FailClosed),
}

impl From<InvalidRequest> for SearchError {
    fn from(error: InvalidRequest) -> Self {
        Self::Invalid(error)
    }
}

impl Query {
    /// The same for each page of a search, another one for each other search.
    pub fn text(&self) -> Result<Vec<u8>, InvalidRequest> {
        self.about(ANYONE).map(|asked| asked.text().to_vec())
    }

    /// The request about one candidate.
    fn about(&self, candidate: &str) -> Result<Request, InvalidRequest> {
        let mut raw = self.request.clone();
        let (entity, name) = match self.sought {
            Sought::Subject => (&mut raw.subject, "id"),
            Sought::Resource => (&mut raw.resource, "id"),
            Sought::Action => {
                raw.action = Some(serde_json::Map::new());
                (&mut raw.action, "name")
            }
        };
        if let Some(entity) = entity {
            entity.insert(name.to_owned(), Value::from(candidate));
        }
        Request::from_parts(raw)
    }
}

/// Where the identifiers of candidates come from; None: the type is not one that is searched.
enum Source<'a> {
    Keys(&'a str),
    Names(&'a [String]),
    Listed { kind: &'a str, path: &'a crate::bundle::Path, key: String },
}

fn source<'a>(bundle: &'a Bundle, sought: Sought, asked: &Request) -> Option<Source<'a>> {
    let text = |entity: &str, member: &str| asked.document.get(entity)?.get(member)?.as_str();
    match sought {
        Sought::Subject => Some(Source::Keys(bundle.search.subject.get(text("subject", "type")?)?)),
        Sought::Resource => Some(Source::Keys(bundle.search.resource.get(text("resource", "type")?)?)),
        Sought::Action => match bundle.search.action.get(text("resource", "type")?)? {
            Actions::Names(names) => Some(Source::Names(names)),
            Actions::Listed { kind, path } => {
                Some(Source::Listed { kind, path, key: text("resource", "id")?.to_owned() })
            }
        },
    }
}

struct Candidate {
    id: Box<str>,
    /// What decides on it; None: no valid request can be made about it.
    asked: Option<(Request, Captured)>,
}

/// Candidates of one state.
struct Chunk {
    candidates: Vec<Candidate>,
    bundle: Arc<Bundle>,
    view: Arc<View>,
    more: bool,
}

impl Core {
    /// One page of a search. `clock_ms`: epoch milliseconds. Waits as `decide` does, and works for no longer than a
    /// quarter of a second and one evaluation besides.
    pub fn search(&self, query: &Query, clock_ms: i64) -> Result<Page, SearchError> {
        let mut walk = Walk::begin(self, query, clock_ms)?;
        let mut chunk = walk.chunk()?;
        let (view, policy_revision) = (Arc::clone(&chunk.view), Arc::clone(&chunk.bundle.revision));
        let goes_on = loop {
            let more = chunk.more;
            if walk.examine(chunk)? {
                break true;
            }
            if !more {
                break false;
            }
            chunk = walk.chunk()?;
            if !Arc::ptr_eq(&chunk.view, &view) {
                break true;
            }
        };
        let page = walk.finish(goes_on, policy_revision, view)?;
        self.metrics.count_event("search", query.sought.name());
        Ok(page)
    }
}

/// The way through the candidates of one page.
struct Walk<'a> {
    core: &'a Core,
    query: &'a Query,
    time_ms: i64,
    began: Instant,
    found: Vec<String>,
    last: String,
    examined: usize,
    /// The first candidate's, if all were invalid.
    invalid: Option<InvalidRequest>,
    valid: bool,
    /// The earliest of the captured states.
    deadline_ns: i64,
}

impl<'a> Walk<'a> {
    fn begin(core: &'a Core, query: &'a Query, clock_ms: i64) -> Result<Self, SearchError> {
        // What is wrong whoever the candidate is.
        let asked = query.about(ANYONE)?;
        let bundle = core.records.bundle().ok_or(SearchError::Unavailable(FailClosed::StateUnavailable))?;
        if !bundle.search.declares(query.sought) {
            return Err(SearchError::NotDeclared);
        }
        Ok(Self {
            core,
            query,
            time_ms: core.time_of(&asked, clock_ms)?,
            began: Instant::now(),
            found: Vec::new(),
            last: query.after.clone(),
            examined: 0,
            invalid: None,
            valid: false,
            deadline_ns: i64::MAX,
        })
    }

    /// The next candidates and their records, all of one state but for a state that does not stand still.
    fn chunk(&self) -> Result<Chunk, SearchError> {
        let records = &self.core.records;
        let mut waiting = records.waiting(self.began.checked_add(self.core.settings.freshness_wait));
        let mut listings = 0_usize;
        loop {
            match self.try_chunk() {
                Ok(Ok(chunk)) => {
                    listings = listings.saturating_add(1);
                    let mut asked = chunk.candidates.iter().filter_map(|candidate| candidate.asked.as_ref());
                    if asked.all(|(_, captured)| Arc::ptr_eq(&captured.view, &chunk.view)) {
                        return Ok(chunk);
                    }
                    if listings >= LISTINGS {
                        return Ok(chunk.of_its_records());
                    }
                }
                Ok(Err(error)) => return Err(error),
                Err(why) if !waiting.on(&why) => return Err(SearchError::Unavailable(why.denial())),
                Err(_) => {}
            }
        }
    }

    fn try_chunk(&self) -> Result<Result<Chunk, SearchError>, NotYet> {
        let asked = match self.query.about(ANYONE) {
            Ok(asked) => asked,
            Err(error) => return Ok(Err(error.into())),
        };
        let records = &self.core.records;
        let bundle = records.bundle().ok_or(NotYet::Unavailable)?;
        let (mut keys, bundle, view) = match source(&bundle, self.query.sought, &asked) {
            None => {
                let view = records.view().ok_or(NotYet::Unavailable)?;
                (Vec::new(), bundle, view)
            }
            Some(Source::Keys(kind)) => {
                let listed = records.keys_after(kind, &self.last, CHUNK.saturating_add(1))?;
                let Some(keys) = listed.what else { return Ok(Err(SearchError::NotHeld(kind.to_owned()))) };
                (keys, listed.bundle, listed.view)
            }
            Some(Source::Names(names)) => {
                let view = records.view().ok_or(NotYet::Unavailable)?;
                (self.names_after(names.iter().map(String::as_str)), Arc::clone(&bundle), view)
            }
            Some(Source::Listed { kind, path, key }) => {
                let listed = records.document(kind, &key)?;
                let document = listed.what.and_then(|document| strict_json::parse(&document).ok());
                let names = document.as_ref().and_then(|document| path.value(document)?.as_array());
                let names: BTreeSet<&str> = names.into_iter().flatten().filter_map(Value::as_str).collect();
                (self.names_after(names.into_iter()), listed.bundle, listed.view)
            }
        };
        let more = keys.len() > CHUNK;
        keys.truncate(CHUNK);
        let requests: Vec<_> = keys.iter().map(|key| self.query.about(key).ok()).collect();
        let documents = requests.iter().flatten().map(|request| &request.document);
        let mut captured = records.capture_all(documents, asked.at_least_as_fresh.as_ref())?.into_iter();
        let candidates = keys.into_iter().zip(requests).map(|(id, request)| {
            let asked = request.and_then(|request| Some((request, captured.next()?)));
            Candidate { id, asked }
        });
        Ok(Ok(Chunk { candidates: candidates.collect(), bundle, view, more }))
    }

    /// Some names after the last candidate; they are in order.
    fn names_after<'n>(&self, names: impl Iterator<Item = &'n str>) -> Vec<Box<str>> {
        names
            .filter(|name| !name.is_empty() && *name > self.last.as_str())
            .take(CHUNK.saturating_add(1))
            .map(Box::from)
            .collect()
    }

    /// Decides on the candidates of a chunk; true: the page ends before one that is left.
    fn examine(&mut self, chunk: Chunk) -> Result<bool, SearchError> {
        for Candidate { id, asked } in chunk.candidates {
            let full = self.found.len() >= self.query.limit || self.examined >= MOST_EXAMINED;
            if full || (self.examined > 0 && self.began.elapsed() > MOST_TIME) {
                return Ok(true);
            }
            self.examined = self.examined.saturating_add(1);
            if let Some((request, captured)) = asked
                && self.allows(&request, &captured)
            {
                self.found.push(id.to_string());
            }
            self.last = id.into();
        }
        Ok(false)
    }

    /// Not by way of the decision cache: a search would drive out what is asked often.
    fn allows(&mut self, request: &Request, captured: &Captured) -> bool {
        self.deadline_ns = self.deadline_ns.min(captured.deadline_ns);
        match EngineEvaluator.outcome(&Question { request, captured, time_ms: self.time_ms }) {
            Ok(outcome) => {
                self.valid = true;
                outcome.allow
            }
            Err(error) => {
                self.invalid.get_or_insert(error);
                false
            }
        }
    }

    fn finish(self, goes_on: bool, policy_revision: Arc<str>, view: Arc<View>) -> Result<Page, SearchError> {
        // A request that is wrong about every candidate is wrong by itself, unless it is their identifiers.
        if let (Some(error), false, true) = (self.invalid, self.valid, self.query.after.is_empty())
            && !["subject.id", "resource.id", "action.name"].contains(&error.field.as_str())
        {
            return Err(error.into());
        }
        let late = self.core.records.clock.now_ns() >= self.deadline_ns;
        if late || self.core.records.fresh_for_ns() <= 0 {
            return Err(SearchError::Unavailable(FailClosed::StateStale));
        }
        let next = goes_on.then_some(self.last);
        Ok(Page { found: self.found, next, policy_revision, view })
    }
}

impl Chunk {
    /// Of the state that the records are of, where the candidates were listed just before.
    fn of_its_records(mut self) -> Self {
        let captured = self.candidates.iter().find_map(|candidate| candidate.asked.as_ref());
        if let Some((_, captured)) = captured {
            self.view = Arc::clone(&captured.view);
            self.bundle = Arc::clone(&captured.bundle);
        }
        self
    }
}

#[cfg(test)]
mod tests;
