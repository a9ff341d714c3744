//! Names of bodies in the depot: HMAC-SHA-256 (RFC 2104) of what the router knows of a message, under a key that only the
//! router has.
//!
//! Invariants: whoever holds the depot's database can neither guess a name nor tell from it whose body it is; the router
//! needs no column to remember it.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{DeviceKey, MessageKey};

/// The router's key for names.
#[derive(Clone)]
pub struct NamingKey(Zeroizing<[u8; 32]>);

impl NamingKey {
    /// Takes 32 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The name under which the depot keeps a message's body for a device.
    #[must_use]
    pub fn name(&self, message: &MessageKey, recipient: &DeviceKey) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0[..]).expect("HMAC takes keys of every length");
        mac.update(b"tacite body v1\0");
        mac.update(message.sender_id.as_bytes());
        mac.update(message.message_id.as_bytes());
        mac.update(recipient.account_id.as_bytes());
        mac.update(&[recipient.device_id.value()]);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for NamingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NamingKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use tacite_model::{AccountId, DeviceId, MessageId};

    use super::*;

    #[test]
    fn names_depend_on_key_message_and_device() {
        let message = |id| MessageKey {
            sender_id: AccountId::from_bytes([1; 16]),
            message_id: MessageId::from_bytes(id),
        };
        let device = |number| DeviceKey {
            account_id: AccountId::from_bytes([2; 16]),
            device_id: DeviceId::try_from(number).unwrap(),
        };
        let name = NamingKey::new([9; 32]).name(&message([3; 16]), &device(1));
        assert_eq!(name, NamingKey::new([9; 32]).name(&message([3; 16]), &device(1)));
        assert_ne!(name, NamingKey::new([8; 32]).name(&message([3; 16]), &device(1)));
        assert_ne!(name, NamingKey::new([9; 32]).name(&message([4; 16]), &device(1)));
        assert_ne!(name, NamingKey::new([9; 32]).name(&message([3; 16]), &device(2)));
    }
}
