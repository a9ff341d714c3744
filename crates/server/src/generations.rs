//! How far each device's storage has come, by which a device learns that it is an older copy of itself (T9, T18, T20).
//!
//! A device tells a number, its generation, when it synchronises, and lets it grow by one for each sealed body that it offers
//! (`smpu`, each upload of `upld`) and each message that it acknowledges (`ackm`), always before the frame goes out. The server
//! counts with it, so the number need not travel. An older copy tells a lower one than is known here.
//!
//! Invariants: what is known never shrinks while the server runs, and is written within [`WRITE`]; only a server that is killed
//! within that time forgets what grew in it. Only what is not written yet is in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use tacite_accounts::{AccountsError, Generation};
use tacite_router::DeviceKey;
use tacite_wire::proto::RequestUploads;
use tacite_wire::{Frame, Opcode};

use crate::hub::{Hub, Parts, lock};
use crate::session::Session;

/// Between two times at which what has grown is written.
pub(crate) const WRITE: Duration = Duration::from_secs(1);

/// What is not written yet.
#[derive(Debug, Default)]
pub(crate) struct Generations(Mutex<BTreeMap<DeviceKey, u64>>);

/// What a device told on its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    /// The number of its last `sync`.
    generation: u64,
    /// The highest that was known then.
    known: u64,
    /// By how much it has grown since.
    grown: u64,
}

impl<P: Parts> Hub<P> {
    /// Takes note of what a device tells; returns the highest generation that was known before. Each page of one
    /// synchronisation gets the same answer, although the first has made this number known.
    ///
    /// On a full disk a number that is new cannot be noted, and the device is refused: without the note an old copy of its
    /// vault would go unnoticed and use keys again.
    pub(crate) async fn hear_generation(
        &self,
        session: &mut Session,
        device: DeviceKey,
        generation: u64,
    ) -> Result<u64, AccountsError> {
        if let Some(told) = session.generation
            && told.generation == generation
        {
            return Ok(told.known);
        }
        // In this order: what leaves the memory is written already.
        let unwritten = self.generations.unwritten(device);
        let written = self.accounts.note_generations(vec![noted(device, generation)]).await?;
        let known = written.first().copied().unwrap_or(0).max(unwritten);
        session.generation = Some(Told { generation, known, grown: 0 });
        Ok(known)
    }

    /// So many sealed bodies or acknowledgements came from the link's device, whatever becomes of them.
    pub(crate) fn grow_generation(&self, session: &mut Session, device: DeviceKey, by: usize) {
        if let Some(told) = &mut session.generation {
            told.grown = told.grown.saturating_add(by as u64);
            self.generations.raise(device, told.generation.saturating_add(told.grown));
        }
    }

    /// A frame is refused without a look at it: what its device has counted is counted all the same.
    pub(crate) fn count_refused(&self, session: &mut Session, frame: &Frame) {
        let by = match frame.header.opcode {
            Opcode::SEND_DIRECT => Ok(1),
            Opcode::REQUEST_UPLOADS => frame.read::<RequestUploads>().map(|body| body.uploads.len()),
            _ => return,
        };
        if let (Ok(by), Ok(device)) = (by, session.device()) {
            self.grow_generation(session, device, by);
        }
    }

    /// Writes what has grown. What cannot be written stays for the next time.
    pub(crate) async fn write_generations(&self) -> Result<(), AccountsError> {
        let unwritten = lock(&self.generations.0).clone();
        if unwritten.is_empty() {
            return Ok(());
        }
        let noted = unwritten.iter().map(|(device, generation)| noted(*device, *generation)).collect();
        self.accounts.note_generations(noted).await?;
        lock(&self.generations.0).retain(|device, generation| unwritten.get(device) != Some(generation));
        Ok(())
    }
}

impl Generations {
    fn unwritten(&self, device: DeviceKey) -> u64 {
        lock(&self.0).get(&device).copied().unwrap_or(0)
    }

    fn raise(&self, device: DeviceKey, generation: u64) {
        let mut unwritten = lock(&self.0);
        let known = unwritten.entry(device).or_default();
        *known = generation.max(*known);
    }
}

fn noted(device: DeviceKey, generation: u64) -> Generation {
    Generation { account_id: device.account_id, device_id: device.device_id, generation }
}
