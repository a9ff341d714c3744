//! What every [`Store`] of the accounts must do. A store is not done until it passes.

#![expect(clippy::unwrap_used, reason = "a suite for tests, also of other crates")]

use tacite_model::{AccountId, DeviceId, Handle, Timestamp};

use super::{
    InvitationHash, NewAccount, NewDevice, NewInvitation, NewSession, Proof, Record, Registered, Rotated,
    Rotation, Session, Store, TokenHash,
};
#[cfg(test)]
use super::{MemoryStore, SqliteStore};
use crate::identity::{AccountRef, DeviceRef, Generation, SessionId};

const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);
const LATER: Timestamp = Timestamp::from_ms(1_900_000_000_000);
const ALICE: AccountId = AccountId::from_bytes([0xA1; 16]);
const BOB: AccountId = AccountId::from_bytes([0xB0; 16]);
const INVITATION: InvitationHash = InvitationHash([0x11; 32]);

macro_rules! suite {
    ($($name:ident)*) => {
        /// Runs the whole suite, each part on a store with nothing in it.
        ///
        /// # Panics
        /// If the store does not do what it must.
        pub async fn run<S: Store>(fresh: impl AsyncFn() -> S) {
            $($name(fresh().await).await;)*
        }

        #[cfg(test)]
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::MemoryStore::default()).await;
            })*
        }

        #[cfg(test)]
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                let directory = tempfile::tempdir().unwrap();
                let store = super::SqliteStore::open(&directory.path().join("accounts.sqlite")).unwrap();
                super::$name(store).await;
            })*
        }
    };
}

suite! {
    an_account_is_kept_as_it_was_registered
    the_first_account_is_administrator
    id_and_handle_are_given_once
    two_registrations_at_once_do_not_share_a_handle
    an_invitation_is_good_for_its_uses
    a_refused_registration_does_not_use_the_invitation
    an_invitation_expires
    a_device_has_one_session
    a_token_is_exchanged_once
    a_token_used_twice_ends_its_session_only
    a_token_of_another_session_is_left_alone
    a_token_expires_and_its_session_with_it
    renewing_prolongs_the_session
    a_logged_out_device_needs_the_words
    the_highest_generation_of_a_device_is_kept
    the_first_invitation_is_replaced_and_ends_with_the_first_account
    sweeping_forgets_what_has_expired
    the_unknown_is_not_found
}

fn account(account_id: AccountId, handle: &str) -> NewAccount {
    let mark = account_id.as_bytes()[0];
    NewAccount {
        account_id,
        handle: handle.parse().unwrap(),
        identity_key: [mark; 33],
        password_record: Record::new(vec![1, mark]),
        words_record: Record::new(vec![2, mark]),
        device: NewDevice {
            device_id: DeviceId::FIRST,
            login_key: [mark; 32],
            registration_id: u32::from(mark),
        },
        session: session(account_id, mark),
        invitation: None,
    }
}

fn session(account_id: AccountId, mark: u8) -> NewSession {
    NewSession {
        session_id: SessionId([mark; 16]),
        account_id,
        device_id: DeviceId::FIRST,
        refresh: TokenHash([mark; 32]),
        now: NOW,
        expires_at: LATER,
    }
}

fn invitation(hash: InvitationHash, uses: u32) -> NewInvitation {
    NewInvitation { hash, uses, created_by: None, now: NOW, expires_at: LATER }
}

fn rotation(shown: u8, next: u8) -> Rotation {
    let expires_at = LATER;
    Rotation {
        shown: TokenHash([shown; 32]),
        expected: None,
        next: TokenHash([next; 32]),
        now: NOW,
        expires_at,
    }
}

async fn register(store: &impl Store, account_id: AccountId, handle: &str) {
    let registered = store.register(account(account_id, handle)).await.unwrap();
    assert!(matches!(registered, Registered::Done { .. }), "{registered:?}");
}

