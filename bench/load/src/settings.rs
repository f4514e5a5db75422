//! The command line: `--name value` pairs.

use std::time::Duration;

use crate::Failure;

/// How to talk to the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    /// Each body is a JSON document, to be posted.
    Rest,
    /// Each body is a whole HTTP/1.1 request.
    Http,
}

/// One measurement.
pub struct Settings {
    pub protocol: Protocol,
    /// "HOST:PORT".
    pub address: String,
    /// "/package.Service/Method" or "/v1/data/…"; of whole requests there is none.
    pub path: String,
    /// File of request bodies, each preceded by its length (u32, little-endian).
    pub bodies: String,
    /// File of indices into the bodies (u32, little-endian), the order to send them in; without: one after another.
    pub order: Option<String>,
    /// Place in the order to begin at, counted on from the beginning again where it is too large.
    pub start: usize,
    /// TCP connections.
    pub connections: usize,
    /// Requests under way on each connection (REST and HTTP: one, on as many more connections).
    pub streams: usize,
    /// Mean arrivals per second of the open loop; without: the closed loop.
    pub rate: Option<f64>,
    pub warmup: Duration,
    pub duration: Duration,
    /// The server's process, whose processor time is counted.
    pub pid: Option<u32>,
}

impl Settings {
    pub fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut settings = Self {
            protocol: Protocol::Grpc,
            address: String::new(),
            path: String::new(),
            bodies: String::new(),
            order: None,
            start: 0,
            connections: 4,
            streams: 16,
            rate: None,
            warmup: Duration::from_secs(1),
            duration: Duration::from_secs(5),
            pid: None,
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            settings.set(&name, value)?;
        }
        if settings.address.is_empty() || settings.bodies.is_empty() {
            return Err("--address and --bodies are needed".into());
        }
        if settings.path.is_empty() && settings.protocol != Protocol::Http {
            return Err("--path is needed".into());
        }
        if settings.protocol != Protocol::Grpc {
            settings.connections *= settings.streams;
            settings.streams = 1;
        }
        Ok(settings)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), Failure> {
        match name {
            "--protocol" => {
                self.protocol = match value.as_str() {
                    "grpc" => Protocol::Grpc,
                    "rest" => Protocol::Rest,
                    "http" => Protocol::Http,
                    _ => return Err("--protocol is grpc, rest or http".into()),
                }
            }
            "--address" => self.address = value,
            "--path" => self.path = value,
            "--bodies" => self.bodies = value,
            "--order" => self.order = Some(value),
            "--start" => self.start = value.parse()?,
            "--connections" => self.connections = value.parse()?,
            "--streams" => self.streams = value.parse()?,
            "--rate" => self.rate = Some(value.parse()?),
            "--warmup" => self.warmup = Duration::from_secs_f64(value.parse()?),
            "--duration" => self.duration = Duration::from_secs_f64(value.parse()?),
            "--pid" => self.pid = Some(value.parse()?),
            _ => return Err(format!("unknown argument {name}").into()),
        }
        Ok(())
    }
}
