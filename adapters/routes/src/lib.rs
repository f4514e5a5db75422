//! From the HTTP request at a gateway to the question that it stands for: `routes.yaml` of a bundle.
//!
//! The one law: whatever a gateway or an application makes of a target by normalising it, the route found here is
//! the route of what they make of it. So a target that could be read in two ways has no route.

mod declared;
mod error;
mod header;
mod login;
mod query;
mod routes;
mod target;
mod template;
mod tree;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

pub use error::{Refusal, RoutesError};
pub use routes::{Found, Mapped, Routes};