async fn an_account_is_kept_as_it_was_registered(store: impl Store) {
    register(&store, ALICE, "alice").await;
    let alice: Handle = "alice".parse().unwrap();
    let found = AccountRef { account_id: ALICE, handle: alice.clone() };
    assert_eq!(store.find(alice.clone()).await.unwrap(), Some(found));
    assert_eq!(store.handle(ALICE).await.unwrap(), Some(alice.clone()));
    assert_eq!(store.identity_key(ALICE).await.unwrap(), Some([0xA1; 33]));
    assert_eq!(store.login_key(ALICE, DeviceId::FIRST).await.unwrap(), Some([0xA1; 32]));
    let device = DeviceRef { device_id: DeviceId::FIRST, registration_id: 0xA1 };
    assert_eq!(store.devices(ALICE).await.unwrap(), [device]);
    let credentials = store.credentials(alice).await.unwrap().unwrap();
    assert_eq!(credentials.account_id, ALICE);
    assert_eq!(credentials.password_record.expose(), &[1, 0xA1]);
    assert_eq!(credentials.words_record.expose(), &[2, 0xA1]);
    assert!(store.is_session_live(SessionId([0xA1; 16]), NOW).await.unwrap());
}

async fn the_first_account_is_administrator(store: impl Store) {
    let first = store.register(account(ALICE, "alice")).await.unwrap();
    assert_eq!(first, Registered::Done { administrator: true });
    let second = store.register(account(BOB, "bob")).await.unwrap();
    assert_eq!(second, Registered::Done { administrator: false });
    assert_eq!(store.account_count().await.unwrap(), 2);
    let Rotated::Done(alices) = store.rotate(rotation(0xA1, 1)).await.unwrap() else { panic!("not done") };
    let Rotated::Done(bobs) = store.rotate(rotation(0xB0, 2)).await.unwrap() else { panic!("not done") };
    assert_eq!((alices.administrator, bobs.administrator), (true, false));
}

async fn id_and_handle_are_given_once(store: impl Store) {
    register(&store, ALICE, "alice").await;
    assert_eq!(store.register(account(ALICE, "bob")).await.unwrap(), Registered::IdInUse);
    assert_eq!(store.register(account(BOB, "alice")).await.unwrap(), Registered::HandleTaken);
    assert_eq!(store.account_count().await.unwrap(), 1);
    register(&store, BOB, "bob").await;
}

async fn two_registrations_at_once_do_not_share_a_handle(store: impl Store) {
    let (first, second) =
        tokio::join!(store.register(account(ALICE, "carol")), store.register(account(BOB, "carol")));
    assert!(matches!(first, Ok(Registered::Done { .. })));
    assert_eq!(second, Ok(Registered::HandleTaken));
}

async fn an_invitation_is_good_for_its_uses(store: impl Store) {
    store.invite(invitation(INVITATION, 2)).await.unwrap();
    let invited = |mark: u8, handle| {
        let account_id = AccountId::from_bytes([mark; 16]);
        NewAccount { invitation: Some(INVITATION), ..account(account_id, handle) }
    };
    assert!(matches!(store.register(invited(1, "alice")).await, Ok(Registered::Done { .. })));
    assert!(store.is_invitation_valid(INVITATION, NOW).await.unwrap());
    assert!(matches!(store.register(invited(2, "bob")).await, Ok(Registered::Done { .. })));
    assert!(!store.is_invitation_valid(INVITATION, NOW).await.unwrap());
    assert_eq!(store.register(invited(3, "carol")).await.unwrap(), Registered::InvitationInvalid);
    assert_eq!(store.account_count().await.unwrap(), 2);
}

async fn a_refused_registration_does_not_use_the_invitation(store: impl Store) {
    register(&store, ALICE, "alice").await;
    store.invite(invitation(INVITATION, 1)).await.unwrap();
    let taken = NewAccount { invitation: Some(INVITATION), ..account(BOB, "alice") };
    assert_eq!(store.register(taken).await.unwrap(), Registered::HandleTaken);
    assert!(store.is_invitation_valid(INVITATION, NOW).await.unwrap());
}

async fn an_invitation_expires(store: impl Store) {
    store.invite(invitation(INVITATION, 1)).await.unwrap();
    assert!(store.is_invitation_valid(INVITATION, LATER.minus_ms(1)).await.unwrap());
    assert!(!store.is_invitation_valid(INVITATION, LATER).await.unwrap());
    let mut late = NewAccount { invitation: Some(INVITATION), ..account(BOB, "bob") };
    late.session.now = LATER;
    assert_eq!(store.register(late).await.unwrap(), Registered::InvitationInvalid);
}

