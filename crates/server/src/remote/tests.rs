//! A part in another process, as far as a test can have one: over a real connection with TLS, from stranger to friend.

mod accounts;
mod foreign;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::FutureExt as _;
use tacite_depot::store::MemoryStore;
use tacite_depot::{BodyName, Holding, Put, Store, StoreError, conformance};
use tacite_model::limits::{PART_ANSWER_MS_MAX, PART_FRAME_BYTES_MAX};
use tacite_model::{KeyPin, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::calls::Answering;
use super::frames::{Frame, HEAD_BYTES};
use super::tls::{connector, part_name};
use super::{Part, PartAddress, PartSecret, RemoteDepot, serve};
use crate::apart::DepotPart;
use crate::bodies::Uploads;
use crate::clock::Clock;
use crate::data_dir::DataDir;
use crate::settings::{Config, Settings, TlsFlags};
use crate::tls::Tls;

/// A part that is served, and how to call it.
struct Served<P> {
    address: PartAddress,
    part: Arc<P>,
    stop: CancellationToken,
}

impl<P: Part> Served<P> {
    async fn start(tls: &Tls, address: &str, part: P) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (secret, part, stop) = (PartSecret::new([7; 32]), Arc::new(part), CancellationToken::new());
        let serving =
            serve(listener, Arc::clone(&tls.config), secret.clone(), Arc::clone(&part), stop.clone());
        tokio::spawn(serving);
        Self { address: PartAddress { address, pin: tls.pin, secret }, part, stop }
    }
}

fn depot_part() -> DepotPart<MemoryStore> {
    let (permits, uploads) = (PartSecret::new([7; 32]).permit_key(), Uploads::default());
    let clock = Clock::start_at(Timestamp::from_ms(1));
    DepotPart { store: Holding::new(MemoryStore::default()), permits, uploads, clock }
}

async fn depot_at(tls: &Tls, address: &str) -> Served<DepotPart<MemoryStore>> {
    Served::start(tls, address, depot_part()).await
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
    conformance::run(async || RemoteDepot::new(depot_at(&tls, "127.0.0.1:0").await.address)).await;
}

// The order of calls is the order of writing, even before the futures are polled.
#[tokio::test]
async fn calls_are_begun_in_their_order() {
    let (_place, tls) = tls();
    let served = depot_at(&tls, "127.0.0.1:0").await;
    let depot = RemoteDepot::new(served.address);
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
    let served = depot_at(&tls, "127.0.0.1:0").await;
    let depot = RemoteDepot::new(served.address);
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
    let served = depot_at(&tls, &free).await;
    assert_eq!(put(&depot, 1).await, Ok(Put::Created));
    served.stop.cancel();
    // The end of the connection is noticed by a call at the latest.
    while !is_unavailable(&put(&depot, 2).await) {
        tokio::task::yield_now().await;
    }
    let served = depot_at(&tls, &free).await;
    while is_unavailable(&put(&depot, 3).await) {
        tokio::task::yield_now().await;
    }
    assert_eq!(served.part.store.bodies(vec![BodyName([3; 32])]).await.unwrap().len(), 1);
}

// Who shows another key gets no call; who does not know the secret gets no answer.
#[tokio::test]
async fn both_sides_must_be_who_they_say() {
    let (_place, tls) = tls();
    let served = depot_at(&tls, "127.0.0.1:0").await;
    let other_key = PartAddress { pin: KeyPin([0; 32]), ..served.address.clone() };
    assert!(is_unavailable(&put(&RemoteDepot::new(other_key), 1).await));
    let other_secret = PartAddress { secret: PartSecret::new([8; 32]), ..served.address.clone() };
    assert!(is_unavailable(&put(&RemoteDepot::new(other_secret), 1).await));
    assert_eq!(served.part.store.bodies(vec![BodyName([1; 32])]).await.unwrap(), [None]);
    assert_eq!(put(&RemoteDepot::new(served.address), 1).await, Ok(Put::Created));
}

// T74: lengths, versions, methods and bodies that are none end the connection or are answered, and harm nobody else.
#[tokio::test]
async fn frames_that_cannot_be_read_end_the_connection() {
    let (_place, tls) = tls();
    let served = depot_at(&tls, "127.0.0.1:0").await;
    let send = async |bytes: &[u8]| {
        let address: SocketAddr = served.address.address.parse().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let mut stream = connector(tls.pin).connect(part_name(), stream).await.unwrap();
        stream.write_all(&served.address.secret.greeting()[..]).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
        stream
    };
    for bytes in [
        u32::try_from(PART_FRAME_BYTES_MAX + 1).unwrap().to_be_bytes().to_vec(),
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
    assert_eq!(put(&RemoteDepot::new(served.address.clone()), 1).await, Ok(Put::Created));
}

#[tokio::test]
async fn a_frame_is_as_long_as_allowed_and_not_longer() {
    let frame = |length: usize| Frame { call: 1, kind: 2, body: vec![3; length - HEAD_BYTES].into() };
    let mut bytes = Vec::new();
    frame(PART_FRAME_BYTES_MAX).write(&mut bytes).await.unwrap();
    let read = Frame::read(&mut &bytes[..]).await.unwrap();
    assert_eq!((read.call, read.kind, read.body.len()), (1, 2, PART_FRAME_BYTES_MAX - HEAD_BYTES));
    frame(PART_FRAME_BYTES_MAX + 1).write(&mut Vec::new()).await.unwrap_err();
    let (_place, tls) = tls();
    let depot = RemoteDepot::new(depot_at(&tls, "127.0.0.1:0").await.address);
    let too_long = vec![0; PART_FRAME_BYTES_MAX].into();
    let outcome = depot.put_body(BodyName([1; 32]), too_long, Timestamp::from_ms(100)).await;
    assert!(matches!(outcome, Err(StoreError::Misuse(_))));
    assert_eq!(put(&depot, 2).await, Ok(Put::Created));
}

/// A part that answers as long as it is well.
struct Ailing {
    depot: DepotPart<MemoryStore>,
    is_well: AtomicBool,
}

impl Part for Ailing {
    fn begin(&self, call: Frame) -> Result<Answering<'_>, StoreError> {
        if self.is_well.load(Ordering::Relaxed) {
            return self.depot.begin(call);
        }
        Ok(futures_util::future::pending().boxed())
    }
}

// Neither a process that hangs nor a machine that is gone keeps the others waiting for ever.
#[tokio::test]
async fn a_part_that_does_not_answer_is_unavailable_until_it_does() {
    let (_place, tls) = tls();
    let part = Ailing { depot: depot_part(), is_well: AtomicBool::new(true) };
    let served = Served::start(&tls, "127.0.0.1:0", part).await;
    let depot = RemoteDepot::new(served.address);
    assert_eq!(put(&depot, 1).await, Ok(Put::Created));
    served.part.is_well.store(false, Ordering::Relaxed);
    tokio::time::pause();
    let asked = tokio::time::Instant::now();
    assert!(is_unavailable(&put(&depot, 2).await));
    let waited = u64::try_from(asked.elapsed().as_millis()).unwrap();
    assert!((PART_ANSWER_MS_MAX..=2 * PART_ANSWER_MS_MAX).contains(&waited), "{waited} ms");
    tokio::time::resume();
    served.part.is_well.store(true, Ordering::Relaxed);
    assert_eq!(put(&depot, 3).await, Ok(Put::Created));
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
