//! Proofs of receipt: what a recipient's device tells a sender through a server that may lie (T30).
//!
//! Invariants: only who has opened a content knows its key; a proof fits one state of one message at one device; checking
//! takes the same time whatever is wrong.

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tacite_model::limits::RECEIPT_PROOF_BYTES;
use tacite_model::{AccountId, DeviceId, MessageId};
use zeroize::Zeroizing;

const PURPOSE: &[u8] = b"tacite receipt v1\0";

/// The key within a content: 32 random bytes, new for each.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceiptKey(Zeroizing<[u8; 32]>);

/// What a recipient may prove. The numbers are those of the wire's delivery states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptState {
    /// Its device holds the message.
    Received = 2,
    /// Its person was shown the message.
    Read = 3,
}

/// A statement about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// How far the message has come.
    pub state: ReceiptState,
    /// Which message.
    pub message_id: MessageId,
    /// Who received it.
    pub recipient_id: AccountId,
    /// On which device.
    pub recipient_device: DeviceId,
}

impl ReceiptKey {
    /// The key with these bytes; they must be uniformly random.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The proof of a statement: the first bytes of HMAC-SHA-256 (RFC 2104) under this key.
    #[must_use]
    pub fn prove(&self, receipt: &Receipt) -> [u8; RECEIPT_PROOF_BYTES] {
        let mut proof = [0; RECEIPT_PROOF_BYTES];
        proof.copy_from_slice(&self.mac(receipt).finalize().into_bytes()[..RECEIPT_PROOF_BYTES]);
        proof
    }

    /// Whether `proof` is the proof of the statement.
    #[must_use]
    pub fn verifies(&self, receipt: &Receipt, proof: &[u8]) -> bool {
        proof.len() == RECEIPT_PROOF_BYTES && self.mac(receipt).verify_truncated_left(proof).is_ok()
    }

    fn mac(&self, receipt: &Receipt) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.as_slice()).expect("HMAC takes a key of any length");
        mac.update(PURPOSE);
        mac.update(&[receipt.state as u8]);
        mac.update(receipt.message_id.as_bytes());
        mac.update(receipt.recipient_id.as_bytes());
        mac.update(&[receipt.recipient_device.value()]);
        mac
    }
}

impl fmt::Debug for ReceiptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReceiptKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECEIPT: Receipt = Receipt {
        state: ReceiptState::Received,
        message_id: MessageId::from_bytes([5; 16]),
        recipient_id: AccountId::from_bytes([6; 16]),
        recipient_device: DeviceId::FIRST,
    };

    // From another implementation: Python's hmac over the bytes that docs/protocol/end-to-end.md names.
    #[test]
    fn the_proof_is_fixed() {
        let proof = ReceiptKey::from_bytes([7; 32]).prove(&RECEIPT);
        assert_eq!(
            proof,
            [0xE2, 0x21, 0x7F, 0x13, 0x1E, 0x9B, 0x4E, 0x16, 0x3F, 0xB2, 0xD3, 0x0D, 0x8A, 0xC0, 0x57, 0x68,]
        );
    }

    // T30: a server that lies about receipts has no proof.
    #[test]
    fn t30_a_proof_fits_one_key_state_message_and_device() {
        let key = ReceiptKey::from_bytes([7; 32]);
        let proof = key.prove(&RECEIPT);
        assert!(key.verifies(&RECEIPT, &proof));
        let others = [
            Receipt { state: ReceiptState::Read, ..RECEIPT },
            Receipt { message_id: MessageId::from_bytes([4; 16]), ..RECEIPT },
            Receipt { recipient_id: AccountId::from_bytes([4; 16]), ..RECEIPT },
            Receipt { recipient_device: DeviceId::try_from(2).unwrap(), ..RECEIPT },
        ];
        for other in others {
            assert!(!key.verifies(&other, &proof), "{other:?}");
        }
        assert!(!ReceiptKey::from_bytes([8; 32]).verifies(&RECEIPT, &proof));
    }

    #[test]
    fn t30_a_proof_has_16_bytes_and_every_bit_counts() {
        let key = ReceiptKey::from_bytes([7; 32]);
        let proof = key.prove(&RECEIPT);
        for bit in 0..RECEIPT_PROOF_BYTES * 8 {
            let mut other = proof;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.verifies(&RECEIPT, &other), "{bit}");
        }
        assert!(!key.verifies(&RECEIPT, &proof[..15]));
        assert!(!key.verifies(&RECEIPT, &[]));
        assert!(!key.verifies(&RECEIPT, &[proof.as_slice(), &[0]].concat()));
    }
}
