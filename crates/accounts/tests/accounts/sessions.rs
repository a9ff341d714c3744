//! Sessions: signatures, refresh tokens, log-out, and those who steal or forge them.

use tacite_accounts::AccountsError;
use tacite_model::limits::{LOOKUP_QUOTA, REFRESH_TOKEN_MS, SESSION_QUOTA};
use tacite_model::{AccountId, DeviceId};
use tacite_wire::{Code, proto, signing};

use crate::person::{CHALLENGE, CLUB, NOW, Person, open_server, refresh, rng};

// B5
#[tokio::test]
async fn a_known_device_comes_back_by_signature() {
    let server = open_server();
    let mut alice = Person::new("alice");
    alice.register(&server, &[]).await.unwrap();
    let granted = alice.sign(&server).await.unwrap();
    assert_eq!(granted.identity.account_id, alice.account_id);
    assert!(granted.session.administrator);
    assert_eq!(granted.session.refresh_expires_at_ms, NOW.plus_ms(REFRESH_TOKEN_MS).as_ms());
    assert_eq!(server.verify_access(&granted.session.access_token, NOW).await, Ok(granted.identity));
}

// T10, T50: a signature serves on one link of one server for one device, and no other signature serves for it.
#[tokio::test]
async fn a_signature_over_anything_else_is_refused() {
    let server = open_server();
    let mut alice = Person::new("alice");
    alice.register(&server, &[]).await.unwrap();
    let id = alice.account_id;
    let texts = [
        CHALLENGE.to_vec(),
        [b"tacite sign-in v1\0", CHALLENGE.as_slice()].concat(),
        signing::deployment_text(&CHALLENGE),
        signing::sign_in_text("evil.example", &CHALLENGE, id, DeviceId::FIRST),
        signing::sign_in_text(CLUB, &[0xC5; 32], id, DeviceId::FIRST),
        signing::sign_in_text(CLUB, &CHALLENGE, AccountId::from_bytes([1; 16]), DeviceId::FIRST),
        signing::sign_in_text(CLUB, &CHALLENGE, id, DeviceId::try_from(2).unwrap()),
    ];
    for text in texts {
        let sign_in = alice.sign_in_over(&text);
        let error = server.sign_in(&sign_in, &CHALLENGE, NOW, &mut rng(40)).await.unwrap_err();
        assert_eq!(error, AccountsError::CredentialsWrong);
    }
}

// T56
#[tokio::test]
async fn bobs_signature_opens_no_session_of_alice() {
    let server = open_server();
    let (mut alice, mut bob) = (Person::new("alice"), Person::new("bob"));
    alice.register(&server, &[]).await.unwrap();
    bob.register(&server, &[]).await.unwrap();
    let as_alice = signing::sign_in_text(CLUB, &CHALLENGE, alice.account_id, DeviceId::FIRST);
    let mut forged = bob.sign_in_over(&as_alice);
    forged.account_id = alice.sign_in(&CHALLENGE).account_id;
    let error = server.sign_in(&forged, &CHALLENGE, NOW, &mut rng(41)).await.unwrap_err();
    assert_eq!(error, AccountsError::CredentialsWrong);
}

// T3: adding the group's order to S gives a second signature of the same text, if S is not checked.
#[tokio::test]
async fn a_second_form_of_a_signature_is_refused() {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let server = open_server();
    let mut alice = Person::new("alice");
    alice.register(&server, &[]).await.unwrap();
    let good = alice.sign_in(&CHALLENGE);
    let mut signature = good.signature.to_vec();
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    let malleated = proto::SignIn { signature: signature.into(), ..good.clone() };
    let outcome = server.sign_in(&malleated, &CHALLENGE, NOW, &mut rng(42)).await;
    assert_eq!(outcome.unwrap_err(), AccountsError::CredentialsWrong);
    assert!(server.sign_in(&good, &CHALLENGE, NOW, &mut rng(42)).await.is_ok());
}

#[tokio::test]
async fn unknown_and_malformed_devices_are_refused() {
    let server = open_server();
    let mut alice = Person::new("alice");
    alice.register(&server, &[]).await.unwrap();
    let good = alice.sign_in(&CHALLENGE);
    let cases = [
        (proto::SignIn { account_id: vec![1; 16].into(), ..good.clone() }, AccountsError::CredentialsWrong),
        (proto::SignIn { device_id: 2, ..good.clone() }, AccountsError::CredentialsWrong),
        (proto::SignIn { signature: vec![1; 65].into(), ..good.clone() }, AccountsError::CredentialsWrong),
        (proto::SignIn { device_id: 128, ..good.clone() }, AccountsError::Unreadable("device_id")),
        (proto::SignIn { account_id: vec![1; 17].into(), ..good }, AccountsError::Unreadable("account_id")),
    ];
    for (sign_in, expected) in cases {
        let error = server.sign_in(&sign_in, &CHALLENGE, NOW, &mut rng(43)).await.unwrap_err();
        assert_eq!(error, expected);
    }
}

// B6
#[tokio::test]
async fn a_refresh_token_gives_new_tokens_once() {
    let server = open_server();
    let first = Person::new("alice").register(&server, &[]).await.unwrap();
    let later = NOW.plus_ms(1000);
    let shown = refresh(&first.session.refresh_token);
    let second = server.refresh(&shown, Some(&first.identity), later, &mut rng(50)).await.unwrap();
    assert_eq!(second.identity.session_id, first.identity.session_id);
    assert_ne!(second.session.refresh_token, first.session.refresh_token);
    assert_eq!(second.session.refresh_expires_at_ms, later.plus_ms(REFRESH_TOKEN_MS).as_ms());
    assert!(second.session.administrator);
    let shown = refresh(&second.session.refresh_token);
    assert!(server.refresh(&shown, None, later, &mut rng(51)).await.is_ok());
}

