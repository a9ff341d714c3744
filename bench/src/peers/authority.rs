//! An authority of our own, and the one certificate that all servers use.
//!
//! Invariant: the authority's key is forgotten at once; the server's key protects nothing and may be read by every server's
//! user.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::work::Work;

/// Makes `ca.pem`, `server.pem`, `server.key` and `both.pem`.
pub(super) fn make(work: &Work) -> Result<()> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "bench authority");
    // ejabberd sets a timer for the day a certificate ends, and Erlang cannot wait for thousands of years.
    let last_day = rcgen::date_time_ymd(2049, 12, 31);
    authority.not_after = last_day;
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let mut server = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    server.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
    server.not_after = last_day;
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &authority)?.pem();
    let key = key.serialize_pem();
    for (path, text) in [
        (work.authority(), authority.pem()),
        (work.certificate(), certificate.clone()),
        (work.key(), key.clone()),
        (work.server_and_key(), certificate + &key),
    ] {
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}
