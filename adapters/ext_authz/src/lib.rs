//! Envoy's door: `envoy.service.auth.v3.Authorization/Check` on the gRPC address.
//!
//! What makes Envoy do what:
//! - a gRPC error, or no answer in time: what its `failure_mode_allow` says, which must be `false`; the client gets
//!   its `status_on_error`. This door answers with an error for a message only that it cannot read at all.
//! - `status` 0 (OK): the request goes on, with the headers of `ok_response` set and those of
//!   `headers_to_remove` removed.
//! - any other `status`: the client gets `denied_response` (status, headers, body); a gRPC client gets the gRPC
//!   status that Envoy makes of the HTTP status: 401 is UNAUTHENTICATED, 403 PERMISSION_DENIED.
//! - `dynamic_metadata`, either way: for Envoy's access log and later filters.

mod request;
mod response;
mod service;

pub use service::add_to;
