//! Core NATS: every person has a subject of her own, `u.<number>`; rooms are subjects too. Nothing is acknowledged.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Buf as _, BytesMut};
use memchr::memchr;
use tokio::io::AsyncReadExt as _;

use crate::load::connection::{Connection, Io};
use crate::load::payload::{PAYLOAD_BYTES, put_payload};
use crate::load::target::Target;
use crate::load::{Codec, Destination, Event, Order};

const LINE_END: &[u8] = b"\r\n";

/// Connects; the server speaks first, in the clear, then expects TLS.
pub async fn log_in(target: &Target, person: u32) -> Result<Connection> {
    let mut tcp = Io::connect_tcp(&target.address).await?;
    let mut information = Vec::new();
    while !information.ends_with(LINE_END) {
        information.push(tcp.read_u8().await?);
    }
    let mut io = Io::encrypt(tcp, &target.tls).await?;
    io.write(
        "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":true,\"user\":\"bench\",\
         \"pass\":\"pw\",\"lang\":\"rust\",\"version\":\"1\",\"protocol\":1}\r\nPING\r\n",
    )
    .await?;
    let answer = io.read_through("\r\n").await?;
    ensure!(&answer[..] == b"PONG\r\n", "person {person}: {:?}", String::from_utf8_lossy(&answer));
    Ok(io.into_connection(Nats { person }))
}

struct Nats {
    person: u32,
}

impl Codec for Nats {
    fn encode(&mut self, order: Order, out: &mut Vec<u8>) -> Result<()> {
        match order {
            Order::Online => {
                write!(out, "SUB u.{} 1\r\nPING\r\n", self.person)?;
            }
            Order::Join(room) => write!(out, "SUB room.{room} 2\r\nPING\r\n")?,
            Order::Send { to, source, number, due_ns } => {
                match to {
                    Destination::Person(person) => write!(out, "PUB u.{person} {PAYLOAD_BYTES}\r\n")?,
                    Destination::Room(room) => write!(out, "PUB room.{room} {PAYLOAD_BYTES}\r\n")?,
                }
                put_payload(due_ns, source, number, out);
                out.extend_from_slice(LINE_END);
            }
            // Closing the socket is all that there is.
            Order::Close => {}
        }
        Ok(())
    }

    fn decode(
        &mut self,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        while let Some(line_end) = memchr(b'\n', input) {
            let line = input[..line_end].trim_ascii_end();
            let mut end = line_end + 1;
            if line.starts_with(b"MSG ") {
                let start = end;
                let length = message_bytes(line).context("a broken message")?;
                end = start + length + LINE_END.len();
                if input.len() < end {
                    break;
                }
                sink(Event::Message(&input[start..start + length]));
            } else if line.starts_with(b"PONG") {
                sink(Event::Ready);
            } else if line.starts_with(b"PING") {
                out.extend_from_slice(b"PONG\r\n");
            } else if line.starts_with(b"-ERR") {
                bail!("{:?}", String::from_utf8_lossy(line));
            }
            input.advance(end);
        }
        Ok(())
    }
}

/// The length of a message stands last in its line; servers allow 1 MiB.
fn message_bytes(line: &[u8]) -> Option<usize> {
    let length = line.rsplit(|byte| *byte == b' ').next()?;
    std::str::from_utf8(length).ok()?.parse().ok().filter(|length| *length <= 1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::payload::read_payload;

    #[test]
    fn a_message_is_told_when_all_of_it_is_there() {
        let mut bytes = b"INFO {}\r\nPING\r\nPONG\r\nMSG u.3 1 256\r\n".to_vec();
        put_payload(Some(7), 2, 9, &mut bytes);
        bytes.extend_from_slice(b"\r\n");
        let (mut input, mut out) = (BytesMut::new(), Vec::new());
        let (mut ready, mut heads) = (0, Vec::new());
        for byte in bytes {
            input.extend_from_slice(&[byte]);
            let mut sink = |event: Event<'_>| match event {
                Event::Ready => ready += 1,
                Event::Message(body) => heads.push(read_payload(body).expect("ours")),
                other => panic!("{other:?}"),
            };
            Nats { person: 3 }.decode(&mut input, &mut out, &mut sink).expect("valid");
        }
        assert_eq!((ready, heads.len(), heads[0].number), (1, 1, 9));
        assert_eq!(out, b"PONG\r\n");
        assert!(input.is_empty());
    }

    #[test]
    fn sending_names_the_subject_and_the_length() {
        let mut out = Vec::new();
        let order = Order::Send { to: Destination::Room(4), source: 2, number: 9, due_ns: Some(7) };
        Nats { person: 3 }.encode(order, &mut out).expect("encodes");
        let line = b"PUB room.4 256\r\n";
        assert!(out.starts_with(line) && out.ends_with(LINE_END));
        assert_eq!(out.len(), line.len() + PAYLOAD_BYTES + LINE_END.len());
    }

    #[test]
    fn errors_and_broken_lengths_end_the_connection() {
        for bytes in ["-ERR 'slow consumer'\r\n", "MSG u.3 1 many\r\n", "MSG u.3 1 99999999\r\n"] {
            let mut input = BytesMut::from(bytes);
            assert!(Nats { person: 3 }.decode(&mut input, &mut Vec::new(), &mut |_| ()).is_err(), "{bytes}");
        }
    }
}
