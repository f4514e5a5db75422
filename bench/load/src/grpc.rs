//! One unary gRPC call on an open HTTP/2 connection. A status other than OK is a failure, not an answer.

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request};
use tokio::net::TcpStream;

use crate::Failure;

const WINDOW: u32 = 4 << 20;

/// An open connection; clones share it.
#[derive(Clone)]
pub struct Connection {
    sender: SendRequest<Bytes>,
    uri: http::Uri,
}

impl Connection {
    pub async fn open(address: &str, path: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = h2::client::Builder::new()
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .handshake(stream)
            .await?;
        tokio::task::spawn_local(connection);
        let uri = format!("http://{address}{path}").parse()?;
        Ok(Self { sender, uri })
    }

    pub async fn call(&mut self, body: Bytes) -> Result<(), Failure> {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert("content-type", http::HeaderValue::from_static("application/grpc"));
        headers.insert("te", http::HeaderValue::from_static("trailers"));
        let mut sender = self.sender.clone().ready().await?;
        let (answer, mut sending) = sender.send_request(request, false)?;
        sending.send_data(body, true)?;
        let (head, mut body) = answer.await?.into_parts();
        if body.is_end_stream() {
            return succeeded(&head.headers);
        }
        while let Some(chunk) = body.data().await {
            let length = chunk?.len();
            body.flow_control().release_capacity(length)?;
        }
        let trailers = body.trailers().await?.ok_or("an answer without trailers")?;
        succeeded(&trailers)
    }
}

fn succeeded(headers: &HeaderMap) -> Result<(), Failure> {
    match headers.get("grpc-status") {
        Some(status) if status == "0" => Ok(()),
        Some(status) => Err(format!("gRPC status {status:?}: {:?}", headers.get("grpc-message")).into()),
        None => Err("an answer without grpc-status".into()),
    }
}
