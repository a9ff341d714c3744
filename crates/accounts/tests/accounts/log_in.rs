//! Log-in by password and words: B2, B3, and those who guess.

use tacite_accounts::store::MemoryStore;
use tacite_accounts::{Accounts, AccountsError, Granted, PasswordProven};
use tacite_model::Timestamp;
use tacite_model::limits::LOG_IN_QUOTA;
use tacite_wire::{Code, password, proto};

use crate::person::{CHALLENGE, NOW, Person, may_move, open_server, rng};

type Server = Accounts<MemoryStore>;

fn start(handle: &str, request: Vec<u8>) -> proto::LogInStart {
    proto::LogInStart { handle: handle.to_owned(), credential_request: request.into() }
}

async fn give_password(
    person: &mut Person,
    server: &Server,
    guess: &str,
    now: Timestamp,
) -> Result<PasswordProven, AccountsError> {
    let (request, state) = person.credential_start(guess);
    let (started, pending) =
        may_move(server.log_in_start(&start(person.handle, request), now, &mut rng(10))).await?;
    let finalization = person.credential_finish(state, guess, &started.credential_response);
    // A client that notices sends nothing; one that guesses on sends anything.
    let finalization = finalization.unwrap_or_else(|| vec![0x5A; 64]);
    server.log_in_finish(pending, &proto::CredentialFinish { credential_finalization: finalization.into() })
}

async fn give_words(
    person: &mut Person,
    server: &Server,
    proven: PasswordProven,
    guess: &str,
    device: proto::SignIn,
) -> Result<Granted, AccountsError> {
    let (request, state) = person.credential_start(guess);
    let words = proto::WordsStart { credential_request: request.into() };
    let (started, pending) = server.words_start(proven, &words, &mut rng(11))?;
    let finalization = person.credential_finish(state, guess, &started.credential_response);
    let finalization = finalization.unwrap_or_else(|| vec![0x5A; 64]).into();
    let finish = proto::WordsFinish { credential_finalization: finalization, device: Some(device) };
    may_move(server.words_finish(pending, &finish, &CHALLENGE, NOW, &mut rng(12))).await
}

async fn log_in(person: &mut Person, server: &Server, now: Timestamp) -> Result<Granted, AccountsError> {
    let (password, words) = (person.password(), person.words());
    let proven = give_password(person, server, &password, now).await?;
    let device = person.sign_in(&CHALLENGE);
    give_words(person, server, proven, &words, device).await
}

// B2, B3; the parameters that real clients use.
#[tokio::test]
async fn alice_logs_in_with_password_and_words() {
    let server = open_server();
    let mut alice = Person { stretching: password::stretching(), ..Person::new("alice") };
    alice.register(&server, &[]).await.unwrap();
    let granted = log_in(&mut alice, &server, NOW).await.unwrap();
    assert_eq!(granted.identity.account_id, alice.account_id);
    assert_eq!(server.verify_access(&granted.session.access_token, NOW).await, Ok(granted.identity));
}

#[tokio::test]
async fn a_wrong_password_a_wrong_word_and_an_unknown_name_are_one_error() {
    let server = open_server();
    let mut alice = Person::new("alice");
    alice.register(&server, &[]).await.unwrap();
    let mut outcomes = Vec::new();
    outcomes.push(give_password(&mut alice, &server, "password1", NOW).await.err());
    let words = alice.words();
    outcomes.push(give_password(&mut alice, &server, &words, NOW).await.err());
    outcomes.push(give_password(&mut Person::new("nobody"), &server, "password1", NOW).await.err());
    outcomes.push(give_password(&mut Person::new("a b"), &server, "password1", NOW).await.err());
    let password = alice.password();
    let proven = give_password(&mut alice, &server, &password, NOW).await.unwrap();
    let device = alice.sign_in(&CHALLENGE);
    outcomes.push(give_words(&mut alice, &server, proven, "not the words", device).await.err());
    for outcome in outcomes {
        assert_eq!(outcome, Some(AccountsError::CredentialsWrong));
    }
    assert_eq!(AccountsError::CredentialsWrong.code(), Code::CREDENTIALS_WRONG);
}

// T29: an unknown name gets an answer of the same form, and no two answers are alike.
#[tokio::test]
async fn the_answer_to_an_unknown_name_looks_like_any_other() {
    let server = open_server();
    let mut alice = Person::new("alice");
    alice.register(&server, &[]).await.unwrap();
    let (request, _) = alice.credential_start("guess");
    let mut answers = Vec::new();
    for (handle, seed) in [("alice", 20), ("alice", 21), ("nobody", 22), ("nobody", 23)] {
        let start = start(handle, request.clone());
        let (started, _) = server.log_in_start(&start, NOW, &mut rng(seed)).await.unwrap();
        answers.push(started.credential_response);
    }
    assert!(answers.iter().all(|answer| answer.len() == 320));
    // The first part depends on name and request alone, for both alike; the rest is fresh.
    assert_eq!(answers[0][..32], answers[1][..32]);
    assert_eq!(answers[2][..32], answers[3][..32]);
    assert_ne!(answers[0][32..], answers[1][32..]);
    assert_ne!(answers[2][32..], answers[3][32..]);
}

