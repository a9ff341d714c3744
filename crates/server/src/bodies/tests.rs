//! The depot's door over real sockets, as clients and as strangers use it.

use bytes::Bytes;
use tacite_depot::{BodyName, Holding, PermitKey, Put, Store as _};
use tacite_model::Timestamp;
use tacite_model::limits::{BODY_BYTES, SEALED_BYTES_MAX, UPLOAD_METERS_MAX, UPLOAD_PERMIT_MS, UPLOAD_QUOTA};
use tacite_wire::body::{pad, to_text};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, duplex};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{PutError, Uploads};
use crate::settings::Policy;
use crate::tests::peer::Peer;
use crate::tests::{World, policy};
use crate::{http, listener};

const NAME: BodyName = BodyName([0x5A; 32]);

/// Status and body of the answer to these bytes; `None` if the server ended the connection without one.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> Option<(u16, Vec<u8>)> {
    // A server that has said no stops reading.
    let _ = stream.write_all(request).await;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase();
    assert!(head.contains("cache-control: no-store"), "{head}");
    assert!(!head.contains("set-cookie"), "{head}");
    Some((head.split(' ').nth(1)?.parse().ok()?, bytes[end + 4..].to_vec()))
}

async fn ask(world: &World, request: &[u8]) -> (u16, Vec<u8>) {
    answer(TcpStream::connect(world.address).await.unwrap(), request).await.expect("an answer")
}

