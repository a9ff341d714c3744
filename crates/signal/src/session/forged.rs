//! The part of `hazmat` that needs a session's insides.

use rand_core::CryptoRng;

use super::{CiphertextMessage, Session};
use crate::{
    address::{Address, addresses},
    cipher::MessageKeys,
    hazmat::Forgery,
    kdf::ZERO_SALT,
    message::WhisperContent,
    secret::Secret,
};

impl Session {
    pub(crate) fn forge(
        &mut self,
        local: &Address,
        remote: &Address,
        plaintext: &[u8],
        forgery: Forgery<'_>,
        rng: &mut dyn CryptoRng,
    ) -> CiphertextMessage {
        let (counter, seed) = self.ratchet.send();
        let (pq_ratchet, pq_key) = self.pq.send(rng);
        let pq_key = if forgery.without_pq_key { Secret::new(ZERO_SALT) } else { pq_key };
        let keys = MessageKeys::derive(&seed, &pq_key);
        let content = WhisperContent {
            ratchet_key: self.ratchet.ratchet_key(),
            counter,
            previous_counter: self.ratchet.previous_counter(),
            ciphertext: keys.encrypt(plaintext),
            pq_ratchet,
            addresses: self.pending.as_ref().and_then(|_| addresses(local, remote)),
        };
        let mut bytes = (forgery.edit)(content.encode());
        let mac = keys.mac(&[&self.local_identity.encode(), &self.remote_identity.encode(), &bytes]);
        bytes.extend_from_slice(&mac);
        self.wrap(bytes)
    }

    pub(crate) fn skip_keys(&mut self, seeds: u32, pq_keys: u32, rng: &mut dyn CryptoRng) {
        (0..seeds).for_each(|_| drop(self.ratchet.send()));
        (0..pq_keys).for_each(|_| drop(self.pq.send(rng)));
    }
}
