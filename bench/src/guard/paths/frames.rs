//! `frame decode` and `encode`: between bytes of a link and what the server works with.

use std::hint::black_box;

use anyhow::Result;
use bytes::Bytes;
use tacite_wire::{Code, Frame, Opcode, Status, proto};

use super::material::{NOW, PROOF, message_ids, recipient, sent_frame};

/// A message as it comes over a link: its frame, then the envelope in it.
pub(super) fn decode(count: u32) -> Result<()> {
    let to = recipient(1);
    let id = message_ids().next().expect("there is no end of ids");
    let bytes: Bytes = sent_frame(to, id)?.into_bytes();
    for _ in 0..count {
        let frame = Frame::decode(black_box(bytes.clone()))?;
        let envelope: proto::Envelope = frame.read()?;
        black_box((frame.header, envelope.sealed.len()));
    }
    Ok(())
}

/// What goes out for one message: the push, and the answer to its sender.
pub(super) fn encode(count: u32) -> Result<()> {
    let to = recipient(1);
    let id = message_ids().next().expect("there is no end of ids");
    let sent = sent_frame(to, id)?;
    let (header, bytes) = (sent.header, sent.into_bytes());
    for _ in 0..count {
        // As it comes from the link: nobody else holds these bytes.
        let frame = Frame::decode(Bytes::from(black_box(bytes.to_vec())))?;
        black_box(frame.forward(Opcode::DIRECT_RECEIVED, NOW).into_bytes());
        let body = proto::MessageState {
            message_id: id.as_bytes().to_vec().into(),
            recipient_id: to.account_id.as_bytes().to_vec().into(),
            recipient_device: to.device_id.value().into(),
            state: proto::DeliveryState::Received.into(),
            at_ms: NOW.as_ms(),
            proof: PROOF.to_vec().into(),
        };
        let answer = Frame::answer(black_box(&header), Status::FINISHED, Code::DONE, NOW, &body)?;
        black_box(answer.into_bytes());
    }
    Ok(())
}
