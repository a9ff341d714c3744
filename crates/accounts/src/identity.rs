//! Who somebody is after having come in, and what they may do.
//!
//! Invariants: an [`Identity`] is only made by a proof (token, signature, or password and words), and account, device and
//! session in it belong together (T56).

use core::fmt;

use rand_core::CryptoRng;
use tacite_model::{AccountId, DeviceId, Handle, Timestamp};
use tacite_wire::proto;

/// One session of a device: from a log-in or registration until log-out, with all its tokens (their "family").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 16]);

impl SessionId {
    /// Draws a new id.
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// Who is at the other end, proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub account_id: AccountId,
    /// The device of the account.
    pub device_id: DeviceId,
    /// The session of the device.
    pub session_id: SessionId,
    /// What this proof allows.
    pub scopes: Scopes,
    /// When the access token runs out.
    pub expires_at: Timestamp,
}

/// A session just granted.
pub struct Granted {
    /// Who came in.
    pub identity: Identity,
    /// The answer to the command; holds the tokens.
    pub session: proto::SessionGranted,
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Granted").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// An account as others may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRef {
    /// Its id.
    pub account_id: AccountId,
    /// Its handle.
    pub handle: Handle,
}

/// A device as others may see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceRef {
    /// Its number within the account.
    pub device_id: DeviceId,
    /// Signal registration id, 1 to 16,383.
    pub registration_id: u32,
}

/// How far a device's storage has come, as the device and what came from it say (T20). See `tacite-server`'s `generations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// Whose device.
    pub account_id: AccountId,
    /// Which.
    pub device_id: DeviceId,
    /// A number that only grows.
    pub generation: u64,
}

/// One thing that a token may allow (requirement B7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Read the own profile, `profile:read`.
    ReadProfile,
    /// Change the own profile, `profile:write`.
    WriteProfile,
    /// Fetch contacts' public keys, `keys:read`.
    ReadKeys,
    /// Publish own keys, `keys:write`.
    WriteKeys,
    /// Receive messages, `messages:read`.
    ReadMessages,
    /// Send messages, `messages:write`.
    WriteMessages,
}

impl Scope {
    /// All scopes, in the order in which they are written.
    pub const ALL: [Self; 6] = [
        Self::ReadProfile,
        Self::WriteProfile,
        Self::ReadKeys,
        Self::WriteKeys,
        Self::ReadMessages,
        Self::WriteMessages,
    ];

    /// The name in a token's `scope` claim (RFC 8693, section 4.2).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadProfile => "profile:read",
            Self::WriteProfile => "profile:write",
            Self::ReadKeys => "keys:read",
            Self::WriteKeys => "keys:write",
            Self::ReadMessages => "messages:read",
            Self::WriteMessages => "messages:write",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// What a device may do in its session: everything.
    pub const DEVICE: Self = Self(0b11_1111);

    /// The set of these scopes.
    #[must_use]
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |bits, scope| bits | scope.bit()))
    }

    /// Whether the set holds `scope`; if not, the command is answered with 403.
    #[must_use]
    pub const fn allows(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Reads a claim: names separated by spaces. Unknown names allow nothing.
    #[must_use]
    pub fn from_claim(claim: &str) -> Self {
        let known = |name| Scope::ALL.into_iter().find(|scope| scope.name() == name);
        Self(claim.split(' ').filter_map(known).fold(0, |bits, scope| bits | scope.bit()))
    }

    /// Writes a claim.
    #[must_use]
    pub fn to_claim(self) -> String {
        let names: Vec<_> =
            Scope::ALL.into_iter().filter(|scope| self.allows(*scope)).map(Scope::name).collect();
        names.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // T53, scope matrix; B7.
    #[test]
    fn a_scope_allows_itself_and_nothing_else() {
        for scope in Scope::ALL {
            let scopes = Scopes::from_claim(scope.name());
            for other in Scope::ALL {
                assert_eq!(scopes.allows(other), scope == other, "{scope:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_device_may_do_everything_and_the_claim_says_so() {
        let claim = "profile:read profile:write keys:read keys:write messages:read messages:write";
        assert_eq!(Scopes::DEVICE.to_claim(), claim);
        assert_eq!(Scopes::from_claim(claim), Scopes::DEVICE);
        assert_eq!(Scopes::of(&Scope::ALL), Scopes::DEVICE);
    }

    #[test]
    fn unknown_scopes_allow_nothing() {
        for claim in ["", "admin", "profile:readx", "PROFILE:READ", "*"] {
            assert_eq!(Scopes::from_claim(claim), Scopes::of(&[]), "{claim}");
        }
    }
}
