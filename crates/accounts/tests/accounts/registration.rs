//! Registration: who may, and what a malicious device may send.

use tacite_accounts::{AccountRef, AccountsError, DeviceRef, Registration};
use tacite_model::limits::REGISTRATION_QUOTA;
use tacite_model::{DeviceId, HandleError};
use tacite_wire::{Code, proto};

use crate::person::{CHALLENGE, NOW, Person, open_server, rng, server};

// B1
#[tokio::test]
async fn alice_registers_and_is_found() {
    let server = open_server();
    let mut alice = Person::new("alice");
    let granted = alice.register(&server, &[]).await.unwrap();
    assert_eq!(granted.identity.account_id, alice.account_id);
    assert!(granted.session.administrator, "the first account administers the server");
    assert_eq!(server.verify_access(&granted.session.access_token, NOW).await, Ok(granted.identity));

    let handle = "@Alice".parse().unwrap();
    let found = AccountRef { account_id: alice.account_id, handle: "alice".parse().unwrap() };
    assert_eq!(server.find_by_handle(&handle).await, Ok(Some(found)));
    assert_eq!(server.handle_of(alice.account_id).await, Ok(Some(handle)));
    let device = DeviceRef { device_id: DeviceId::FIRST, registration_id: 4711 };
    assert_eq!(server.devices_of(alice.account_id).await, Ok(vec![device]));
    assert_eq!(server.identity_key_of(alice.account_id).await.unwrap().unwrap()[..2], [5, 9]);

    let bob = Person::new("bob").register(&server, &[]).await.unwrap();
    assert!(!bob.session.administrator);
    assert_eq!(server.account_count().await, Ok(2));
}

#[tokio::test]
async fn a_name_or_an_id_is_given_once() {
    let server = open_server();
    let mut alice = Person::new("alice");
    alice.register(&server, &[]).await.unwrap();
    let again = Person::new("alice").register(&server, &[]).await.unwrap_err();
    assert_eq!((again.clone(), again.code()), (AccountsError::HandleTaken, Code::NAME_TAKEN));
    let mut bob = Person { account_id: alice.account_id, ..Person::new("bob") };
    let error = bob.register(&server, &[]).await.unwrap_err();
    assert_eq!((error.clone(), error.code()), (AccountsError::IdInUse, Code::ID_IN_USE));
}

#[tokio::test]
async fn a_name_taken_between_the_steps_is_refused_at_the_second() {
    let server = open_server();
    let mut slow = Person::new("carol");
    let (start, state) = slow.register_start(&[]);
    let (started, pending) = server.register_start(&start, NOW).await.unwrap();
    let mut fast = Person { account_id: Person::new("fast").account_id, ..Person::new("carol") };
    fast.register(&server, &[]).await.unwrap();
    let finish = slow.register_finish(state, &started);
    let error = server.register_finish(pending, &finish, &CHALLENGE, NOW, &mut rng(4)).await.unwrap_err();
    assert_eq!(error, AccountsError::HandleTaken);
}

#[tokio::test]
async fn names_that_are_not_allowed_are_refused() {
    let server = open_server();
    let error = Person::new("admin").register(&server, &[]).await.unwrap_err();
    assert_eq!(error, AccountsError::HandleNotAllowed(HandleError::Reserved));
    assert_eq!(error.code(), Code::NAME_NOT_ALLOWED);
}

#[tokio::test]
async fn a_closed_server_takes_nobody() {
    let server = server(Registration::Closed);
    let secret = server.invite(1, None, NOW, &mut rng(5)).await.unwrap();
    let error = Person::new("alice").register(&server, secret.expose()).await.unwrap_err();
    assert_eq!((error.clone(), error.code()), (AccountsError::RegistrationClosed, Code::FORBIDDEN));
}

