//! The thread in front: accepts gRPC connections and deals them out, reports health, serves HTTP health.

use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tonic_health::server::HealthReporter;

use super::{Stage, health, reached};
use crate::decide::Core;

/// Pause after a connection could not be accepted (no file descriptors left, say).
const PAUSE: Duration = Duration::from_millis(20);

/// Runs until the server stops.
pub async fn run(
    core: Arc<Core>,
    grpc: StdListener,
    http: StdListener,
    doors: Vec<mpsc::Sender<std::net::TcpStream>>,
    reporter: HealthReporter,
    stage: watch::Receiver<Stage>,
) {
    let (Ok(grpc), Ok(http)) = (TcpListener::from_std(grpc), TcpListener::from_std(http)) else { return };
    let dealing = async {
        tokio::select! {
            () = deal(grpc, doors) => {}
            () = reached(stage.clone(), Stage::Stopping) => {}
        }
    };
    let health = health::report(Arc::clone(&core), reporter, stage.clone());
    let http = health::serve_http(core, http, stage.clone());
    // HTTP health errs only when its listener is gone, at the end.
    let _ = tokio::join!(dealing, health, http);
}

/// Deals connections to the threads in turn.
async fn deal(listener: TcpListener, doors: Vec<mpsc::Sender<std::net::TcpStream>>) {
    let mut turn = doors.iter().cycle();
    loop {
        match listener.accept().await {
            Ok((connection, _)) => {
                if let (Some(door), Ok(connection)) = (turn.next(), detached(connection)) {
                    // A thread with a full queue takes no more: the caller sees its connection closed.
                    drop(door.try_send(connection));
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
