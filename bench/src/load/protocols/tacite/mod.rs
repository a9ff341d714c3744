//! The client of `tacited`: links, log-in, sending and receiving as the real client does them, with random bytes instead of
//! sealed ones.
//!
//! Invariants: every frame that a real client would send is sent, built by the same code and of the same size; a refusal ends
//! the link with its code and sentence.

mod bodies;
mod catching_up;
mod downloads;
mod link;
mod moods;
pub mod people;
mod receiving;
mod sealed;
mod sending;
mod wire;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, ensure};
use bytes::BytesMut;
use tacite_model::{Secret, Timestamp};
use tacite_server::Clock;
use tacite_wire::proto::{DeliveryMode, Envelope, SessionGranted};
use tacite_wire::{Frame, Opcode, Status};
use tokio::sync::Notify;

use self::bodies::{Bodies, Done};
use self::catching_up::CatchingUp;
use self::downloads::{Downloads, Whole};
use self::link::Link;
use self::moods::{Moods, Written};
use self::people::{People, Person};
use self::receiving::Receiving;
use self::sending::{Sending, Text};
use self::wire::{Wire, refusal};
use crate::load::connection::Connection;
use crate::load::target::Target;
use crate::load::{Codec, Destination, Event, Order};

/// A token must be good for that long to be shown, as in the client.
const TOKEN_LEFT_MS_MIN: u64 = 60_000;

/// What the links of all people share.
#[derive(Debug)]
pub struct Tacite {
    people: People,
    clock: Clock,
    tokens: Mutex<HashMap<u32, Token>>,
    /// As moods, to everybody's contacts.
    written: Written,
}

/// An access token.
#[derive(Debug, Clone)]
struct Token {
    text: Secret<String>,
    expires_at: Timestamp,
}

impl Tacite {
    /// The people whose keys are in this directory.
    pub fn load(directory: &Path) -> Result<Arc<Self>> {
        let people = People::load(directory)?;
        Ok(Arc::new(Self {
            people,
            clock: Clock::start(),
            tokens: Mutex::default(),
            written: Written::default(),
        }))
    }

    fn token(&self, person: u32) -> Option<Token> {
        let now = self.clock.now();
        let tokens = locked(&self.tokens);
        let is_good = |token: &&Token| token.expires_at > now.plus_ms(TOKEN_LEFT_MS_MIN);
        tokens.get(&person).filter(is_good).cloned()
    }

    fn keep(&self, person: u32, granted: SessionGranted) {
        let token = Token {
            text: Secret::new(granted.access_token),
            expires_at: Timestamp::from_ms(granted.access_expires_at_ms),
        };
        locked(&self.tokens).insert(person, token);
    }
}

/// Has a person's device fetch a token by signature, for log-ins to come.
pub async fn fetch_token(target: &Target, tacite: &Arc<Tacite>, number: u32) -> Result<()> {
    if tacite.token(number).is_none() {
        let mut link = Link::open(target, Wire::new(tacite.clock), None).await?;
        let granted = link.sign_in(tacite.people.person(number)?).await?;
        tacite.keep(number, granted);
        link.close().await?;
    }
    Ok(())
}

/// Logs a person in: by the token of an earlier log-in of this run, if it is still good, otherwise by signature.
pub async fn log_in(target: &Target, tacite: &Arc<Tacite>, number: u32) -> Result<Connection> {
    let person = tacite.people.person(number)?;
    let token = tacite.token(number);
    let bearer = token.as_ref().map(|token| token.text.expose().as_str());
    let mut link = Link::open(target, Wire::new(tacite.clock), bearer).await?;
    if !link.connected.signed_in {
        ensure!(token.is_none(), "the server did not accept the token of person {number}");
        let granted = link.sign_in(person).await?;
        tacite.keep(number, granted);
    }
    let Link { io, wire, connected } = link;
    let is_split = connected.delivery_mode() == DeliveryMode::Split;
    ensure!(connected.depot_url.is_empty(), "the depot is elsewhere");
    let bodies = is_split.then(|| Bodies::new(target));
    Ok(io.into_connection(Device::new(Arc::clone(tacite), number, person, wire, bodies)))
}

/// A device that is signed in.
struct Device {
    tacite: Arc<Tacite>,
    number: u32,
    wire: Wire,
    catching_up: CatchingUp,
    sending: Sending,
    receiving: Receiving,
    downloads: Downloads,
    /// In split mode.
    bodies: Option<Bodies>,
    /// [`Order::Online`] was given, and not told as ready yet.
    is_expected: bool,
    /// Nothing waits on the server any more.
    is_level: bool,
    /// In the place of rooms.
    moods: Moods,
}

