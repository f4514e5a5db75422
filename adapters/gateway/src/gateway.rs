//! THE FLOW of a gateway's request: route → identity → question → decision → verdict.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::RwLock;
use pdp_core::ask;
use pdp_core::decide::Core;
use pdp_core::decision::{Decision, Reason};
use pdp_core::error::{FailClosed, InvalidRequest};
use pdp_core::request::{RawRequest, Request};
use pdp_core::server::doors::Peer;
use pdp_core::timestamp::now_ms;
use pdp_identity::{Identity, Problem};
use pdp_routes::{Found, Mapped, Routes};
use serde_json::{Map, Value, json};

use crate::forwarded::Forwarded;
use crate::headers;
use crate::trust::TrustedPeers;
use crate::verdict::{Kind, Verdict};

/// The routes of a policy.
#[derive(Clone)]
pub struct InForce {
    pub routes: Arc<Routes>,
    /// Of the policy that they came with.
    pub revision: Arc<str>,
}

/// The routes in force, shared with who sets them together with the policy; None: the policy has none.
pub type RoutesInForce = Arc<RwLock<Option<InForce>>>;

/// What all doors for gateways ask.
pub struct Gateway {
    pub core: Arc<Core>,
    pub routes: RoutesInForce,
    /// None: nobody can be logged in through a gateway.
    pub identity: Option<Arc<Identity>>,
    pub trusted: TrustedPeers,
}

/// How often a request is mapped anew because another policy came between its routes and its decision.
const ATTEMPTS: usize = 3;

impl Gateway {
    /// Whether a peer is a configured gateway.
    pub fn trusts(&self, peer: &Peer) -> bool {
        self.trusted.trusts(peer)
    }

    /// What becomes of a request. Never fails: what cannot be decided is a denial.
    pub async fn ask(&self, forwarded: &Forwarded<'_>) -> Verdict {
        let began = Instant::now();
        for _ in 0..ATTEMPTS {
            let in_force = self.routes.read().clone();
            let Some(in_force) = in_force else { return self.no_route(began, "there are no routes") };
            let mapped = match in_force.routes.find(forwarded.method, forwarded.target, forwarded.headers) {
                Found::Public { route } => return self.counted(Verdict::public(route)),
                Found::Protected(mapped) => mapped,
                Found::Unknown => return self.no_route(began, "no route is declared for it"),
                Found::Refused(why) => return self.no_route(began, why.text()),
            };
            let route = mapped.route.to_owned();
            let (request, credentials) = self.question(forwarded, mapped);
            let decided = match request {
                Ok(request) => ask::decide(&self.core, request).await,
                Err(error) => Err(error),
            };
            match decided {
                Err(error) => return self.invalid(began, &error, route),
                // An allow that leaves out what must be done would be another answer.
                Ok(decision) if decision.outcome.allow && !headers::carry_obligations(&decision) => break,
                // No decision mixes the routes of one policy with the rules of another.
                Ok(decision) if decision.policy_revision != in_force.revision => {}
                Ok(decision) => {
                    let kind = kind_of(&in_force.routes, &decision, forwarded);
                    return self.counted(Verdict { kind, decision: Some(decision), credentials, route });
                }
            }
        }
        let decision = self.core.refuse(FailClosed::PolicyError, Map::new(), began);
        self.counted(Verdict::denied(decision))
    }

    /// The denial of a call that does not say which request waits.
    pub fn unreadable(&self, why: &'static str) -> Verdict {
        self.core.metrics.count_invalid();
        self.no_route(Instant::now(), why)
    }

    fn no_route(&self, began: Instant, why: &str) -> Verdict {
        let details = Map::from_iter([("why".to_owned(), why.into())]);
        self.counted(Verdict::denied(self.core.refuse(FailClosed::RouteUnknown, details, began)))
    }

    fn invalid(&self, began: Instant, error: &InvalidRequest, route: String) -> Verdict {
        self.core.metrics.count_invalid();
        let details = Map::from_iter([
            ("field".to_owned(), error.field.clone().into()),
            ("why".to_owned(), error.message.clone().into()),
        ]);
        let denied = Verdict::denied(self.core.refuse(FailClosed::RequestInvalid, details, began));
        self.counted(Verdict { route, ..denied })
    }

    fn counted(&self, verdict: Verdict) -> Verdict {
        let counted = self.core.metrics.count_event("gateway", verdict.kind.label());
        debug_assert!(counted.is_some());
        verdict
    }

    /// The question that a mapped request stands for, and why its credentials were not accepted.
    fn question(
        &self,
        forwarded: &Forwarded<'_>,
        mapped: Mapped<'_>,
    ) -> (Result<Request, InvalidRequest>, Option<&'static str>) {
        let (subject, credentials) = match &self.identity {
            Some(identity) => {
                let peer = pdp_identity::Peer {
                    trusted: self.trusts(forwarded.peer),
                    name: forwarded.peer.names.first().map(String::as_str),
                };
                let identified = identity.identify(forwarded.headers, &peer, now_ms());
                let refused = identified.problem.filter(|problem| *problem != Problem::NotLoggedIn);
                (identified.subject, refused.map(Problem::code))
            }
            None => (anonymous(), None),
        };
        let mut context = mapped.context;
        for name in ["traceparent", "tracestate"] {
            if let Some(text) = forwarded.header(name) {
                context.insert(name.to_owned(), text.into());
            }
        }
        let request = Request::from_parts(RawRequest {
            subject: Some(subject),
            action: Some(mapped.action),
            resource: Some(mapped.resource),
            context,
            at_least_as_fresh: None,
            cacheable: false,
        });
        let most = self.core.settings.max_request_bytes;
        let request = request.and_then(|request| match request.text().len() {
            bytes if bytes > most => Err(InvalidRequest::too_long(bytes, most)),
            _ => Ok(request),
        });
        (request, credentials)
    }
}

/// A subject that nobody is logged in as.
fn anonymous() -> Map<String, Value> {
    Map::from_iter([("type".to_owned(), json!("user")), ("id".to_owned(), json!("anonymous"))])
}

/// A login helps when nothing but the login is missing.
fn kind_of(routes: &Routes, decision: &Decision, forwarded: &Forwarded<'_>) -> Kind {
    let outcome = &decision.outcome;
    if outcome.allow {
        return Kind::Allowed;
    }
    let of_login = |reason: &Reason| routes.is_login_code(&reason.code);
    if outcome.reasons.iter().any(of_login) {
        let along = |reason: &Reason| routes.goes_with_login(&reason.code);
        let only = outcome.reasons.iter().all(|reason| of_login(reason) || along(reason));
        return Kind::NotLoggedIn(only.then(|| routes.login_url(forwarded.return_to())).flatten());
    }
    match outcome.obligations.iter().find(|obligation| routes.is_step_up(&obligation.kind)) {
        Some(obligation) if outcome.reasons.len() == 1 => {
            Kind::StepUp(routes.step_up_url(&obligation.parameters, forwarded.return_to()))
        }
        _ => Kind::Denied,
    }
}