async fn a_device_has_one_session(store: impl Store) {
    register(&store, ALICE, "alice").await;
    let begun = store.begin_session(session(ALICE, 2), Proof::Signature).await.unwrap().unwrap();
    assert_eq!((begun.session_id, begun.account_id), (SessionId([2; 16]), ALICE));
    assert!(begun.administrator);
    assert!(!store.is_session_live(SessionId([0xA1; 16]), NOW).await.unwrap());
    assert!(store.is_session_live(SessionId([2; 16]), NOW).await.unwrap());
    assert_eq!(store.rotate(rotation(0xA1, 9)).await.unwrap(), Rotated::Unknown);
}

async fn a_token_is_exchanged_once(store: impl Store) {
    register(&store, ALICE, "alice").await;
    let done = store.rotate(rotation(0xA1, 2)).await.unwrap();
    assert!(matches!(done, Rotated::Done(Session { account_id: ALICE, .. })), "{done:?}");
    assert!(matches!(store.rotate(rotation(2, 3)).await.unwrap(), Rotated::Done(_)));
    assert_eq!(store.rotate(rotation(77, 4)).await.unwrap(), Rotated::Unknown);
}

// T54
async fn a_token_used_twice_ends_its_session_only(store: impl Store) {
    register(&store, ALICE, "alice").await;
    register(&store, BOB, "bob").await;
    assert!(matches!(store.rotate(rotation(0xA1, 2)).await.unwrap(), Rotated::Done(_)));
    let family = SessionId([0xA1; 16]);
    assert_eq!(store.rotate(rotation(0xA1, 3)).await.unwrap(), Rotated::Reused(family));
    assert!(!store.is_session_live(family, NOW).await.unwrap());
    assert_eq!(store.rotate(rotation(2, 4)).await.unwrap(), Rotated::Unknown, "the family is gone");
    assert!(store.is_session_live(SessionId([0xB0; 16]), NOW).await.unwrap());
}

// T56
async fn a_token_of_another_session_is_left_alone(store: impl Store) {
    register(&store, ALICE, "alice").await;
    register(&store, BOB, "bob").await;
    let alices = Rotation { expected: Some(SessionId([0xA1; 16])), ..rotation(0xB0, 2) };
    assert_eq!(store.rotate(alices).await.unwrap(), Rotated::Unknown);
    let bobs = Rotation { expected: Some(SessionId([0xB0; 16])), ..rotation(0xB0, 2) };
    assert!(matches!(store.rotate(bobs).await.unwrap(), Rotated::Done(_)));
}

async fn a_token_expires_and_its_session_with_it(store: impl Store) {
    register(&store, ALICE, "alice").await;
    let live = |now| store.is_session_live(SessionId([0xA1; 16]), now);
    assert!(live(LATER.minus_ms(1)).await.unwrap());
    assert!(!live(LATER).await.unwrap());
    let late = Rotation { now: LATER, ..rotation(0xA1, 2) };
    assert_eq!(store.rotate(late).await.unwrap(), Rotated::Expired);
    let in_time = Rotation { now: LATER.minus_ms(1), ..rotation(0xA1, 2) };
    assert!(matches!(store.rotate(in_time).await.unwrap(), Rotated::Done(_)));
}

async fn renewing_prolongs_the_session(store: impl Store) {
    register(&store, ALICE, "alice").await;
    let renewal = Rotation { expires_at: LATER.plus_ms(1000), ..rotation(0xA1, 2) };
    assert!(matches!(store.rotate(renewal).await.unwrap(), Rotated::Done(_)));
    assert!(store.is_session_live(SessionId([0xA1; 16]), LATER.plus_ms(999)).await.unwrap());
}

