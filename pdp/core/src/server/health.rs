//! Ready only once a policy and a state are loaded, and not any more when stopping. Ready says nothing of how
//! fresh the state is: a denial because it is stale is an answer too.

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
use crate::records::NEVER_NS;

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

type Watched = State<(Arc<Core>, watch::Receiver<Stage>)>;

/// `/healthz/live`, `/healthz/ready`, and `/healthz/fresh` for those who rather take a sidecar that denies
/// because its state is stale out of rotation.
pub async fn serve_http(
    core: Arc<Core>,
    listener: tokio::net::TcpListener,
    stopping: watch::Receiver<Stage>,
) -> std::io::Result<()> {
    let ready = async |State((core, stopping)): Watched| answer(&Health::of(&core, &stopping), |it| it.ready);
    let fresh = async |State((core, stopping)): Watched| {
        answer(&Health::of(&core, &stopping), |it| it.ready && it.state == "fresh")
    };
    let router = axum::Router::new()
        .route("/healthz/live", get(|| async { Json(json!({"live": true})) }))
        .route("/healthz/ready", get(ready))
        .route("/healthz/fresh", get(fresh))
        .with_state((core, stopping.clone()));
    axum::serve(listener, router).with_graceful_shutdown(super::reached(stopping, Stage::Stopping)).await
}

struct Health {
    ready: bool,
    stopping: bool,
    state: &'static str,
    /// None: nothing is loaded, or it never goes stale.
    fresh_for_ms: Option<i64>,
    policy_revision: Option<String>,
    state_token: Option<String>,
}

impl Health {
    fn of(core: &Core, stopping: &watch::Receiver<Stage>) -> Self {
        let stopping = *stopping.borrow() > Stage::Serving;
        let (view, left_ns) = (core.records.view(), core.records.fresh_for_ns());
        let never = core.records.deadline_ns() == NEVER_NS;
        Self {
            ready: core.ready() && !stopping,
            stopping,
            state: match view {
                None => "loading",
                Some(_) if left_ns > 0 => "fresh",
                Some(_) => "stale",
            },
            fresh_for_ms: (view.is_some() && !never).then_some(left_ns.div_euclid(1_000_000)),
            policy_revision: core.records.bundle().map(|bundle| bundle.revision.to_string()),
            state_token: view.map(|view| view.token.to_string()),
        }
    }
}

fn answer(health: &Health, holds: impl Fn(&Health) -> bool) -> (StatusCode, Json<Value>) {
    let document = json!({
        "ready": health.ready,
        "stopping": health.stopping,
        "state": health.state,
        "fresh_for_ms": health.fresh_for_ms,
        "policy_revision": health.policy_revision,
        "state_token": health.state_token,
    });
    (if holds(health) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(document))
}
