//! Which messages a person has been shown.
//!
//! An incoming message is `received` when it is stored and `read` once a view has shown it, so that a message which came
//! while another command ran is not passed over by the next `listen`.
//!
//! Invariant: nothing here changes anything; marking is an intent like any other.

use tacite_core::{MessageState, MessageView, Transaction, VaultError, queries};
use tacite_model::{Handle, Timestamp};

/// Messages that are looked at first for each contact; doubled as long as all of them are unshown. Few, because a program looks so at
/// every conversation when it starts.
const LOOK_BACK: u32 = 4;

/// The incoming messages that were not shown yet, by time of writing; within a conversation in the order in which they
/// came.
pub(crate) fn unshown(tx: &Transaction<'_>) -> Result<Vec<MessageView>, VaultError> {
    let mut found = Vec::new();
    for contact in queries::contacts(tx)? {
        found.extend(unshown_of(tx, &contact.handle)?);
    }
    found.sort_by_key(|(latest, _)| *latest);
    Ok(found.into_iter().map(|(_, message)| message).collect())
}

/// Each message comes with the latest time of writing up to it, which never steps back as a sender's clock may: sorting
/// by it keeps the order within the conversation.
fn unshown_of(tx: &Transaction<'_>, peer: &Handle) -> Result<Vec<(Timestamp, MessageView)>, VaultError> {
    let mut limit = LOOK_BACK;
    loop {
        let history = queries::history(tx, peer, limit)?.unwrap_or_default();
        let all = u32::try_from(history.len()).unwrap_or(u32::MAX) < limit;
        let is_shown = |message: &MessageView| !message.outgoing && message.state == MessageState::Read;
        let last_shown = history.iter().rposition(is_shown);
        if !all && last_shown.is_none() && limit < u32::MAX {
            limit = limit.saturating_mul(2);
            continue;
        }
        let mut latest = Timestamp::default();
        let after = last_shown.map_or(0, |at| at + 1);
        let unshown = history.into_iter().skip(after).filter(is_unshown);
        return Ok(unshown
            .map(|message| {
                latest = latest.max(message.sent_at);
                (latest, message)
            })
            .collect());
    }
}

/// What could not be opened has nothing to show; the person was told when it came.
fn is_unshown(message: &MessageView) -> bool {
    !message.outgoing && message.state == MessageState::Received
}

#[cfg(test)]
pub(crate) mod tests {
    use tacite_core::{MessageKind, Standing, Vault};
    use tacite_model::{AccountId, MessageId};
    use tacite_vault::{Contact, Message};

    use super::*;

    fn id(number: u64) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        bytes
    }

    pub(crate) fn befriend(tx: &Transaction<'_>, account: u64, handle: &str) {
        let contact = Contact {
            account_id: AccountId::from_bytes(id(account)),
            handle: handle.parse().unwrap(),
            standing: Standing::Accepted,
            consented: true,
            conversation_id: None,
            identity_key: None,
            own_name: String::new(),
            verified: false,
            notes: String::new(),
            blocked: false,
            updated_at: Timestamp::default(),
        };
        tx.save_contact(&contact).unwrap();
    }

    /// A message with the account `peer`, written at `sent_at`.
    pub(crate) fn add(tx: &Transaction<'_>, peer: u64, message: u64, sent_at: u64, outgoing: bool) {
        let peer_id = AccountId::from_bytes(id(peer));
        let message = Message {
            sender_id: if outgoing { AccountId::from_bytes(id(0)) } else { peer_id },
            message_id: MessageId::from_bytes(id(message)),
            peer_id,
            outgoing,
            text: message.to_string(),
            sent_at: Timestamp::from_ms(sent_at),
            stored_at: Timestamp::from_ms(sent_at),
            state: if outgoing { MessageState::Sent } else { MessageState::Received },
            kind: MessageKind::Text,
            reply_to: None,
            edits: 0,
            deleted: false,
            expiry: None,
            expires_at: None,
        };
        assert!(tx.add_message(&message).unwrap());
    }

    fn texts(tx: &Transaction<'_>) -> Vec<String> {
        unshown(tx).unwrap().into_iter().map(|message| message.text).collect()
    }

    fn mark_number(tx: &Transaction<'_>, handle: &str, message: u64) {
        let peer = tx.contact_by_handle(&handle.parse().unwrap()).unwrap().unwrap().account_id;
        tx.advance_message(peer, MessageId::from_bytes(id(message)), MessageState::Read).unwrap();
    }

    #[test]
    fn what_was_shown_is_not_shown_again_and_own_messages_never_are() {
        let mut vault = Vault::open_in_memory().unwrap();
        let tx = vault.transaction().unwrap();
        befriend(&tx, 1, "bob");
        for (message, outgoing) in [(10, false), (11, true), (12, false)] {
            add(&tx, 1, message, message, outgoing);
        }
        assert_eq!(texts(&tx), ["10", "12"]);
        mark_number(&tx, "bob", 10);
        assert_eq!(texts(&tx), ["12"]);
        mark_number(&tx, "bob", 12);
        assert_eq!(texts(&tx), [""; 0]);
    }

    #[test]
    fn conversations_mix_by_time_and_keep_their_own_order() {
        let mut vault = Vault::open_in_memory().unwrap();
        let tx = vault.transaction().unwrap();
        befriend(&tx, 1, "bob");
        befriend(&tx, 2, "carol");
        // Bob's clock steps back between his messages.
        add(&tx, 1, 10, 500, false);
        add(&tx, 1, 11, 100, false);
        add(&tx, 2, 20, 300, false);
        add(&tx, 2, 21, 600, false);
        assert_eq!(texts(&tx), ["20", "10", "11", "21"]);
    }

    #[test]
    fn a_long_absence_is_made_up_for_entirely() {
        let mut vault = Vault::open_in_memory().unwrap();
        let tx = vault.transaction().unwrap();
        befriend(&tx, 1, "bob");
        let many = u64::from(LOOK_BACK) * 3;
        for message in 1..=many {
            add(&tx, 1, message, message, false);
        }
        mark_number(&tx, "bob", 1);
        let expected: Vec<_> = (2..=many).map(|message| message.to_string()).collect();
        assert_eq!(texts(&tx), expected);
    }
}
