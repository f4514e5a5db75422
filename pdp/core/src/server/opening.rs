//! A bound on how long a connection may take to say what it speaks. The HTTP libraries bound the head of a request
//! and a connection over HTTP/2, but wait for the bytes by which they tell the two apart for as long as it takes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tonic::transport::server::Connected;

/// What every connection over HTTP/2 begins with (RFC 9113, section 3.4), and none over HTTP/1.1.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose reading fails when it is not known in time whether it speaks HTTP/2.
pub struct Opening<C> {
    inner: C,
    /// Of the preface, still to come.
    expected: &'static [u8],
    /// None: it is known.
    ends: Option<Pin<Box<Sleep>>>,
}

impl<C> Opening<C> {
    /// Counts from now.
    pub fn new(inner: C, within: Duration) -> Self {
        Self { inner, expected: PREFACE, ends: Some(Box::pin(sleep(within))) }
    }

    fn came(&mut self, bytes: &[u8]) {
        let known = match self.expected.strip_prefix(bytes) {
            Some(rest) => {
                self.expected = rest;
                rest.is_empty()
            }
            // More than the preface, or something else.
            None => true,
        };
        if known {
            self.ends = None;
        }
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Opening<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(ends) = &mut self.ends else { return Pin::new(&mut self.inner).poll_read(context, buffer) };
        if ends.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        self.came(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Opening<C> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

impl<C: Connected> Connected for Opening<C> {
    type ConnectInfo = C::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.inner.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::{Opening, PREFACE};

    const WITHIN: Duration = Duration::from_secs(30);

    /// Whether a connection that sends these pieces, and nothing after them, still waits a minute later.
    async fn stays(pieces: &[&[u8]]) -> bool {
        let (mut client, server) = duplex(1_024);
        let mut server = Opening::new(server, WITHIN);
        for piece in pieces {
            client.write_all(piece).await.expect("written");
            let mut read = vec![0; piece.len()];
            server.read_exact(&mut read).await.expect("read");
            assert_eq!(&read, piece);
        }
        tokio::time::timeout(WITHIN.saturating_mul(2), server.read_u8()).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_connection_that_says_what_it_speaks_may_wait() {
        let (half, rest) = PREFACE.split_at(10);
        let (some, _) = rest.split_at(5);
        let waiting: [&[&[u8]]; 5] = [&[], &[b"P"], &[b"PR"], &[half], &[half, some]];
        for pieces in waiting {
            assert!(!stays(pieces).await, "{pieces:?}");
        }
        let known: [&[&[u8]]; 5] = [&[b"G"], &[b"PO"], &[b"P", b"U"], &[PREFACE], &[half, rest]];
        for pieces in known {
            assert!(stays(pieces).await, "{pieces:?}");
        }
    }
}
