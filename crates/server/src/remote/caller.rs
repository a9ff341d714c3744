//! The calling side: one connection, made when it is needed, with any number of calls under way.
//!
//! Invariants: calls leave in the order in which they were made, also before their futures are polled; a connection on which
//! a call is not answered in time is given up; when it ends, every call under way is answered; at most [`CALLS_MAX`] wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prost::Message;
use tacite_depot::StoreError;
use tacite_model::limits::{HANDSHAKE_MS_MAX, PART_ANSWER_MS_MAX, PART_FRAME_BYTES_MAX};
use tokio::io::{AsyncWriteExt as _, split};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::PartAddress;
use super::frames::{Frame, HEAD_BYTES, unavailable};
use super::tls::{Stream, connector, part_name};
use crate::hub::lock;

/// Calls that may wait; one more is refused as overload.
const CALLS_MAX: usize = 16_384;
const CONNECT: Duration = Duration::from_millis(HANDSHAKE_MS_MAX);
const ANSWER: Duration = Duration::from_millis(PART_ANSWER_MS_MAX);

type Answer = oneshot::Sender<Result<Frame, StoreError>>;
/// Method, fields, and where the answer goes.
type Call = (u8, bytes::Bytes, Answer);
type Pending = Arc<Mutex<BTreeMap<u64, Answer>>>;

/// A handle to the part.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    calls: mpsc::Sender<Call>,
}

impl Caller {
    /// Must be called within a tokio runtime. Ends with its last handle.
    pub(super) fn new(part: PartAddress) -> Self {
        let (calls, waiting) = mpsc::channel(CALLS_MAX);
        tokio::spawn(run(part, waiting));
        Self { calls }
    }

    /// Makes a call at once; the future is its answer.
    pub(super) fn call<T: Message + Default, A: Message>(
        &self,
        method: u8,
        arguments: &A,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, A> {
        let (answer, answered) = oneshot::channel();
        let fits = HEAD_BYTES + arguments.encoded_len() <= PART_FRAME_BYTES_MAX;
        let taken = fits && self.calls.try_send((method, arguments.encode_to_vec().into(), answer)).is_ok();
        async move {
            if !fits {
                return Err(StoreError::Misuse(String::from("a call to a part is too long")));
            }
            if !taken {
                return Err(unavailable("too many calls wait for the part"));
            }
            answered.await.unwrap_or_else(|_| Err(unavailable("the connection to the part ended")))?.outcome()
        }
    }
}

async fn run(part: PartAddress, mut calls: mpsc::Receiver<Call>) {
    let mut number = 0;
    while let Some(first) = calls.recv().await {
        let stream = match timeout(CONNECT, connect(&part)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::warn!(%error, "a part of the server cannot be reached");
                refuse(first, &mut calls);
                continue;
            }
            Err(_) => {
                tracing::warn!("a part of the server does not answer");
                refuse(first, &mut calls);
                continue;
            }
        };
        serve_calls(stream, first, &mut calls, &mut number).await;
    }
}

/// Makes calls on a connection until it ends. `number`: of the last call.
async fn serve_calls(stream: Stream, first: Call, calls: &mut mpsc::Receiver<Call>, number: &mut u64) {
    let (mut reading, mut writing) = split(stream);
    let pending = Pending::default();
    let answers = Arc::clone(&pending);
    let mut reader = tokio::spawn(async move {
        while let Ok(frame) = Frame::read(&mut reading).await {
            let asker = lock(&answers).remove(&frame.call);
            if let Some(answer) = asker {
                let _ = answer.send(Ok(frame));
            }
        }
    });
    let (mut next, mut look, mut seen) = (Some(first), interval(ANSWER), *number);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    'connected: while let Some((kind, body, answer)) = next {
        *number += 1;
        lock(&pending).insert(*number, answer);
        let frame = Frame { call: *number, kind, body };
        if !matches!(timeout(ANSWER, frame.write(&mut writing)).await, Ok(Ok(()))) {
            break;
        }
        next = loop {
            tokio::select! {
                _ = &mut reader => break 'connected,
                call = calls.recv() => break call,
                _ = look.tick() => {
                    if lock(&pending).first_key_value().is_some_and(|(oldest, _)| *oldest <= seen) {
                        tracing::warn!("a part of the server does not answer");
                        break 'connected;
                    }
                    seen = *number;
                }
            }
        };
    }
    reader.abort();
    // Answers "the connection ended" to what is still under way.
    lock(&pending).clear();
}

/// Whoever waits for the connection is told that there is none.
fn refuse(first: Call, calls: &mut mpsc::Receiver<Call>) {
    let mut next = Some(first);
    while let Some((_, _, answer)) = next {
        let _ = answer.send(Err(unavailable("the part cannot be reached")));
        next = calls.try_recv().ok();
    }
}

async fn connect(part: &PartAddress) -> std::io::Result<Stream> {
    let stream = TcpStream::connect(&part.address).await?;
    stream.set_nodelay(true)?;
    let mut stream = connector(part.pin).connect(part_name(), stream).await?;
    stream.write_all(&part.secret.greeting()[..]).await?;
    Ok(stream)
}
