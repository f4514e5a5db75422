//! `envoy.service.auth.v3.Authorization`: read, ask, write.

use std::sync::Arc;

use envoy_types::pb::envoy::service::auth::v3::authorization_server::{Authorization, AuthorizationServer};
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use pdp_core::server::doors::{Holding, Peer};
use pdp_gateway::{Dialect, Forwarded, Gateway};
use tonic::service::RoutesBuilder;
use tonic::transport::server::TcpConnectInfo;
use tonic::{Request, Response, Status};

use crate::{request, response};

/// Envoy passes redirects on.
const DIALECT: Dialect = Dialect { redirects: true };
/// Of a message, with a body where Envoy sends one along.
const MOST_BYTES: usize = 1024 * 1024;

struct ExtAuthz(Arc<Gateway>);

/// Adds the service to those of the gRPC address.
pub fn add_to(services: &mut RoutesBuilder, gateway: Arc<Gateway>) {
    let service = AuthorizationServer::new(ExtAuthz(gateway)).max_decoding_message_size(MOST_BYTES);
    services.add_service(Holding::new(service));
}

#[tonic::async_trait]
impl Authorization for ExtAuthz {
    async fn check(&self, call: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let address = call.extensions().get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr);
        let address = address.ok_or_else(|| Status::internal("the caller's address is not known"))?;
        let peer = Peer { address, names: Arc::default() };
        let described = match request::read(call.into_inner()) {
            Ok(described) => described,
            Err(why) => {
                let verdict = self.0.unreadable(why);
                let metadata = response::metadata(&verdict);
                return Ok(written(verdict.bare_reply(), &http::HeaderMap::new(), metadata));
            }
        };
        let forwarded = Forwarded {
            method: &described.method,
            target: &described.http.path,
            scheme: &described.http.scheme,
            host: &described.http.host,
            headers: &described.headers,
            peer: &peer,
        };
        let verdict = self.0.ask(&forwarded).await;
        let metadata = response::metadata(&verdict);
        Ok(written(verdict.reply(&forwarded, DIALECT), &described.headers, metadata))
    }
}

/// The response, with the state that it was decided on for as long as it has not left.
fn written(
    mut reply: pdp_gateway::Reply,
    headers: &http::HeaderMap,
    metadata: envoy_types::pb::google::protobuf::Struct,
) -> Response<CheckResponse> {
    let held = reply.held.take();
    let mut response = Response::new(response::message(reply, headers, metadata));
    if let Some(view) = held {
        response.extensions_mut().insert(view);
    }
    response
}