async fn a_logged_out_device_needs_the_words(store: impl Store) {
    register(&store, ALICE, "alice").await;
    register(&store, BOB, "bob").await;
    store.log_out(ALICE, DeviceId::FIRST).await.unwrap();
    assert!(!store.is_session_live(SessionId([0xA1; 16]), NOW).await.unwrap());
    assert_eq!(store.rotate(rotation(0xA1, 2)).await.unwrap(), Rotated::Unknown);
    assert_eq!(store.begin_session(session(ALICE, 2), Proof::Signature).await.unwrap(), None);
    assert!(store.begin_session(session(ALICE, 3), Proof::Words).await.unwrap().is_some());
    assert!(store.begin_session(session(ALICE, 4), Proof::Signature).await.unwrap().is_some());
    assert!(store.is_session_live(SessionId([0xB0; 16]), NOW).await.unwrap(), "bob's goes on");
}

fn generation(account_id: AccountId, generation: u64) -> Generation {
    Generation { account_id, device_id: DeviceId::FIRST, generation }
}

// T20: a device whose storage was put back to an older copy sends a number that is known.
async fn the_highest_generation_of_a_device_is_kept(store: impl Store) {
    register(&store, ALICE, "alice").await;
    register(&store, BOB, "bob").await;
    let mut known = Vec::new();
    for sent in [1, 2, 5, 3, 5, u64::MAX, 0] {
        known.extend(store.note_generations(vec![generation(ALICE, sent)]).await.unwrap());
    }
    assert_eq!(known, [0, 1, 2, 5, 5, 5, i64::MAX.unsigned_abs()]);
    let together =
        vec![generation(BOB, 3), generation(AccountId::from_bytes([0; 16]), 9), generation(BOB, 2)];
    let known = store.note_generations(together).await.unwrap();
    assert_eq!(known, [0, 0, 3], "bob counts for himself, and nobody for whom there is no account");
}

async fn the_first_invitation_is_replaced_and_ends_with_the_first_account(store: impl Store) {
    let (earlier, other) = (InvitationHash([2; 32]), InvitationHash([3; 32]));
    store.invite(invitation(other, 1)).await.unwrap();
    assert!(store.invite_first(invitation(earlier, 1)).await.unwrap());
    assert!(store.invite_first(invitation(INVITATION, 1)).await.unwrap());
    assert!(!store.is_invitation_valid(earlier, NOW).await.unwrap());
    assert!(store.is_invitation_valid(INVITATION, NOW).await.unwrap());
    assert!(store.is_invitation_valid(other, NOW).await.unwrap(), "ordinary ones stay");
    register(&store, ALICE, "alice").await;
    assert!(!store.invite_first(invitation(earlier, 1)).await.unwrap());
    assert!(!store.is_invitation_valid(earlier, NOW).await.unwrap());
}

async fn sweeping_forgets_what_has_expired(store: impl Store) {
    register(&store, ALICE, "alice").await;
    store.invite(invitation(INVITATION, 1)).await.unwrap();
    assert_eq!(store.sweep(LATER.minus_ms(1)).await.unwrap(), 0);
    assert_eq!(store.sweep(LATER).await.unwrap(), 3, "a token, a session, an invitation");
    assert_eq!(store.rotate(rotation(0xA1, 2)).await.unwrap(), Rotated::Unknown);
    assert_eq!(store.account_count().await.unwrap(), 1);
}

async fn the_unknown_is_not_found(store: impl Store) {
    let alice: Handle = "alice".parse().unwrap();
    assert_eq!(store.find(alice.clone()).await.unwrap(), None);
    assert!(store.credentials(alice).await.unwrap().is_none());
    assert_eq!(store.handle(ALICE).await.unwrap(), None);
    assert_eq!(store.identity_key(ALICE).await.unwrap(), None);
    assert_eq!(store.login_key(ALICE, DeviceId::FIRST).await.unwrap(), None);
    assert!(store.devices(ALICE).await.unwrap().is_empty());
    assert_eq!(store.note_generations(vec![generation(ALICE, 7)]).await.unwrap(), [0]);
    assert_eq!(store.begin_session(session(ALICE, 1), Proof::Words).await.unwrap(), None);
    assert!(!store.is_session_live(SessionId([1; 16]), NOW).await.unwrap());
    assert!(!store.is_invitation_valid(INVITATION, NOW).await.unwrap());
    store.log_out(ALICE, DeviceId::FIRST).await.unwrap();
}
