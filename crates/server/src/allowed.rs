//! Who may write to whom, as far as asked before: the stores are asked once, not for each message.
//!
//! Invariants: what a store said before a contact or a block changed is not kept after it; bounded.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tacite_model::{AccountId, ConversationId, DeviceId};

/// Entries before all are forgotten.
const PAIRS_MAX: usize = 100_000;

/// An account that may write to another: in which conversation, and to which devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) conversation_id: ConversationId,
    pub(crate) devices: Vec<DeviceId>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Allowed {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// How often something was forgotten.
    changes: u64,
    pairs: HashMap<(AccountId, AccountId), Pair>,
}

/// Taken before the stores are asked: what they say counts only if nothing has changed since.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked(u64);

impl Allowed {
    pub(crate) fn pair(&self, sender: AccountId, recipient: AccountId) -> Option<Pair> {
        self.lock().pairs.get(&(sender, recipient)).cloned()
    }

    pub(crate) fn ask(&self) -> Asked {
        Asked(self.lock().changes)
    }

    pub(crate) fn remember(&self, asked: Asked, sender: AccountId, recipient: AccountId, pair: Pair) {
        let mut table = self.lock();
        if table.changes != asked.0 {
            return;
        }
        if table.pairs.len() >= PAIRS_MAX {
            table.pairs.clear();
        }
        table.pairs.insert((sender, recipient), pair);
    }

    /// How the two stand has changed.
    pub(crate) fn forget(&self, one: AccountId, other: AccountId) {
        let mut table = self.lock();
        table.changes += 1;
        table.pairs.remove(&(one, other));
        table.pairs.remove(&(other, one));
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: AccountId = AccountId::from_bytes([0xA1; 16]);
    const BOB: AccountId = AccountId::from_bytes([0xB0; 16]);

    fn pair() -> Pair {
        Pair { conversation_id: ConversationId::from_bytes([1; 16]), devices: vec![DeviceId::FIRST] }
    }

    #[test]
    fn what_is_remembered_is_forgotten_in_both_directions() {
        let allowed = Allowed::default();
        allowed.remember(allowed.ask(), ALICE, BOB, pair());
        allowed.remember(allowed.ask(), BOB, ALICE, pair());
        assert_eq!(allowed.pair(ALICE, BOB), Some(pair()));
        allowed.forget(ALICE, BOB);
        assert_eq!((allowed.pair(ALICE, BOB), allowed.pair(BOB, ALICE)), (None, None));
    }

    // A block that is recorded while the store is asked is not undone by the old answer.
    #[test]
    fn an_answer_from_before_a_change_is_not_remembered() {
        let allowed = Allowed::default();
        let asked = allowed.ask();
        allowed.forget(ALICE, BOB);
        allowed.remember(asked, ALICE, BOB, pair());
        assert_eq!(allowed.pair(ALICE, BOB), None);
    }
}