impl Device {
    fn new(
        tacite: Arc<Tacite>,
        number: u32,
        person: &Person,
        mut wire: Wire,
        bodies: Option<Bodies>,
    ) -> Self {
        Self {
            catching_up: CatchingUp::new(tacite.people.synced_at),
            sending: Sending::new(person.account_id, bodies.is_some(), &mut wire),
            receiving: Receiving::default(),
            downloads: Downloads::default(),
            bodies,
            is_expected: false,
            is_level: false,
            moods: Moods::default(),
            tacite,
            number,
            wire,
        }
    }

    /// Whoever sends has caught up before.
    fn drive_sending(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if self.catching_up.is_done() { self.sending.drive(&mut self.wire, out) } else { Ok(()) }
    }

    fn queue(&mut self, person: u32, text: Text) -> Result<()> {
        let account_id = self.tacite.people.person(person)?.account_id;
        self.sending.queue(person, account_id, text);
        Ok(())
    }

    /// A message is here as a whole: it counts, and is acknowledged.
    fn store(&mut self, whole: Whole, out: &mut Vec<u8>, sink: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        sink(Event::Message(&whole.sealed));
        self.receiving.stored(whole.sender_id, whole.message_id);
        self.receiving.drive(&mut self.wire, out)
    }

    /// Takes what was put and fetched meanwhile.
    fn take_bodies(&mut self, out: &mut Vec<u8>, sink: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        while let Some(done) = self.bodies.as_mut().map_or(Ok(None), Bodies::next)? {
            match done {
                Done::Put(name) => self.sending.put(name, &mut self.wire, out)?,
                Done::Fetched(name, sealed) => {
                    for whole in self.downloads.fetched(name, &sealed)? {
                        self.store(whole, out, sink)?;
                    }
                }
            }
        }
        if let Some(bodies) = &self.bodies {
            self.downloads.drive(bodies);
        }
        Ok(())
    }

    fn take(&mut self, frame: &Frame, out: &mut Vec<u8>, sink: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        match frame.header.opcode {
            Opcode::DIRECT_RECEIVED => {
                let envelope: Envelope = frame.read()?;
                let message_id = frame.header.message_id;
                if let Some(bodies) = &self.bodies {
                    self.downloads.pushed(message_id, envelope)?;
                    self.downloads.drive(bodies);
                    return Ok(());
                }
                let Envelope { sender_id, sealed, .. } = envelope;
                self.store(Whole { sender_id, message_id, sealed }, out, sink)
            }
            Opcode::REQUEST_UPLOADS if frame.header.status == Status::FINISHED => {
                let bodies = self.bodies.as_ref().context("a permit, but the server is not in split mode")?;
                self.sending.permitted(frame, bodies)
            }
            Opcode::SEND_DIRECT => {
                self.sending.answered(frame, sink)?;
                self.drive_sending(out)
            }
            Opcode::ACKNOWLEDGE => {
                self.receiving.answered(frame)?;
                self.receiving.drive(&mut self.wire, out)
            }
            Opcode::STATE_CHANGED => sending::note_state(frame, sink),
            Opcode::SYNC => {
                self.catching_up.answered(frame, &mut self.wire, out)?;
                self.drive_sending(out)
            }
            Opcode::PRESENCE_CHANGED => self.moods.told(frame, &self.tacite.written, sink),
            Opcode::SET_PRESENCE => self.moods.answered(frame, sink),
            Opcode::LEVEL => {
                self.is_level = true;
                Ok(())
            }
            Opcode::LINK_ERROR => Err(refusal(frame)),
            _ if frame.header.status == Status::ERROR => Err(refusal(frame)),
            // News of contacts and of prekeys, and the answer about these: nothing follows.
            _ => Ok(()),
        }
    }
}

impl Codec for Device {
    fn encode(&mut self, order: Order, out: &mut Vec<u8>) -> Result<()> {
        match order {
            Order::Online => {
                self.is_expected = true;
                return self.catching_up.begin(&mut self.wire, out);
            }
            // Of rooms there is one for each person, by whatever number: her contacts who have joined.
            Order::Join(_) => return self.moods.join(&mut self.wire, out),
            Order::Close => {
                self.wire.put_close(out);
                return Ok(());
            }
            Order::Send { to: Destination::Person(person), source, number, due_ns } => {
                self.queue(person, Text::new(due_ns, source, number))?;
            }
            Order::Send { to: Destination::Room(_), source, number, due_ns } => {
                let writer = self.tacite.people.person(self.number)?.account_id;
                let text = Text::new(due_ns, source, number);
                return self.moods.write((writer, text), &self.tacite.written, &mut self.wire, out);
            }
        }
        self.catching_up.begin(&mut self.wire, out)?;
        self.drive_sending(out)
    }

    fn waker(&self) -> Option<Arc<Notify>> {
        self.bodies.as_ref().map(Bodies::waker)
    }

    fn decode(
        &mut self,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        self.take_bodies(out, sink)?;
        while let Some(frame) = self.wire.take_frame(input, out)? {
            self.take(&frame, out, sink)?;
        }
        if self.is_level && std::mem::take(&mut self.is_expected) {
            sink(Event::Ready);
        }
        Ok(())
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
