//! The door for gateways that ask over HTTP, on an address of its own: nginx `auth_request`, Caddy `forward_auth`,
//! Traefik `forwardAuth`, HAProxy through Lua.
//!
//! The gateway asks with the client's own headers, and says in headers of its own which request waits. 200 lets it
//! through; 401 and 403 are denials, with a page or problem document. There is no other answer, as nginx makes an
//! error of everything else. Not an answer to anybody: an error of the transport, which every gateway must treat as
//! a denial.

mod request;
mod response;
mod service;

pub use service::router;
