//! Writes the answer as an HTTP response.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use pdp_core::server::http::HeldBody;
use pdp_gateway::{HEADER_NAMES, Reply};

/// The response; the state behind it counts as in use until it has left.
pub fn written(reply: Reply) -> Response<Body> {
    let mut response = Response::new(HeldBody::new(reply.body, reply.held).into());
    *response.status_mut() = reply.status;
    if reply.status == StatusCode::OK {
        // All of them, as some gateways copy what is not there as a placeholder, and some keep a client's.
        let empty = HEADER_NAMES.into_iter().map(|name| (name, HeaderValue::from_static("")));
        response.headers_mut().extend(empty);
    }
    for (name, value) in reply.headers {
        response.headers_mut().insert(name, value);
    }
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
