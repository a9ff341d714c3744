//! The OPAQUE (RFC 9807) parameters that both ends share: ristretto255, SHA-512, 3DH, Argon2id.
//!
//! Invariants: password and words are two records under different identifiers; stretching is Argon2id with 64 MiB, three
//! passes and four lanes (RFC 9106, second recommended option), on the client. These are the parameters that the npm
//! package `@serenity-kit/opaque` calls `memory-constrained`, so a client in JavaScript can log in.

use opaque_ke::argon2::{Algorithm, Argon2, Params, Version};
use opaque_ke::{CipherSuite, Ristretto255, TripleDh};
use tacite_model::Handle;

/// The suite for `opaque_ke`'s types.
#[derive(Debug, Clone, Copy)]
pub struct Suite;

impl CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, sha2_010::Sha512>;
    type Ksf = Argon2<'static>;
}

/// The stretching function of a client.
#[must_use]
pub fn stretching() -> Argon2<'static> {
    let params = Params::new(64 * 1024, 3, 4, None).expect("constants within Argon2's ranges");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The identifier under which a password's record is kept.
#[must_use]
pub fn password_identifier(handle: &Handle) -> Vec<u8> {
    handle.as_str().as_bytes().to_vec()
}

/// The identifier under which the record of the three words is kept.
#[must_use]
pub fn words_identifier(handle: &Handle) -> Vec<u8> {
    // '/' cannot stand in a handle, so no password identifier equals a words identifier.
    [handle.as_str().as_bytes(), b"/words"].concat()
}
