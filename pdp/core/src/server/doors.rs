//! Ways in beside the decision service: what an adapter gives the server to serve.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tonic::service::RoutesBuilder;

/// Adds services to those of the gRPC address; called once a thread.
pub type GrpcDoor = Box<dyn Fn(&mut RoutesBuilder) + Send + Sync>;

/// A door over HTTP, with an address of its own.
pub struct HttpDoor {
    /// The setting that gives its address, for messages.
    pub setting: &'static str,
    /// `HOST:PORT`; port 0: a free one.
    pub address: String,
    /// None: plain HTTP.
    pub tls: Option<Arc<ServerConfig>>,
    /// Called once a thread. Each request carries a `Peer` in its extensions.
    pub router: Box<dyn Fn() -> axum::Router + Send + Sync>,
}

/// All doors of a server.
#[derive(Default)]
pub struct Doors {
    pub grpc: Vec<GrpcDoor>,
    /// Encoded descriptor sets of the gRPC doors, for reflection.
    pub descriptors: Vec<&'static [u8]>,
    pub http: Vec<HttpDoor>,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    pub address: SocketAddr,
    /// DNS names and URIs of its verified client certificate; empty without one.
    pub names: Arc<[String]>,
}
