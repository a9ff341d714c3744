//! The Signal protocol for two parties, as pure state machines: XEdDSA, PQXDH, Double Ratchet, sparse post-quantum ratchet, safety numbers.
//!
//! Messages are those of Signal's own library (checked in both roles, see the README). A caller holds one [`SessionRecord`] per device of a
//! peer; [`SessionRecord::process_bundle`] or a first message fills it, [`SessionRecord::encrypt`] and the two `decrypt` methods advance it.
//!
//! # The contract with the caller
//!
//! - Nothing here reads a clock, draws randomness, stores or sends. Time and randomness are parameters; state goes in and out as bytes
//!   that begin with a version.
//! - A method that returns an error has changed nothing.
//! - Store the record **before** a ciphertext leaves or a plaintext is shown, in the same transaction as the deletion of used prekeys. A
//!   record restored from an older copy would use keys twice and wreck the post-quantum ratchet; begin a new session instead.
//!
//! # Signatures
//!
//! XEdDSA (signal.org/docs/specifications/xeddsa) in the variant of Signal's library: the sign of the Edwards key travels in the last bit.
//! Verification is strict: s below the group's order, the key canonical and not of low order, R not of low order.
//!
//! # Stricter than Signal's library, unnoticed by honest peers
//!
//! - Curve keys must be canonical and in the prime-order group, wherever they enter an agreement; encodings have no trailing bytes.
//! - Signatures, see above.
//! - Kyber keys are reduced (FIPS 203 section 7.2).
//! - Index 0 of the post-quantum ratchet, which would mean "no key", is refused.
//! - Sessions with ourselves have a (large) limit on jumps.
//! - A first message that repeats a base key must repeat its identity key.
//! - Randomness for session keys is mixed with the session's secrets, so a generator that repeats itself does not repeat keys.

mod address;
mod braid;
mod bundle;
mod chain;
mod cipher;
mod codec;
mod curve;
mod error;
mod fingerprint;
#[cfg(feature = "hazmat")]
pub mod hazmat;
mod identity;
mod kdf;
mod kyber;
pub mod limits;
mod message;
mod pqxdh;
mod prekeys;
mod ratchet;
mod record;
pub mod rotation;
mod secret;
mod session;
mod skipped;
#[cfg(test)]
mod test_support;
mod xeddsa;

pub use address::{Address, AddressError};
pub use bundle::{BundleError, PreKeyBundle};
pub use codec::StoredError;
pub use curve::{KeyError, KeyPair, PrivateKey, PublicKey};
pub use error::{DecryptError, EncryptError};
pub use fingerprint::{Fingerprint, FingerprintError, fingerprint};
pub use identity::IdentityKeyPair;
pub use kyber::{KyberError, KyberKeyPair, KyberPublicKey};
pub use message::MessageError;
pub use prekeys::{KyberPreKeyRecord, OneTimePreKeyRecord, PrekeySource, SignedPreKeyRecord, UsedPrekeys};
pub use record::{Decrypted, SessionRecord};
pub use session::{CiphertextMessage, LocalParty, MessageKind};
pub use xeddsa::SignatureError;
