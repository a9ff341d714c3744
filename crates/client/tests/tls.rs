//! The client's TLS against a real server in the same process: which servers it accepts, and what it negotiates.
//!
//! Invariant: nothing leaves the machine; each server answers one connection on a free port of the loopback.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::{
    CertificateError, CipherSuite, Error, NamedGroup, ServerConfig, SupportedProtocolVersion, sign, version,
};
use sha2::{Digest as _, Sha256};
use tacite_client::model::KeyPin;
use tacite_client::tls::{Trust, configuration};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A server's certificate and the key that it really signs with.
#[derive(Debug)]
struct Identity(Arc<sign::CertifiedKey>);

impl ResolvesServerCert for Identity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn self_signed() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap()
}

fn pin_of(identity: &CertifiedKey<KeyPair>) -> KeyPin {
    use rcgen::PublicKeyData as _;
    KeyPin(Sha256::digest(identity.signing_key.subject_public_key_info()).into())
}

/// What came of a handshake: suite and key exchange as the client saw them.
type Handshake = Result<(CipherSuite, NamedGroup), Error>;

async fn handshake(
    certificate: CertificateDer<'static>,
    key: &KeyPair,
    versions: &[&'static SupportedProtocolVersion],
    trust: Trust,
) -> Handshake {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let identity = Identity(Arc::new(sign::CertifiedKey::new(vec![certificate], key)));
    let server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(identity));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(server)).accept(tcp).await
    });
    let tcp = TcpStream::connect(address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(configuration(trust).unwrap()));
    let connected = connector.connect(ServerName::try_from("localhost").unwrap(), tcp).await;
    let outcome = match connected {
        Ok(link) => {
            let (_, tls) = link.get_ref();
            let suite = tls.negotiated_cipher_suite().unwrap().suite();
            Ok((suite, tls.negotiated_key_exchange_group().unwrap().name()))
        }
        Err(error) => Err(error.get_ref().unwrap().downcast_ref::<Error>().unwrap().clone()),
    };
    let _ = accepted.await.unwrap();
    outcome
}

async fn with_trust(identity: &CertifiedKey<KeyPair>, trust: Trust) -> Handshake {
    handshake(identity.cert.der().clone(), &identity.signing_key, &[&version::TLS13], trust).await
}

const WRONG_KEY: Error = Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);

// A5, A6
#[tokio::test]
async fn the_pinned_key_connects_with_the_wanted_primitives() {
    let identity = self_signed();
    let connected = with_trust(&identity, Trust::Pin(pin_of(&identity))).await;
    assert_eq!(connected, Ok((CipherSuite::TLS13_AES_256_GCM_SHA384, NamedGroup::X25519MLKEM768)));
}

// A5
#[tokio::test]
async fn another_key_than_the_pinned_one_is_refused() {
    let (pinned, shown) = (self_signed(), self_signed());
    assert_eq!(with_trust(&shown, Trust::Pin(pin_of(&pinned))).await, Err(WRONG_KEY));
}

// A5: the certificate is public, so showing it proves nothing.
#[tokio::test]
async fn the_pinned_certificate_without_its_key_is_refused() {
    let (pinned, impostor) = (self_signed(), self_signed());
    for trust in [Trust::Pin(pin_of(&pinned)), Trust::Unchecked] {
        let certificate = pinned.cert.der().clone();
        let refused = handshake(certificate, &impostor.signing_key, &[&version::TLS13], trust).await;
        assert_eq!(refused, Err(Error::InvalidCertificate(CertificateError::BadSignature)), "{trust:?}");
    }
}

#[tokio::test]
async fn an_older_tls_is_refused() {
    let identity = self_signed();
    let certificate = identity.cert.der().clone();
    let trust = Trust::Pin(pin_of(&identity));
    let refused = handshake(certificate, &identity.signing_key, &[&version::TLS12], trust).await;
    assert!(matches!(refused, Err(Error::AlertReceived(_) | Error::PeerIncompatible(_))), "{refused:?}");
}

#[tokio::test]
async fn without_a_pin_a_self_made_certificate_is_refused() {
    let refused = with_trust(&self_signed(), Trust::PublicAuthorities).await;
    assert!(matches!(refused, Err(Error::InvalidCertificate(_))), "{refused:?}");
}

#[tokio::test]
async fn a_test_may_take_any_certificate() {
    assert!(with_trust(&self_signed(), Trust::Unchecked).await.is_ok());
}
