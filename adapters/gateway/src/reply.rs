//! A verdict as an HTTP reply, which a door hands to its gateway in the gateway's own form.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use pdp_core::decision::Decision;
use pdp_core::records::View;
use pdp_core::server::doors::Peer;

use crate::accept::{Language, wants_page};
use crate::forwarded::Forwarded;
use crate::verdict::{Kind, Verdict};
use crate::{headers, page, problem};

/// Nobody's.
const UNKNOWN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// What a gateway can do with a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// It passes a redirect on to the browser. Otherwise a login is a 401 with `X-Pdp-Login`, which the gateway
    /// turns into one.
    pub redirects: bool,
}

/// Status, headers and body for the client, or the headers for the application behind the gateway.
#[derive(Debug)]
pub struct Reply {
    /// 200: let it through.
    pub status: StatusCode,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: String,
    /// To be kept until the reply has left.
    pub held: Option<Arc<View>>,
}

impl Verdict {
    /// The reply to a request. Every denial has a body; nothing in it may be kept by caches.
    pub fn reply(self, forwarded: &Forwarded<'_>, dialect: Dialect) -> Reply {
        let Some(decision) = &self.decision else {
            let status = if self.kind.lets_through() { StatusCode::OK } else { StatusCode::FORBIDDEN };
            return Reply { status, headers: Vec::new(), body: String::new(), held: None };
        };
        let mut reply =
            Reply { status: StatusCode::OK, headers: headers::of(decision), body: String::new(), held: None };
        if self.kind != Kind::Allowed {
            self.deny(forwarded, dialect, decision, &mut reply);
        }
        reply.held = self.decision.and_then(|decision| decision.view);
        reply
    }

    /// The reply to a call that does not say which request waits.
    pub fn bare_reply(self) -> Reply {
        let (headers, peer) = (HeaderMap::new(), Peer { address: UNKNOWN, names: Arc::default() });
        let (method, target) = (&Method::GET, "/");
        self.reply(
            &Forwarded { method, target, scheme: "", host: "", headers: &headers, peer: &peer },
            Dialect { redirects: false },
        )
    }

    fn deny(&self, forwarded: &Forwarded<'_>, dialect: Dialect, decision: &Decision, reply: &mut Reply) {
        let language = Language::preferred(forwarded.header("accept-language"));
        let page = wants_page(forwarded.header("accept"));
        let login = match &self.kind {
            Kind::NotLoggedIn(url) | Kind::StepUp(url) => {
                reply.status = StatusCode::UNAUTHORIZED;
                url.as_deref()
            }
            _ => {
                reply.status = StatusCode::FORBIDDEN;
                None
            }
        };
        let mut add = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                reply.headers.push((name, value));
            }
        };
        if let Some(url) = login {
            add(headers::LOGIN, url);
            if dialect.redirects && page && forwarded.can_be_asked_again() {
                reply.status = StatusCode::FOUND;
                add(LOCATION, url);
            }
        }
        if reply.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 asks for one on each 401; RFC 6750 for the error of a token that was not accepted.
            match self.credentials {
                Some(why) => {
                    add(WWW_AUTHENTICATE, &format!("Bearer error=\"invalid_token\", error_description=\"{why}\""))
                }
                None => add(WWW_AUTHENTICATE, "Bearer"),
            }
        }
        add(CACHE_CONTROL, "no-store");
        add(VARY, "accept, accept-language");
        add(CONTENT_LANGUAGE, language.tag());
        if page {
            add(CONTENT_TYPE, "text/html; charset=utf-8");
            add(CONTENT_SECURITY_POLICY, page::CONTENT_SECURITY_POLICY);
            reply.body = page::document(&self.kind, decision, language);
        } else {
            add(CONTENT_TYPE, "application/problem+json");
            reply.body = problem::document(reply.status, decision, language, login);
        }
    }
}
