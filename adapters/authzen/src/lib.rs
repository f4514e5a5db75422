//! AuthZEN Authorization API 1.0 over HTTP, with what the NLgov profile adds; see docs/authzen.md.
//!
//! It knows the decision contract and nothing of any portal: it reads a request, asks the core, writes the answer.

mod error;
mod metadata;
mod request;
mod response;
mod search;
mod service;

pub use metadata::BaseUrl;
pub use service::{Options, router};
