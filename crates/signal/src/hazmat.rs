//! For tests only: messages that no honest peer makes, with MACs that hold.
//!
//! Behind the feature `hazmat`, which no program may switch on. What comes out is meant to be refused by a receiver; using it in a real
//! session ruins the session.

use rand_core::CryptoRng;

use crate::{
    address::Address,
    error::EncryptError,
    record::SessionRecord,
    session::{CiphertextMessage, LocalParty},
};

/// How a message is to be wrong.
#[derive(Clone, Copy)]
pub struct Forgery<'a> {
    /// Leave the post-quantum key out of the message's keys.
    pub without_pq_key: bool,
    /// Gets version byte and fields of the inner message, returns others. The MAC is computed afterwards.
    pub edit: &'a dyn Fn(Vec<u8>) -> Vec<u8>,
}

/// Like [`SessionRecord::encrypt`], but wrong.
pub fn encrypt_forged(
    record: &mut SessionRecord,
    local: &LocalParty<'_>,
    remote: &Address,
    plaintext: &[u8],
    forgery: Forgery<'_>,
    rng: &mut dyn CryptoRng,
) -> Result<CiphertextMessage, EncryptError> {
    let session = record.current_mut().ok_or(EncryptError::NoSession)?;
    Ok(session.forge(local.address, remote, plaintext, forgery, rng))
}

/// Takes `seeds` keys of the Double Ratchet's sending chain and `pq_keys` of the post-quantum one, as if so many messages had been lost.
pub fn skip_keys(record: &mut SessionRecord, seeds: u32, pq_keys: u32, rng: &mut dyn CryptoRng) {
    if let Some(session) = record.current_mut() {
        session.skip_keys(seeds, pq_keys, rng);
    }
}
