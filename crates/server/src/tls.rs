//! TLS 1.3 for every link (RFC 8446), with the hybrid key exchange X25519 + ML-KEM-768.
//!
//! Invariants: no older version; AES-256-GCM is preferred whatever the client prefers; the keys of a link are made for that
//! link alone. A server without a certificate of its operator makes one itself, once: clients pin its key, so the key stays.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tacite_model::KeyPin;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::data_dir::{DataDir, DataDirError, write_private};
use crate::settings::Settings;

/// What TLS needs, and the pin of the key for invitations.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) pin: KeyPin,
    /// Made by this server: clients must pin it, no authority vouches for it.
    pub(crate) self_made: bool,
}

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file could not be read or written.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// Certificate or key are not valid PEM, or do not belong together.
    #[error("certificate or key cannot be used: {0}")]
    Certificate(String),
}

impl Tls {
    /// Loads the operator's certificate, or loads or makes the self-made one.
    pub(crate) fn load(settings: &Settings, directory: &DataDir) -> Result<Self, TlsError> {
        let own = (directory.tls_certificate(), directory.tls_key());
        let self_made = settings.certificate.is_none();
        let (certificate, key) = settings.certificate.as_ref().unwrap_or(&own);
        let missing = !certificate.exists() && !key.exists();
        if missing && (self_made || settings.tls.generate_default_cert) {
            make(certificate, key, settings)?;
        }
        Self::read(certificate, key, self_made || (missing && settings.tls.generate_default_cert))
    }

    fn read(certificate: &Path, key: &Path, self_made: bool) -> Result<Self, TlsError> {
        let chain = read(certificate)?;
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&chain).collect::<Result<_, _>>().map_err(unusable)?;
        let key = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(unusable)?;
        let first =
            chain.first().ok_or_else(|| TlsError::Certificate(String::from("no certificate in the file")))?;
        let pin = pin(first)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ignore_client_order = true;
        Ok(Self { config: Arc::new(config), pin, self_made })
    }
}

/// SHA-256 of the public key of a certificate.
pub(crate) fn pin(certificate: &CertificateDer<'_>) -> Result<KeyPin, TlsError> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(unusable)?;
    Ok(KeyPin(Sha256::digest(parsed.public_key().raw).into()))
}

/// aws-lc-rs with our order of preference. X25519 alone stays for clients without the hybrid, such as older browsers.
pub(crate) fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384,
            aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256,
        ],
        kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768, aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    }
}

fn make(certificate: &Path, key: &Path, settings: &Settings) -> Result<(), TlsError> {
    let pair = KeyPair::generate().map_err(unusable)?;
    let mut names = vec![String::from("localhost"), settings.address.to_string()];
    names.extend(settings.name.clone());
    let mut params = CertificateParams::new(names).map_err(unusable)?;
    params.distinguished_name.push(DnType::CommonName, "tacited");
    // Clients pin the key; an expiry would only lock them out.
    params.not_after = rcgen::date_time_ymd(9999, 12, 31);
    let signed = params.self_signed(&pair).map_err(unusable)?;
    let pem = Zeroizing::new(pair.serialize_pem());
    write(key, pem.as_bytes())?;
    write(certificate, signed.pem().as_bytes())
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, DataDirError> {
    fs::read(path).map(Zeroizing::new).map_err(|cause| DataDirError::Io { path: path.to_owned(), cause })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), TlsError> {
    write_private(path, bytes).map_err(|cause| DataDirError::Io { path: path.to_owned(), cause }.into())
}

fn unusable(error: impl std::fmt::Display) -> TlsError {
    TlsError::Certificate(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::settings::{Config, TlsFlags};

    fn settings(certificate: Option<(PathBuf, PathBuf)>, generate_default_cert: bool) -> Settings {
        let tls = TlsFlags { generate_default_cert, ..TlsFlags::default() };
        let settings = Settings::new(Config::default(), tls, Some(PathBuf::from("unused"))).unwrap();
        Settings { certificate, ..settings }
    }

    #[test]
    fn a_self_made_key_is_made_once_and_keeps_its_pin() {
        let place = tempfile::tempdir().unwrap();
        let directory = DataDir::open(place.path()).unwrap();
        let first = Tls::load(&settings(None, false), &directory).unwrap();
        let second = Tls::load(&settings(None, false), &directory).unwrap();
        assert!(first.self_made);
        assert_eq!(first.pin, second.pin);
    }

    #[test]
    fn given_paths_are_used_and_filled_only_on_demand() {
        let place = tempfile::tempdir().unwrap();
        let directory = DataDir::open(&place.path().join("data")).unwrap();
        let paths = Some((place.path().join("cert.pem"), place.path().join("key.pem")));
        assert!(Tls::load(&settings(paths.clone(), false), &directory).is_err());
        let made = Tls::load(&settings(paths.clone(), true), &directory).unwrap();
        let read = Tls::load(&settings(paths, false), &directory).unwrap();
        assert_eq!(made.pin, read.pin);
        assert!(!read.self_made);
    }

    // A5, A6
    #[test]
    fn the_hybrid_exchange_and_aes_256_come_first() {
        let provider = provider();
        assert_eq!(provider.kx_groups[0].name(), rustls::NamedGroup::X25519MLKEM768);
        assert_eq!(provider.cipher_suites[0].suite(), rustls::CipherSuite::TLS13_AES_256_GCM_SHA384);
    }
}
