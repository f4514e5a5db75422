//! Ways in beside the decision service: what an adapter gives the server to serve.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use rustls::ServerConfig;
use tonic::body::Body;
use tonic::codegen::http::Response;
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;
use tower::Service;

use crate::records::View;

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

/// A gRPC door whose responses may carry an `Arc<View>` in their extensions: the state that the answer was made
/// from, which then counts as in use for as long as the response's body lives.
#[derive(Clone)]
pub struct Holding<S>(S);

impl<S> Holding<S> {
    pub fn new(door: S) -> Self {
        Self(door)
    }
}

impl<S: NamedService> NamedService for Holding<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, R> Service<R> for Holding<S>
where
    S: Service<R, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let answer = self.0.call(request);
        Box::pin(async move {
            let mut response = answer.await?;
            let held = response.extensions_mut().remove::<Arc<View>>();
            Ok(response.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    // Owned by the body through this closure.
                    let _ = &held;
                    frame
                }))
            }))
        })
    }
}
