//! One whole HTTP/1.1 request, as bytes, on an open connection. 200, 401 and 403 are answers of a PDP; any other
//! status is a failure.

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Failure;

const ANSWERS: [u16; 3] = [200, 401, 403];
const HEAD_END: &[u8] = b"\r\n\r\n";

/// An open connection, kept alive between calls.
pub struct Connection {
    stream: TcpStream,
    address: String,
    received: BytesMut,
}

impl Connection {
    pub async fn open(address: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, address: address.to_owned(), received: BytesMut::new() })
    }

    /// Sends a request and reads its answer to the end. After a failure the connection is another one, as nobody
    /// knows what the old one still holds.
    pub async fn call(&mut self, request: Bytes) -> Result<(), Failure> {
        let called = self.called(&request).await;
        if called.is_err() {
            *self = Self::open(&self.address).await?;
        }
        called
    }

    async fn called(&mut self, request: &[u8]) -> Result<(), Failure> {
        self.stream.write_all(request).await?;
        let end = loop {
            let found = self.received.windows(HEAD_END.len()).position(|window| window == HEAD_END);
            if let Some(at) = found {
                break at + HEAD_END.len();
            }
            self.receive().await?;
        };
        let (status, length) = head(self.received.get(..end).unwrap_or_default())?;
        while self.received.len() < end + length {
            self.receive().await?;
        }
        self.received.advance(end + length);
        if ANSWERS.contains(&status) { Ok(()) } else { Err(format!("HTTP status {status}").into()) }
    }

    async fn receive(&mut self) -> Result<(), Failure> {
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err("the connection ended within an answer".into()),
            _ => Ok(()),
        }
    }
}

/// The status, and how many bytes of body follow.
fn head(bytes: &[u8]) -> Result<(u16, usize), Failure> {
    let mut lines = std::str::from_utf8(bytes)?.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).ok_or("no status line")?.parse()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse())
    });
    Ok((status, length.ok_or("an answer without content-length")??))
}
