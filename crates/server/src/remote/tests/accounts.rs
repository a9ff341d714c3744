//! Accounts in another process.

use std::sync::Mutex;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tacite_accounts::store::{MemoryStore, SqliteStore, conformance};
use tacite_accounts::{Accounts, AccountsError, Generation, Store};
use tacite_depot::StoreError;
use tacite_model::{AccountId, DeviceId, KeyPin};
use tacite_wire::Code;
use tokio::net::TcpListener;

use super::{Served, depot_at, is_unavailable, put, tls};
use crate::Chance;
use crate::hub::lock;
use crate::remote::accounts::{AccountsPart, NOTED_MAX, RemoteAccounts};
use crate::remote::calls::{Answering, Number, Part};
use crate::remote::frames::Frame;
use crate::remote::{PartAddress, PartSecret, RemoteDepot};

/// A part that answers every call with the same error.
struct Failing(Mutex<StoreError>);

impl Part for Failing {
    fn begin(&self, call: Frame) -> Result<Answering<'_>, StoreError> {
        let error = lock(&self.0).clone();
        Ok(std::future::ready(Frame::answer::<Number>(call.call, &Err(error))).boxed())
    }
}

// E1: the same suite as for any other store.
#[tokio::test]
async fn accounts_in_another_process_pass_the_suite() {
    let (_place, tls) = tls();
    let fresh = async || {
        let part = AccountsPart(MemoryStore::default());
        RemoteAccounts::new(Served::start(&tls, "127.0.0.1:0", part).await.address)
    };
    conformance::run(fresh).await;
}

// E1: as `tacited serve-part accounts` has them.
#[tokio::test]
async fn accounts_on_the_disk_of_another_process_pass_the_suite() {
    let (place, tls) = tls();
    let files = Mutex::new(0..);
    let fresh = async || {
        let number = files.lock().unwrap().next().unwrap();
        let part = AccountsPart(SqliteStore::open(&place.path().join(format!("{number}.db"))).unwrap());
        RemoteAccounts::new(Served::start(&tls, "127.0.0.1:0", part).await.address)
    };
    conformance::run(fresh).await;
}

// T69: a full disk there is a full disk here; what may pass by itself is told as such.
#[tokio::test]
async fn t69_what_failed_there_is_told_here() {
    let (_place, tls) = tls();
    let served = Served::start(&tls, "127.0.0.1:0", Failing(Mutex::new(StoreError::Full))).await;
    let settings = tacite_accounts::Settings {
        server_name: String::from("test"),
        registration: tacite_accounts::Registration::default(),
    };
    let keys = Chance::from_seed([1; 32]).with(|rng| tacite_accounts::Keys::generate(rng));
    let accounts = Accounts::new(settings, keys, RemoteAccounts::new(served.address));
    for (error, code) in [
        (StoreError::Full, Code::STORAGE_FULL),
        (StoreError::Unavailable(String::from("locked")), Code::UNAVAILABLE),
        (StoreError::Closed, Code::UNAVAILABLE),
        (StoreError::Corrupt(String::from("no database")), Code::SERVER_FAULT),
        (StoreError::Inconsistent { table: "accounts", column: "handle" }, Code::SERVER_FAULT),
    ] {
        *served.part.0.lock().unwrap() = error.clone();
        let outcome = accounts.account_count().await;
        assert_eq!(outcome.as_ref().map_err(AccountsError::code), Err(code), "{error}");
    }
}

// Nothing is repeated: whoever asked is told, and asks again.
#[tokio::test]
async fn accounts_that_are_away_are_unavailable_until_they_are_back() {
    let (place, tls) = tls();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let address = PartAddress { address: free.clone(), pin: tls.pin, secret: PartSecret::new([7; 32]) };
    let accounts = RemoteAccounts::new(address);
    assert!(is_unavailable(&accounts.account_count().await));
    for _ in 0..2 {
        let part = AccountsPart(SqliteStore::open(&place.path().join("accounts.db")).unwrap());
        let served = Served::start(&tls, &free, part).await;
        while is_unavailable(&accounts.account_count().await) {
            tokio::task::yield_now().await;
        }
        assert_eq!(accounts.account_count().await, Ok(0));
        served.stop.cancel();
        while !is_unavailable(&accounts.account_count().await) {
            tokio::task::yield_now().await;
        }
    }
}

// Log-in records are told to nobody who does not know the secret, and nobody else's are believed.
#[tokio::test]
async fn accounts_and_their_caller_must_be_who_they_say() {
    let (_place, tls) = tls();
    let served = Served::start(&tls, "127.0.0.1:0", AccountsPart(MemoryStore::default())).await;
    let address = &served.address;
    for wrong in [
        PartAddress { pin: KeyPin([0; 32]), ..address.clone() },
        PartAddress { secret: PartSecret::new([8; 32]), ..address.clone() },
    ] {
        let stranger = RemoteAccounts::new(wrong);
        assert!(is_unavailable(&stranger.credentials("alice".parse().unwrap()).await));
        assert!(is_unavailable(&stranger.account_count().await));
    }
    assert_eq!(RemoteAccounts::new(address.clone()).account_count().await, Ok(0));
}

#[test]
fn records_of_passwords_are_not_printed() {
    let frame = Frame { call: 1, kind: 64, body: Bytes::from_static(b"record") };
    assert_eq!(format!("{frame:?}"), "Frame { call: 1, kind: 64, .. }");
}

// Who was given the address of another part learns that, and does nothing there.
#[tokio::test]
async fn a_part_is_not_taken_for_another() {
    let (_place, tls) = tls();
    let depot = depot_at(&tls, "127.0.0.1:0").await;
    let accounts = Served::start(&tls, "127.0.0.1:0", AccountsPart(MemoryStore::default())).await;
    assert!(is_unavailable(&RemoteAccounts::new(depot.address).account_count().await));
    assert!(is_unavailable(&put(&RemoteDepot::new(accounts.address), 1).await));
}

// T20: however many devices have sent something while the accounts were away, they fit.
#[tokio::test]
async fn t20_any_number_of_generations_is_noted() {
    let (_place, tls) = tls();
    let part = AccountsPart(MemoryStore::default());
    let accounts = RemoteAccounts::new(Served::start(&tls, "127.0.0.1:0", part).await.address);
    let of_nobody = Generation {
        account_id: AccountId::from_bytes([0xFF; 16]),
        device_id: DeviceId::FIRST,
        generation: u64::MAX,
    };
    for count in [0, 1, NOTED_MAX, NOTED_MAX + 1] {
        let known = accounts.note_generations(vec![of_nobody; count]).await.unwrap();
        assert_eq!(known, vec![0; count]);
    }
}
