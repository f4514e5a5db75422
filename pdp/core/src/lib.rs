//! The decision core of Poortwachter: records, policy engine, decision cache and the sockets that gateways call.
//! It knows no Python and nothing of any portal.

pub mod ask;
pub mod bundle;
pub mod cache;
pub mod clock;
pub mod decide;
pub mod decision;
pub mod error;
pub mod evaluate;
mod input;
pub mod metrics;
pub mod policy;
pub mod records;
pub mod request;
pub mod search;
pub mod server;
pub mod strict_json;
pub mod timestamp;
