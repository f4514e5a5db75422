//! The door: routes, headers, and each call from its body to its answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request as Call;
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use axum::routing::any;
use pdp_core::ask;
use pdp_core::decide::Core;
use pdp_core::request::{RawRequest, Request};
use pdp_core::search::Sought;
use pdp_core::server::http::read_body;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::error::{Refusal, accepts_problems};
use crate::metadata::{BaseUrl, EVALUATION, EVALUATIONS, SEARCHES, WELL_KNOWN};
use crate::request::{Evaluations, check_content_type, leave_out_time, read};
use crate::response;
use crate::search::Asked;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest `X-Request-ID`, in bytes.
const MOST_REQUEST_ID: usize = 256;
/// Searches that one thread's router has under way; each may keep a core busy.
const SEARCHES_AT_ONCE: usize = 1;
/// How long a search waits for its turn.
const TURN_TIME: Duration = Duration::from_secs(2);
/// How long the metadata document may be kept by those who read it.
const METADATA_FRESH: &str = "max-age=300";

/// What the door is configured with.
#[derive(Debug, Clone)]
pub struct Options {
    /// None: there is no metadata document.
    pub base_url: Option<BaseUrl>,
    /// Whether `context.time` says nothing: requests are decided for the clock's time, whatever theirs says.
    pub ignores_time: bool,
    /// Largest body of a call with several evaluations. Others have the bound of one request.
    pub max_body_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { base_url: None, ignores_time: false, max_body_bytes: 4 * 1024 * 1024 }
    }
}

#[derive(Debug, Clone, Copy)]
enum Endpoint {
    Evaluation,
    Evaluations,
    Search(Sought),
    Metadata,
    Unknown,
}

struct Door {
    core: Arc<Core>,
    options: Options,
    searching: Arc<Semaphore>,
}

/// The routes of the API, under the default paths and under the path of the base URL. To be called once a thread.
pub fn router(core: Arc<Core>, options: Options) -> Router {
    let base = options.base_url.as_ref().map_or("", BaseUrl::path).to_owned();
    let door = Arc::new(Door { core, options, searching: Arc::new(Semaphore::new(SEARCHES_AT_ONCE)) });
    let at = |endpoint: Endpoint| {
        let door = Arc::clone(&door);
        move |call: Call| Arc::clone(&door).serve(endpoint, call)
    };
    let searches = SEARCHES.iter().map(|(sought, path, _)| (*path, Endpoint::Search(*sought)));
    let calls = [(EVALUATION, Endpoint::Evaluation), (EVALUATIONS, Endpoint::Evaluations)];
    let mut router = Router::new().route(&format!("{WELL_KNOWN}{base}"), any(at(Endpoint::Metadata)));
    for (path, endpoint) in calls.into_iter().chain(searches) {
        router = router.route(path, any(at(endpoint)));
        if !base.is_empty() {
            router = router.route(&format!("{base}{path}"), any(at(endpoint)));
        }
    }
    router.fallback(at(Endpoint::Unknown))
}

