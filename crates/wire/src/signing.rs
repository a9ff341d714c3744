//! The exact bytes that keys sign or prove on a link.
//!
//! Invariants: each text begins with its own purpose, so a signature made for one can never serve for another (T10), and
//! names the server and the link's challenge, so it serves on no other link (T50).

use tacite_model::{AccountId, DeviceId};

const SIGN_IN: &[u8] = b"tacite sign-in v1\0";
const DEPLOYMENT: &[u8] = b"tacite deployment v1\0";

/// What a device signs with its log-in key (Ed25519) to prove itself on a link.
#[must_use]
pub fn sign_in_text(
    server_name: &str,
    challenge: &[u8; 32],
    account_id: AccountId,
    device_id: DeviceId,
) -> Vec<u8> {
    let name_bytes = u16::try_from(server_name.len()).unwrap_or(u16::MAX).to_be_bytes();
    let parts: [&[u8]; 6] = [
        SIGN_IN,
        &name_bytes,
        server_name.as_bytes(),
        challenge,
        account_id.as_bytes(),
        &[device_id.value()],
    ];
    parts.concat()
}

/// What HMAC-SHA-256 under the deployment key is computed over.
#[must_use]
pub fn deployment_text(challenge: &[u8; 32]) -> Vec<u8> {
    [DEPLOYMENT, challenge].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_differs_for_every_part() {
        let alice = AccountId::from_bytes([1; 16]);
        let base = sign_in_text("club", &[2; 32], alice, DeviceId::FIRST);
        let others = [
            sign_in_text("clue", &[2; 32], alice, DeviceId::FIRST),
            sign_in_text("club", &[3; 32], alice, DeviceId::FIRST),
            sign_in_text("club", &[2; 32], AccountId::from_bytes([4; 16]), DeviceId::FIRST),
            sign_in_text("club", &[2; 32], alice, DeviceId::try_from(2).unwrap()),
        ];
        assert!(others.iter().all(|other| *other != base));
    }
}
