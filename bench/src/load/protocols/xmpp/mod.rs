//! XMPP (RFC 6120, 6121): direct TLS, SASL PLAIN, rooms (XEP-0045), and acknowledgements (XEP-0198) when asked for.
//!
//! Invariant: this reads what the two servers of the bench write, not all that XMPP allows.

mod stanza;

use std::collections::VecDeque;
use std::io::Write as _;

use anyhow::{Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;

use self::stanza::{attribute_h, body_of, has_attribute, stanza_end};
use crate::load::connection::{Connection, Io};
use crate::load::payload::put_payload;
use crate::load::target::Target;
use crate::load::{Codec, Destination, Event, Order};

const DOMAIN: &str = "localhost";
const ROOMS: &str = "conference.localhost";
const OPEN: &str = "<?xml version='1.0'?><stream:stream to='localhost' xmlns='jabber:client' \
                    xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";
const BIND: &str = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
                    <resource>r</resource></bind></iq>";
const ASK_FOR_ACKNOWLEDGEMENT: &[u8] = b"<r xmlns='urn:xmpp:sm:3'/>";

/// Connects, authenticates and binds; `acknowledged` turns stream management on.
pub async fn log_in(target: &Target, person: u32, acknowledged: bool) -> Result<Connection> {
    let mut io = Io::connect(&target.address, &target.tls).await?;
    io.write(OPEN).await?;
    io.read_through("</stream:features>").await?;
    let plain = STANDARD.encode(format!("\0u{person}\0pw"));
    io.write(format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>"))
        .await?;
    let answer = io.read(stanza_end).await?;
    ensure!(answer.starts_with(b"<success"), "person {person}: {:?}", String::from_utf8_lossy(&answer));
    io.write(OPEN).await?;
    io.read_through("</stream:features>").await?;
    io.write(BIND).await?;
    io.read_through("</iq>").await?;
    if acknowledged {
        io.write("<enable xmlns='urn:xmpp:sm:3'/>").await?;
        let answer = io.read(stanza_end).await?;
        ensure!(
            answer.starts_with(b"<enabled"),
            "no acknowledgements: {:?}",
            String::from_utf8_lossy(&answer)
        );
    }
    Ok(io.into_connection(Xmpp { person, acknowledged, ..Xmpp::default() }))
}

#[derive(Debug, Default)]
struct Xmpp {
    person: u32,
    acknowledged: bool,
    /// How many stanzas came since stream management was turned on.
    handled: u32,
    /// For each stanza that left and is not yet acknowledged, whether it is a message.
    unacknowledged: VecDeque<bool>,
    /// How many of ours the server has told to have handled.
    handled_by_server: u32,
    going_online: bool,
    joining: bool,
}

impl Xmpp {
    fn join(&mut self, room: u32, out: &mut Vec<u8>) {
        self.joining = true;
        let person = self.person;
        let presence = format!(
            "<presence to='room{room}@{ROOMS}/u{person}'><x xmlns='http://jabber.org/protocol/muc'>\
             <history maxstanzas='0'/></x></presence>"
        );
        self.put_stanza(&presence, out);
        if person == 0 {
            // The owner's form unlocks the room where the server makes it locked.
            let form = format!(
                "<iq type='set' id='c' to='room{room}@{ROOMS}'>\
                 <query xmlns='http://jabber.org/protocol/muc#owner'>\
                 <x xmlns='jabber:x:data' type='submit'/></query></iq>"
            );
            self.put_stanza(&form, out);
        }
    }

    fn put_stanza(&mut self, text: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(text.as_bytes());
        self.sent(false);
    }

    fn sent(&mut self, is_message: bool) {
        if self.acknowledged {
            self.unacknowledged.push_back(is_message);
        }
    }

    fn presence(&mut self, stanza: &[u8], sink: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        if self.joining {
            if has_attribute(stanza, "type", "error") {
                bail!("not let into the room: {:?}", String::from_utf8_lossy(stanza));
            }
            // 110: this is our own presence, the last that comes.
            if has_attribute(stanza, "code", "110") {
                self.joining = false;
                sink(Event::Ready);
            }
        } else if self.going_online {
            self.going_online = false;
            sink(Event::Ready);
        }
        Ok(())
    }

    /// How many messages the server has newly told to have handled.
    fn acknowledgement(&mut self, stanza: &[u8]) -> u64 {
        let handled = attribute_h(stanza).unwrap_or(self.handled_by_server);
        let newly = handled.wrapping_sub(self.handled_by_server) as usize;
        self.handled_by_server = handled;
        let newly = newly.min(self.unacknowledged.len());
        self.unacknowledged.drain(..newly).filter(|is_message| *is_message).count() as u64
    }
}

impl Codec for Xmpp {
    fn encode(&mut self, order: Order, out: &mut Vec<u8>) -> Result<()> {
        match order {
            Order::Online => {
                self.going_online = true;
                self.put_stanza("<presence/>", out);
            }
            Order::Join(room) => self.join(room, out),
            Order::Send { to, source, number, due_ns } => {
                match to {
                    Destination::Person(person) => {
                        write!(out, "<message type='chat' to='u{person}@{DOMAIN}'")?;
                    }
                    Destination::Room(room) => {
                        write!(out, "<message type='groupchat' to='room{room}@{ROOMS}'")?;
                    }
                }
                write!(out, " id='{source:x}-{number:x}'><body>")?;
                put_payload(due_ns, source, number, out);
                out.extend_from_slice(b"</body></message>");
                self.sent(true);
            }
            Order::Close => self.put_stanza("<presence type='unavailable'/></stream:stream>", out),
        }
        Ok(())
    }

    fn end_batch(&mut self, out: &mut Vec<u8>) {
        if self.acknowledged {
            out.extend_from_slice(ASK_FOR_ACKNOWLEDGEMENT);
        }
    }

    fn decode(
        &mut self,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        while let Some(end) = stanza_end(input) {
            let stanza = input.split_to(end);
            let stanza = stanza.trim_ascii_start();
            if stanza.starts_with(b"<message") {
                self.handled = self.handled.wrapping_add(1);
                if let Some(body) = body_of(stanza) {
                    sink(Event::Message(body));
                }
            } else if stanza.starts_with(b"<presence") {
                self.handled = self.handled.wrapping_add(1);
                self.presence(stanza, sink)?;
            } else if stanza.starts_with(b"<iq") {
                self.handled = self.handled.wrapping_add(1);
            } else if stanza.starts_with(b"<r ") {
                write!(out, "<a xmlns='urn:xmpp:sm:3' h='{}'/>", self.handled)?;
            } else if stanza.starts_with(b"<a ") {
                sink(Event::Accepted(self.acknowledgement(stanza)));
            } else if stanza.starts_with(b"<stream:error") || stanza.starts_with(b"</stream") {
                bail!("the stream ended: {:?}", String::from_utf8_lossy(stanza));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
