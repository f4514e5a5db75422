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
use super::opening::Opening;
use super::{Stage, reached, tls};
use crate::records::View;

/// Connections of one door on one thread; more are closed at once.
const MOST_CONNECTIONS: usize = 2_048;
/// For the head of a request, counted from the end of the one before: also how long a connection may idle.
pub const HEAD_TIME: Duration = Duration::from_secs(30);
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
    let connection = builder
        .serve_connection(TokioIo::new(Opening::new(connection, HEAD_TIME)), TowerToHyperService::new(service));
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::body::Body;
    use bytes::Bytes;
    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::{mpsc, watch};

    use super::{BodyError, HEAD_TIME, HeldBody, read_body, serve};
    use crate::records::View;
    use crate::server::Stage;
    use crate::server::doors::Peer;

    #[tokio::test]
    async fn a_response_uses_its_state_until_its_body_is_finished_or_dropped() {
        let view = Arc::new(View::default());
        let mut body: Body = HeldBody::new("x", [Arc::clone(&view), Arc::clone(&view)]).into();
        assert_eq!(Arc::strong_count(&view), 2, "each state once");
        assert!(body.frame().await.is_some_and(|frame| frame.is_ok()));
        assert!(body.frame().await.is_none());
        assert_eq!(Arc::strong_count(&view), 2);
        drop(body);
        assert_eq!(Arc::strong_count(&view), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_bounded_in_size_and_time() {
        let endless = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read_body(endless, 10).await, Err(BodyError::TooSlow));
        assert_eq!(read_body(Body::from("12345678901"), 10).await, Err(BodyError::TooLarge));
        assert_eq!(read_body(Body::from("1234567890"), 10).await, Ok(Bytes::from("1234567890")));
        let broken = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("cut"))]);
        assert_eq!(read_body(Body::from_stream(broken), 10).await, Err(BodyError::Broken));
    }

    /// A served connection: the client's end, and the sender that tells the stage.
    async fn connected() -> (TcpStream, watch::Sender<Stage>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let client = TcpStream::connect(address).await.expect("a connection");
        let (accepted, from) = listener.accept().await.expect("a connection");
        let (sender, connections) = mpsc::channel(1);
        let accepted = accepted.into_std().expect("a socket");
        sender.try_send((accepted, from)).expect("room");
        let router = axum::Router::new().fallback(|axum::Extension(peer): axum::Extension<Peer>| async move {
            format!("{} {}", peer.address.ip(), peer.names.len())
        });
        let stage = watch::channel(Stage::Serving).0;
        let serving = tokio::spawn(serve(router, None, connections, stage.subscribe()));
        // Kept open, as the listener of a server is.
        std::mem::forget(sender);
        (client, stage, serving)
    }

    async fn read_all(client: &mut TcpStream) -> String {
        let mut read = Vec::new();
        client.read_to_end(&mut read).await.expect("an end");
        String::from_utf8_lossy(&read).into_owned()
    }

    #[tokio::test]
    async fn a_door_knows_its_peer_and_ends_in_order() {
        let (mut client, stage, serving) = connected().await;
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("written");
        let mut read = vec![0; 512];
        let length = client.read(&mut read).await.expect("an answer");
        let answer = String::from_utf8_lossy(read.get(..length).unwrap_or_default()).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1 0"), "{answer}");
        stage.send_replace(Stage::Stopping);
        assert_eq!(read_all(&mut client).await, "", "an idle connection is closed");
        serving.await.expect("ended");
    }

    #[tokio::test]
    async fn heads_that_contradict_themselves_or_never_end_are_refused() {
        for head in [
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
            "GET / HTTP/1.1\r\nhost: a\r\nx y: 1\r\n\r\n",
            "GET /\u{7f} HTTP/9\r\n\r\n",
            "\0\0\0\0\r\n\r\n",
        ] {
            let (mut client, _stage, serving) = connected().await;
            client.write_all(head.as_bytes()).await.expect("written");
            let answer = read_all(&mut client).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{head:?}: {answer:?}");
            serving.abort();
        }
    }

    #[tokio::test]
    async fn a_head_that_takes_too_long_ends_its_connection() {
        let (mut client, _stage, serving) = connected().await;
        client.write_all(b"GET / HTTP/1.1\r\nx-slow: ").await.expect("written");
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        tokio::time::pause();
        tokio::time::advance(HEAD_TIME + Duration::from_secs(1)).await;
        tokio::time::resume();
        read_all(&mut client).await;
        serving.abort();
    }
}
