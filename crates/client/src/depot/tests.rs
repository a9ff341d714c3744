//! Putting and fetching bodies against a depot in the same process, over real TLS.
//!
//! Invariant: nothing leaves the machine; each depot answers what the test says, on a free port of the loopback.

use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{CertifiedKey, KeyPair, PublicKeyData as _, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, version};
use sha2::{Digest as _, Sha256};
use tacite_core::Server;
use tacite_model::KeyPin;
use tacite_wire::body::from_text;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::session::Permissions;

const NAME: BodyName = BodyName([7; 32]);

/// What a depot was asked.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    connection: usize,
    method: Method,
    path: String,
    permit: Option<Vec<u8>>,
    body: Vec<u8>,
}

/// A depot with its key, and what it was asked.
struct FakeDepot {
    address: String,
    pin: KeyPin,
    asked: mpsc::UnboundedReceiver<Asked>,
}

type Answer = fn() -> Response<Full<Bytes>>;

async fn depot(answer: Answer) -> FakeDepot {
    let identity: CertifiedKey<KeyPair> = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let pin = KeyPin(Sha256::digest(identity.signing_key.subject_public_key_info()).into());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (told, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for connection in 0.. {
            let (tcp, _) = listener.accept().await.unwrap();
            let Ok(tls) = acceptor.accept(tcp).await else { continue };
            let told = told.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let told = told.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let permit = parts.headers.get(PERMIT_HEADER);
                    let asked = Asked {
                        connection,
                        method: parts.method,
                        path: parts.uri.to_string(),
                        permit: permit.and_then(|permit| from_text(permit.to_str().unwrap())),
                        body: body.collect().await.unwrap().to_bytes().into(),
                    };
                    let _ = told.send(asked);
                    Ok::<_, std::convert::Infallible>(answer())
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(tls), service));
        }
    });
    FakeDepot { address, pin, asked }
}

fn target(address: &str, pin: Option<KeyPin>, tls_disabled: bool) -> LinkTarget {
    let server =
        Server { address: address.to_owned(), name: None, pin, tls_disabled, certificate_unchecked: false };
    LinkTarget { server, bearer: None, permissions: Permissions::default() }
}

fn way_to(fake: &FakeDepot) -> Depot {
    Depot::new(&target(&fake.address, Some(fake.pin), false)).unwrap()
}

fn permit() -> Secret<Vec<u8>> {
    Secret::new(vec![9; 41])
}

fn status(status: StatusCode, body: &'static [u8]) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::new(Bytes::from_static(body))).unwrap()
}

fn path() -> String {
    format!("{PATH}{}", to_text(&NAME.0))
}

// E3, A5: one connection with the pinned key serves several bodies; name and permit stand where they should.
#[tokio::test]
async fn bodies_are_put_and_fetched_over_one_pinned_connection() {
    let mut fake = depot(|| status(StatusCode::OK, b"sealed")).await;
    let depot = way_to(&fake);
    assert_eq!(depot.fetch("", NAME).await.unwrap(), Some(b"sealed".to_vec()));
    // 200 is no answer to a PUT.
    assert_eq!(depot.put("", NAME, &permit(), vec![1; 256]).await.unwrap_err().word, "depot-refused");
    let fetched = fake.asked.recv().await.unwrap();
    let expected = Asked { connection: 0, method: Method::GET, path: path(), permit: None, body: Vec::new() };
    assert_eq!(fetched, expected);
    let put = fake.asked.recv().await.unwrap();
    let (permit, body) = (Some(vec![9; 41]), vec![1; 256]);
    assert_eq!(put, Asked { connection: 0, method: Method::PUT, path: path(), permit, body });
}

