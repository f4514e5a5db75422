//! Ready only once a policy and a state are loaded, and not any more when stopping.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::sync::watch;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::Stage;
use crate::decide::Core;

/// The whole server, and its decision service by name.
const SERVICES: [&str; 2] = ["", "pdp.decision.v1.DecisionService"];
/// Readiness changes at start and stop only; this bounds how late gRPC health learns of it.
const LOOK: Duration = Duration::from_millis(20);

/// Keeps gRPC health at what the core says, until the server stops.
pub async fn report(core: Arc<Core>, reporter: HealthReporter, stopping: watch::Receiver<Stage>) {
    let mut told = None;
    loop {
        let stop = *stopping.borrow() > Stage::Serving;
        let ready = core.ready() && !stop;
        if told != Some(ready) {
            let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
            for service in SERVICES {
                reporter.set_service_status(service, status).await;
            }
            told = Some(ready);
        }
        if stop {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// `/healthz/live` and `/healthz/ready`.
pub async fn serve_http(
    core: Arc<Core>,
    listener: tokio::net::TcpListener,
    stopping: watch::Receiver<Stage>,
) -> std::io::Result<()> {
    let router = axum::Router::new()
        .route("/healthz/live", get(|| async { Json(json!({"live": true})) }))
        .route("/healthz/ready", get(ready))
        .with_state((core, stopping.clone()));
    axum::serve(listener, router).with_graceful_shutdown(super::reached(stopping, Stage::Stopping)).await
}

async fn ready(State((core, stopping)): State<(Arc<Core>, watch::Receiver<Stage>)>) -> (StatusCode, Json<Value>) {
    let stopping = *stopping.borrow() > Stage::Serving;
    let ready = core.ready() && !stopping;
    let answer = json!({
        "ready": ready,
        "stopping": stopping,
        "policy_revision": core.bundle().map(|bundle| bundle.revision.to_string()),
        "state_token": core.records.token().map(|token| token.to_string()),
    });
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(answer))
}
