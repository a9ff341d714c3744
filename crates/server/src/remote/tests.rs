//! A depot in another process, as far as a test can have one: over a real connection with TLS, from stranger to friend.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tacite_depot::store::MemoryStore;
use tacite_depot::{BodyName, Put, Store, StoreError, conformance};
use tacite_model::{KeyPin, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::frames::{FRAME_BYTES_MAX, Frame};
use super::tls::{connector, part_name};
use super::{DepotPart, PartAddress, PartSecret, RemoteDepot, serve};
use crate::bodies::Uploads;
use crate::clock::Clock;
use crate::data_dir::DataDir;
use crate::settings::{Config, Settings, TlsFlags};
use crate::tls::Tls;

/// A depot that is served, and how to call it.
struct Served {
    part: PartAddress,
    store: Arc<DepotPart<MemoryStore>>,
    stop: CancellationToken,
}

impl Served {
    async fn start(tls: &Tls, address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let secret = PartSecret::new([7; 32]);
        let store = MemoryStore::default();
        let (uploads, clock) = (Uploads::default(), Clock::start_at(Timestamp::from_ms(1)));
        let store = Arc::new(DepotPart { store, permits: secret.permit_key(), uploads, clock });
        let stop = CancellationToken::new();
        let serving =
            serve(listener, Arc::clone(&tls.config), secret.clone(), Arc::clone(&store), stop.clone());
        tokio::spawn(serving);
        Self { part: PartAddress { address, pin: tls.pin, secret }, store, stop }
    }
}

fn tls() -> (tempfile::TempDir, Tls) {
    let place = tempfile::tempdir().unwrap();
    let settings =
        Settings::new(Config::default(), TlsFlags::default(), Some(place.path().to_owned())).unwrap();
    let tls = Tls::load(&settings, &DataDir::open(place.path()).unwrap()).unwrap();
    (place, tls)
}

async fn put(depot: &RemoteDepot, name: u8) -> Result<Put, StoreError> {
    depot.put_body(BodyName([name; 32]), Bytes::from_static(b"sealed"), Timestamp::from_ms(100)).await
}

fn is_unavailable<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Unavailable(_)))
}

// E1: the same suite as for any other store.
#[tokio::test]
async fn a_depot_in_another_process_passes_the_suite() {
    let (_place, tls) = tls();
    conformance::run(async || RemoteDepot::new(Served::start(&tls, "127.0.0.1:0").await.part)).await;
}

// The order of calls is the order of writing, even before the futures are polled.
#[tokio::test]
async fn calls_are_begun_in_their_order() {
    let (_place, tls) = tls();
    let served = Served::start(&tls, "127.0.0.1:0").await;
    let depot = RemoteDepot::new(served.part);
    let name = BodyName([1; 32]);
    let puts: Vec<_> = (0..200_u8)
        .map(|number| depot.put_body(name, vec![number; 10].into(), Timestamp::from_ms(100)))
        .collect();
    let mut outcomes = Vec::new();
    for put in puts.into_iter().rev() {
        outcomes.push(put.await.unwrap());
    }
    assert_eq!(outcomes.pop(), Some(Put::Created));
    assert!(outcomes.iter().all(|outcome| *outcome == Put::Other));
    assert_eq!(depot.bodies(vec![name]).await.unwrap(), [Some(Bytes::from(vec![0; 10]))]);
}

#[tokio::test]
async fn a_whole_queue_of_the_largest_bodies_is_fetched_at_once() {
    let (_place, tls) = tls();
    let served = Served::start(&tls, "127.0.0.1:0").await;
    let depot = RemoteDepot::new(served.part);
    let body = Bytes::from(vec![7; tacite_model::limits::SEALED_BYTES_MAX]);
    let names: Vec<_> = (0..64).map(|number| BodyName([number; 32])).collect();
    for name in &names {
        depot.put_body(*name, body.clone(), Timestamp::from_ms(100)).await.unwrap();
    }
    let found = depot.bodies(names).await.unwrap();
    assert!(found.len() == 64 && found.iter().all(|found| found.as_ref() == Some(&body)));
}

