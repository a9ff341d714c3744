//! One open link: frames in, answers and pushes out.
//!
//! Invariants: commands of one link are handled one after the other, so their order holds; a frame that cannot be read is
//! answered and the link goes on, a flood of them ends it; when the task ends, the rest of the server is told; what the
//! task hears first depends on nothing but what has come, so that a simulation repeats itself; a frame that nobody waits for
//! leaves with others or a little later ([`crate::company`]); the order of frames stays.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, close_code};
use bytes::Bytes;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use tacite_accounts::Identity;
use tacite_model::MessageId;
use tacite_model::limits::{LINK_LOGIN_MS_MAX, LINK_PING_MS, LINK_SILENCE_MS_MAX};
use tacite_router::delivery::Input;
use tacite_wire::proto::Connected;
use tacite_wire::{Code, Frame, HEADER_BYTES, Header, Opcode, Status, VERSIONS};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use crate::SOFTWARE;
use crate::company::haste;
use crate::dispatch::dispatch;
use crate::hub::{Hub, Parts};
use crate::queue::{End, Haste, Queue};
use crate::refusal::Refusal;
use crate::session::Session;

/// What carries the messages of a link: a WebSocket, or what a simulation has instead.
pub trait Transport:
    Stream<Item = Result<Message, Self::Broken>> + Sink<Message, Error = Self::Broken> + Send + Unpin
{
    /// Why it cannot go on.
    type Broken: Send;
}

impl<T, E> Transport for T
where
    T: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Send + Unpin,
    E: Send,
{
    type Broken = E;
}

/// Runs a link until it ends. `identity`: who the bearer token of the upgrade belongs to.
pub(crate) async fn run<P: Parts>(hub: Arc<Hub<P>>, socket: impl Transport, identity: Option<Identity>) {
    let (link, queue) = hub.links.open();
    let mut session = Session::new(link, hub.chance.bytes());
    session.identity = identity;
    if let Some(identity) = &session.identity {
        hub.links.sign_in(link, identity);
    }
    tracing::info!(link = link.0, "link opened");
    let reason = Driver { hub: &hub, socket, session: &mut session, queue: &queue }.run().await;
    hub.links.remove(link);
    hub.leave(link);
    if let Some(device) = session.attached {
        hub.deliver(Input::LinkDown { device, link });
    }
    tracing::info!(link = link.0, reason, "link closed");
}

struct Driver<'a, P: Parts, T> {
    hub: &'a Arc<Hub<P>>,
    socket: T,
    session: &'a mut Session,
    queue: &'a Queue,
}

/// What a link's task woke up for.
enum Wake<E> {
    Called,
    Message(Option<Result<Message, E>>),
    Ping,
}

/// Why a link ended, for the log. Never with an address.
type Reason = &'static str;

