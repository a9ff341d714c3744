//! Noticing that the vault is an older copy of itself: put back from a backup, or copied and used elsewhere.
//!
//! A ratchet that goes on from an older state uses keys that were used before. So the vault counts its links, what it offers
//! sealed and what it acknowledges, and the server counts with it and keeps the highest count of each device. On each link the
//! vault first tells its count, and hears whether the server knows a higher one; then it tells one of its own. Nothing is lost if an
//! answer is.
//!
//! Invariants: nothing is sealed on a link before the server has taken that link's count; what counts is counted in the
//! transaction before its frame goes out; in an older copy no session that was there, or that begins with prekeys that were
//! there, is ever sealed in again.

use super::{Engine, Turn, keys};
use crate::{CoreError, Problem};

/// What a server may claim to know; above it the number could not grow any more.
const GENERATION_MAX: u64 = 1 << 62;

/// How far a link is with its count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Counting {
    /// The count as it stands is told, to hear what the server knows.
    #[default]
    Asking,
    /// This link's count is told.
    Telling,
    /// The server has taken it.
    Done,
}

impl Engine {
    /// Looks at the answer to a `sync`. True: another one is to follow before anything is sealed. `None`: it makes no sense.
    pub(super) fn count_link(
        &mut self,
        turn: &mut Turn<'_, '_>,
        known: u64,
    ) -> Result<Option<bool>, CoreError> {
        match self.link.counting {
            Counting::Done => return Ok(Some(false)),
            Counting::Telling => {
                self.link.counting = Counting::Done;
                return Ok(Some(false));
            }
            Counting::Asking => self.link.counting = Counting::Telling,
        }
        if known >= GENERATION_MAX {
            self.distrust_link(turn);
            return Ok(None);
        }
        let own = turn.tx.generation()?;
        turn.tx.raise_generation(own.max(known) + 1)?;
        if known > own {
            put_away(turn)?;
        }
        Ok(Some(true))
    }
}

/// This is an older copy: puts away what must not be used any more. What it missed is asked for when its new keys are known.
fn put_away(turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
    turn.tx.freeze_all_sessions()?;
    turn.tx.drop_envelopes()?;
    keys::renew_all(turn)?;
    turn.notice(Problem::vault_restored());
    Ok(())
}
