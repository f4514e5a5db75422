//! The router on a real core, without a socket.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use pdp_authzen::{BaseUrl, Options, router};
use pdp_core::bundle::{Bundle, Parts};
use pdp_core::clock::Clock;
use pdp_core::decide::{Core, Settings};
use pdp_core::error::EngineError;
use pdp_core::policy::PolicyEngine;
use pdp_core::records::{Change, NEVER_NS, Position};
use serde_json::{Value, json};
use tower::ServiceExt;

struct Allows;

impl PolicyEngine for Allows {
    fn evaluate(&self, _: &[u8]) -> Result<Vec<u8>, EngineError> {
        let decision = json!({"allow": true, "reasons": [], "obligations": [], "notices": [], "accountable": null,
            "valid_until": null});
        Ok(decision.to_string().into_bytes())
    }
}

fn core() -> Arc<Core> {
    let settings = Settings {
        cache_bytes: 1 << 20,
        clock_skew_ms: 10_000,
        freshness_wait: Duration::from_millis(20),
        max_request_bytes: 4_096,
        shards: 1,
        on_demand_bytes: 0,
    };
    Arc::new(Core::new(settings, Clock::manual()))
}

fn load(core: &Core) {
    let declaration = json!({
        "name": "test",
        "entrypoint": "test/decision",
        "kinds": {"user": {"schema": "any.json"}},
        "lookups": {},
        "search": {"subject": {"user": {"kind": "user"}}},
    })
    .to_string();
    let schemas = BTreeMap::from([("any.json".to_owned(), b"{}".to_vec())]);
    let parts = Parts { declaration: declaration.as_bytes(), schemas: &schemas, revision: "1" };
    core.set_bundle(Arc::new(Bundle::load(&parts, |_| Ok(Box::new(Allows))).expect("a bundle")));
    core.records.install(0, core.records.snapshot(), at(0), NEVER_NS);
}

fn at(sequence: u64) -> Position {
    Position { sequence, chain: [1; 20] }
}

fn options() -> Options {
    Options { base_url: BaseUrl::parse("https://pdp.example.nl").ok(), ..Options::default() }
}

async fn send(router: &Router, method: &str, path: &str, body: &Value) -> Response<Body> {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request = request.body(Body::from(body.to_string())).expect("a request");
    router.clone().oneshot(request).await.expect("an answer")
}

async fn read(response: Response<Body>) -> Value {
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    serde_json::from_slice(&body).expect("JSON")
}

fn asked() -> Value {
    json!({"subject": {"type": "user", "id": "1"}, "action": {"name": "read"}, "resource": {"type": "r", "id": "1"}})
}

#[tokio::test]
async fn an_answer_uses_its_state_until_its_body_is_dropped() {
    let core = core();
    load(&core);
    let user = Change { kind: "user", key: "1", document: Some(b"{}"), version: 1 };
    core.records.apply(0, &[user], at(1));
    let router = router(Arc::clone(&core), options());
    let batch = json!({"evaluations": [asked(), asked()]});
    let calls = [("evaluation", asked()), ("evaluations", batch), ("search/subject", asked())];
    for (sequence, (endpoint, body)) in (1..).zip(&calls) {
        let response = send(&router, "POST", &format!("/access/v1/{endpoint}"), body).await;
        assert_eq!(response.status(), StatusCode::OK, "{endpoint}");
        core.records.apply(0, &[], at(sequence + 1));
        assert_eq!(core.records.drained(0), sequence, "{endpoint} is under way");
        let answer = read(response).await;
        assert!(answer.to_string().contains(&format!("\"{sequence}.")), "{answer}: of that state");
        assert_eq!(core.records.drained(0), sequence + 1, "{endpoint} has left");
    }
}

#[tokio::test]
async fn before_anything_is_loaded_decisions_are_denials_and_the_rest_is_refused() {
    let router = router(core(), options());
    let answer = read(send(&router, "POST", "/access/v1/evaluation", &asked()).await).await;
    assert_eq!(answer["decision"], json!(false));
    assert_eq!(answer["context"]["reasons"][0]["code"], json!("STATE_UNAVAILABLE"));
    let batch = json!({"evaluations": [asked(), {}]});
    let answers = read(send(&router, "POST", "/access/v1/evaluations", &batch).await).await;
    assert_eq!(answers["evaluations"].as_array().map(Vec::len), Some(2));
    assert!(
        answers["evaluations"].as_array().is_some_and(|all| all.iter().all(|one| one["decision"] == json!(false)))
    );
    for (method, path) in [("POST", "/access/v1/search/subject"), ("GET", "/.well-known/authzen-configuration")] {
        let response = send(&router, method, path, &asked()).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(response.headers().contains_key("retry-after"));
        assert!(read(response).await.is_string());
    }
}

#[tokio::test]
async fn time_says_nothing_where_it_is_ignored() {
    let core = core();
    load(&core);
    let mut late = asked();
    late["context"] = json!({"time": "2025-06-27T18:03-07:00"});
    let batch = json!({"evaluations": [late, {}], "context": {"time": 7}, "subject": late["subject"],
        "action": late["action"], "resource": late["resource"]});
    for (ignores_time, status) in [(false, StatusCode::BAD_REQUEST), (true, StatusCode::OK)] {
        let router = router(Arc::clone(&core), Options { ignores_time, ..options() });
        for endpoint in ["evaluation", "search/subject"] {
            let response = send(&router, "POST", &format!("/access/v1/{endpoint}"), &late).await;
            assert_eq!(response.status(), status, "{endpoint}");
        }
        let answers = read(send(&router, "POST", "/access/v1/evaluations", &batch).await).await;
        for answer in answers["evaluations"].as_array().into_iter().flatten() {
            assert_eq!(answer["decision"], json!(ignores_time), "{answer}");
        }
    }
}

#[tokio::test]
async fn the_document_names_what_the_bundle_declares() {
    let core = core();
    load(&core);
    let router = router(core, options());
    let document = read(send(&router, "GET", "/.well-known/authzen-configuration", &Value::Null).await).await;
    assert_eq!(document["search_subject_endpoint"], json!("https://pdp.example.nl/access/v1/search/subject"));
    assert_eq!(document.get("search_action_endpoint"), None);
    let response = send(&router, "POST", "/access/v1/search/action", &asked()).await;
    assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED);
}
