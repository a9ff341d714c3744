//! Who a session is with: an account's name and a device number.
//!
//! Invariant: an [`Address`] has a name of 1 to 256 bytes and a device from 1 to 127.

use uuid::Uuid;

use crate::limits::{DEVICE_MAX, NAME_LENGTH_MAX};

/// A name or device number out of range. Blames the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The name is empty or longer than 256 bytes.
    #[error("a name has 1 to 256 bytes")]
    Name,
    /// The device is 0 or above 127.
    #[error("a device number is 1 to 127")]
    Device,
}

/// Bytes of a message's `addresses` field: kind, UUID and device of sender and recipient.
pub(crate) const ADDRESSES_LENGTH: usize = 36;

/// The prefix of a name that stands for a phone-number identity in Signal.
const PNI_PREFIX: &str = "PNI:";

/// One device of one account. With a hyphenated UUID as name the address is authenticated in first messages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    name: String,
    device: u8,
    account: Option<Account>,
}

/// Kind (0 plain, 1 with the prefix `PNI:`) and UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Account {
    kind: u8,
    uuid: [u8; 16],
}

impl Address {
    /// An address from a name (1 to 256 bytes) and a device (1 to 127).
    pub fn new(name: impl Into<String>, device: u8) -> Result<Self, AddressError> {
        let name = name.into();
        if name.is_empty() || name.len() > NAME_LENGTH_MAX {
            return Err(AddressError::Name);
        }
        if device == 0 || device > DEVICE_MAX {
            return Err(AddressError::Device);
        }
        let account = Account::parse(&name);
        Ok(Self { name, device, account })
    }

    /// The account's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The device number.
    #[must_use]
    pub fn device(&self) -> u8 {
        self.device
    }

    /// Whether both are devices of one account, which only names that are UUIDs can show.
    pub(crate) fn same_account(&self, other: &Self) -> bool {
        self.account.is_some() && self.account == other.account
    }
}

/// The `addresses` field of a message: absent when either name is not a UUID.
pub(crate) fn addresses(sender: &Address, recipient: &Address) -> Option<[u8; ADDRESSES_LENGTH]> {
    let mut bytes = [0; ADDRESSES_LENGTH];
    for (half, address) in bytes.chunks_exact_mut(ADDRESSES_LENGTH / 2).zip([sender, recipient]) {
        let account = address.account?;
        half[0] = account.kind;
        half[1..17].copy_from_slice(&account.uuid);
        half[17] = address.device;
    }
    Some(bytes)
}

impl Account {
    fn parse(name: &str) -> Option<Self> {
        let (kind, uuid) = name.strip_prefix(PNI_PREFIX).map_or((0, name), |rest| (1, rest));
        // Only the hyphenated form has 36 characters.
        if uuid.len() != 36 {
            return None;
        }
        Uuid::try_parse(uuid).ok().map(|uuid| Self { kind, uuid: uuid.into_bytes() })
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, AddressError, addresses};

    const ALICE: &str = "9d0652a3-dcc3-4d11-975f-74d61598733f";
    const BOB: &str = "PNI:796ABEDB-CA4E-4F18-8803-1FDE5B921F9F";

    #[test]
    fn addresses_hold_kind_uuid_and_device_of_both() {
        let alice = Address::new(ALICE, 1).unwrap();
        let bob = Address::new(BOB, 127).unwrap();
        let bytes = addresses(&alice, &bob).unwrap();
        assert_eq!(
            hex::encode(bytes),
            "009d0652a3dcc34d11975f74d61598733f0101796abedbca4e4f1888031fde5b921f9f7f"
        );
    }

    #[test]
    fn a_name_that_is_no_uuid_is_not_authenticated() {
        let alice = Address::new(ALICE, 1).unwrap();
        for name in ["bob", "9d0652a3dcc34d11975f74d61598733f", "{9d0652a3-dcc3-4d11-975f-74d61598733f}"] {
            assert_eq!(addresses(&alice, &Address::new(name, 1).unwrap()), None);
        }
    }

    #[test]
    fn bounds_of_name_and_device() {
        assert_eq!(Address::new("", 1), Err(AddressError::Name));
        assert!(Address::new("a".repeat(256), 1).is_ok());
        assert_eq!(Address::new("a".repeat(257), 1), Err(AddressError::Name));
        assert_eq!(Address::new(ALICE, 0), Err(AddressError::Device));
        assert_eq!(Address::new(ALICE, 128), Err(AddressError::Device));
    }
}
