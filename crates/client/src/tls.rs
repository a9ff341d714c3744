//! TLS as a link speaks it: version 1.3 only, keys for each connection by X25519 with ML-KEM-768, AES-256-GCM first.
//!
//! Invariants: no session is resumed, so every connection checks the server's key and makes keys of its own; a
//! certificate goes unchecked only where the caller says so by name ([`Trust::Unchecked`]).

mod verifier;

use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::{ClientConfig, RootCertStore, version};
use tacite_model::KeyPin;

use self::verifier::KeyVerifier;

/// What makes a server's certificate acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Its key has this SHA-256; names, dates and issuers do not matter.
    Pin(KeyPin),
    /// A public authority vouches for the host's name.
    PublicAuthorities,
    /// Any certificate will do.
    Unchecked,
}

/// The configuration of a connection.
///
/// Fails only if the library cannot do TLS 1.3 with what is asked of it, which would be our fault.
pub fn configuration(trust: Trust) -> Result<ClientConfig, rustls::Error> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&version::TLS13])?;
    let mut config = match trust {
        Trust::PublicAuthorities => {
            let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        Trust::Pin(pin) => custom(builder, KeyVerifier::pinned(pin, provider)),
        Trust::Unchecked => custom(builder, KeyVerifier::unchecked(provider)),
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn custom(
    builder: rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>,
    verifier: KeyVerifier,
) -> ClientConfig {
    builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
}

/// The primitives, in the order in which they are preferred.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let provider = PROVIDER.get_or_init(|| {
        Arc::new(CryptoProvider {
            cipher_suites: vec![
                cipher_suite::TLS13_AES_256_GCM_SHA384,
                cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            ],
            kx_groups: vec![kx_group::X25519MLKEM768],
            ..aws_lc_rs::default_provider()
        })
    });
    Arc::clone(provider)
}
