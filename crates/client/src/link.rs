//! One link: a WebSocket over TLS, from the connection to its end.
//!
//! Invariants: a link ends by itself when its sender of frames is dropped, when the server is silent for
//! [`LINK_SILENCE_MS_MAX`], or when the server ends it; frames handed over before the sender was dropped are sent first;
//! one WebSocket message is never larger than one frame.

mod open;

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tacite_core::Problem;
use tacite_model::limits::{LINK_BAD_FRAMES_MAX, LINK_PING_MS, LINK_SILENCE_MS_MAX};
use tacite_wire::Frame;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use self::open::Socket;
pub(crate) use self::open::{LinkTarget, trust};
use crate::problem;

const SILENCE_MAX: Duration = Duration::from_millis(LINK_SILENCE_MS_MAX);
/// How long the server may take to answer that the link is to end.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(2);

/// What a link tells.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// It is open.
    Opened,
    /// A frame has come.
    Arrived(Frame),
    /// It could not be opened, or has ended; the last event of a link.
    Closed(Option<Problem>),
}

/// Where a link tells it. Waits while the engine has much to do, so that a fast server is slowed down.
pub(crate) trait LinkEvents: Send {
    /// Hands an event over. `false`: nobody wants it any more.
    fn tell(&self, event: LinkEvent) -> impl Future<Output = bool> + Send;
}

/// Opens a link and keeps it until its end, which is always told.
pub(crate) async fn run(
    target: LinkTarget,
    mut frames: mpsc::UnboundedReceiver<Frame>,
    events: impl LinkEvents,
) {
    let opened = tokio::select! {
        opened = open::open(&target) => opened,
        () = dropped(&mut frames) => {
            events.tell(LinkEvent::Closed(None)).await;
            return;
        }
    };
    let cause = match opened {
        Ok(socket) => {
            events.tell(LinkEvent::Opened).await;
            pump(socket, frames, &events).await
        }
        Err(problem) => Some(problem),
    };
    events.tell(LinkEvent::Closed(cause)).await;
}

/// Ends when the sender is dropped. Nothing is sent to a link that is not open.
async fn dropped(frames: &mut mpsc::UnboundedReceiver<Frame>) {
    while frames.recv().await.is_some() {}
}

async fn pump(
    socket: WebSocketStream<Socket>,
    frames: mpsc::UnboundedReceiver<Frame>,
    events: &impl LinkEvents,
) -> Option<Problem> {
    let (sink, stream) = socket.split();
    let reader = std::pin::pin!(read(stream, events));
    let writer = std::pin::pin!(write(sink, frames));
    let mut reader = reader;
    tokio::select! {
        cause = &mut reader => cause,
        written = writer => match written {
            Ok(()) => timeout(CLOSE_WAIT_MAX, reader).await.unwrap_or(None),
            Err(problem) => Some(problem),
        },
    }
}

/// Reads until the end and says why it came.
async fn read(mut stream: SplitStream<WebSocketStream<Socket>>, events: &impl LinkEvents) -> Option<Problem> {
    let mut unreadable = 0;
    loop {
        let bytes = match timeout(SILENCE_MAX, stream.next()).await {
            Err(_) => return Some(problem::link_lost("it has fallen silent")),
            Ok(None | Some(Ok(Message::Close(_)))) => return None,
            Ok(Some(Err(error))) => return Some(problem::link_broken(&error)),
            Ok(Some(Ok(Message::Binary(bytes)))) => bytes,
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
            Ok(Some(Ok(Message::Text(_) | Message::Frame(_)))) => Bytes::new(),
        };
        match Frame::decode(bytes) {
            Ok(frame) => {
                if !events.tell(LinkEvent::Arrived(frame)).await {
                    return None;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the server sent what is no frame");
                unreadable += 1;
                if unreadable > LINK_BAD_FRAMES_MAX {
                    return Some(problem::garbage());
                }
            }
        }
    }
}

/// Writes frames and pings; `Ok` when the sender was dropped and the end has been said.
async fn write(
    mut sink: SplitSink<WebSocketStream<Socket>, Message>,
    mut frames: mpsc::UnboundedReceiver<Frame>,
) -> Result<(), Problem> {
    let period = Duration::from_millis(LINK_PING_MS);
    let mut ping = interval_at(Instant::now() + period, period);
    loop {
        let message = tokio::select! {
            frame = frames.recv() => match frame {
                Some(frame) => Message::Binary(frame.into_bytes()),
                None => Message::Close(None),
            },
            _ = ping.tick() => Message::Ping(Bytes::new()),
        };
        let last = message.is_close();
        match timeout(SILENCE_MAX, sink.send(message)).await {
            Ok(Ok(())) if last => return Ok(()),
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(problem::link_broken(&error)),
            Err(_) => return Err(problem::link_lost("it takes nothing any more")),
        }
    }
}

#[cfg(test)]
mod tests;
