//! Rows of each topic: what goes in comes out, and invariants hold.

use tacite_model::{
    AccountId, ConversationId, DeviceId, Expiry, Handle, KeyPin, MessageId, Secret, Timestamp,
};

use crate::{
    Account, AccountStanding, Contact, Cursor, Message, MessageKind, MessageState, Prekey, PrekeyKind,
    Server, Standing, Tokens, Transaction, Vault,
};

pub(super) const ALICE: AccountId = AccountId::from_bytes([1; 16]);
pub(super) const BOB: AccountId = AccountId::from_bytes([2; 16]);
pub(super) const CAROL: AccountId = AccountId::from_bytes([3; 16]);

pub(super) fn with_vault(test: impl FnOnce(&Transaction<'_>)) {
    let mut vault = Vault::open_in_memory().unwrap();
    let tx = vault.transaction().unwrap();
    test(&tx);
}

pub(super) fn handle(name: &str) -> Handle {
    name.parse().unwrap()
}

pub(super) fn message_id(byte: u8) -> MessageId {
    MessageId::from_bytes([byte; 16])
}

pub(super) fn message(id: u8, state: MessageState) -> Message {
    Message {
        sender_id: ALICE,
        message_id: message_id(id),
        peer_id: BOB,
        outgoing: true,
        text: format!("text {id}"),
        sent_at: Timestamp::from_ms(u64::from(id)),
        stored_at: Timestamp::from_ms(100),
        state,
        kind: MessageKind::Text,
        reply_to: None,
        edits: 0,
        deleted: false,
        expiry: Some(Expiry::DEFAULT),
        expires_at: None,
    }
}

fn bob(standing: Standing, updated_at: u64) -> Contact {
    Contact {
        account_id: BOB,
        handle: handle("bob"),
        standing,
        consented: true,
        conversation_id: Some(ConversationId::from_bytes([9; 16])),
        identity_key: Some([5; 33]),
        own_name: "Bobby".to_owned(),
        verified: true,
        notes: "plays the violin".to_owned(),
        blocked: true,
        updated_at: Timestamp::from_ms(updated_at),
    }
}

#[test]
fn a_server_survives() {
    with_vault(|tx| {
        assert_eq!(tx.server().unwrap(), None);
        let mut server = Server {
            address: "127.0.0.1:7878".to_owned(),
            name: None,
            pin: None,
            tls_disabled: false,
            certificate_unchecked: true,
            delivery_mode: 0,
        };
        tx.save_server(&server).unwrap();
        assert_eq!(tx.server().unwrap().as_ref(), Some(&server));
        server.name = Some("club".to_owned());
        server.pin = Some(KeyPin([4; 32]));
        tx.save_server(&server).unwrap();
        assert_eq!(tx.server().unwrap(), Some(server));
        tx.remove_server().unwrap();
        assert_eq!(tx.server().unwrap(), None);
    });
}

#[test]
fn an_account_survives_with_its_secrets() {
    with_vault(|tx| {
        let account = Account {
            account_id: ALICE,
            handle: handle("alice"),
            device_id: DeviceId::FIRST,
            registration_id: 16_380,
            identity_key_pair: Secret::new(vec![1, 2, 3]),
            login_key: Secret::new([6; 32]),
            administrator: false,
            standing: AccountStanding::Registering,
        };
        tx.save_account(&account).unwrap();
        tx.set_account_standing(AccountStanding::SignedIn).unwrap();
        tx.set_administrator(true).unwrap();
        let stored = tx.account().unwrap().unwrap();
        assert_eq!((stored.account_id, stored.handle), (ALICE, handle("alice")));
        assert_eq!((stored.device_id, stored.registration_id), (DeviceId::FIRST, 16_380));
        assert_eq!(stored.identity_key_pair.expose(), &[1, 2, 3]);
        assert_eq!(stored.login_key.expose(), &[6; 32]);
        assert_eq!((stored.administrator, stored.standing), (true, AccountStanding::SignedIn));
        tx.remove_account().unwrap();
        assert!(tx.account().unwrap().is_none());
    });
}

// T54: the refresh token cannot be used twice.
#[test]
fn t54_a_refresh_token_can_be_taken_once() {
    with_vault(|tx| {
        let tokens = Tokens {
            access_token: Secret::new("access".to_owned()),
            access_expires_at: Timestamp::from_ms(10),
            refresh_token: Some(Secret::new("refresh".to_owned())),
            refresh_expires_at: Timestamp::from_ms(20),
        };
        tx.save_tokens(&tokens).unwrap();
        assert_eq!(tx.take_refresh_token().unwrap().unwrap().expose(), "refresh");
        assert!(tx.take_refresh_token().unwrap().is_none());
        let stored = tx.tokens().unwrap().unwrap();
        assert_eq!(stored.access_token.expose(), "access");
        assert!(stored.refresh_token.is_none());
    });
}

fn prekey(kind: PrekeyKind, id: u32, created_at: u64) -> Prekey {
    let created_at = Timestamp::from_ms(created_at);
    Prekey { kind, id, record: Secret::new(vec![1, 9]), created_at, published: false, retired: false }
}

#[test]
fn prekeys_are_found_by_id_and_by_age() {
    with_vault(|tx| {
        for (id, created_at) in [(1, 10), (2, 30), (3, 20)] {
            tx.add_prekey(&prekey(PrekeyKind::Signed, id, created_at)).unwrap();
        }
        assert!(tx.add_prekey(&prekey(PrekeyKind::Kyber, 1, 10)).is_err());
        assert_eq!(tx.newest_prekey(PrekeyKind::Signed).unwrap().unwrap().id, 2);
        tx.set_prekey_published(2).unwrap();
        assert!(tx.prekey(2).unwrap().unwrap().published);
        assert_eq!(tx.remove_prekeys_before(PrekeyKind::Signed, Timestamp::from_ms(100)).unwrap(), 2);
        assert!(tx.prekey(1).unwrap().is_none() && tx.prekey(2).unwrap().is_some());
        assert!(tx.newest_prekey(PrekeyKind::Kyber).unwrap().is_none());
    });
}

// T21: also if the clock was set back meanwhile.
#[test]
fn t21_a_retired_prekey_is_found_and_never_the_newest() {
    with_vault(|tx| {
        tx.add_prekey(&prekey(PrekeyKind::Signed, 1, 30)).unwrap();
        tx.retire_prekeys().unwrap();
        assert!(tx.newest_prekey(PrekeyKind::Signed).unwrap().is_none());
        tx.add_prekey(&prekey(PrekeyKind::Signed, 2, 10)).unwrap();
        assert_eq!(tx.newest_prekey(PrekeyKind::Signed).unwrap().unwrap().id, 2);
        assert!(tx.prekey(1).unwrap().unwrap().retired && !tx.prekey(2).unwrap().unwrap().retired);
        assert_eq!(tx.remove_prekeys_before(PrekeyKind::Signed, Timestamp::from_ms(100)).unwrap(), 1);
        assert!(tx.prekey(1).unwrap().is_none() && tx.prekey(2).unwrap().is_some());
    });
}

#[test]
fn the_newest_one_time_prekeys_are_kept() {
    with_vault(|tx| {
        for id in 1..=5 {
            tx.add_prekey(&prekey(PrekeyKind::OneTime, id, 10)).unwrap();
        }
        assert_eq!(tx.trim_prekeys(PrekeyKind::OneTime, 2).unwrap(), 3);
        assert!(tx.prekey(3).unwrap().is_none() && tx.prekey(4).unwrap().is_some());
    });
}

#[test]
fn prekey_ids_begin_where_told_wrap_and_avoid_those_in_use() {
    with_vault(|tx| {
        assert_eq!(tx.next_prekey_id(0x00FF_FFFD).unwrap(), 0x00FF_FFFE);
        assert_eq!(tx.next_prekey_id(5).unwrap(), 0x00FF_FFFF);
        tx.add_prekey(&prekey(PrekeyKind::OneTime, 1, 10)).unwrap();
        assert_eq!(tx.next_prekey_id(5).unwrap(), 2);
    });
}

#[test]
fn a_repeated_use_of_a_last_resort_key_is_noticed() {
    with_vault(|tx| {
        tx.add_prekey(&prekey(PrekeyKind::LastResort, 1, 10)).unwrap();
        assert!(tx.note_last_resort_use(1, 2, &[3; 33]).unwrap());
        assert!(!tx.note_last_resort_use(1, 2, &[3; 33]).unwrap());
        assert!(tx.note_last_resort_use(1, 2, &[4; 33]).unwrap());
        tx.remove_prekey(1).unwrap();
        assert!(tx.note_last_resort_use(1, 2, &[3; 33]).unwrap());
    });
}

#[test]
fn sessions_are_kept_per_device() {
    with_vault(|tx| {
        let second = DeviceId::try_from(2).unwrap();
        tx.save_session(BOB, second, &[1, 7]).unwrap();
        tx.save_session(BOB, DeviceId::FIRST, &[1, 8]).unwrap();
        tx.save_session(BOB, DeviceId::FIRST, &[1, 9]).unwrap();
        assert_eq!(tx.session(BOB, DeviceId::FIRST).unwrap().unwrap().expose(), &[1, 9]);
        assert!(tx.session(ALICE, second).unwrap().is_none());
        assert_eq!(tx.session_devices(BOB).unwrap(), [DeviceId::FIRST, second]);
        tx.remove_session(BOB, DeviceId::FIRST).unwrap();
        assert_eq!(tx.session_devices(BOB).unwrap(), [second]);
    });
}

// T28: a name that was registered anew is somebody else.
#[test]
fn t28_a_contact_is_an_account_not_a_name() {
    with_vault(|tx| {
        let old = bob(Standing::Accepted, 10);
        let new = Contact { account_id: CAROL, identity_key: None, ..bob(Standing::Asking, 20) };
        tx.save_contact(&old).unwrap();
        tx.save_contact(&new).unwrap();
        assert_eq!(tx.contact(BOB).unwrap(), Some(old.clone()));
        assert_eq!(tx.contact_by_handle(&handle("bob")).unwrap(), Some(new.clone()));
        assert_eq!(tx.contacts().unwrap(), [old, new]);
        assert_eq!(tx.contact_by_handle(&handle("carol")).unwrap(), None);
    });
}

#[test]
fn a_consent_is_taken_once() {
    with_vault(|tx| {
        tx.give_consent(&handle("bob")).unwrap();
        tx.give_consent(&handle("bob")).unwrap();
        assert!(!tx.take_consent(&handle("carol")).unwrap());
        assert!(tx.has_consent(&handle("bob")).unwrap());
        assert!(tx.take_consent(&handle("bob")).unwrap());
        assert!(!tx.has_consent(&handle("bob")).unwrap());
        assert!(!tx.take_consent(&handle("bob")).unwrap());
    });
}

#[test]
fn a_message_is_stored_once_and_never_steps_back() {
    with_vault(|tx| {
        assert!(tx.add_message(&message(1, MessageState::Queued)).unwrap());
        assert!(!tx.add_message(&message(1, MessageState::Read)).unwrap());
        let advance = |state| tx.advance_message(ALICE, message_id(1), state).unwrap();
        assert_eq!(advance(MessageState::Received).unwrap().state, MessageState::Received);
        assert_eq!(advance(MessageState::Sent), None);
        assert_eq!(advance(MessageState::Received), None);
        assert_eq!(advance(MessageState::Read).unwrap().state, MessageState::Read);
        assert_eq!(tx.message(ALICE, message_id(1)).unwrap().unwrap().state, MessageState::Read);
        assert_eq!(tx.advance_message(BOB, message_id(1), MessageState::Read).unwrap(), None);
    });
}

#[test]
fn history_is_the_newest_messages_in_the_order_of_storing() {
    with_vault(|tx| {
        for id in [3, 1, 2] {
            tx.add_message(&message(id, MessageState::Sent)).unwrap();
        }
        let ids = |limit| {
            let history = tx.history(BOB, limit).unwrap();
            history.iter().map(|message| message.message_id).collect::<Vec<_>>()
        };
        assert_eq!(ids(10), [message_id(3), message_id(1), message_id(2)]);
        assert_eq!(ids(2), [message_id(1), message_id(2)]);
        assert!(tx.history(CAROL, 10).unwrap().is_empty());
    });
}

#[test]
fn seen_ids_belong_to_their_sender() {
    with_vault(|tx| {
        tx.mark_seen(BOB, message_id(1)).unwrap();
        tx.mark_seen(BOB, message_id(1)).unwrap();
        assert!(tx.is_seen(BOB, message_id(1)).unwrap());
        assert!(!tx.is_seen(CAROL, message_id(1)).unwrap());
    });
}

#[test]
fn the_outbox_is_driven_in_the_order_of_writing() {
    with_vault(|tx| {
        for (id, recipient) in [(1, BOB), (2, CAROL), (3, BOB)] {
            tx.enqueue(message_id(id), recipient).unwrap();
        }
        assert_eq!(tx.outbox_recipients().unwrap(), [BOB, CAROL]);
        assert_eq!(tx.outbox_count().unwrap(), 3);
        let first = tx.outbox_after(BOB, 0).unwrap().unwrap();
        assert_eq!(first.message_id, message_id(1));
        assert_eq!(tx.outbox_after(BOB, first.position).unwrap().unwrap().message_id, message_id(3));
        tx.dequeue(message_id(1)).unwrap();
        tx.dequeue(message_id(3)).unwrap();
        assert_eq!(tx.outbox_after(BOB, 0).unwrap(), None);
        assert_eq!(tx.outbox_recipients().unwrap(), [CAROL]);
    });
}

#[test]
fn what_is_urgent_goes_first_in_the_order_of_writing() {
    with_vault(|tx| {
        for (id, is_urgent) in [(1, false), (2, true), (3, false), (4, true)] {
            let enqueued = if is_urgent {
                tx.enqueue_urgent(message_id(id), BOB)
            } else {
                tx.enqueue(message_id(id), BOB)
            };
            enqueued.unwrap();
        }
        tx.enqueue_urgent(message_id(5), CAROL).unwrap();
        let order = |limit| tx.outbox_of(BOB, limit).unwrap().into_iter().map(|entry| entry.message_id);
        assert!(order(9).eq([2, 4, 1, 3].map(message_id)));
        assert!(order(3).eq([2, 4, 1].map(message_id)));
        assert_eq!(tx.outbox_entry(message_id(5)).unwrap().unwrap().recipient_id, CAROL);
        tx.dequeue(message_id(2)).unwrap();
        assert!(order(1).eq([message_id(4)]));
        assert_eq!(tx.outbox_entry(message_id(2)).unwrap(), None);
    });
}

#[test]
fn envelopes_are_kept_per_device() {
    with_vault(|tx| {
        let second = DeviceId::try_from(2).unwrap();
        tx.enqueue(message_id(1), BOB).unwrap();
        tx.add_envelope(message_id(1), second, &[1, 2, 8]).unwrap();
        tx.add_envelope(message_id(1), DeviceId::FIRST, &[1, 2, 7]).unwrap();
        assert!(tx.add_envelope(message_id(1), second, &[9]).is_err());
        assert_eq!(tx.envelope_count(message_id(1)).unwrap(), 2);
        assert_eq!(tx.first_envelope(message_id(1)).unwrap(), Some((DeviceId::FIRST, vec![1, 2, 7])));
        assert!(tx.remove_envelope(message_id(1), DeviceId::FIRST).unwrap());
        assert!(!tx.remove_envelope(message_id(1), DeviceId::FIRST).unwrap());
        assert_eq!(tx.first_envelope(message_id(1)).unwrap(), Some((second, vec![1, 2, 8])));
        tx.replace_envelope(message_id(1), second, &[]).unwrap();
        tx.replace_envelope(message_id(1), DeviceId::FIRST, &[9]).unwrap();
        assert_eq!(tx.first_envelope(message_id(1)).unwrap(), Some((second, vec![])));
        tx.dequeue(message_id(1)).unwrap();
        assert_eq!(tx.first_envelope(message_id(1)).unwrap(), None);
    });
}

#[test]
fn the_cursor_begins_at_the_very_start() {
    with_vault(|tx| {
        assert_eq!(tx.cursor().unwrap(), Cursor::default());
        let cursor = Cursor { updated_at: Timestamp::from_ms(8), id: Some([7; 16]) };
        tx.save_cursor(&cursor).unwrap();
        assert_eq!(tx.cursor().unwrap(), cursor);
    });
}
