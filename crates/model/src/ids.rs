//! Identifiers. On the wire and in stores an id is 16 raw bytes; for people it is a hyphenated UUID.
//!
//! Invariants: ids are random (version 4), so they say nothing about when or by whom they were made;
//! a device id is 1 to 127, as the Signal protocol demands.

use core::fmt;

use rand_core::CryptoRng;
use thiserror::Error;
use uuid::Uuid;

/// Why bytes are not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IdError {
    /// An id has exactly 16 bytes.
    #[error("an id has 16 bytes, not {0}")]
    Length(usize),
    /// A device id is 1 to 127.
    #[error("a device id is 1 to 127, not {0}")]
    Device(u32),
    /// The text is not a UUID.
    #[error("not a UUID")]
    Text,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Draws a new id.
            pub fn random(rng: &mut dyn CryptoRng) -> Self {
                let mut bytes = [0; 16];
                rng.fill_bytes(&mut bytes);
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }

            /// The id with these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The 16 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = IdError;

            fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
                let bytes: [u8; 16] = bytes.try_into().map_err(|_| IdError::Length(bytes.len()))?;
                Ok(Self::from_bytes(bytes))
            }
        }

        impl core::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::try_parse(text).map(Self).map_err(|_| IdError::Text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.hyphenated())
            }
        }
    };
}

uuid_id!(
    /// An account: a person. Chosen at random by the person's first device.
    AccountId
);
uuid_id!(
    /// A message. Chosen at random by the sender's device; the same for every recipient and every repetition.
    MessageId
);
uuid_id!(
    /// A conversation between two accounts. Chosen at random by the router.
    ConversationId
);

/// One installation of a client within an account: 1 to 127.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(u8);

impl DeviceId {
    /// The device that registered the account.
    pub const FIRST: Self = Self(1);

    /// The number, 1 to 127.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }
}

impl TryFrom<u32> for DeviceId {
    type Error = IdError;

    fn try_from(value: u32) -> Result<Self, IdError> {
        match u8::try_from(value) {
            Ok(value @ 1..=127) => Ok(Self(value)),
            _ => Err(IdError::Device(value)),
        }
    }
}

impl From<DeviceId> for u32 {
    fn from(device: DeviceId) -> Self {
        Self::from(device.0)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_bytes_and_text() {
        let id = AccountId::from_bytes([7; 16]);
        assert_eq!(AccountId::try_from(id.as_bytes().as_slice()), Ok(id));
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn an_id_of_another_length_is_refused() {
        assert_eq!(MessageId::try_from([0; 15].as_slice()), Err(IdError::Length(15)));
        assert_eq!(MessageId::try_from([0; 17].as_slice()), Err(IdError::Length(17)));
    }

    #[test]
    fn device_ids_end_at_127() {
        assert!(DeviceId::try_from(0).is_err());
        assert_eq!(DeviceId::try_from(127).map(DeviceId::value), Ok(127));
        assert!(DeviceId::try_from(128).is_err());
        assert!(DeviceId::try_from(257).is_err());
    }
}