impl<P: Parts, T: Transport> Driver<'_, P, T> {
    async fn run(&mut self) -> Reason {
        if let Err(reason) = self.greet().await {
            return reason;
        }
        let opened = Instant::now();
        let mut heard = opened;
        let mut ping =
            interval_at(opened + Duration::from_millis(LINK_PING_MS), Duration::from_millis(LINK_PING_MS));
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut calls_first = true;
        loop {
            // In turn, so that neither side of the link keeps the other waiting.
            calls_first = !calls_first;
            let outcome = match self.wait(&mut ping, calls_first).await {
                Wake::Called => self.send_waiting().await,
                Wake::Message(message) => {
                    heard = Instant::now();
                    self.hear(message).await
                }
                Wake::Ping => self.keep_alive(opened, heard).await,
            };
            if let Err(reason) = outcome {
                return reason;
            }
        }
    }

    async fn wait(&mut self, ping: &mut Interval, calls_first: bool) -> Wake<T::Broken> {
        if calls_first {
            tokio::select! {
                biased;
                _ = ping.tick() => Wake::Ping,
                () = self.queue.called() => Wake::Called,
                message = self.socket.next() => Wake::Message(message),
            }
        } else {
            tokio::select! {
                biased;
                _ = ping.tick() => Wake::Ping,
                message = self.socket.next() => Wake::Message(message),
                () = self.queue.called() => Wake::Called,
            }
        }
    }

    /// The first frame of a link goes before what was pushed since the link was opened.
    async fn greet(&mut self) -> Result<(), Reason> {
        self.feed(self.connected()).await?;
        self.flush().await
    }

    fn connected(&self) -> Frame {
        let body = Connected {
            version_min: (*VERSIONS.start()).into(),
            version_max: (*VERSIONS.end()).into(),
            software: SOFTWARE.to_owned(),
            server_name: self.hub.policy.server_name.clone(),
            challenge: self.session.challenge.to_vec().into(),
            deployment_key_required: self.hub.policy.deployment_key.is_some(),
            delivery_mode: self.hub.policy.delivery.mode.into(),
            messages_per_second_max: self.hub.policy.max_messages_per_sec,
            signed_in: self.session.identity.is_some(),
            depot_url: self.hub.policy.depot_url.clone(),
        };
        self.hub.push_frame(Opcode::CONNECTED, &body)
    }

    /// Sends all that waits in one go, and ends the link if it is to end.
    async fn send_waiting(&mut self) -> Result<(), Reason> {
        self.feed_waiting().await?;
        match self.queue.end() {
            None => self.flush().await,
            Some(End::Asked) => self.close(close_code::NORMAL, "closed by the server").await,
            Some(End::Overrun) => self.close(close_code::POLICY, "too slow").await,
        }
    }

    async fn hear(&mut self, message: Option<Result<Message, T::Broken>>) -> Result<(), Reason> {
        match message {
            Some(Err(_)) => {
                // Too large even to look at, or broken: the link cannot go on, but it may still be told.
                let refusal = Refusal::new(Code::FRAME_MALFORMED);
                let _ = self.send(refusal.push(self.blank_header())).await;
                self.close(close_code::SIZE, "unreadable").await
            }
            // In a box, or each idle link would keep the room that handling a frame needs.
            Some(Ok(Message::Binary(bytes))) => Box::pin(self.take(bytes)).await,
            Some(Ok(Message::Text(_))) => self.refuse_unreadable(None, Code::FRAME_MALFORMED).await,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            None | Some(Ok(Message::Close(_))) => Err("closed by the client"),
        }
    }

    async fn take(&mut self, bytes: Bytes) -> Result<(), Reason> {
        let header = bytes.first_chunk::<HEADER_BYTES>().map(Header::decode);
        let frame = match Frame::decode(bytes) {
            Ok(frame) => frame,
            Err(error) => return self.refuse_unreadable(header, Refusal::from(error).code).await,
        };
        let now = self.hub.clock.now();
        let answer = dispatch(self.hub, self.session, frame, now).await;
        if let Some(answer) = answer {
            let unreadable = answer.header.code == Code::BODY_UNREADABLE;
            match haste(&answer.header, self.hub.is_split()) {
                // Without room the queue has ended, which is seen next.
                Haste::InCompany => drop(self.queue.push(answer, Haste::InCompany)),
                Haste::AtOnce => self.send(answer).await?,
            }
            if unreadable && self.session.is_flooded(now) {
                return self.close(close_code::POLICY, "too many unreadable frames").await;
            }
        }
        if self.session.ends {
            return self.close(close_code::NORMAL, "logged out").await;
        }
        Ok(())
    }

    async fn refuse_unreadable(&mut self, header: Option<Header>, code: Code) -> Result<(), Reason> {
        let now = self.hub.clock.now();
        let refusal = Refusal::new(code);
        let frame = match header {
            Some(header) => refusal.answer(&header, now),
            None => refusal.push(self.blank_header()),
        };
        self.send(frame).await?;
        if self.session.is_flooded(now) {
            return self.close(close_code::POLICY, "too many unreadable frames").await;
        }
        Ok(())
    }

    async fn keep_alive(&mut self, opened: Instant, heard: Instant) -> Result<(), Reason> {
        // A token that was good at the upgrade does not open a link for ever; whose device it is renews it in time.
        if self.session.identity.as_ref().is_some_and(|identity| identity.expires_at < self.hub.clock.now()) {
            let refusal = Refusal::new(Code::SESSION_ENDED);
            let _ = self.send(refusal.push(self.blank_header())).await;
            return self.close(close_code::POLICY, "token expired").await;
        }
        if heard.elapsed() >= Duration::from_millis(LINK_SILENCE_MS_MAX) {
            return Err("silent");
        }
        if self.session.identity.is_none() && opened.elapsed() >= Duration::from_millis(LINK_LOGIN_MS_MAX) {
            return self.close(close_code::POLICY, "not logged in").await;
        }
        in_time(self.socket.send(Message::Ping(Bytes::new()))).await
    }

    /// Sends a frame behind what waits.
    async fn send(&mut self, frame: Frame) -> Result<(), Reason> {
        self.feed_waiting().await?;
        self.feed(frame).await?;
        self.flush().await
    }

    async fn feed_waiting(&mut self) -> Result<(), Reason> {
        while let Some(frame) = self.queue.take() {
            self.feed(frame).await?;
        }
        Ok(())
    }

    async fn feed(&mut self, frame: Frame) -> Result<(), Reason> {
        in_time(self.socket.feed(Message::Binary(frame.into_bytes()))).await
    }

    async fn flush(&mut self) -> Result<(), Reason> {
        in_time(self.socket.flush()).await
    }

    async fn close(&mut self, code: u16, reason: Reason) -> Result<(), Reason> {
        let _ =
            in_time(self.socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() })))).await;
        Err(reason)
    }

    fn blank_header(&self) -> Header {
        Header {
            opcode: Opcode::LINK_ERROR,
            mnemonic: Opcode::LINK_ERROR.mnemonic().expect("a known opcode"),
            message_id: self.hub.chance.with(|rng| MessageId::random(rng)),
            timestamp: self.hub.clock.now(),
            version: *VERSIONS.end(),
            status: Status::ERROR,
            code: Code::NONE,
            body_bytes: 0,
        }
    }
}

/// A peer that does not read for so long is gone; waiting for it would keep the link's task for ever.
async fn in_time<E>(write: impl Future<Output = Result<(), E>>) -> Result<(), Reason> {
    let mut write = pin!(write);
    // Nearly always it goes at once, and no clock is needed.
    let at_once = poll_fn(|context| Poll::Ready(write.as_mut().poll(context))).await;
    let written = match at_once {
        Poll::Ready(written) => Ok(written),
        Poll::Pending => timeout(Duration::from_millis(LINK_SILENCE_MS_MAX), write).await,
    };
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err("connection lost"),
        Err(_) => Err("too slow"),
    }
}

/// Signs a link in.
pub(crate) fn sign_in<P: Parts>(hub: &Hub<P>, session: &mut Session, identity: Identity) {
    hub.links.sign_in(session.link, &identity);
    session.identity = Some(identity);
}

#[cfg(test)]
mod tests;