// T54: a thief and the owner cannot both go on.
#[tokio::test]
async fn a_stolen_refresh_token_ends_the_whole_family() {
    let server = open_server();
    let mut alice = Person::new("alice");
    let first = alice.register(&server, &[]).await.unwrap();
    let stolen = refresh(&first.session.refresh_token);
    let thiefs = server.refresh(&stolen, None, NOW, &mut rng(52)).await.unwrap();
    let error = server.refresh(&stolen, None, NOW, &mut rng(53)).await.unwrap_err();
    let session_id = first.identity.session_id;
    assert_eq!(error, AccountsError::TokenReused { session_id });
    assert_eq!(error.code(), Code::TOKEN_INVALID);
    assert_eq!(server.is_session_live(session_id, NOW).await, Ok(false));
    for granted in [&first, &thiefs] {
        let outcome = server.verify_access(&granted.session.access_token, NOW).await;
        assert_eq!(outcome, Err(AccountsError::SessionEnded));
    }
    let next = refresh(&thiefs.session.refresh_token);
    let outcome = server.refresh(&next, None, NOW, &mut rng(54)).await;
    assert_eq!(outcome.unwrap_err(), AccountsError::TokenInvalid);
    assert!(alice.sign(&server).await.is_ok(), "who has the device's key comes back");
}

#[tokio::test]
async fn a_refresh_token_expires() {
    let server = open_server();
    let granted = Person::new("alice").register(&server, &[]).await.unwrap();
    let shown = refresh(&granted.session.refresh_token);
    let end = NOW.plus_ms(REFRESH_TOKEN_MS);
    let outcome = server.refresh(&shown, None, end, &mut rng(55)).await;
    assert_eq!(outcome.unwrap_err(), AccountsError::SessionEnded);
    assert!(server.refresh(&shown, None, end.minus_ms(1), &mut rng(55)).await.is_ok());
}

// T56: on a link of alice, bob's refresh token opens nothing, and is not used up by the try.
#[tokio::test]
async fn a_link_is_renewed_by_its_own_token_only() {
    let server = open_server();
    let alices = Person::new("alice").register(&server, &[]).await.unwrap();
    let bobs = Person::new("bob").register(&server, &[]).await.unwrap();
    let shown = refresh(&bobs.session.refresh_token);
    let outcome = server.refresh(&shown, Some(&alices.identity), NOW, &mut rng(56)).await;
    assert_eq!(outcome.unwrap_err(), AccountsError::TokenInvalid);
    assert!(server.refresh(&shown, Some(&bobs.identity), NOW, &mut rng(57)).await.is_ok());
}

#[tokio::test]
async fn who_logged_out_comes_back_by_words_only() {
    let server = open_server();
    let mut alice = Person::new("alice");
    let granted = alice.register(&server, &[]).await.unwrap();
    server.log_out(&granted.identity).await.unwrap();
    let error = alice.sign(&server).await.unwrap_err();
    assert_eq!((error.clone(), error.code()), (AccountsError::SessionEnded, Code::SESSION_ENDED));
    let outcome = server.verify_access(&granted.session.access_token, NOW).await;
    assert_eq!(outcome, Err(AccountsError::SessionEnded));
    let shown = refresh(&granted.session.refresh_token);
    let outcome = server.refresh(&shown, None, NOW, &mut rng(58)).await;
    assert_eq!(outcome.unwrap_err(), AccountsError::TokenInvalid);
}

#[tokio::test]
async fn a_log_out_on_one_link_ends_the_session_that_another_began() {
    let server = open_server();
    let mut alice = Person::new("alice");
    let first = alice.register(&server, &[]).await.unwrap();
    let second = alice.sign(&server).await.unwrap();
    server.log_out(&first.identity).await.unwrap();
    assert_eq!(server.is_session_live(second.identity.session_id, NOW).await, Ok(false));
}

#[tokio::test]
async fn sessions_and_look_ups_are_counted_for_each_account() {
    let server = open_server();
    let (mut alice, mut bob) = (Person::new("alice"), Person::new("bob"));
    alice.register(&server, &[]).await.unwrap();
    bob.register(&server, &[]).await.unwrap();
    for _ in 0..SESSION_QUOTA.burst {
        alice.sign(&server).await.unwrap();
    }
    let retry_after_ms = SESSION_QUOTA.interval_ms;
    assert_eq!(alice.sign(&server).await.unwrap_err(), AccountsError::TooFast { retry_after_ms });
    assert!(bob.sign(&server).await.is_ok());

    let carol = "carol".parse().unwrap();
    for _ in 0..LOOKUP_QUOTA.burst {
        assert_eq!(server.look_up(alice.account_id, &carol, NOW).await, Ok(None));
    }
    let retry_after_ms = LOOKUP_QUOTA.interval_ms;
    let outcome = server.look_up(alice.account_id, &carol, NOW).await;
    assert_eq!(outcome, Err(AccountsError::TooFast { retry_after_ms }));
    assert_eq!(server.look_up(bob.account_id, &carol, NOW).await, Ok(None));
}

#[tokio::test]
async fn strangers_cannot_use_up_alices_sessions() {
    let server = open_server();
    let mut alice = Person::new("alice");
    alice.register(&server, &[]).await.unwrap();
    for _ in 0..=SESSION_QUOTA.burst {
        let forged = alice.sign_in_over(b"by mallory");
        assert!(server.sign_in(&forged, &CHALLENGE, NOW, &mut rng(59)).await.is_err());
    }
    assert!(alice.sign(&server).await.is_ok());
}
