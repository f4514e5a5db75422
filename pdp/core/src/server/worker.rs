//! One thread's share of the connections.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tonic::service::Routes;
use tonic_health::pb::health_server::{Health, HealthServer};

use super::doors::Doors;
use super::http::{Connections, HEAD_TIME};
use super::opening::Opening;
use super::service::DecisionServer;
use super::{Stage, http, limits, proto, reached};
use crate::decide::Core;

/// How often an idle connection is asked whether it still lives.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Serves the connections that come through the queues, of the gRPC address first and then of each door over HTTP,
/// until the server stops and they are answered.
pub async fn serve(
    core: Arc<Core>,
    doors: Arc<Doors>,
    queues: Vec<Connections>,
    health: HealthServer<impl Health>,
    stage: watch::Receiver<Stage>,
) {
    let mut queues = queues.into_iter();
    let Some(grpc) = queues.next() else { return };
    let http = doors.http.iter().zip(queues);
    let http = http.map(|(door, queue)| http::serve((door.router)(), door.tls.clone(), queue, stage.clone()));
    let http = join_all(http.collect::<Vec<_>>());
    tokio::join!(serve_grpc(core, &doors, grpc, health, stage.clone()), http);
}

/// Without it, connections that say nothing would stay for ever.
fn bounded(connection: TcpStream) -> Opening<TcpStream> {
    Opening::new(connection, HEAD_TIME)
}

async fn serve_grpc(
    core: Arc<Core>,
    doors: &Doors,
    mut connections: Connections,
    health: HealthServer<impl Health>,
    stage: watch::Receiver<Stage>,
) {
    let decisions = DecisionServer::new(Arc::clone(&core), stage.clone());
    let decisions = proto::decision_service_server::DecisionServiceServer::new(decisions)
        .max_decoding_message_size(limits::message_bytes(&core.settings));
    let reflection = || {
        let own = [proto::DESCRIPTORS, tonic_health::pb::FILE_DESCRIPTOR_SET];
        let all = own.into_iter().chain(doors.descriptors.iter().copied());
        all.fold(tonic_reflection::server::Builder::configure(), |builder, set| {
            builder.register_encoded_file_descriptor_set(set)
        })
    };
    let mut services = Routes::builder();
    services.add_service(decisions).add_service(health);
    doors.grpc.iter().for_each(|door| door(&mut services));
    let mut server = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .layer(tower::layer::layer_fn(move |inner| limits::Refusals::new(inner, Arc::clone(&core))));
    // The descriptors are our own, compiled in; a service that cannot be built is left out of reflection only.
    if let (Ok(current), Ok(alpha)) = (reflection().build_v1(), reflection().build_v1alpha()) {
        services.add_service(current).add_service(alpha);
    }
    let router = server.add_routes(services.routes());
    // A connection whose socket cannot join this thread's runtime fails alone.
    let incoming = futures_util::stream::poll_fn(move |context| {
        connections
            .poll_recv(context)
            .map(|accepted| accepted.map(|(connection, _)| TcpStream::from_std(connection).map(bounded)))
    });
    // An error here is one of the incoming stream, and that gives none that ends it.
    let _ = router.serve_with_incoming_shutdown(incoming, reached(stage, Stage::Stopping)).await;
}
