//! What the doors for gateways share: a request as a gateway forwards it → route → identity → decision → reply.
//! Each door adds its gateway's dialect and nothing else.

mod accept;
mod forwarded;
mod gateway;
mod headers;
mod page;
mod problem;
mod reply;
mod trust;
mod verdict;

pub use forwarded::Forwarded;
pub use gateway::{Gateway, InForce, RoutesInForce};
pub use headers::{DECISION_ID, NAMES as HEADER_NAMES, PREFIX as HEADER_PREFIX};
pub use reply::{Dialect, Reply};
pub use trust::TrustedPeers;
pub use verdict::{Kind, Verdict};
