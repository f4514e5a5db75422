//! Every path and method: read, ask, write.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use http::Response;
use pdp_core::server::doors::Peer;
use pdp_gateway::{Dialect, Forwarded, Gateway};

use crate::{request, response};

/// The gateway turns a 401 into a redirect, where it wants one.
const DIALECT: Dialect = Dialect { redirects: false };

/// The door's router, to be served with a `Peer` in the extensions of each request.
pub fn router(gateway: Arc<Gateway>) -> Router {
    Router::new().fallback(answer).with_state(gateway)
}

/// The body of the gateway's own request, if it has one, is not read.
async fn answer(State(gateway): State<Arc<Gateway>>, call: Request) -> Response<Body> {
    let Some(peer) = call.extensions().get::<Peer>().filter(|peer| gateway.trusts(peer)).cloned() else {
        return response::not_trusted();
    };
    let mut headers = call.into_parts().0.headers;
    let waiting = match request::read(&headers) {
        Ok(waiting) => waiting,
        Err(why) => return response::written(gateway.unreadable(why).bare_reply()),
    };
    request::OWN.iter().for_each(|name| drop(headers.remove(*name)));
    let forwarded = Forwarded {
        method: &waiting.method,
        target: &waiting.target,
        scheme: &waiting.scheme,
        host: &waiting.host,
        headers: &headers,
        peer: &peer,
    };
    let verdict = gateway.ask(&forwarded).await;
    response::written(verdict.reply(&forwarded, DIALECT))
}
