//! MQTT 3.1.1 at `QoS` 1: every person has a topic of her own, `u/<number>`; rooms are topics too.
//!
//! Invariant: what is published to us is acknowledged at once, as a client does that has stored it.

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Buf as _, BytesMut};

use crate::load::connection::{Connection, Io};
use crate::load::payload::{PAYLOAD_BYTES, put_payload};
use crate::load::target::Target;
use crate::load::{Codec, Destination, Event, Order};

const CONNECT: u8 = 0x10;
const CONNECTION_ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
const PUBLISH_AT_LEAST_ONCE: u8 = 0x32;
const SUBSCRIBE: u8 = 0x82;
const DISCONNECT: [u8; 2] = [0xe0, 0];

// Kinds of packets, without their flags.
const PUBLISH: u8 = 3;
const PUBLISH_ACKNOWLEDGEMENT: u8 = 4;
const SUBSCRIBE_ACKNOWLEDGEMENT: u8 = 9;

const PROTOCOL_LEVEL: u8 = 4;
const HAS_NAME_AND_PASSWORD: u8 = 0xc0;
const CLEAN_SESSION: u8 = 0x02;

/// Connects; a `persistent` session is kept by the server while the person is away.
pub async fn log_in(target: &Target, person: u32, persistent: bool) -> Result<Connection> {
    let mut io = Io::connect(&target.address, &target.tls).await?;
    let clean = if persistent { 0 } else { CLEAN_SESSION };
    let mut body = Vec::new();
    put_text("MQTT", &mut body);
    // The last two bytes say that no keep-alive is wanted.
    body.extend_from_slice(&[PROTOCOL_LEVEL, HAS_NAME_AND_PASSWORD | clean, 0, 0]);
    put_text(&format!("c{person}"), &mut body);
    put_text(&format!("u{person}"), &mut body);
    put_text("pw", &mut body);
    let mut out = Vec::new();
    put_packet(CONNECT, &body, &mut out);
    io.write(out).await?;
    let mut answer = io.read(|input| (input.len() >= CONNECTION_ACCEPTED.len()).then_some(4)).await?;
    // Whether a session was there already is no matter.
    answer[2] = 0;
    ensure!(answer[..] == CONNECTION_ACCEPTED, "person {person} is refused: {answer:?}");
    Ok(io.into_connection(Mqtt { person, last_packet: 0 }))
}

struct Mqtt {
    person: u32,
    last_packet: u16,
}

impl Mqtt {
    fn next_packet(&mut self) -> [u8; 2] {
        // 0 is no packet's number.
        self.last_packet = self.last_packet.checked_add(1).unwrap_or(1);
        self.last_packet.to_be_bytes()
    }

    fn subscribe(&mut self, topic: &str, out: &mut Vec<u8>) {
        let mut body = self.next_packet().to_vec();
        put_text(topic, &mut body);
        body.push(1);
        put_packet(SUBSCRIBE, &body, out);
    }
}

fn topic(to: Destination) -> String {
    match to {
        Destination::Person(person) => format!("u/{person}"),
        Destination::Room(room) => format!("room/{room}"),
    }
}

impl Codec for Mqtt {
    fn encode(&mut self, order: Order, out: &mut Vec<u8>) -> Result<()> {
        match order {
            Order::Online => self.subscribe(&topic(Destination::Person(self.person)), out),
            Order::Join(room) => self.subscribe(&topic(Destination::Room(room)), out),
            Order::Send { to, source, number, due_ns } => {
                let topic = topic(to);
                out.push(PUBLISH_AT_LEAST_ONCE);
                put_length(2 + topic.len() + 2 + PAYLOAD_BYTES, out);
                put_text(&topic, out);
                out.extend_from_slice(&self.next_packet());
                put_payload(due_ns, source, number, out);
            }
            Order::Close => out.extend_from_slice(&DISCONNECT),
        }
        Ok(())
    }

