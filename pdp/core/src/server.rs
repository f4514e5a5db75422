//! The sockets that gateways call: gRPC decisions, health and reflection; HTTP health.

pub mod answer;
pub mod codec;
mod convert;
pub mod doors;
mod front;
mod health;
mod held;
pub mod http;
mod limits;
mod opening;
mod service;
pub mod structs;
pub mod tls;
mod watches;
mod worker;

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::sync::watch;

use self::doors::Doors;
pub use self::limits::message_bytes;
use crate::decide::Core;

/// The generated messages and service.
#[allow(clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::arithmetic_side_effects)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/pdp.decision.v1.rs"));
    /// All files of the contract, for reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
}

/// Accepted connections that wait for a thread's attention.
const WAITING_CONNECTIONS: usize = 1_024;

/// How far the server is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Serving,
    /// No new calls; those in flight are answered.
    Stopping,
    /// The grace is over.
    Ending,
}

/// Bound on construction, answering after `start`, until `stop`.
///
/// Each thread runs its own connections to their end: what one connection reads at once is answered with one
/// write, which a runtime that hands tasks between threads does not do (it cost a third of the throughput).
pub struct Server {
    core: Arc<Core>,
    /// Until it is started.
    bound: Option<Bound>,
    doors: Arc<Doors>,
    grpc_address: SocketAddr,
    http_address: SocketAddr,
    door_addresses: Vec<SocketAddr>,
    threads: usize,
    stage: watch::Sender<Stage>,
    running: Option<Running>,
}

/// The listeners; those of doors in the order of `Doors::http`.
struct Bound {
    grpc: TcpListener,
    http: TcpListener,
    doors: Vec<TcpListener>,
}

/// The threads, and where each says that it has ended in order.
struct Running {
    threads: Vec<thread::JoinHandle<()>>,
    ended: mpsc::Receiver<()>,
}

impl Server {
    /// Binds every address (`HOST:PORT`, port 0: a free one). `threads` 0: one per core.
    pub fn bind(core: Arc<Core>, grpc: &str, http: &str, doors: Doors, threads: usize) -> io::Result<Self> {
        let bound = Bound {
            grpc: bind("grpc", grpc)?,
            http: bind("http", http)?,
            doors: doors.http.iter().map(|door| bind(door.setting, &door.address)).collect::<io::Result<_>>()?,
        };
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            core,
            grpc_address: bound.grpc.local_addr()?,
            http_address: bound.http.local_addr()?,
            door_addresses: bound.doors.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?,
            bound: Some(bound),
            doors: Arc::new(doors),
            threads: if threads == 0 { cores() } else { threads },
            stage: watch::channel(Stage::Serving).0,
            running: None,
        })
    }

    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc_address
    }

    pub fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// Of each door over HTTP, by its setting.
    pub fn door_addresses(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        self.doors.http.iter().map(|door| door.setting).zip(self.door_addresses.iter().copied())
    }

    /// Starts to answer. Health says not ready until the core is.
    pub fn start(&mut self) -> io::Result<()> {
        let Some(bound) = self.bound.take() else {
            return Err(io::Error::other("the server was started before"));
        };
        let (ended, ends) = mpsc::channel();
        let mut running = Running { threads: Vec::new(), ended: ends };
        let (reporter, health_service) = tonic_health::server::health_reporter();
        let listeners = bound.doors.len().saturating_add(1);
        // For each listener, where its connections go: one queue a thread.
        let mut dealt: Vec<Vec<_>> = std::iter::repeat_with(Vec::new).take(listeners).collect();
        for number in 0..self.threads {
            let mut queues = Vec::with_capacity(listeners);
            for queue in &mut dealt {
                let (sender, receiver) = tokio::sync::mpsc::channel(WAITING_CONNECTIONS);
                queue.push(sender);
                queues.push(receiver);
            }
            let health = health_service.clone();
            let worker = worker::serve(
                Arc::clone(&self.core),
                Arc::clone(&self.doors),
                queues,
                health,
                self.stage.subscribe(),
            );
            running.threads.push(self.thread(format!("pdp-worker-{number}"), worker, &ended)?);
        }
        let dealt = std::iter::once(bound.grpc).chain(bound.doors).zip(dealt).collect();
        let (core, stage) = (Arc::clone(&self.core), &self.stage);
        let front = front::run(core, dealt, bound.http, reporter, stage.subscribe());
        running.threads.push(self.thread("pdp-front".to_owned(), front, &ended)?);
        self.running = Some(running);
        Ok(())
    }

    /// A thread with a runtime of its own that runs to the end of `work`, or of the grace.
    fn thread(
        &self,
        name: String,
        work: impl Future<Output = ()> + Send + 'static,
        ended: &mpsc::Sender<()>,
    ) -> io::Result<thread::JoinHandle<()>> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stage, ended) = (self.stage.subscribe(), ended.clone());
        thread::Builder::new().name(name).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = work => {
                        // Nobody hears it when the server is gone already.
                        let _ = ended.send(());
                    }
                    () = reached(stage, Stage::Ending) => {}
                }
            });
            runtime.shutdown_timeout(Duration::from_millis(200));
        })
    }

    /// Refuses new calls, answers those in flight. True: all were answered within the grace.
    pub fn stop(&mut self, grace: Duration) -> bool {
        self.stage.send_replace(Stage::Stopping);
        let Some(Running { threads, ended }) = self.running.take() else { return true };
        let end = Instant::now().checked_add(grace);
        let left = || end.map_or(grace, |end| end.saturating_duration_since(Instant::now()));
        let in_order = threads.iter().all(|_| ended.recv_timeout(left()).is_ok());
        self.stage.send_replace(Stage::Ending);
        for thread in threads {
            // A thread that panicked has ended too.
            let _ = thread.join();
        }
        in_order
    }
}

fn bind(name: &str, address: &str) -> io::Result<TcpListener> {
    let refuse = |why: String| io::Error::other(format!("cannot listen on {address} (setting {name}): {why}"));
    let resolved = address
        .to_socket_addrs()
        .map_err(|error| refuse(error.to_string()))?
        .next()
        .ok_or_else(|| refuse("no such address".to_owned()))?;
    let listener = TcpListener::bind(resolved).map_err(|error| {
        refuse(match error.kind() {
            io::ErrorKind::AddrInUse => "the port is in use by another process".to_owned(),
            io::ErrorKind::PermissionDenied => "this user may not use that port".to_owned(),
            io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
            _ => error.to_string(),
        })
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Waits until the server is at a stage or past it.
async fn reached(mut stage: watch::Receiver<Stage>, awaited: Stage) {
    // An error means that the server itself is gone, which is past every stage.
    let _ = stage.wait_for(|stage| *stage >= awaited).await;
}
