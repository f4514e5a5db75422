//! How long an answer counts as using the state that it was made from (`RecordCache::drained`).
//!
//! `Check` and `CheckBatch`: until the HTTP/2 layer has taken the whole response, or the call ended without one.
//! The bytes may then still stand in the buffers of that layer, behind a caller that does not read, and in the
//! kernel's: neither tells when they leave. `CheckStream`: until its answer is encoded, as the response's body
//! goes on. What leaves later than that is for the caller's own time limit to discard.

use std::sync::Arc;

use super::answer::Answer;
use super::codec::Outgoing;
use super::proto::{CheckBatchResponse, CheckStreamResponse, WatchResponse, check_batch_result::Result as Entry};
use crate::records::View;

impl Outgoing for Answer {
    type Held = Option<Arc<View>>;

    fn held(self) -> Self::Held {
        self.0.and_then(|decision| decision.view)
    }
}

impl Outgoing for CheckBatchResponse {
    type Held = Vec<Arc<View>>;

    fn held(self) -> Self::Held {
        let answers = self.results.into_iter().filter_map(|result| match result.result {
            Some(Entry::Response(answer)) => answer.held(),
            _ => None,
        });
        let mut views = answers.collect::<Vec<_>>();
        // Most entries of a batch are of one state.
        views.dedup_by(|one, next| Arc::ptr_eq(one, next));
        views
    }
}

impl Outgoing for CheckStreamResponse {
    type Held = ();

    fn held(self) {}
}

impl Outgoing for WatchResponse {
    type Held = ();

    fn held(self) {}
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;

    use bytes::Bytes;
    use http_body::{Body, Frame};
    use serde_json::json;
    use tonic::Status;
    use tonic::codec::{Codec as _, EncodeBody, SingleMessageCompressionOverride};

    use super::super::codec::{Codec, Outgoing};
    use super::super::proto::{
        CheckBatchResponse, CheckBatchResult, CheckRequest, CheckStreamResponse, check_batch_result,
        check_stream_response,
    };
    use super::Answer;
    use crate::decision::{Decision, Outcome};
    use crate::error::FailClosed;
    use crate::records::View;
    use crate::records::testing::{at, cache};

    fn answer(view: &Arc<View>) -> Answer {
        let outcome = Arc::new(Outcome::fail_closed(FailClosed::StateStale));
        Answer(Some(Decision::new(outcome, None, Some(Arc::clone(view)))))
    }

    #[test]
    fn a_batch_holds_each_of_its_states_once() {
        let (one, other) = (Arc::new(View::default()), Arc::new(View::default()));
        let entry = |view| CheckBatchResult { result: Some(check_batch_result::Result::Response(answer(view))) };
        let held = CheckBatchResponse { results: vec![entry(&one), entry(&one), entry(&other)] }.held();
        assert_eq!((Arc::strong_count(&one), Arc::strong_count(&other)), (2, 2));
        drop(held);
        assert_eq!((Arc::strong_count(&one), Arc::strong_count(&other)), (1, 1));
    }

    /// The body of a response with one message, as the server makes it.
    fn body<T: Outgoing + Send + 'static>(message: T) -> Pin<Box<impl Body<Data = Bytes, Error = Status>>> {
        let encoder = Codec::<T, CheckRequest>::default().encoder();
        let messages = futures_util::stream::iter([Ok(message)]);
        Box::pin(EncodeBody::new_server(
            encoder,
            messages,
            None,
            SingleMessageCompressionOverride::default(),
            None,
        ))
    }

    async fn frame(body: &mut Pin<Box<impl Body<Data = Bytes, Error = Status>>>) -> Option<Frame<Bytes>> {
        std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await.transpose().expect("no error")
    }

    #[tokio::test]
    async fn an_answer_uses_its_state_until_its_body_is_finished_or_dropped() {
        let records = cache(1, &json!({}));
        let answer = || answer(&records.view().expect("a view"));
        let mut finished = body(answer());
        records.apply(0, &[], at(1));
        assert_eq!(records.drained(0), 0, "not encoded yet");
        assert!(frame(&mut finished).await.is_some_and(|frame| frame.is_data()));
        assert_eq!(records.drained(0), 0, "the trailers are still to come");
        assert!(frame(&mut finished).await.is_some_and(|frame| frame.is_trailers()));
        assert_eq!(records.drained(0), 0);
        drop(finished);
        assert_eq!(records.drained(0), 1);
        let cancelled = body(answer());
        records.apply(0, &[], at(2));
        assert_eq!(records.drained(0), 1);
        drop(cancelled);
        assert_eq!(records.drained(0), 2);
    }

    #[tokio::test]
    async fn an_answer_on_a_stream_uses_its_state_until_it_is_encoded() {
        let view = Arc::new(View::default());
        let result = Some(check_stream_response::Result::Response(answer(&view)));
        let mut open = body(CheckStreamResponse { id: "1".to_owned(), result });
        assert_eq!(Arc::strong_count(&view), 2);
        assert!(frame(&mut open).await.is_some_and(|frame| frame.is_data()));
        assert_eq!(Arc::strong_count(&view), 1, "the stream goes on, its answer is out");
    }
}