fn request(method: &str, name: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("{method} /v1/bodies/{name} HTTP/1.1\r\nHost: club\r\nConnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

fn upload(name: BodyName, permit: &[u8], body: &[u8]) -> Vec<u8> {
    let headers = format!("Tacite-Permit: {}\r\nContent-Length: {}\r\n", to_text(permit), body.len());
    request("PUT", &to_text(&name.0), &headers, body)
}

fn permit(world: &World, name: BodyName) -> Vec<u8> {
    world.hub.permits.issue(name, world.hub.clock.now().plus_ms(UPLOAD_PERMIT_MS))
}

// E3: split.
#[tokio::test]
async fn a_body_is_put_fetched_and_deleted_by_its_name() {
    let world = World::start().await;
    let (permit, name) = (permit(&world, NAME), to_text(&NAME.0));
    let body = pad(b"sealed").unwrap();
    assert_eq!(ask(&world, &request("GET", &name, "", b"")).await.0, 404);
    assert_eq!(ask(&world, &upload(NAME, &permit, &body)).await.0, 201);
    assert_eq!(ask(&world, &upload(NAME, &permit, &body)).await.0, 204);
    assert_eq!(ask(&world, &upload(NAME, &permit, &pad(b"other").unwrap())).await.0, 409);
    assert_eq!(ask(&world, &request("GET", &name, "", b"")).await, (200, body.to_vec()));
    assert_eq!(ask(&world, &request("DELETE", &name, "", b"")).await.0, 204);
    assert_eq!(ask(&world, &request("GET", &name, "", b"")).await.0, 404);
    assert_eq!(ask(&world, &request("DELETE", &name, "", b"")).await.0, 204);
}

// T46: neither a name without a permit, nor a permit of another name, nor one that is over.
#[tokio::test]
async fn t46_nobody_puts_without_a_permit_for_the_name() {
    let world = World::start().await;
    let body = pad(b"sealed").unwrap();
    let now = world.hub.clock.now();
    let refused = [
        Vec::new(),
        vec![1; 41],
        permit(&world, BodyName([0x5B; 32])),
        world.hub.permits.issue(NAME, now.minus_ms(1)),
        PermitKey::new([0; 32]).issue(NAME, now.plus_ms(UPLOAD_PERMIT_MS)),
    ];
    for permit in refused {
        assert_eq!(ask(&world, &upload(NAME, &permit, &body)).await.0, 403);
    }
    let without = request("PUT", &to_text(&NAME.0), "Content-Length: 0\r\n", b"");
    assert_eq!(ask(&world, &without).await.0, 403);
    let unreadable = request("PUT", &to_text(&NAME.0), "Tacite-Permit: \u{e9}\r\nContent-Length: 0\r\n", b"");
    assert_eq!(ask(&world, &unreadable).await.0, 403);
    assert_eq!(super::fetch(&world.hub.depot, NAME).await.unwrap(), None);
}

// T46: whoever knows a part of a name knows nothing; a name has one spelling.
#[tokio::test]
async fn t46_a_name_cannot_be_guessed_or_spelt_otherwise() {
    let world = World::start().await;
    let permit = permit(&world, NAME);
    assert_eq!(ask(&world, &upload(NAME, &permit, &pad(b"sealed").unwrap())).await.0, 201);
    for bit in 0..256 {
        let mut other = NAME;
        other.0[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(super::fetch(&world.hub.depot, other).await.unwrap(), None);
    }
    let right = to_text(&NAME.0);
    let shorter = to_text(&NAME.0[..31]);
    let longer = to_text(&[&NAME.0[..], &[0]].concat());
    let padded = format!("{right}=");
    let hex = "5a".repeat(32);
    let long = "A".repeat(8000);
    for spelling in ["%00", "..%2f..%2fkeys", "*", "a%20b", &shorter, &longer, &padded, &hex, &long] {
        for method in ["GET", "PUT", "DELETE"] {
            let headers = "Content-Length: 0\r\n";
            assert_eq!(ask(&world, &request(method, spelling, headers, b"")).await.0, 400, "{spelling}");
        }
    }
}

// E1: where the depot is apart, its door is not here, and clients are told where it is.
#[tokio::test]
async fn a_server_whose_depot_is_apart_has_no_door_of_its_own() {
    let depot_url = String::from("https://depot.example:7879");
    let world = World::with_policy(Policy { depot_url: depot_url.clone(), ..policy() }).await;
    assert_eq!(Peer::connect(&world, None).await.connected.depot_url, depot_url);
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(&request("GET", &to_text(&NAME.0), "", b"")).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    assert!(bytes.starts_with(b"HTTP/1.1 404"));
}

#[tokio::test]
async fn other_methods_are_refused() {
    let world = World::start().await;
    for method in ["POST", "PATCH", "OPTIONS", "TRACE", "PROPFIND"] {
        assert_eq!(ask(&world, &request(method, &to_text(&NAME.0), "", b"")).await.0, 405, "{method}");
    }
    // Nothing lists names.
    let list = b"GET /v1/bodies HTTP/1.1\r\nHost: club\r\nConnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(list).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    assert!(bytes.starts_with(b"HTTP/1.1 404"));
}

// T40: the length of an upload tells no more than the length of a frame.
#[tokio::test]
async fn only_padded_sizes_are_taken() {
    let world = World::start().await;
    for (number, size) in (0..).zip(BODY_BYTES) {
        let name = BodyName([number; 32]);
        let permit = permit(&world, name);
        assert_eq!(ask(&world, &upload(name, &permit, &vec![7; size - 1])).await.0, 400);
        assert_eq!(ask(&world, &upload(name, &permit, &vec![7; size])).await.0, 201);
    }
    let permit = permit(&world, NAME);
    assert_eq!(ask(&world, &upload(NAME, &permit, &[])).await.0, 400);
    assert_eq!(ask(&world, &upload(NAME, &permit, &vec![7; SEALED_BYTES_MAX + 1])).await.0, 413);
}

// T69: chunks without an announced length, up to the bound and for ever.
#[tokio::test]
async fn a_body_without_a_length_is_read_up_to_the_bound_only() {
    let world = World::start().await;
    let permit = permit(&world, NAME);
    let headers = format!("Tacite-Permit: {}\r\nTransfer-Encoding: chunked\r\n", to_text(&permit));
    let head = request("PUT", &to_text(&NAME.0), &headers, b"");
    let chunk = |length: usize| [format!("{length:x}\r\n").as_bytes(), &vec![7; length], b"\r\n"].concat();
    let whole = [head.clone(), chunk(1000), chunk(SEALED_BYTES_MAX - 1000), b"0\r\n\r\n".to_vec()].concat();
    assert_eq!(ask(&world, &whole).await.0, 201);

    // The sender of an endless body is answered while it still sends: nobody waits for its end.
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(&head).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let endless = async {
        while writing.write_all(&chunk(10_000)).await.is_ok() {}
        std::future::pending::<()>().await;
    };
    let mut status = [0; 12];
    tokio::select! {
        outcome = reading.read_exact(&mut status) => drop(outcome.unwrap()),
        () = endless => {}
    }
    assert_eq!(&status, b"HTTP/1.1 413");
}

// T68: a body that stops in the middle, on a paused clock.
#[tokio::test(start_paused = true)]
async fn t68_a_body_that_does_not_come_is_not_waited_for() {
    let world = World::start().await;
    let serve = || {
        let (near, far) = duplex(1024);
        let stop = CancellationToken::new();
        tokio::spawn(listener::http(far, http::routes(world.hub.clone()), stop));
        near
    };
    let half = upload(NAME, &permit(&world, NAME), &[7; 256]);
    let (status, _) = answer(serve(), &half[..half.len() - 1]).await.unwrap();
    assert_eq!(status, 408);
    assert_eq!(super::fetch(&world.hub.depot, NAME).await.unwrap(), None);
    // Neither for a head that does not come, nor for a next request.
    for silent in [&b""[..], &half[..40]] {
        assert_eq!(answer(serve(), silent).await, None);
    }
    // Nor for somebody who asks and does not read.
    world
        .hub
        .depot
        .put_body(NAME, vec![7; SEALED_BYTES_MAX].into(), Timestamp::from_ms(u64::MAX))
        .await
        .unwrap();
    let (mut near, far) = duplex(1024);
    let serving =
        tokio::spawn(listener::http(far, http::routes(world.hub.clone()), CancellationToken::new()));
    near.write_all(&request("GET", &to_text(&NAME.0), "", b"")).await.unwrap();
    serving.await.unwrap();
    let mut kept = serve();
    let alive = b"DELETE /v1/bodies/A HTTP/1.1\r\nHost: club\r\n\r\n";
    assert_eq!(answer(&mut kept, alive).await.map(|(status, _)| status), Some(400));
}

#[tokio::test]
async fn a_permit_can_be_used_so_often_and_not_once_more() {
    let world = World::start().await;
    let permit = permit(&world, NAME);
    let body = pad(b"sealed").unwrap();
    for _ in 0..UPLOAD_QUOTA.burst {
        assert!(ask(&world, &upload(NAME, &permit, &body)).await.0 < 300);
    }
    assert_eq!(ask(&world, &upload(NAME, &permit, &body)).await.0, 429);
    let other = BodyName([1; 32]);
    assert_eq!(ask(&world, &upload(other, &self::permit(&world, other), &body)).await.0, 201);
}

// T68: permits that are used at once fill no memory; a newcomer has to wait, and only until others are idle.
#[test]
fn the_number_of_meters_is_bounded() {
    let (uploads, key, now) = (Uploads::default(), PermitKey::new([1; 32]), Timestamp::from_ms(1_000_000));
    let admit = |number: usize, now| {
        let mut name = BodyName([0; 32]);
        name.0[..8].copy_from_slice(&number.to_be_bytes());
        uploads.admit(&key, name, &key.issue(name, now), now)
    };
    for number in 0..UPLOAD_METERS_MAX {
        admit(number, now).unwrap();
    }
    let is_too_fast = |now| matches!(admit(UPLOAD_METERS_MAX, now), Err(PutError::TooFast { .. }));
    assert!(is_too_fast(now));
    admit(0, now).unwrap();
    // Looked through a moment ago, and again after a second.
    let idle_at = now.plus_ms(UPLOAD_QUOTA.interval_ms);
    assert!(is_too_fast(idle_at.minus_ms(1)) && is_too_fast(idle_at));
    admit(UPLOAD_METERS_MAX, idle_at.plus_ms(999)).unwrap();
}

// The functions themselves: what is not announced expires in time.
#[tokio::test]
async fn what_nobody_announces_expires_with_the_time_for_permits() {
    let depot = Holding::new(tacite_depot::store::MemoryStore::default());
    let now = Timestamp::from_ms(1000);
    let body = pad(b"sealed").unwrap();
    assert_eq!(super::put(&depot, NAME, body.clone(), now).await, Ok(Put::Created));
    assert_eq!(super::put(&depot, NAME, Bytes::new(), now).await, Err(PutError::Size(0)));
    let expiry = now.plus_ms(UPLOAD_PERMIT_MS);
    assert_eq!(depot.expire_bodies(expiry.minus_ms(1)).await, Ok(0));
    assert_eq!(super::fetch(&depot, NAME).await, Ok(Some(body)));
    assert_eq!(depot.expire_bodies(expiry).await, Ok(1));
    super::delete(&depot, NAME).await.unwrap();
}
