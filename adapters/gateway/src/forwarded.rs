//! A request as its gateway forwards it.

use http::{HeaderMap, Method};
use pdp_core::server::doors::Peer;

/// One HTTP request that waits at a gateway for its answer.
pub struct Forwarded<'a> {
    pub method: &'a Method,
    /// Path and query exactly as the gateway has them.
    pub target: &'a str,
    /// `http` or `https`, as the user's browser has it; "" when the gateway does not say.
    pub scheme: &'a str,
    /// Host and port, as the user's browser has them; "" when the gateway does not say.
    pub host: &'a str,
    pub headers: &'a HeaderMap,
    /// The gateway.
    pub peer: &'a Peer,
}

impl Forwarded<'_> {
    /// Where a login may send the user back to: the path and query, without scheme and host, as those come from the
    /// request and a login must not send a user elsewhere. Only what can be asked for again, by GET.
    pub fn return_to(&self) -> &str {
        if self.can_be_asked_again() { self.target } else { "/" }
    }

    /// Whether a browser may be sent away and come back with the same request: it sent nothing along.
    pub fn can_be_asked_again(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }

    /// A header's text when it is there once, and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(only), None) => only.to_str().ok(),
            _ => None,
        }
    }
}