// Nothing is repeated: whoever asked is told, and asks again.
#[tokio::test]
async fn a_depot_that_is_away_is_unavailable_until_it_is_back() {
    let (_place, tls) = tls();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let part = PartAddress { address: free.clone(), pin: tls.pin, secret: PartSecret::new([7; 32]) };
    let depot = RemoteDepot::new(part);
    assert!(is_unavailable(&put(&depot, 1).await));
    let served = Served::start(&tls, &free).await;
    assert_eq!(put(&depot, 1).await, Ok(Put::Created));
    served.stop.cancel();
    // The end of the connection is noticed by a call at the latest.
    while !is_unavailable(&put(&depot, 2).await) {
        tokio::task::yield_now().await;
    }
    let served = Served::start(&tls, &free).await;
    while is_unavailable(&put(&depot, 3).await) {
        tokio::task::yield_now().await;
    }
    assert_eq!(served.store.store.bodies(vec![BodyName([3; 32])]).await.unwrap().len(), 1);
}

// Who shows another key gets no call; who does not know the secret gets no answer.
#[tokio::test]
async fn both_sides_must_be_who_they_say() {
    let (_place, tls) = tls();
    let served = Served::start(&tls, "127.0.0.1:0").await;
    let other_key = PartAddress { pin: KeyPin([0; 32]), ..served.part.clone() };
    assert!(is_unavailable(&put(&RemoteDepot::new(other_key), 1).await));
    let other_secret = PartAddress { secret: PartSecret::new([8; 32]), ..served.part.clone() };
    assert!(is_unavailable(&put(&RemoteDepot::new(other_secret), 1).await));
    assert_eq!(served.store.store.bodies(vec![BodyName([1; 32])]).await.unwrap(), [None]);
    assert_eq!(put(&RemoteDepot::new(served.part), 1).await, Ok(Put::Created));
}

// T74: lengths, versions, methods and bodies that are none end the connection or are answered, and harm nobody else.
#[tokio::test]
async fn frames_that_cannot_be_read_end_the_connection() {
    let (_place, tls) = tls();
    let served = Served::start(&tls, "127.0.0.1:0").await;
    let send = async |bytes: &[u8]| {
        let address: SocketAddr = served.part.address.parse().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let mut stream = connector(tls.pin).connect(part_name(), stream).await.unwrap();
        stream.write_all(&served.part.secret.greeting()[..]).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
        stream
    };
    for bytes in [
        (FRAME_BYTES_MAX + 1).to_be_bytes().to_vec(),
        9_u32.to_be_bytes().to_vec(),
        [&10_u32.to_be_bytes()[..], &[2, 0, 0, 0, 0, 0, 0, 0, 1, 6]].concat(),
    ] {
        let mut rest = Vec::new();
        let _ = send(&bytes).await.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
    }
    for (method, body) in [(99, &b""[..]), (1, &[0xFF, 0xFF]), (1, &[]), (7, &[]), (8, &[])] {
        let length = u32::try_from(10 + body.len()).unwrap().to_be_bytes();
        let bytes = [&length[..], &[1, 0, 0, 0, 0, 0, 0, 0, 5, method], body].concat();
        let answer = Frame::read(&mut send(&bytes).await).await.unwrap();
        assert_eq!((answer.call, answer.kind), (5, 2), "{method}");
    }
    assert_eq!(put(&RemoteDepot::new(served.part.clone()), 1).await, Ok(Put::Created));
}

#[test]
fn the_secret_is_not_printed_and_what_is_derived_differs() {
    let secret = PartSecret::new([7; 32]);
    assert_eq!(format!("{secret:?}"), "PartSecret(…)");
    assert!(secret.is_greeting(&secret.greeting()[..]));
    assert!(!secret.is_greeting(&secret.greeting()[..31]));
    assert!(!secret.is_greeting(&[7; 32]));
    let name = BodyName([1; 32]);
    let permit = secret.permit_key().issue(name, Timestamp::from_ms(10));
    assert_eq!(PartSecret::new([7; 32]).permit_key().check(&permit, name, Timestamp::from_ms(1)), Ok(()));
    assert!(PartSecret::new([8; 32]).permit_key().check(&permit, name, Timestamp::from_ms(1)).is_err());
}