// T52, T29: guessing online is limited, for names that exist and names that do not.
#[tokio::test]
async fn guesses_are_counted_for_known_and_unknown_names_alike() {
    let server = open_server();
    let mut alice = Person::new("alice");
    alice.register(&server, &[]).await.unwrap();
    for mut person in [alice, Person::new("nobody")] {
        for _ in 0..LOG_IN_QUOTA.burst {
            let error = give_password(&mut person, &server, "guess", NOW).await.err();
            assert_eq!(error, Some(AccountsError::CredentialsWrong));
        }
        let error = give_password(&mut person, &server, "guess", NOW).await.err().unwrap();
        assert_eq!(error, AccountsError::TooFast { retry_after_ms: 60_000 }, "{}", person.handle);
        assert_eq!(error.code(), Code::TOO_FAST);
        let too_early = NOW.plus_ms(59_999);
        assert!(matches!(
            give_password(&mut person, &server, "guess", too_early).await,
            Err(AccountsError::TooFast { retry_after_ms: 1 })
        ));
        let error = give_password(&mut person, &server, "guess", NOW.plus_ms(60_000)).await.err();
        assert_eq!(error, Some(AccountsError::CredentialsWrong), "{}", person.handle);
    }
}

// T52: who knows the password cannot try words faster than passwords.
#[tokio::test]
async fn every_guess_of_the_words_costs_a_password() {
    let server = open_server();
    let mut alice = Person::new("alice");
    alice.register(&server, &[]).await.unwrap();
    let password = alice.password();
    for _ in 0..LOG_IN_QUOTA.burst {
        let proven = give_password(&mut alice, &server, &password, NOW).await.unwrap();
        let device = alice.sign_in(&CHALLENGE);
        assert!(give_words(&mut alice, &server, proven, "guess", device).await.is_err());
    }
    let error = give_password(&mut alice, &server, &password, NOW).await.err();
    assert_eq!(error, Some(AccountsError::TooFast { retry_after_ms: 60_000 }));
}

#[tokio::test]
async fn a_right_log_in_forgets_the_wrong_ones() {
    let server = open_server();
    let mut alice = Person::new("alice");
    alice.register(&server, &[]).await.unwrap();
    for _ in 0..3 * LOG_IN_QUOTA.burst {
        log_in(&mut alice, &server, NOW).await.unwrap();
    }
}

// T56: bob's password opens nothing of alice's.
#[tokio::test]
async fn bob_cannot_come_in_as_alice_with_his_own_password() {
    let server = open_server();
    let (mut alice, mut bob) = (Person::new("alice"), Person::new("bob"));
    alice.register(&server, &[]).await.unwrap();
    bob.register(&server, &[]).await.unwrap();
    let (password, words) = (bob.password(), bob.words());

    let proven = give_password(&mut bob, &server, &password, NOW).await.unwrap();
    let alices_device = alice.sign_in(&CHALLENGE);
    let error = give_words(&mut bob, &server, proven, &words, alices_device).await.unwrap_err();
    assert_eq!(error, AccountsError::CredentialsWrong);

    let proven = give_password(&mut bob, &server, &password, NOW).await.unwrap();
    let mixed = proto::SignIn { account_id: alice.sign_in(&CHALLENGE).account_id, ..bob.sign_in(&CHALLENGE) };
    let error = give_words(&mut bob, &server, proven, &words, mixed).await.unwrap_err();
    assert_eq!(error, AccountsError::CredentialsWrong);
}

// T50
#[tokio::test]
async fn the_device_must_sign_this_links_challenge() {
    let server = open_server();
    let mut alice = Person::new("alice");
    alice.register(&server, &[]).await.unwrap();
    let (password, words) = (alice.password(), alice.words());
    let proven = give_password(&mut alice, &server, &password, NOW).await.unwrap();
    let device = alice.sign_in(&[0xC5; 32]);
    let error = give_words(&mut alice, &server, proven, &words, device).await.unwrap_err();
    assert_eq!(error, AccountsError::CredentialsWrong);
}

#[tokio::test]
async fn malformed_credentials_are_refused() {
    let server = open_server();
    let mut alice = Person::new("alice");
    alice.register(&server, &[]).await.unwrap();
    for request in [vec![], vec![1; 95], vec![0; 96], vec![1; 97]] {
        let error = server.log_in_start(&start("bob", request), NOW, &mut rng(30)).await.err();
        assert_eq!(error, Some(AccountsError::Unreadable("credential request")));
    }
    for (bytes, expected) in [
        (63, AccountsError::Unreadable("credential finalization")),
        (64, AccountsError::CredentialsWrong),
        (65, AccountsError::Unreadable("credential finalization")),
    ] {
        let (request, _) = alice.credential_start("guess");
        let start = start("carol", request);
        let (_, pending) = server.log_in_start(&start, NOW, &mut rng(31)).await.unwrap();
        let finish = proto::CredentialFinish { credential_finalization: vec![1; bytes].into() };
        assert_eq!(server.log_in_finish(pending, &finish).err(), Some(expected));
    }
}
