//! Writes the answer as an HTTP response.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use pdp_core::server::http::HeldBody;
use pdp_gateway::Reply;

/// The response; the state behind it counts as in use until it has left.
pub fn written(reply: Reply) -> Response<Body> {
    let mut response = Response::new(HeldBody::new(reply.body, reply.held).into());
    *response.status_mut() = reply.status;
    response.headers_mut().extend(reply.headers);
    response
}

/// To a caller whose word does not count.
pub fn not_trusted() -> Response<Body> {
    const SENTENCE: &str = "This address answers the configured gateways only (setting trusted_peers).\n";
    let mut response = Response::new(Body::from(SENTENCE));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
