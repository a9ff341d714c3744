//! What a device does before messages come: it synchronises twice, and asks how many of its prekeys are left.
//!
//! The device keeps no database, so its generation is always the one that the server knows: the first `sync` tells 0 and hears
//! it, the second tells the next. The work for the server is that of a device that was there before.

use anyhow::{Result, bail, ensure};
use tacite_model::{MessageId, Timestamp};
use tacite_wire::proto::{Cursor, PublishKeys, Sync, SyncPage};
use tacite_wire::{Frame, Opcode, Status};

use super::wire::{Wire, refusal};

/// How far a device is.
#[derive(Debug)]
pub(super) struct CatchingUp {
    cursor: Cursor,
    generation: u64,
    /// The `sync` that is not answered yet.
    under_way: Option<MessageId>,
}

impl CatchingUp {
    /// Up to then everything is known already.
    pub(super) fn new(synced_at: Timestamp) -> Self {
        let cursor = Cursor { updated_at_ms: synced_at.as_ms(), id: vec![0xFF; 16].into() };
        Self { cursor, generation: 0, under_way: None }
    }

    /// Begins.
    pub(super) fn begin(&mut self, wire: &mut Wire, out: &mut Vec<u8>) -> Result<()> {
        ensure!(self.under_way.is_none(), "the device is catching up already");
        self.ask(wire, out)
    }

    /// Takes an answer to `sync`; asks again, or goes on with the keys.
    pub(super) fn answered(&mut self, frame: &Frame, wire: &mut Wire, out: &mut Vec<u8>) -> Result<()> {
        ensure!(self.under_way.take() == Some(frame.header.message_id), "an answer to no synchronisation");
        if frame.header.status != Status::FINISHED {
            return Err(refusal(frame));
        }
        let page: SyncPage = frame.read()?;
        let Some(next) = page.next else { bail!("a page without a cursor") };
        self.cursor = next;
        if self.generation == 0 {
            self.generation = page.known_generation + 1;
            return self.ask(wire, out);
        }
        if page.more {
            return self.ask(wire, out);
        }
        wire.put_command(Opcode::PUBLISH_KEYS, &PublishKeys::default(), out)?;
        Ok(())
    }

    fn ask(&mut self, wire: &mut Wire, out: &mut Vec<u8>) -> Result<()> {
        let body = Sync { since: Some(self.cursor.clone()), generation: self.generation };
        self.under_way = Some(wire.put_command(Opcode::SYNC, &body, out)?);
        Ok(())
    }
}
