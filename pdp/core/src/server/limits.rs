//! An oversized message is the caller's fault and said so: `INVALID_ARGUMENT`, not `OUT_OF_RANGE`.

use std::pin::Pin;
use std::task::{Context, Poll};

use tonic::codegen::http::{HeaderValue, Response};
use tower::Service;

#[derive(Clone)]
pub struct OversizeIsInvalid<S>(S);

impl<S> OversizeIsInvalid<S> {
    pub fn new(inner: S) -> Self {
        Self(inner)
    }
}

impl<S, R, B> Service<R> for OversizeIsInvalid<S>
where
    S: Service<R, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let answer = self.0.call(request);
        Box::pin(async move {
            let mut response = answer.await?;
            // The transport refuses a message over its bound with status 11; nothing here uses it otherwise.
            if response.headers().get("grpc-status").is_some_and(|status| status == "11") {
                response.headers_mut().insert("grpc-status", HeaderValue::from_static("3"));
            }
            Ok(response)
        })
    }
}