#[tokio::test]
async fn registrations_are_counted() {
    let server = open_server();
    let (start, _) = Person::new("alice").register_start(&[]);
    for _ in 0..REGISTRATION_QUOTA.burst {
        server.register_start(&start, NOW).await.unwrap();
    }
    let error = server.register_start(&start, NOW).await.unwrap_err();
    assert_eq!(error.code(), Code::TOO_FAST);
    assert_eq!(error.retry_after_ms(), REGISTRATION_QUOTA.interval_ms);
    assert!(server.register_start(&start, NOW.plus_ms(error.retry_after_ms())).await.is_ok());
}

type Change = fn(&mut proto::RegisterFinish);

async fn finish_with(change: Change) -> AccountsError {
    let server = open_server();
    let mut mallory = Person::new("mallory");
    let (start, state) = mallory.register_start(&[]);
    let (started, pending) = server.register_start(&start, NOW).await.unwrap();
    let mut finish = mallory.register_finish(state, &started);
    change(&mut finish);
    let error = server.register_finish(pending, &finish, &CHALLENGE, NOW, &mut rng(6)).await.unwrap_err();
    assert_eq!(server.account_count().await, Ok(0));
    error
}

fn device(finish: &mut proto::RegisterFinish) -> &mut proto::Device {
    finish.device.as_mut().unwrap()
}

#[tokio::test]
async fn what_a_device_made_wrongly_is_refused_by_field() {
    let cases: [(&str, Change); 15] = [
        ("account_id", |finish| finish.account_id = vec![1; 15].into()),
        ("account_id", |finish| finish.account_id = vec![1; 17].into()),
        ("registration record", |finish| finish.password_record = vec![1; 192].into()),
        ("registration record", |finish| finish.password_record = finish.words_record.slice(1..)),
        ("registration record", |finish| finish.words_record = vec![0; 193].into()),
        ("registration record", |finish| finish.words_record = Vec::new().into()),
        ("identity_key", |finish| finish.identity_key = vec![5; 32].into()),
        ("identity_key", |finish| finish.identity_key = vec![5; 34].into()),
        ("identity_key", |finish| finish.identity_key = vec![6; 33].into()),
        ("device", |finish| finish.device = None),
        ("device_id", |finish| device(finish).device_id = 0),
        ("device_id", |finish| device(finish).device_id = 2),
        ("login_key", |finish| device(finish).login_key = vec![1; 31].into()),
        ("registration_id", |finish| device(finish).registration_id = 0),
        ("registration_id", |finish| device(finish).registration_id = 16_384),
    ];
    for (field, change) in cases {
        let error = finish_with(change).await;
        assert_eq!(error, AccountsError::Unreadable(field));
        assert_eq!(error.code(), Code::BODY_UNREADABLE);
    }
}

#[tokio::test]
async fn a_device_must_prove_its_key() {
    let cases: [Change; 4] = [
        |finish| device(finish).signature = vec![0; 64].into(),
        |finish| device(finish).signature = vec![0; 63].into(),
        |finish| finish.account_id = vec![1; 16].into(),
        |finish| {
            device(finish).login_key =
                Person::new("bob").login_key.verifying_key().as_bytes().to_vec().into();
        },
    ];
    for change in cases {
        assert_eq!(finish_with(change).await, AccountsError::CredentialsWrong);
    }
}

// T3: with a key of small order, one signature is valid for every text.
#[tokio::test]
async fn a_key_of_small_order_proves_nothing() {
    let error = finish_with(|finish| {
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        device(finish).login_key = identity_point.to_vec().into();
        device(finish).signature = [identity_point, [0; 32]].concat().into();
    })
    .await;
    assert_eq!(error, AccountsError::CredentialsWrong);
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    let server = open_server();
    let (good, _) = Person::new("alice").register_start(&[]);
    for request in [vec![], vec![1; 31], vec![0; 32], vec![0xFF; 32], vec![1; 33]] {
        let start = proto::RegisterStart { words_request: request.into(), ..good.clone() };
        let error = server.register_start(&start, NOW).await.unwrap_err();
        assert_eq!(error, AccountsError::Unreadable("registration request"));
    }
}
