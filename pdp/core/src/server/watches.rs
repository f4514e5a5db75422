//! `Watch`: one gateway's pings answered, and news for it in between.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::{Status, Streaming};

use super::proto::{WatchRequest, WatchResponse};
use crate::decide::Core;
use crate::records::WatchMessage;

/// News that comes this soon after other news is told together with what comes until then: a gateway answers
/// each message, and a state may change thousands of times a second.
const PAUSE: Duration = Duration::from_millis(5);

/// Ends when the gateway's pings do.
pub fn answer(
    core: Arc<Core>,
    pings: Streaming<WatchRequest>,
) -> impl Stream<Item = Result<WatchResponse, Status>> {
    let (number, wake) = core.records.watch();
    let watch = Watch { core, number };
    let watching = Watching { watch, pings, wake, outgoing: VecDeque::new(), quiet_until: Instant::now() };
    stream::unfold(watching, |mut watching| async {
        let message = watching.next().await?;
        Some((Ok(message), watching))
    })
}

/// A watch that is open until this is dropped.
struct Watch {
    core: Arc<Core>,
    number: u64,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.core.records.unwatch(self.number);
    }
}

struct Watching {
    watch: Watch,
    pings: Streaming<WatchRequest>,
    wake: Arc<Notify>,
    outgoing: VecDeque<WatchResponse>,
    quiet_until: Instant,
}

impl Watching {
    async fn next(&mut self) -> Option<WatchResponse> {
        let records = &self.watch.core.records;
        loop {
            if let Some(message) = self.outgoing.pop_front() {
                return Some(message);
            }
            let news = async {
                tokio::time::sleep_until(self.quiet_until).await;
                self.wake.notified().await;
            };
            tokio::select! {
                ping = self.pings.message() => {
                    // A stream that breaks has ended too: its gateway opens another one.
                    let WatchRequest { ping, generation, sequences } = ping.ok()??;
                    let messages = records.pong(self.watch.number, generation, &sequences);
                    self.outgoing.extend(responses(messages, ping));
                }
                () = news => {
                    let messages = records.news(self.watch.number);
                    self.outgoing.extend(responses(messages, 0));
                    self.quiet_until = Instant::now().checked_add(PAUSE).unwrap_or(self.quiet_until);
                }
            }
        }
    }
}

/// The last message is the one that answers.
fn responses(messages: Vec<WatchMessage>, ping: u64) -> impl Iterator<Item = WatchResponse> {
    let last = messages.len().saturating_sub(1);
    messages.into_iter().enumerate().map(move |(place, message)| WatchResponse {
        ping: if place == last { ping } else { 0 },
        generation: message.generation,
        sequences: message.sequences,
        forget: message.forget.iter().map(|tag| tag.to_string()).collect(),
        lease: message.lease_ns.map(duration),
    })
}

fn duration(nanoseconds: i64) -> prost_types::Duration {
    let nanos = i32::try_from(nanoseconds.rem_euclid(1_000_000_000)).unwrap_or_default();
    prost_types::Duration { seconds: nanoseconds.div_euclid(1_000_000_000), nanos }
}
