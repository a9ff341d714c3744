//! TLS 1.3 between the parts of one server: the called side shows its usual certificate, whose key is pinned.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use subtle::ConstantTimeEq as _;
use tacite_model::KeyPin;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::tls::{pin, provider};

/// An encrypted connection.
pub(super) type Stream = tokio_rustls::client::TlsStream<TcpStream>;

pub(super) fn connector(pin: KeyPin) -> TlsConnector {
    TlsConnector::from(pinned(pin))
}

/// The name that is asked for; what counts is the key.
pub(super) fn part_name() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a valid name")
}

/// A client's configuration that trusts one key and no authority.
fn pinned(pin: KeyPin) -> Arc<ClientConfig> {
    let provider = Arc::new(provider());
    let verifier = Arc::new(Pinned { pin, provider: Arc::clone(&provider) });
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has suites of TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Arc::new(config)
}

#[derive(Debug)]
struct Pinned {
    pin: KeyPin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown =
            pin(certificate).map_err(|_| Error::General(String::from("the certificate cannot be read")))?;
        if bool::from(shown.0.ct_eq(&self.pin.0)) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::General(String::from("the part shows another key than the one that is pinned")))
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General(String::from("nothing older than TLS 1.3")))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
