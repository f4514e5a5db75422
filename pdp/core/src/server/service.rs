//! `pdp.decision.v1.DecisionService`: decode, decide, encode.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use tokio::sync::watch;

use tonic::{Request as Call, Response, Status, Streaming};

use super::answer::Answer;
use super::proto::{
    CheckBatchRequest, CheckBatchResponse, CheckBatchResult, CheckRequest, CheckStreamRequest,
    CheckStreamResponse, InvalidRequest as InvalidMessage, check_batch_result, check_stream_response,
    decision_service_server::DecisionService,
};
use super::{Stage, convert, limits};
use crate::decide::Core;
use crate::error::InvalidRequest;
use crate::timestamp::now_ms;

/// Most requests in one batch.
const MAX_BATCH: usize = 1_000;
/// A long batch lets other calls in after each of this many decisions.
const YIELD_EVERY: usize = 8;

pub struct DecisionServer {
    core: Arc<Core>,
    stage: watch::Receiver<Stage>,
}

impl DecisionServer {
    pub fn new(core: Arc<Core>, stage: watch::Receiver<Stage>) -> Self {
        Self { core, stage }
    }
}

/// Decides one request of several; counts it when it is none. (What fails as a call is counted in `limits`.)
async fn answer(core: &Arc<Core>, message: CheckRequest, clock_ms: i64) -> Result<Answer, InvalidRequest> {
    let decided = decide(core, message, clock_ms).await;
    if decided.is_err() {
        core.metrics.count_invalid();
    }
    decided
}

async fn decide(core: &Arc<Core>, message: CheckRequest, clock_ms: i64) -> Result<Answer, InvalidRequest> {
    let request = convert::request(message, core.settings.max_request_bytes)?;
    if core.fresh_enough(&request) {
        return Ok(Answer(Some(core.decide(&request, clock_ms)?)));
    }
    // The wait for a newer state must not hold up the calls that share this thread.
    let waiting = Arc::clone(core);
    let decided = tokio::task::spawn_blocking(move || waiting.decide(&request, clock_ms)).await;
    match decided {
        Ok(decision) => Ok(Answer(Some(decision?))),
        Err(error) => Err(InvalidRequest::new("", format!("could not be decided: {error}"))),
    }
}

fn invalid(error: InvalidRequest) -> InvalidMessage {
    InvalidMessage { field: error.field, message: error.message }
}

#[tonic::async_trait]
impl DecisionService for DecisionServer {
    async fn check(&self, call: Call<CheckRequest>) -> Result<Response<Answer>, Status> {
        let answered = decide(&self.core, call.into_inner(), now_ms()).await;
        answered.map(Response::new).map_err(|error| convert::invalid_argument(&error))
    }

    async fn check_batch(&self, call: Call<CheckBatchRequest>) -> Result<Response<CheckBatchResponse>, Status> {
        let requests = call.into_inner().requests;
        if requests.len() > MAX_BATCH {
            let message = format!("has {} entries; at most {MAX_BATCH} are read", requests.len());
            return Err(convert::invalid_argument(&InvalidRequest::new("requests", message)));
        }
        let clock_ms = now_ms();
        let mut results = Vec::with_capacity(requests.len());
        for (place, request) in requests.into_iter().enumerate() {
            if place % YIELD_EVERY == YIELD_EVERY - 1 {
                tokio::task::yield_now().await;
            }
            let result = match answer(&self.core, request, clock_ms).await {
                Ok(response) => check_batch_result::Result::Response(response),
                Err(error) => check_batch_result::Result::Invalid(invalid(error)),
            };
            results.push(CheckBatchResult { result: Some(result) });
        }
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
                let result = match answer(&core, request.unwrap_or_default(), now_ms()).await {
                    Ok(response) => check_stream_response::Result::Response(response),
                    Err(error) => check_stream_response::Result::Invalid(invalid(error)),
                };
                Ok(CheckStreamResponse { id, result: Some(result) })
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }
}
