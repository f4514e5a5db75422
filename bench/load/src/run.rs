//! The two loops and what they count.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::bodies::Bodies;
use crate::settings::{Protocol, Settings};
use crate::{Failure, grpc, http, process, rest};

/// Latencies are kept to three significant digits.
const DIGITS: u8 = 3;
const PERCENTILES: [(&str, f64); 4] = [("p50_us", 0.5), ("p90_us", 0.9), ("p99_us", 0.99), ("p999_us", 0.999)];

enum Connection {
    Grpc(grpc::Connection),
    Rest(rest::Connection),
    Http(http::Connection),
}

impl Connection {
    async fn call(&mut self, bodies: &Bodies) -> Result<(), Failure> {
        let body = bodies.next().ok_or("there is no such request body")?;
        match self {
            Self::Grpc(connection) => connection.call(body).await,
            Self::Rest(connection) => connection.call(body).await,
            Self::Http(connection) => connection.call(body).await,
        }
    }
}

/// What all streams share.
struct Shared {
    bodies: Bodies,
    measuring: Cell<bool>,
    latencies: RefCell<Histogram<u64>>,
    failures: Cell<u64>,
    failure: RefCell<Option<String>>,
    due: RefCell<VecDeque<Instant>>,
    arrived: Semaphore,
}

impl Shared {
    fn count(&self, since: Instant, outcome: Result<(), Failure>) {
        if let Err(failure) = outcome {
            self.failures.set(self.failures.get() + 1);
            self.failure.borrow_mut().get_or_insert_with(|| failure.to_string());
        } else if self.measuring.get() {
            let nanoseconds = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.latencies.borrow_mut().saturating_record(nanoseconds);
        }
    }
}

/// Measures as the settings say: {"requests", "failures", "failure", "seconds", "per_second", "cpu_seconds",
/// "p50_us", …}; `cpu_seconds` is the server's, null when its process is not known.
pub async fn run(settings: &Settings) -> Result<Value, Failure> {
    let shared = Rc::new(Shared {
        bodies: Bodies::read(settings)?,
        measuring: Cell::new(false),
        latencies: RefCell::new(Histogram::new_with_bounds(1, 60_000_000_000, DIGITS)?),
        failures: Cell::new(0),
        failure: RefCell::new(None),
        due: RefCell::new(VecDeque::new()),
        arrived: Semaphore::new(0),
    });
    for _ in 0..settings.connections {
        open_streams(settings, &shared).await?;
    }
    if let Some(rate) = settings.rate {
        tokio::task::spawn_local(arrive(Rc::clone(&shared), rate));
    }
    tokio::time::sleep(settings.warmup).await;
    let cpu_before = settings.pid.and_then(process::cpu_time);
    let start = Instant::now();
    shared.measuring.set(true);
    tokio::time::sleep(settings.duration).await;
    shared.measuring.set(false);
    let seconds = start.elapsed().as_secs_f64();
    let cpu_after = settings.pid.and_then(process::cpu_time);
    let cpu = cpu_before.zip(cpu_after).map(|(before, after)| after.saturating_sub(before).as_secs_f64());
    Ok(report(&shared, seconds, cpu))
}

async fn open_streams(settings: &Settings, shared: &Rc<Shared>) -> Result<(), Failure> {
    let open_loop = settings.rate.is_some();
    match settings.protocol {
        Protocol::Rest => {
            let connection = rest::Connection::open(&settings.address, &settings.path).await?;
            tokio::task::spawn_local(stream(Connection::Rest(connection), Rc::clone(shared), open_loop));
        }
        Protocol::Http => {
            let connection = http::Connection::open(&settings.address).await?;
            tokio::task::spawn_local(stream(Connection::Http(connection), Rc::clone(shared), open_loop));
        }
        Protocol::Grpc => {
            let connection = grpc::Connection::open(&settings.address, &settings.path).await?;
            for _ in 0..settings.streams {
                let connection = Connection::Grpc(connection.clone());
                tokio::task::spawn_local(stream(connection, Rc::clone(shared), open_loop));
            }
        }
    }
    Ok(())
}

/// Calls without end; stops at a failure of the open connection's making by counting failures only.
async fn stream(mut connection: Connection, shared: Rc<Shared>, open_loop: bool) {
    loop {
        let since = if open_loop {
            let Ok(permit) = shared.arrived.acquire().await else { return };
            permit.forget();
            let Some(due) = shared.due.borrow_mut().pop_front() else { continue };
            due
        } else {
            Instant::now()
        };
        let outcome = connection.call(&shared.bodies).await;
        let failed = outcome.is_err();
        shared.count(since, outcome);
        if failed {
            tokio::time::sleep(Duration::from_millis(10)).await; // a dead connection must not spin
        }
    }
}

/// Lets requests fall due at random (a Poisson process). It yields instead of sleeping, since timers are too coarse.
async fn arrive(shared: Rc<Shared>, rate: f64) {
    let mut random: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut due = Instant::now();
    loop {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let uniform = ((random >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        due += Duration::from_secs_f64(-uniform.ln() / rate);
        while Instant::now() < due {
            tokio::task::yield_now().await;
        }
        shared.due.borrow_mut().push_back(due);
        shared.arrived.add_permits(1);
    }
}

fn report(shared: &Shared, seconds: f64, cpu: Option<f64>) -> Value {
    let latencies = shared.latencies.borrow();
    let mut report = json!({
        "requests": latencies.len(),
        "failures": shared.failures.get(),
        "failure": *shared.failure.borrow(),
        "seconds": seconds,
        "per_second": latencies.len() as f64 / seconds,
        "cpu_seconds": cpu,
    });
    if let Some(members) = report.as_object_mut() {
        for (name, quantile) in PERCENTILES {
            members.insert(name.to_owned(), json!(latencies.value_at_quantile(quantile) as f64 / 1000.0));
        }
    }
    report
}
