//! Frames of Tacite in frames of a WebSocket, and refusals as errors.

use anyhow::{Result, anyhow, bail};
use bytes::{Bytes, BytesMut};
use prost::Message;
use rand_chacha::ChaCha20Rng;
use tacite_model::MessageId;
use tacite_server::{Chance, Clock};
use tacite_wire::proto::Failure;
use tacite_wire::{Frame, Opcode};

use crate::load::protocols::websocket::{self, BINARY, CLOSE, Masking, PING, PONG};

/// The writing side of one link, and what every frame needs.
#[derive(Debug)]
pub(super) struct Wire {
    masking: Masking,
    /// Tells when frames are made.
    pub(super) clock: Clock,
    /// Draws ids.
    pub(super) rng: ChaCha20Rng,
}

impl Wire {
    pub(super) fn new(clock: Clock) -> Self {
        Self { masking: Masking::default(), clock, rng: Chance::from_system().fork() }
    }

    /// Appends a command under a new id, which is returned.
    pub(super) fn put_command(
        &mut self,
        opcode: Opcode,
        body: &impl Message,
        out: &mut Vec<u8>,
    ) -> Result<MessageId> {
        let id = self.new_id();
        self.put_command_with_id(opcode, id, body, out)?;
        Ok(id)
    }

    /// Appends a command under a given id.
    pub(super) fn put_command_with_id(
        &mut self,
        opcode: Opcode,
        id: MessageId,
        body: &impl Message,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let frame = Frame::command(opcode, id, self.clock.now(), body)?.into_bytes();
        self.masking.put_frame(BINARY, frame.len(), out, |out| out.extend_from_slice(&frame));
        Ok(())
    }

    /// Draws an id.
    pub(super) fn new_id(&mut self) -> MessageId {
        MessageId::random(&mut self.rng)
    }

    /// Appends the farewell.
    pub(super) fn put_close(&mut self, out: &mut Vec<u8>) {
        self.masking.put_frame(CLOSE, 0, out, |_| ());
    }

    /// Takes the next frame out of `input`, if a whole one is there; pings are answered on the way.
    pub(super) fn take_frame(&mut self, input: &mut BytesMut, out: &mut Vec<u8>) -> Result<Option<Frame>> {
        while let Some(found) = websocket::Frame::first_of(input)? {
            let bytes: Bytes = input.split_to(found.end).freeze().slice(found.start..);
            match found.opcode {
                BINARY => return Ok(Some(Frame::decode(bytes)?)),
                PING => self.masking.put_frame(PONG, bytes.len(), out, |out| out.extend_from_slice(&bytes)),
                CLOSE => bail!("the server closed the link: {}", farewell(&bytes)),
                _ => {}
            }
        }
        Ok(None)
    }
}

/// What a refusal says, as an error.
pub(super) fn refusal(frame: &Frame) -> anyhow::Error {
    let code = frame.header.code;
    let sentence = code.explanation().map_or("A code that this release does not know.", |it| it.sentence);
    let retry_after_ms = frame.read::<Failure>().unwrap_or_default().retry_after_ms;
    anyhow!(
        "{} was refused: {} {sentence} (retry after {retry_after_ms} ms)",
        String::from_utf8_lossy(&frame.header.mnemonic.0),
        code.0
    )
}

/// Code and reason of a closing frame.
fn farewell(payload: &[u8]) -> String {
    match payload.split_first_chunk() {
        Some((code, reason)) => {
            format!("{} {}", u16::from_be_bytes(*code), String::from_utf8_lossy(reason))
        }
        None => "without a word".to_owned(),
    }
}