impl Door {
    async fn serve(self: Arc<Self>, endpoint: Endpoint, call: Call) -> Response<Body> {
        let as_problem = accepts_problems(call.headers());
        let request_id = request_id(call.headers());
        let has_body = !call.body().is_end_stream();
        let answered = match &request_id {
            Ok(_) => self.answer(endpoint, call).await,
            Err(()) => Err(Refusal::bad_request(
                "X-Request-ID",
                format!("must stand once, with at most {MOST_REQUEST_ID} bytes of visible ASCII"),
            )),
        };
        let mut response = answered.unwrap_or_else(|refusal| {
            if refusal.status == StatusCode::BAD_REQUEST || refusal.status == StatusCode::PAYLOAD_TOO_LARGE {
                self.core.metrics.count_invalid();
            }
            let mut response = refusal.response(as_problem);
            // A body that nobody read ends its connection, and the caller should know.
            if has_body && (request_id.is_err() || refusal.leaves_body_unread()) {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            response
        });
        if let Ok(Some(id)) = request_id {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }

    async fn answer(&self, endpoint: Endpoint, call: Call) -> Result<Response<Body>, Refusal> {
        match endpoint {
            Endpoint::Evaluation => {
                let mut members = self.members(call, self.core.settings.max_request_bytes).await?;
                self.one(RawRequest::take(&mut members)?).await
            }
            Endpoint::Evaluations => {
                let most = self.options.max_body_bytes.max(self.core.settings.max_request_bytes);
                let members = self.members(call, most).await?;
                self.several(members).await
            }
            Endpoint::Search(sought) => {
                let members = self.members(call, self.core.settings.max_request_bytes).await?;
                self.search(sought, members).await
            }
            Endpoint::Metadata => self.metadata(call.method()),
            Endpoint::Unknown => {
                Err(Refusal::new(StatusCode::NOT_FOUND, "There is nothing at this address; see docs/authzen.md"))
            }
        }
    }

    /// The body of a call, read as an object.
    async fn members(&self, call: Call, most_bytes: usize) -> Result<Map<String, Value>, Refusal> {
        if call.method() != Method::POST {
            return Err(Refusal::method(call.method(), "POST"));
        }
        let content_type = check_content_type(call.headers());
        let body = read_body(call.into_body(), most_bytes).await?;
        content_type?;
        let mut members = read(&body)?;
        if self.options.ignores_time {
            leave_out_time(&mut members);
        }
        Ok(members)
    }

    async fn one(&self, raw: RawRequest) -> Result<Response<Body>, Refusal> {
        let decision = ask::decide(&self.core, Request::from_parts(raw)?).await?;
        Ok(response::decision(decision))
    }

    async fn several(&self, members: Map<String, Value>) -> Result<Response<Body>, Refusal> {
        let several = match Evaluations::read(members, self.core.settings.max_request_bytes)? {
            Evaluations::One(raw) => return self.one(raw).await,
            Evaluations::Several(several) => several,
        };
        let semantic = several.semantic;
        let allowed = |answer: &ask::Answered| answer.as_ref().is_ok_and(|decision| decision.outcome.allow);
        let answers =
            ask::decide_until(&self.core, several.requests(), |answer| semantic.ends_with(allowed(answer)));
        let answers = answers.await.map_err(|error| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error))?;
        answers.iter().filter(|answer| answer.is_err()).for_each(|_| self.core.metrics.count_invalid());
        Ok(response::decisions(answers))
    }

    async fn search(&self, sought: Sought, members: Map<String, Value>) -> Result<Response<Body>, Refusal> {
        let asked = Asked::read(sought, members)?;
        let writer = asked.writer();
        let busy = || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Too many searches are under way");
        let turn = timeout(TURN_TIME, Arc::clone(&self.searching).acquire_owned()).await;
        let turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        Ok(writer.write(ask::search(&self.core, asked.query, turn).await?))
    }

    fn metadata(&self, method: &Method) -> Result<Response<Body>, Refusal> {
        if method != Method::GET && method != Method::HEAD {
            return Err(Refusal::method(method, "GET, HEAD"));
        }
        let base = self.options.base_url.as_ref().ok_or_else(|| {
            let message = "There is no metadata document: no base URL is configured (setting authzen_base_url)";
            Refusal::new(StatusCode::NOT_FOUND, message)
        })?;
        let bundle = self.core.records.bundle().ok_or_else(|| {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "There is no metadata document yet: no policy is loaded")
        })?;
        let mut response = Response::new(Body::from(base.document(&bundle).to_string()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(METADATA_FRESH));
        Ok(response)
    }
}

/// The caller's `X-Request-ID`, to be sent back as it is. Err: it cannot be.
fn request_id(headers: &HeaderMap) -> Result<Option<HeaderValue>, ()> {
    let mut ids = headers.get_all(REQUEST_ID).iter();
    match (ids.next(), ids.next()) {
        (None, _) => Ok(None),
        (Some(id), None) if id.len() <= MOST_REQUEST_ID && id.to_str().is_ok() => Ok(Some(id.clone())),
        _ => Err(()),
    }
}
