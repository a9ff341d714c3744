//! The client of `relay-limit`: a WebSocket whose binary frames begin with the recipient's id of 16 bytes.

use anyhow::{Result, bail};
use bytes::{Buf as _, BytesMut};

use super::websocket::{self, BINARY, CLOSE, Frame, Masking, PING, PONG};
use crate::load::connection::{Connection, Io};
use crate::load::payload::{PAYLOAD_BYTES, put_payload};
use crate::load::target::Target;
use crate::load::{Codec, Destination, Event, Order};

const ID_BYTES: usize = 16;

/// Connects under the person's id.
pub async fn log_in(target: &Target, person: u32) -> Result<Connection> {
    let mut io = Io::connect(&target.address, &target.tls).await?;
    let id = u128::from_be_bytes(id(Destination::Person(person)));
    websocket::upgrade(&mut io, &format!("/{id:032x}"), "").await?;
    Ok(io.into_connection(Limit::default()))
}

/// People's ids begin with 0, rooms' with 255.
fn id(to: Destination) -> [u8; ID_BYTES] {
    let (kind, number) = match to {
        Destination::Person(number) => (0, number),
        Destination::Room(number) => (0xff, number),
    };
    let mut id = [0; ID_BYTES];
    id[0] = kind;
    id[ID_BYTES - 4..].copy_from_slice(&number.to_be_bytes());
    id
}

#[derive(Debug, Default)]
struct Limit {
    masking: Masking,
}

impl Codec for Limit {
    fn encode(&mut self, order: Order, out: &mut Vec<u8>) -> Result<()> {
        let masking = &mut self.masking;
        match order {
            // The log-in registered us; a pong tells that the server is past it.
            Order::Online => masking.put_frame(PING, 0, out, |_| ()),
            Order::Join(room) => {
                let room = id(Destination::Room(room));
                masking.put_frame(BINARY, ID_BYTES, out, |out| out.extend_from_slice(&room));
                masking.put_frame(PING, 0, out, |_| ());
            }
            Order::Send { to, source, number, due_ns } => {
                masking.put_frame(BINARY, ID_BYTES + PAYLOAD_BYTES, out, |out| {
                    out.extend_from_slice(&id(to));
                    put_payload(due_ns, source, number, out);
                });
            }
            Order::Close => masking.put_frame(CLOSE, 0, out, |_| ()),
        }
        Ok(())
    }

    fn decode(
        &mut self,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        while let Some(frame) = Frame::first_of(input)? {
            let payload = &input[frame.start..frame.end];
            match frame.opcode {
                BINARY if payload.len() > ID_BYTES => sink(Event::Message(&payload[ID_BYTES..])),
                PONG => sink(Event::Ready),
                PING => {
                    let length = payload.len();
                    self.masking.put_frame(PONG, length, out, |out| out.extend_from_slice(payload));
                }
                CLOSE => bail!("the server closed the connection"),
                _ => {}
            }
            input.advance(frame.end);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::payload::read_payload;

    #[test]
    fn a_message_is_a_frame_for_the_recipient() {
        let mut out = Vec::new();
        let order = Order::Send { to: Destination::Person(0x0102), source: 5, number: 9, due_ns: Some(1) };
        Limit::default().encode(order, &mut out).expect("encodes");
        let key: [u8; 4] = out[4..8].try_into().expect("four");
        let plain: Vec<u8> = out[8..].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        assert_eq!(plain[..ID_BYTES], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
        let head = read_payload(&plain[ID_BYTES..]).expect("ours");
        assert_eq!((head.due_ns, head.source, head.number), (1, 5, 9));
    }

    #[test]
    fn what_arrives_in_pieces_is_told_when_whole() {
        let mut frames = vec![0x82, 18];
        frames.extend([0; ID_BYTES]);
        frames.extend(b"hi");
        frames.extend([0x80 | PONG, 0, 0x80 | PING, 1, 7]);
        let (mut limit, mut input, mut out) = (Limit::default(), BytesMut::new(), Vec::new());
        let mut told = Vec::new();
        for byte in frames {
            input.extend_from_slice(&[byte]);
            let mut sink = |event: Event<'_>| told.push(format!("{event:?}"));
            limit.decode(&mut input, &mut out, &mut sink).expect("valid");
        }
        assert_eq!(told, [format!("{:?}", Event::Message(b"hi")), "Ready".to_owned()]);
        assert_eq!(out[..2], [0x80 | PONG, 0x81], "the ping is answered");
        assert!(input.is_empty());
    }

    #[test]
    fn the_servers_farewell_ends_the_connection() {
        let mut input = BytesMut::from(&[0x80 | CLOSE, 0][..]);
        assert!(Limit::default().decode(&mut input, &mut Vec::new(), &mut |_| ()).is_err());
    }
}
