//! Message keys and the message cipher: AES-256-CBC with PKCS#7 padding (RFC 5652), HMAC-SHA-256 cut to 8 bytes.
//!
//! Invariant: callers verify the MAC before they decrypt, so the padding is never an oracle.

use aes::Aes256;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7};
use subtle::ConstantTimeEq;

use crate::{
    kdf::{hkdf, hmac},
    secret::Secret,
};

/// Bytes of a message's MAC.
pub(crate) const MAC_LENGTH: usize = 8;

const BLOCK: usize = 16;

/// The keys of one message.
pub(crate) struct MessageKeys(Secret<80>);

impl MessageKeys {
    /// From the Double Ratchet's seed and the post-quantum ratchet's key (sections 5 and 7).
    pub(crate) fn derive(seed: &Secret<32>, post_quantum: &Secret<32>) -> Self {
        Self(hkdf(post_quantum.expose(), seed.expose(), &[b"WhisperMessageKeys"]))
    }

    pub(crate) fn encrypt(&self, plaintext: &[u8]) -> Vec<u8> {
        let mut buffer = vec![0; (plaintext.len() / BLOCK + 1) * BLOCK];
        buffer[..plaintext.len()].copy_from_slice(plaintext);
        cbc::Encryptor::<Aes256>::new(self.cipher_key().into(), self.iv().into())
            .encrypt_padded::<Pkcs7>(&mut buffer, plaintext.len())
            .expect("the buffer has room for the padding");
        buffer
    }

    /// The plaintext, unless length or padding are wrong.
    pub(crate) fn decrypt(&self, ciphertext: &[u8]) -> Option<Vec<u8>> {
        if ciphertext.is_empty() || !ciphertext.len().is_multiple_of(BLOCK) {
            return None;
        }
        let mut buffer = ciphertext.to_vec();
        let length = cbc::Decryptor::<Aes256>::new(self.cipher_key().into(), self.iv().into())
            .decrypt_padded::<Pkcs7>(&mut buffer)
            .ok()?
            .len();
        buffer.truncate(length);
        Some(buffer)
    }

    /// The MAC over `parts`.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; MAC_LENGTH] {
        let whole = hmac(self.mac_key(), parts);
        *whole.expose().first_chunk().expect("a MAC is longer than its first 8 bytes")
    }

    /// Whether `mac` belongs to `parts`, in constant time.
    pub(crate) fn verify(&self, parts: &[&[u8]], mac: [u8; MAC_LENGTH]) -> bool {
        self.mac(parts).ct_eq(&mac).into()
    }

    fn cipher_key(&self) -> &[u8; 32] {
        self.0.expose().first_chunk().expect("80 bytes hold three keys")
    }

    fn mac_key(&self) -> &[u8; 32] {
        self.0.expose()[32..].first_chunk().expect("80 bytes hold three keys")
    }

    fn iv(&self) -> &[u8; 16] {
        self.0.expose().last_chunk().expect("80 bytes hold three keys")
    }
}

#[cfg(test)]
mod tests;
