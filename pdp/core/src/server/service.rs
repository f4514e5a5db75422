//! `pdp.decision.v1.DecisionService`: decode, decide, encode.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use tokio::sync::watch::Receiver;

use tonic::{Request as Call, Response, Status, Streaming};

use super::answer::Answer;
use super::proto::{
    CheckBatchRequest, CheckBatchResponse, CheckBatchResult, CheckRequest, CheckStreamRequest,
    CheckStreamResponse, InvalidRequest as InvalidMessage, WatchRequest, WatchResponse, check_batch_result,
    check_stream_response, decision_service_server::DecisionService,
};
use super::{Stage, convert, limits, watches};
use crate::ask;
use crate::decide::Core;
use crate::error::InvalidRequest;

/// Most requests in one batch.
const MAX_BATCH: usize = 1_000;

pub struct DecisionServer {
    core: Arc<Core>,
    stage: Receiver<Stage>,
}

impl DecisionServer {
    pub fn new(core: Arc<Core>, stage: Receiver<Stage>) -> Self {
        Self { core, stage }
    }
}

/// Decides one request of several; counts it when it is none. (What fails as a call is counted in `limits`.)
async fn answer(core: &Arc<Core>, message: CheckRequest) -> Result<Answer, InvalidRequest> {
    let decided = decide(core, message).await;
    if decided.is_err() {
        core.metrics.count_invalid();
    }
    decided
}

async fn decide(core: &Arc<Core>, message: CheckRequest) -> Result<Answer, InvalidRequest> {
    let request = convert::request(message, core.settings.max_request_bytes)?;
    ask::decide(core, request).await.map(|decision| Answer(Some(decision)))
}

async fn batch(
    core: &Arc<Core>,
    requests: Vec<CheckRequest>,
) -> Result<Vec<Result<Answer, InvalidRequest>>, Status> {
    let requests = requests.into_iter().map(|message| convert::request(message, core.settings.max_request_bytes));
    let decided = ask::decide_all(core, requests).await.map_err(Status::internal)?;
    decided.iter().filter(|answer| answer.is_err()).for_each(|_| core.metrics.count_invalid());
    Ok(decided.into_iter().map(|answer| answer.map(|decision| Answer(Some(decision)))).collect())
}

fn invalid(error: InvalidRequest) -> InvalidMessage {
    InvalidMessage { field: error.field, message: error.message }
}

#[tonic::async_trait]
impl DecisionService for DecisionServer {
    async fn check(&self, call: Call<CheckRequest>) -> Result<Response<Answer>, Status> {
        let answered = decide(&self.core, call.into_inner()).await;
        answered.map(Response::new).map_err(|error| convert::invalid_argument(&error))
    }

    async fn check_batch(&self, call: Call<CheckBatchRequest>) -> Result<Response<CheckBatchResponse>, Status> {
        let requests = call.into_inner().requests;
        if requests.len() > MAX_BATCH {
            let message = format!("has {} entries; at most {MAX_BATCH} are read", requests.len());
            return Err(convert::invalid_argument(&InvalidRequest::new("requests", message)));
        }
        let results = batch(&self.core, requests).await?.into_iter().map(|result| CheckBatchResult {
            result: Some(match result {
                Ok(response) => check_batch_result::Result::Response(response),
                Err(error) => check_batch_result::Result::Invalid(invalid(error)),
            }),
        });
        let results = results.collect();
        Ok(Response::new(CheckBatchResponse { results }))
    }

    type CheckStreamStream = Pin<Box<dyn Stream<Item = Result<CheckStreamResponse, Status>> + Send>>;

    async fn check_stream(
        &self,
        call: Call<Streaming<CheckStreamRequest>>,
    ) -> Result<Response<Self::CheckStreamStream>, Status> {
        let core = Arc::clone(&self.core);
        let stage = self.stage.clone();
        // After the messages that were read, the stream ends with the server.
        let messages = call.into_inner().take_until(super::reached(stage, Stage::Stopping));
        let answers = messages.then(move |message| {
            let core = Arc::clone(&core);
            async move {
                let CheckStreamRequest { id, request } =
                    message.map_err(|status| limits::refused(&core, status))?;
                let result = match answer(&core, request.unwrap_or_default()).await {
                    Ok(response) => check_stream_response::Result::Response(response),
                    Err(error) => check_stream_response::Result::Invalid(invalid(error)),
                };
                Ok(CheckStreamResponse { id, result: Some(result) })
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn watch(&self, call: Call<Streaming<WatchRequest>>) -> Result<Response<Self::WatchStream>, Status> {
        let messages = watches::answer(Arc::clone(&self.core), call.into_inner());
        let stopping = super::reached(self.stage.clone(), Stage::Stopping);
        Ok(Response::new(Box::pin(messages.take_until(stopping))))
    }
}
