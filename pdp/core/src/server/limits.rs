//! How large a message may be, and what the transport refuses: an oversized or malformed message is the
//! caller's fault and said so, with the field and the limit, and counted as an invalid request.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::codegen::http::Response;
use tonic::{Code, Status};
use tower::Service;

use super::convert::invalid_argument;
use crate::decide::{Core, Settings};
use crate::error::InvalidRequest;

/// A message has room for this many of the largest requests, so that they can be asked in a batch, …
const REQUESTS_IN_A_MESSAGE: usize = 64;
/// … and for batches of ordinary requests where the largest is small. …
const LEAST_BYTES: usize = 4 * 1024 * 1024;
/// … But what one call can make the server hold in memory has a bound.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// Around one request in a message: its id, tags and lengths.
const ENVELOPE_BYTES: usize = 64 * 1024;

/// Largest gRPC message that is read at all. One request in it has its own, smaller bound.
pub fn message_bytes(settings: &Settings) -> usize {
    let request = settings.max_request_bytes;
    let room = request.saturating_mul(REQUESTS_IN_A_MESSAGE).clamp(LEAST_BYTES, MOST_BYTES);
    room.max(request.saturating_add(ENVELOPE_BYTES))
}

/// What the transport refused, as the caller should see it. Oversized is `OUT_OF_RANGE` there, which nothing
/// here uses otherwise.
pub fn refused(core: &Core, status: Status) -> Status {
    match status.code() {
        Code::OutOfRange => {
            core.metrics.count_invalid();
            let (most, one) = (message_bytes(&core.settings), core.settings.max_request_bytes);
            let message = format!("has more than {most} bytes, the most that is read at once; one request: {one}");
            invalid_argument(&InvalidRequest::new("", message))
        }
        Code::InvalidArgument => {
            core.metrics.count_invalid();
            status
        }
        _ => status,
    }
}

/// Passes every call's failure through `refused`. Failures within a stream come later: its reader does it.
#[derive(Clone)]
pub struct Refusals<S> {
    inner: S,
    core: Arc<Core>,
}

impl<S> Refusals<S> {
    pub fn new(inner: S, core: Arc<Core>) -> Self {
        Self { inner, core }
    }
}

impl<S, R, B> Service<R> for Refusals<S>
where
    S: Service<R, Response = Response<B>>,
    S::Future: Send + 'static,
    B: Default,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let answer = self.inner.call(request);
        let core = Arc::clone(&self.core);
        Box::pin(async move {
            let response = answer.await?;
            match response.extensions().get::<Status>() {
                Some(status) => Ok(refused(&core, status.clone()).into_http()),
                None => Ok(response),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::message_bytes;
    use crate::decide::Settings;
    use crate::decide::testing::settings;

    #[test]
    fn a_message_has_room_for_a_batch_and_a_bound() {
        let bound = |max_request_bytes| message_bytes(&Settings { max_request_bytes, ..settings(0) });
        assert_eq!(bound(1_024), 4 << 20);
        assert_eq!(bound(65_536), 4 << 20);
        assert_eq!(bound(1 << 20), 64 << 20);
        assert_eq!(bound(16 << 20), 64 << 20);
        assert!(bound(100 << 20) > 100 << 20, "whatever the settings say, one request fits");
        assert_eq!(bound(usize::MAX), usize::MAX);
    }
}
