//! Settings, positions and requests for the tests of the core.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use serde_json::{Value, json};

use super::Settings;
use crate::records::Position;
use crate::request::Request;

pub fn settings(cache_bytes: u64) -> Settings {
    Settings {
        cache_bytes,
        clock_skew_ms: 10_000,
        freshness_wait: Duration::from_millis(20),
        max_request_bytes: 65_536,
        shards: 1,
        on_demand_bytes: 0,
    }
}

pub fn position(sequence: u64) -> Position {
    Position { sequence, chain: [1; 20] }
}

pub fn request(id: &str, more: &Value) -> Request {
    let mut document = json!({"subject": {"type": "user", "id": id}, "action": {"name": "read"},
        "resource": {"type": "r", "id": "1"}});
    for (name, value) in more.as_object().into_iter().flatten() {
        document[name] = value.clone();
    }
    Request::from_json(document.to_string().as_bytes()).expect("a request")
}
