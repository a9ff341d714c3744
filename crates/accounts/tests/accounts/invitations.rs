//! Invitations: who may make an account where not everybody may.

use tacite_accounts::{AccountsError, Registration};
use tacite_model::limits::{INVITATION_MS, INVITATION_USES_MAX, REGISTRATION_QUOTA};
use tacite_wire::Code;

use crate::person::{NOW, Person, rng, server};

#[tokio::test]
async fn who_is_invited_registers_and_nobody_else() {
    let server = server(Registration::Invitation);
    let secret = server.invite(1, None, NOW, &mut rng(60)).await.unwrap();
    for wrong in [&[][..], &[7; 16], &[7; 15], &secret.expose()[..15]] {
        let error = Person::new("mallory").register(&server, wrong).await.unwrap_err();
        assert_eq!(
            (error.clone(), error.code()),
            (AccountsError::InvitationInvalid, Code::INVITATION_INVALID)
        );
    }
    Person::new("alice").register(&server, secret.expose()).await.unwrap();
    let error = Person::new("bob").register(&server, secret.expose()).await.unwrap_err();
    assert_eq!(error, AccountsError::InvitationInvalid);
}

// T29: names are not told to who has no invitation.
#[tokio::test]
async fn without_an_invitation_a_taken_name_is_not_told() {
    let server = server(Registration::Invitation);
    let secret = server.invite(2, None, NOW, &mut rng(61)).await.unwrap();
    Person::new("alice").register(&server, secret.expose()).await.unwrap();
    for handle in ["alice", "nobody"] {
        let error = Person::new(handle).register(&server, &[7; 16]).await.unwrap_err();
        assert_eq!(error, AccountsError::InvitationInvalid);
    }
}

#[tokio::test]
async fn an_invitation_ends_after_a_week() {
    let server = server(Registration::Invitation);
    let secret = server.invite(1, None, NOW, &mut rng(62)).await.unwrap();
    let (start, _) = Person::new("alice").register_start(secret.expose());
    let end = NOW.plus_ms(INVITATION_MS);
    assert!(server.register_start(&start, end.minus_ms(1)).await.is_ok());
    let outcome = server.register_start(&start, end).await;
    assert_eq!(outcome.err(), Some(AccountsError::InvitationInvalid));
}

#[tokio::test]
async fn the_uses_of_an_invitation_are_bounded() {
    let server = server(Registration::Invitation);
    for (uses, allowed) in
        [(0, false), (1, true), (INVITATION_USES_MAX, true), (INVITATION_USES_MAX + 1, false)]
    {
        let outcome = server.invite(uses, None, NOW, &mut rng(u64::from(uses))).await;
        assert_eq!(outcome.is_ok(), allowed, "{uses}");
    }
}

#[tokio::test]
async fn the_operator_is_invited_first() {
    let server = server(Registration::Invitation);
    let earlier = server.first_invitation(1, NOW, &mut rng(63)).await.unwrap().unwrap();
    let secret = server.first_invitation(1, NOW, &mut rng(64)).await.unwrap().unwrap();
    let mut alice = Person::new("alice");
    let error = alice.register(&server, earlier.expose()).await.unwrap_err();
    assert_eq!(error, AccountsError::InvitationInvalid);
    let granted = alice.register(&server, secret.expose()).await.unwrap();
    assert!(granted.session.administrator);
    assert!(server.first_invitation(1, NOW, &mut rng(65)).await.unwrap().is_none());
    let secret = server.invite(1, Some(alice.account_id), NOW, &mut rng(66)).await.unwrap();
    assert!(Person::new("bob").register(&server, secret.expose()).await.is_ok());
}

#[tokio::test]
async fn one_invitation_cannot_be_used_to_guess_names_in_numbers() {
    let server = server(Registration::Invitation);
    let secret = server.invite(1, None, NOW, &mut rng(67)).await.unwrap();
    let other = server.invite(1, None, NOW, &mut rng(68)).await.unwrap();
    let (start, _) = Person::new("alice").register_start(secret.expose());
    for _ in 0..REGISTRATION_QUOTA.burst {
        server.register_start(&start, NOW).await.unwrap();
    }
    let outcome = server.register_start(&start, NOW).await;
    assert_eq!(outcome.err().map(|error| error.code()), Some(Code::TOO_FAST));
    let (start, _) = Person::new("alice").register_start(other.expose());
    assert!(server.register_start(&start, NOW).await.is_ok());
}
