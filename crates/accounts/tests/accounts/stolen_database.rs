//! What a thief of the database file has (T52, B2, B6), and what survives a restart.

use std::path::Path;

use tacite_accounts::store::SqliteStore;
use tacite_accounts::{Accounts, Registration};

use crate::person::{NOW, Person, refresh, rng, server_over};

fn open(path: &Path) -> Accounts<SqliteStore> {
    server_over(SqliteStore::open(path).unwrap(), Registration::Invitation)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Everything that the store left in its directory.
fn files(directory: &Path) -> Vec<u8> {
    let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| std::fs::read(path).unwrap()).collect()
}

#[tokio::test]
async fn a_stolen_database_holds_nothing_to_guess_with_or_to_come_in_with() {
    let directory = tempfile::tempdir().unwrap();
    let server = open(&directory.path().join("accounts.sqlite"));
    let invitation = server.invite(5, None, NOW, &mut rng(70)).await.unwrap();
    let mut alice = Person::new("alice");
    let granted = alice.register(&server, invitation.expose()).await.unwrap();
    let shown = refresh(&granted.session.refresh_token);
    let renewed = server.refresh(&shown, None, NOW, &mut rng(71)).await.unwrap();

    let stolen = files(directory.path());
    assert!(contains(&stolen, b"alice"), "the search finds what is there");
    assert!(contains(&stolen, alice.login_key.verifying_key().as_bytes()), "the search finds what is there");
    // The same seed as the server's: the keys that it holds.
    let keys = tacite_accounts::Keys::generate(&mut rng(1)).to_bytes();
    let (opaque_seed, opaque_key, token_seed) = (&keys[1..65], &keys[65..97], &keys[129..161]);
    let secrets = [opaque_seed, opaque_key, token_seed, invitation.expose(), alice.login_key.as_bytes()];
    for secret in secrets {
        assert!(!contains(&stolen, secret));
    }
    let texts =
        [alice.password(), alice.words(), granted.session.access_token, granted.session.refresh_token];
    for text in texts.iter().chain([&renewed.session.refresh_token]) {
        assert!(!contains(&stolen, text.as_bytes()));
    }
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.sqlite");
    let server = open(&path);
    let invitation = server.invite(2, None, NOW, &mut rng(72)).await.unwrap();
    let mut alice = Person::new("alice");
    let granted = alice.register(&server, invitation.expose()).await.unwrap();
    drop(server);

    let server = open(&path);
    assert_eq!(server.verify_access(&granted.session.access_token, NOW).await, Ok(granted.identity));
    assert!(alice.sign(&server).await.is_ok());
    assert!(Person::new("bob").register(&server, invitation.expose()).await.is_ok());
    assert!(Person::new("carol").register(&server, invitation.expose()).await.is_err());
}
