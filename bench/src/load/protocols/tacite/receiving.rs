//! Receiving as the client does: what is stored is acknowledged, one `ackm` at a time; what comes meanwhile goes with the next.
//!
//! Invariant: everything that was pushed is acknowledged once.

use std::collections::VecDeque;

use anyhow::{Result, ensure};
use bytes::Bytes;
use tacite_model::MessageId;
use tacite_model::limits::{ACKNOWLEDGEMENTS_PER_FRAME_MAX, RECEIPT_PROOF_BYTES};
use tacite_wire::proto::{Acknowledge, MessageRef};
use tacite_wire::{Frame, Opcode, Status};

use super::wire::{Wire, refusal};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Receiving {
    /// Stored, and not named by any `ackm` yet: sender and message.
    stored: VecDeque<(Bytes, MessageId)>,
    /// The `ackm` that is not answered yet.
    under_way: Option<MessageId>,
}

impl Receiving {
    /// A message is stored.
    pub(super) fn stored(&mut self, sender_id: Bytes, message_id: MessageId) {
        self.stored.push_back((sender_id, message_id));
    }

    /// Acknowledges what is stored by now, unless an answer is awaited.
    pub(super) fn drive(&mut self, wire: &mut Wire, out: &mut Vec<u8>) -> Result<()> {
        if self.stored.is_empty() || self.under_way.is_some() {
            return Ok(());
        }
        let count = self.stored.len().min(ACKNOWLEDGEMENTS_PER_FRAME_MAX);
        let messages =
            self.stored.drain(..count).map(|(sender_id, message_id)| reference(sender_id, message_id));
        let body = Acknowledge { messages: messages.collect() };
        self.under_way = Some(wire.put_command(Opcode::ACKNOWLEDGE, &body, out)?);
        Ok(())
    }

    /// Takes the answer to `ackm`.
    pub(super) fn answered(&mut self, frame: &Frame) -> Result<()> {
        ensure!(self.under_way.take() == Some(frame.header.message_id), "an answer to no acknowledgement");
        if frame.header.status == Status::FINISHED { Ok(()) } else { Err(refusal(frame)) }
    }
}

/// With a proof of the true size: only the sender could tell that it is none.
fn reference(sender_id: Bytes, message_id: MessageId) -> MessageRef {
    let id = message_id.as_bytes();
    let mut proof = *id;
    proof.reverse();
    const { assert!(RECEIPT_PROOF_BYTES == 16, "a proof is as long as an id") };
    MessageRef {
        sender_id,
        message_id: Bytes::copy_from_slice(id),
        proof: Bytes::copy_from_slice(&proof),
        silent: false,
    }
}
