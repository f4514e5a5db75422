//! One thread's share of the gRPC connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tonic_health::pb::health_server::{Health, HealthServer};

use super::service::DecisionServer;
use super::{Stage, limits, proto, reached};
use crate::decide::Core;

/// How often an idle connection is asked whether it still lives.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Serves the connections that come through the channel until the server stops and they are answered.
pub async fn serve(
    core: Arc<Core>,
    mut connections: mpsc::Receiver<std::net::TcpStream>,
    health: HealthServer<impl Health>,
    stage: watch::Receiver<Stage>,
) {
    let decisions = DecisionServer::new(Arc::clone(&core), stage.clone());
    let decisions = proto::decision_service_server::DecisionServiceServer::new(decisions)
        .max_decoding_message_size(limits::message_bytes(&core.settings));
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let mut server = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .layer(tower::layer::layer_fn(move |inner| limits::Refusals::new(inner, Arc::clone(&core))));
    let mut router = server.add_service(decisions).add_service(health);
    // The descriptors are our own, compiled in; a service that cannot be built is left out of reflection only.
    if let (Ok(current), Ok(alpha)) = (reflection().build_v1(), reflection().build_v1alpha()) {
        router = router.add_service(current).add_service(alpha);
    }
    // A connection whose socket cannot join this thread's runtime fails alone.
    let incoming = futures_util::stream::poll_fn(move |context| {
        connections.poll_recv(context).map(|accepted| accepted.map(TcpStream::from_std))
    });
    // An error here is one of the incoming stream, and that gives none that ends it.
    let _ = router.serve_with_incoming_shutdown(incoming, reached(stage, Stage::Stopping)).await;
}
