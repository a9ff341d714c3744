//! Who may write to whom, as far as asked before: the stores are asked once, not for each message or mood.
//!
//! Invariants: what a store said before a contact or a block changed is not kept after it; bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tacite_model::{AccountId, ConversationId, DeviceId};

/// Entries before all are forgotten.
const PAIRS_MAX: usize = 100_000;
/// Contacts of all accounts together, and these accounts, before all are forgotten: 16 bytes each.
const CONTACTS_MAX: usize = 1_000_000;

/// An account that may write to another: in which conversation, and to which devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) conversation_id: ConversationId,
    pub(crate) devices: Arc<[DeviceId]>,
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
    contacts: HashMap<AccountId, Arc<[AccountId]>>,
    /// How many contacts that is, and accounts: there are such without any.
    contacts_count: usize,
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

    /// All with whom an account may write.
    pub(crate) fn contacts(&self, account: AccountId) -> Option<Arc<[AccountId]>> {
        self.lock().contacts.get(&account).cloned()
    }

    pub(crate) fn remember_contacts(&self, asked: Asked, account: AccountId, contacts: &Arc<[AccountId]>) {
        let mut table = self.lock();
        if table.changes != asked.0 {
            return;
        }
        table.forget_contacts(account);
        if table.contacts_count + contacts.len() + 1 > CONTACTS_MAX {
            table.contacts.clear();
            table.contacts_count = 0;
        }
        table.contacts_count += contacts.len() + 1;
        table.contacts.insert(account, Arc::clone(contacts));
    }

    /// How the two stand has changed.
    pub(crate) fn forget(&self, one: AccountId, other: AccountId) {
        let mut table = self.lock();
        table.changes += 1;
        table.pairs.remove(&(one, other));
        table.pairs.remove(&(other, one));
        table.forget_contacts(one);
        table.forget_contacts(other);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn forget_contacts(&mut self, account: AccountId) {
        if let Some(contacts) = self.contacts.remove(&account) {
            self.contacts_count -= contacts.len() + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: AccountId = AccountId::from_bytes([0xA1; 16]);
    const BOB: AccountId = AccountId::from_bytes([0xB0; 16]);

    fn pair() -> Pair {
        Pair { conversation_id: ConversationId::from_bytes([1; 16]), devices: Arc::new([DeviceId::FIRST]) }
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

    #[test]
    fn contacts_are_remembered_until_one_of_the_two_changes_how_they_stand() {
        let allowed = Allowed::default();
        let contacts: Arc<[AccountId]> = Arc::new([BOB]);
        let asked = allowed.ask();
        allowed.remember_contacts(asked, ALICE, &contacts);
        assert_eq!(allowed.contacts(ALICE).as_deref(), Some(&[BOB][..]));
        allowed.forget(BOB, ALICE);
        assert_eq!(allowed.contacts(ALICE), None);
        allowed.remember_contacts(asked, ALICE, &contacts);
        assert_eq!(allowed.contacts(ALICE), None, "what was said before the change");
    }

    #[test]
    fn so_many_contacts_are_remembered_and_with_one_more_only_the_last() {
        let carol = AccountId::from_bytes([0xCA; 16]);
        let allowed = Allowed::default();
        let most: Arc<[AccountId]> = vec![BOB; CONTACTS_MAX - 2].into();
        // Somebody without a contact takes a place too.
        let none: Arc<[AccountId]> = Arc::new([]);
        let remember = |account, contacts| allowed.remember_contacts(allowed.ask(), account, contacts);
        remember(ALICE, &most);
        remember(ALICE, &most);
        remember(BOB, &none);
        assert!(allowed.contacts(ALICE).is_some() && allowed.contacts(BOB).is_some());
        remember(carol, &none);
        assert!(allowed.contacts(ALICE).is_none() && allowed.contacts(BOB).is_none());
        allowed.forget(carol, ALICE);
        assert_eq!(allowed.lock().contacts_count, 0);
    }
}
