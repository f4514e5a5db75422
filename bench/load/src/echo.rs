//! The limit: tonic with the decision contract's messages and one fixed answer, no policy, no records.
//!
//! Usage: pdp-bench-echo HOST:PORT

use std::process::ExitCode;

use tonic::{Request, Response, Status, Streaming};

/// Generated from proto/.
#[allow(clippy::all, clippy::pedantic)]
pub mod contract {
    tonic::include_proto!("pdp.decision.v1");
}

use contract::decision_service_server::{DecisionService, DecisionServiceServer};
use contract::{
    CheckBatchRequest, CheckBatchResponse, CheckRequest, CheckResponse, CheckStreamRequest, CheckStreamResponse,
    WatchRequest, WatchResponse,
};

/// The sidecar's allocator too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Echo;

#[tonic::async_trait]
impl DecisionService for Echo {
    type CheckStreamStream = tonic::codegen::BoxStream<CheckStreamResponse>;
    type WatchStream = tonic::codegen::BoxStream<WatchResponse>;

    async fn check(&self, _request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        Ok(Response::new(CheckResponse {
            allow: true,
            accountable: Some(accountable()),
            policy_revision: "0123456789abcdef".to_owned(),
            state_token: "0123456789abcdef0123456789abcdef".to_owned(),
            decision_id: "0123456789abcdef0123456789abcdef".to_owned(),
            ..CheckResponse::default()
        }))
    }

    async fn check_batch(&self, _: Request<CheckBatchRequest>) -> Result<Response<CheckBatchResponse>, Status> {
        Err(Status::unimplemented("the echo answers Check only"))
    }

    async fn check_stream(
        &self,
        _: Request<Streaming<CheckStreamRequest>>,
    ) -> Result<Response<Self::CheckStreamStream>, Status> {
        Err(Status::unimplemented("the echo answers Check only"))
    }

    async fn watch(&self, _: Request<Streaming<WatchRequest>>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("the echo answers Check only"))
    }
}

fn accountable() -> prost_types::Struct {
    let kvk = prost_types::value::Kind::StringValue("12345678".to_owned());
    let value = prost_types::Value { kind: Some(kvk) };
    prost_types::Struct { fields: [("kvk".to_owned(), value)].into() }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("usage: pdp-bench-echo HOST:PORT")?.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let service = DecisionServiceServer::new(Echo);
    let server = tonic::transport::Server::builder().tcp_nodelay(true).add_service(service);
    runtime.block_on(server.serve(address))?;
    Ok(())
}

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("pdp-bench-echo: {failure}");
            ExitCode::FAILURE
        }
    }
}
