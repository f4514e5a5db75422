//! The thread in front: accepts connections and deals them out, reports health, serves HTTP health.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tonic_health::server::HealthReporter;

use super::{Stage, health, reached};
use crate::decide::Core;

/// Pause after a connection could not be accepted (no file descriptors left, say).
const PAUSE: Duration = Duration::from_millis(20);

/// One for each thread.
type Queues = Vec<mpsc::Sender<(std::net::TcpStream, SocketAddr)>>;

/// Runs until the server stops.
pub async fn run(
    core: Arc<Core>,
    dealt: Vec<(StdListener, Queues)>,
    http: StdListener,
    reporter: HealthReporter,
    stage: watch::Receiver<Stage>,
) {
    let Ok(http) = TcpListener::from_std(http) else { return };
    let dealing = async {
        tokio::select! {
            _ = join_all(dealt.into_iter().map(|(listener, queues)| deal(listener, queues))) => {}
            () = reached(stage.clone(), Stage::Stopping) => {}
        }
    };
    let health = health::report(Arc::clone(&core), reporter, stage.clone());
    let http = health::serve_http(core, http, stage.clone());
    // HTTP health errs only when its listener is gone, at the end.
    let _ = tokio::join!(dealing, health, http);
}

/// Deals connections to the threads in turn.
async fn deal(listener: StdListener, queues: Queues) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let mut turn = queues.iter().cycle();
    loop {
        match listener.accept().await {
            Ok((connection, address)) => {
                if let (Some(queue), Ok(connection)) = (turn.next(), detached(connection)) {
                    // A thread with a full queue takes no more: the caller sees its connection closed.
                    drop(queue.try_send((connection, address)));
                }
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// A connection that another thread's runtime can take over.
fn detached(connection: TcpStream) -> std::io::Result<std::net::TcpStream> {
    connection.set_nodelay(true)?;
    connection.into_std()
}