#[tokio::test]
async fn what_a_depot_answers_is_told_apart() {
    type Outcome = Result<(), (&'static str, bool)>;
    let cases: [(Answer, Outcome); 9] = [
        (|| status(StatusCode::CREATED, b""), Ok(())),
        (|| status(StatusCode::NO_CONTENT, b""), Ok(())),
        (|| status(StatusCode::CONFLICT, b""), Ok(())),
        (|| status(StatusCode::FORBIDDEN, b""), Err(("depot-refused", true))),
        (|| status(StatusCode::PAYLOAD_TOO_LARGE, b""), Err(("frame-malformed", false))),
        (|| status(StatusCode::TOO_MANY_REQUESTS, b""), Err(("too-fast", true))),
        (|| status(StatusCode::INSUFFICIENT_STORAGE, b""), Err(("storage-full", true))),
        (|| status(StatusCode::SERVICE_UNAVAILABLE, b""), Err(("depot-refused", true))),
        (|| status(StatusCode::OK, b""), Err(("depot-refused", true))),
    ];
    for (answer, expected) in cases {
        let fake = depot(answer).await;
        let put = way_to(&fake).put("", NAME, &permit(), vec![1; 256]).await;
        let put = put.map_err(|problem| (problem.word, problem.retryable));
        assert_eq!(put, expected);
    }
    let fake = depot(|| status(StatusCode::NOT_FOUND, b"")).await;
    assert_eq!(way_to(&fake).fetch("", NAME).await.unwrap(), None);
}

#[tokio::test]
async fn a_pause_that_the_depot_asks_for_is_handed_on() {
    let fake = depot(|| {
        let answer = Response::builder().status(StatusCode::TOO_MANY_REQUESTS).header(RETRY_AFTER, "7");
        answer.body(Full::default()).unwrap()
    })
    .await;
    let refused = way_to(&fake).put("", NAME, &permit(), vec![1; 256]).await.unwrap_err();
    assert_eq!(refused.retry_after_ms, Some(7000));
}

// A8: as long as allowed, and one byte more.
#[tokio::test]
async fn no_more_is_read_than_a_body_may_have() {
    let longest = depot(|| {
        let body = Bytes::from(vec![1; SEALED_BYTES_MAX]);
        Response::new(Full::new(body))
    });
    let longest = way_to(&longest.await).fetch("", NAME).await.unwrap().unwrap();
    assert_eq!(longest, vec![1; SEALED_BYTES_MAX]);
    let longer = depot(|| {
        let body = Bytes::from(vec![1; SEALED_BYTES_MAX + 1]);
        Response::new(Full::new(body))
    });
    let longer = way_to(&longer.await).fetch("", NAME).await.unwrap().unwrap();
    assert_eq!(longer.len(), SEALED_BYTES_MAX + 1);
    assert!(tacite_wire::body::unpad(&longer.into()).is_none(), "it is no body");
}

// A5: the depot is trusted by the same key as the link, wherever it is.
#[tokio::test]
async fn a_depot_with_another_key_is_told_nothing() {
    let link = depot(|| status(StatusCode::CREATED, b"")).await;
    let mut elsewhere = depot(|| status(StatusCode::CREATED, b"")).await;
    let url = format!("https://{}", elsewhere.address);
    let refused = way_to(&link).put(&url, NAME, &permit(), vec![1; 256]).await.unwrap_err();
    assert_eq!((refused.word, refused.retryable), ("depot-unreachable", true));
    assert!(elsewhere.asked.try_recv().is_err());
    let same = Depot::new(&target("127.0.0.1:1", Some(elsewhere.pin), false)).unwrap();
    same.put(&url, NAME, &permit(), vec![1; 256]).await.unwrap();
    assert_eq!(elsewhere.asked.recv().await.unwrap().path, path());
}

// A5: never without TLS, whatever the server says; only where the link has none either, and then to this machine only.
#[tokio::test]
async fn bodies_go_without_tls_only_where_the_link_does() {
    let secure = Depot::new(&target("127.0.0.1:1", Some(KeyPin([1; 32])), false)).unwrap();
    for url in ["http://127.0.0.1:9", "ftp://127.0.0.1", "127.0.0.1:9", "https://", "nonsense"] {
        let refused = secure.fetch(url, NAME).await.unwrap_err();
        assert!(["depot-address-invalid", "depot-unreachable"].contains(&refused.word), "{url}");
        assert!(url == "https://" || refused.word == "depot-address-invalid", "{url}: {}", refused.word);
    }
    let plain = Depot::new(&target("127.0.0.1:1", None, true)).unwrap();
    assert_eq!(plain.fetch("http://192.0.2.1:80", NAME).await.unwrap_err().word, "depot-address-invalid");
    assert_eq!(plain.fetch("", NAME).await.unwrap_err().word, "depot-unreachable");
}

// A server cannot send the client on to another place.
#[tokio::test]
async fn no_redirection_is_followed() {
    let mut fake = depot(|| {
        let answer = Response::builder().status(StatusCode::FOUND).header("location", "/elsewhere");
        answer.body(Full::default()).unwrap()
    })
    .await;
    assert_eq!(way_to(&fake).fetch("", NAME).await.unwrap_err().word, "depot-refused");
    assert_eq!(fake.asked.recv().await.unwrap().path, path());
    assert!(fake.asked.try_recv().is_err());
}
