//! Messages that a link was refused before the delivery machine heard of them: what follows must not overtake them.
//!
//! A client sends several messages before it has heard of the first. If that is refused and may come again, those behind it for
//! the same device are refused with it, until one of them comes again: a client begins anew with the first that it still has.
//! (`tacite_router::delivery` does the same for what it refuses itself.)
//!
//! Invariants: at most [`UNACKNOWLEDGED_MAX`] messages are remembered, as many as a client may have under way; with one more all are
//! forgotten (of a client that sends on without listening the order is not kept here); so whatever was refused passes, at the latest
//! when it comes again.

use std::collections::BTreeMap;

use tacite_model::MessageId;
use tacite_model::limits::UNACKNOWLEDGED_MAX;
use tacite_router::DeviceKey;

use crate::refusal::Refusal;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    recipients: BTreeMap<DeviceKey, Refused>,
    count: usize,
}

#[derive(Debug)]
struct Refused {
    with: Refusal,
    messages: Vec<MessageId>,
}

impl Behind {
    /// Refuses a message that follows a refused one.
    pub(crate) fn admit(&mut self, recipient: DeviceKey, message: MessageId) -> Result<(), Refusal> {
        let Some(refused) = self.recipients.get(&recipient) else { return Ok(()) };
        if refused.messages.contains(&message) {
            self.count -= refused.messages.len();
            self.recipients.remove(&recipient);
            return Ok(());
        }
        Err(refused.with.clone())
    }

    /// Remembers that a message was refused.
    pub(crate) fn refused(&mut self, recipient: DeviceKey, message: MessageId, with: &Refusal) {
        if !with.code.is_retryable() {
            return;
        }
        if self.count >= UNACKNOWLEDGED_MAX {
            return *self = Self::default();
        }
        self.count += 1;
        let first = || Refused { with: with.clone(), messages: Vec::new() };
        self.recipients.entry(recipient).or_insert_with(first).messages.push(message);
    }
}

#[cfg(test)]
mod tests {
    use tacite_model::{AccountId, DeviceId};
    use tacite_wire::Code;

    use super::*;

    const BOB: DeviceKey =
        DeviceKey { account_id: AccountId::from_bytes([0xB0; 16]), device_id: DeviceId::FIRST };
    const CAROL: DeviceKey =
        DeviceKey { account_id: AccountId::from_bytes([0xCA; 16]), device_id: DeviceId::FIRST };

    fn message(number: usize) -> MessageId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        MessageId::from_bytes(bytes)
    }

    /// A message to Bob comes, and is refused if nothing before it was.
    fn refuse(behind: &mut Behind, number: usize) -> Code {
        let refusal = behind.admit(BOB, message(number)).err().unwrap_or(Refusal::too_fast(7));
        behind.refused(BOB, message(number), &refusal);
        refusal.code
    }

    #[test]
    fn what_follows_is_refused_until_the_first_comes_again() {
        let mut behind = Behind::default();
        assert_eq!(refuse(&mut behind, 1), Code::TOO_FAST);
        assert_eq!(behind.admit(BOB, message(2)), Err(Refusal::too_fast(7)));
        assert_eq!(behind.admit(CAROL, message(3)), Ok(()), "only of this recipient");
        assert_eq!(behind.admit(BOB, message(1)), Ok(()));
        assert_eq!(behind.admit(BOB, message(4)), Ok(()), "nothing is refused any more");
    }

    #[test]
    fn whoever_has_given_the_first_up_begins_with_the_next() {
        let mut behind = Behind::default();
        refuse(&mut behind, 1);
        refuse(&mut behind, 2);
        refuse(&mut behind, 3);
        assert_eq!(behind.admit(BOB, message(2)), Ok(()));
        assert_eq!(behind.admit(BOB, message(3)), Ok(()));
    }

    #[test]
    fn what_may_not_come_again_holds_nothing_back() {
        let mut behind = Behind::default();
        behind.refused(BOB, message(1), &Refusal::new(Code::NOT_A_CONTACT));
        assert_eq!(behind.admit(BOB, message(2)), Ok(()));
    }

    // Otherwise what is not remembered would be refused behind what never comes again, as long as the link lasts.
    #[test]
    fn so_many_are_remembered_and_with_one_more_none() {
        let mut behind = Behind::default();
        for number in 0..UNACKNOWLEDGED_MAX {
            refuse(&mut behind, number);
        }
        assert_eq!(behind.count, UNACKNOWLEDGED_MAX);
        assert!(behind.admit(BOB, message(UNACKNOWLEDGED_MAX)).is_err());
        refuse(&mut behind, UNACKNOWLEDGED_MAX);
        assert_eq!(behind.count, 0);
        assert_eq!(behind.admit(BOB, message(UNACKNOWLEDGED_MAX)), Ok(()));
    }
}
