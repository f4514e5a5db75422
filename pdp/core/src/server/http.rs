//! One thread's share of a door's HTTP connections (HTTP/1.1 and HTTP/2), each bounded in time and memory, and
//! what doors answer with.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::doors::Peer;
use super::{Stage, reached, tls};
use crate::records::View;

/// Connections of one door on one thread; more are closed at once.
const MOST_CONNECTIONS: usize = 2_048;
/// For the head of a request, counted from the end of the one before: also how long a connection may idle.
const HEAD_TIME: Duration = Duration::from_secs(30);
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// For the body of a request.
const BODY_TIME: Duration = Duration::from_secs(5);
/// Of the head of a request.
const HEAD_BYTES: usize = 64 * 1024;
/// How often a connection over HTTP/2 is asked whether it still lives, and how long it may take to say so.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Accepted connections, with where they came from.
pub type Connections = mpsc::Receiver<(std::net::TcpStream, SocketAddr)>;

/// Serves the connections that come through the channel until the server stops and they are answered.
pub async fn serve(
    router: axum::Router,
    config: Option<Arc<ServerConfig>>,
    mut connections: Connections,
    stage: watch::Receiver<Stage>,
) {
    let acceptor = config.map(TlsAcceptor::from);
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut open = JoinSet::new();
    let stopping = reached(stage.clone(), Stage::Stopping);
    tokio::pin!(stopping);
    loop {
        let (connection, address) = tokio::select! {
            accepted = connections.recv() => match accepted {
                Some(accepted) => accepted,
                None => break,
            },
            Some(_) = open.join_next() => continue,
            () = &mut stopping => break,
        };
        let (Ok(place), Ok(connection)) = (Arc::clone(&room).try_acquire_owned(), TcpStream::from_std(connection))
        else {
            continue;
        };
        let (router, acceptor, stage) = (router.clone(), acceptor.clone(), stage.clone());
        open.spawn(async move {
            serve_one(router, acceptor, connection, address, stage).await;
            drop(place);
        });
    }
    while open.join_next().await.is_some() {}
}

async fn serve_one(
    router: axum::Router,
    acceptor: Option<TlsAcceptor>,
    connection: TcpStream,
    address: SocketAddr,
    stage: watch::Receiver<Stage>,
) {
    let Some(acceptor) = acceptor else {
        return answer(router, connection, Peer { address, names: Arc::default() }, stage).await;
    };
    let Ok(Ok(connection)) = timeout(HANDSHAKE_TIME, acceptor.accept(connection)).await else { return };
    let certificate = connection.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let names = certificate.map(tls::names).unwrap_or_default().into();
    answer(router, connection, Peer { address, names }, stage).await;
}

/// Answers one connection's requests to its end.
async fn answer(
    router: axum::Router,
    connection: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: Peer,
    stage: watch::Receiver<Stage>,
) {
    let service = router.map_request(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer.clone());
        request.map(Body::new)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(KEEPALIVE))
        .keep_alive_timeout(KEEPALIVE)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX));
    let connection = builder.serve_connection(TokioIo::new(connection), TowerToHyperService::new(service));
    tokio::pin!(connection);
    // What goes wrong on a connection ends that connection; there is nobody left to tell.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = reached(stage, Stage::Stopping) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    TooLarge,
    TooSlow,
    Broken,
}

/// Reads a whole body, bounded in size and time.
pub async fn read_body(body: Body, most_bytes: usize) -> Result<Bytes, BodyError> {
    match timeout(BODY_TIME, Limited::new(body, most_bytes).collect()).await {
        Err(_) => Err(BodyError::TooSlow),
        Ok(Ok(read)) => Ok(read.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Ok(Err(_)) => Err(BodyError::Broken),
    }
}

/// A response's body, with the states that its answers were made from: they count as in use for as long as the body
/// lives, which is until the HTTP layer has taken the last of it.
pub struct HeldBody {
    bytes: Option<Bytes>,
    _held: Vec<Arc<View>>,
}

impl HeldBody {
    pub fn new(bytes: impl Into<Bytes>, held: impl IntoIterator<Item = Arc<View>>) -> Self {
        let mut held: Vec<Arc<View>> = held.into_iter().collect();
        // Most answers of one call are made from one state.
        held.dedup_by(|one, next| Arc::ptr_eq(one, next));
        Self { bytes: Some(bytes.into()).filter(|bytes: &Bytes| !bytes.is_empty()), _held: held }
    }
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.bytes.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(left).unwrap_or(u64::MAX))
    }
}

impl From<HeldBody> for Body {
    fn from(body: HeldBody) -> Self {
        Self::new(body)
    }
}
