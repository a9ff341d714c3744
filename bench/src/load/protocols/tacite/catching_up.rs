//! What a device does before it sends and receives: it synchronises twice, and asks how many of its prekeys are left.
//!
//! The device keeps no database, so its generation is always the one that the server knows: the first `sync` tells 0 and hears
//! it, the second tells the next. The work for the server is that of a device that was there before.

use anyhow::{Context as _, Result, bail};
use tacite_model::{MessageId, Timestamp};
use tacite_wire::proto::{Cursor, PublishKeys, Sync, SyncPage};
use tacite_wire::{Frame, Opcode, Status};

use super::wire::{Wire, refusal};

/// How far a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It has asked for nothing.
    SignedIn,
    /// It has told the generation that it had, and hears the one that the server knows.
    Asking(MessageId),
    /// It has told that of this link.
    Telling(MessageId),
    CaughtUp,
}

/// See the module.
#[derive(Debug)]
pub(super) struct CatchingUp {
    cursor: Cursor,
    generation: u64,
    phase: Phase,
}

impl CatchingUp {
    /// Up to then everything is known already.
    pub(super) fn new(synced_at: Timestamp) -> Self {
        let cursor = Cursor { updated_at_ms: synced_at.as_ms(), id: vec![0xFF; 16].into() };
        Self { cursor, generation: 0, phase: Phase::SignedIn }
    }

    /// Whether anything may be sent.
    pub(super) fn is_done(&self) -> bool {
        self.phase == Phase::CaughtUp
    }

    /// Begins, unless it has begun.
    pub(super) fn begin(&mut self, wire: &mut Wire, out: &mut Vec<u8>) -> Result<()> {
        if self.phase == Phase::SignedIn {
            self.phase = Phase::Asking(self.ask(wire, out)?);
        }
        Ok(())
    }

    /// Takes an answer to `sync`; asks again, or goes on with the keys.
    pub(super) fn answered(&mut self, frame: &Frame, wire: &mut Wire, out: &mut Vec<u8>) -> Result<()> {
        if frame.header.status != Status::FINISHED {
            return Err(refusal(frame));
        }
        let page: SyncPage = frame.read()?;
        self.cursor = page.next.context("a page without a cursor")?;
        match self.phase {
            Phase::Asking(id) if id == frame.header.message_id => {
                self.generation = page.known_generation + 1;
                self.phase = Phase::Telling(self.ask(wire, out)?);
            }
            Phase::Telling(id) if id == frame.header.message_id && page.more => {
                self.phase = Phase::Telling(self.ask(wire, out)?);
            }
            Phase::Telling(id) if id == frame.header.message_id => {
                self.phase = Phase::CaughtUp;
                wire.put_command(Opcode::PUBLISH_KEYS, &PublishKeys::default(), out)?;
            }
            _ => bail!("an answer to no synchronisation"),
        }
        Ok(())
    }

    fn ask(&self, wire: &mut Wire, out: &mut Vec<u8>) -> Result<MessageId> {
        let body = Sync { since: Some(self.cursor.clone()), generation: self.generation };
        wire.put_command(Opcode::SYNC, &body, out)
    }
}
