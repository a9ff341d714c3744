//! Prosody: an XMPP server that keeps accounts and waiting messages in files.

use std::fs;

use anyhow::Result;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::{Digest as _, Sha1};

use super::Ability;
use super::debian::{DebianPeer, Description, PASSWORD, PEOPLE};
use crate::load::command::ProtocolName;

pub(super) const PROSODY: Description = Description {
    name: "prosody",
    package: "prosody",
    user: "prosody",
    protocol: ProtocolName::Xmpp,
    port: 5223,
    // Without a storm: its log-ins take the password, and hashing that would be all that is measured.
    abilities: &[Ability::Pairs, Ability::Idle, Ability::Offline, Ability::FanOut],
    files: &[("prosody.cfg.lua", include_str!("conf/prosody.cfg.lua"))],
    command: &["prosody", "--config", "@CONF@/prosody.cfg.lua", "-F"],
    environment: &[],
    process_name: None,
    seed: make_accounts,
};

/// One salt for all: nobody here has a secret.
const SALT: &str = "0a1b2c3d-bench";
/// Prosody's own default.
const ROUNDS: u32 = 10_000;

/// Writes what Prosody would have written for each account.
fn make_accounts(peer: &mut DebianPeer) -> Result<()> {
    let directory = peer.data().join("localhost/accounts");
    fs::create_dir_all(&directory)?;
    let keys = ScramKeys::derive(PASSWORD.as_bytes(), SALT.as_bytes(), ROUNDS);
    let account = format!(
        "return {{\n\t[\"iteration_count\"] = {ROUNDS};\n\t[\"salt\"] = \"{SALT}\";\n\
         \t[\"server_key\"] = \"{}\";\n\t[\"stored_key\"] = \"{}\";\n}};\n",
        hex::encode(keys.server),
        hex::encode(keys.stored)
    );
    for person in 0..PEOPLE {
        fs::write(directory.join(format!("u{person}.dat")), &account)?;
    }
    Ok(())
}

/// What a server keeps of a password (RFC 5802, section 3, with SHA-1).
#[derive(Debug, PartialEq, Eq)]
struct ScramKeys {
    stored: [u8; 20],
    server: [u8; 20],
}

impl ScramKeys {
    fn derive(password: &[u8], salt: &[u8], rounds: u32) -> Self {
        // The RFC's Hi, which is the first block of PBKDF2.
        let mut last = hmac_sha1(password, &[salt, &1_u32.to_be_bytes()].concat());
        let mut salted = last;
        for _ in 1..rounds {
            last = hmac_sha1(password, &last);
            for (salted, last) in salted.iter_mut().zip(last) {
                *salted ^= last;
            }
        }
        Self {
            stored: Sha1::digest(hmac_sha1(&salted, b"Client Key")).into(),
            server: hmac_sha1(&salted, b"Server Key"),
        }
    }
}

fn hmac_sha1(key: &[u8], text: &[u8]) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn xor(left: [u8; 20], right: [u8; 20]) -> Vec<u8> {
        left.iter().zip(right).map(|(left, right)| left ^ right).collect()
    }

    /// The exchange of RFC 5802, section 5: the server's signature, and a proof that yields the stored key.
    #[test]
    fn keys_are_those_of_the_rfc() {
        let salt = STANDARD.decode("QSXCR+Q6sek8bf92").expect("base64");
        let keys = ScramKeys::derive(b"pencil", &salt, 4096);
        let exchange = b"n=user,r=fyko+d2lbbFgONRv9qkxdawL,\
            r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096,\
            c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j";
        assert_eq!(STANDARD.encode(hmac_sha1(&keys.server, exchange)), "rmF9pqV8S7suAoZWja4dJRkFsKQ=");
        let proof = STANDARD.decode("v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=").expect("base64");
        let client_key = xor(proof.try_into().expect("20 bytes"), hmac_sha1(&keys.stored, exchange));
        assert_eq!(Sha1::digest(client_key)[..], keys.stored);
    }
}