    fn decode(
        &mut self,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        while let Some((start, length)) =
            packet_length(input).filter(|(start, length)| input.len() >= start + length)
        {
            let first = input[0];
            let body = &input[start..start + length];
            match first >> 4 {
                PUBLISH => sink(Event::Message(published(first, body, out).context("a broken message")?)),
                PUBLISH_ACKNOWLEDGEMENT => sink(Event::Accepted(1)),
                SUBSCRIBE_ACKNOWLEDGEMENT if body.get(2).is_none_or(|granted| *granted > 2) => {
                    bail!("the subscription is refused")
                }
                SUBSCRIBE_ACKNOWLEDGEMENT => sink(Event::Ready),
                _ => {}
            }
            input.advance(start + length);
        }
        Ok(())
    }
}

/// The message of a PUBLISH packet; acknowledges it if that is wanted.
fn published<'a>(first: u8, body: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (topic_length, rest) = body.split_first_chunk()?;
    let rest = rest.get(usize::from(u16::from_be_bytes(*topic_length))..)?;
    let quality = first & 0x06;
    if quality == 0 {
        return Some(rest);
    }
    let ([high, low], message) = rest.split_first_chunk()?;
    out.extend_from_slice(&[PUBLISH_ACKNOWLEDGEMENT << 4, 2, *high, *low]);
    Some(message)
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    let length = u16::try_from(text.len()).expect("names and topics of ours are short");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_packet(first: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    put_length(body.len(), out);
    out.extend_from_slice(body);
}

/// Seven bits a byte, the lowest first, the top bit says that more follow.
fn put_length(mut length: usize, out: &mut Vec<u8>) {
    loop {
        let low = u8::try_from(length & 0x7f).expect("seven bits");
        length >>= 7;
        if length == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// Where the body of the first packet begins, and its length.
fn packet_length(input: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for (at, byte) in input.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((at + 2, length));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::payload::read_payload;

    fn decode(bytes: &[u8]) -> Result<(Vec<String>, Vec<u8>)> {
        let (mut told, mut out) = (Vec::new(), Vec::new());
        let mut mqtt = Mqtt { person: 3, last_packet: 0 };
        let mut input = BytesMut::from(bytes);
        mqtt.decode(&mut input, &mut out, &mut |event| told.push(format!("{event:?}")))?;
        Ok((told, out))
    }

    #[test]
    fn lengths_come_back() {
        for length in [0, 127, 128, 300, 70_000] {
            let mut out = vec![0x30];
            put_length(length, &mut out);
            assert_eq!(packet_length(&out), Some((out.len(), length)));
            assert_eq!(packet_length(&out[..out.len() - 1]), None);
        }
    }

    #[test]
    fn what_is_published_comes_back_and_is_acknowledged() {
        let mut out = Vec::new();
        let mut mqtt = Mqtt { person: 3, last_packet: u16::MAX };
        let order = Order::Send { to: Destination::Person(3), source: 2, number: 9, due_ns: Some(77) };
        mqtt.encode(order, &mut out).expect("encodes");
        let (start, _) = packet_length(&out).expect("whole");
        let mut acknowledgement = Vec::new();
        let message = published(out[0], &out[start..], &mut acknowledgement).expect("whole");
        let head = read_payload(message).expect("ours");
        assert_eq!((head.due_ns, head.source, head.number), (77, 2, 9));
        assert_eq!(acknowledgement, [0x40, 2, 0, 1], "the number after the greatest is 1");
    }

    #[test]
    fn events_come_from_whole_packets_only() {
        let bytes = [0x40, 2, 0, 1, 0x90, 3, 0, 1, 1, 0x30, 4, 0, 1, b'a'];
        let (told, out) = decode(&bytes).expect("valid");
        assert_eq!(told, ["Accepted(1)", "Ready"]);
        assert!(out.is_empty());
    }

    #[test]
    fn broken_packets_and_refusals_end_the_connection() {
        assert!(decode(&[0x90, 3, 0, 1, 0x80]).is_err(), "refused");
        assert!(decode(&[0x32, 3, 0, 9, b'a']).is_err(), "the topic is longer than the packet");
    }
}
