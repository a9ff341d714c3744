//! The two messages on the wire (section 4): the inner "whisper" message, and the prekey message that wraps it until the peer has answered.
//!
//! Invariants: a decoded message is well formed in every field; the MAC is checked over the received bytes, which are kept as they came.

use prost::Message;

use crate::{
    cipher::MAC_LENGTH,
    curve::{KeyError, PublicKey},
    kyber::{KyberCiphertext, KyberError},
    limits::MESSAGE_LENGTH_MAX,
};

/// Version 4 in both halves: the session's version above, the newest version that the sender knows below.
const VERSION_BYTE: u8 = 0x44;
const SESSION_VERSION: u8 = 4;

/// Bytes that are not a message of this protocol. Blames the sender or whoever carried it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Too short, too long, not protobuf, or a required field is absent.
    #[error("not a message of the Signal protocol")]
    Malformed,
    /// A session version that we do not speak: older ones lack the post-quantum parts, newer ones are unknown.
    #[error("message version {0}; only version 4 is accepted")]
    Version(u8),
    /// A public key in the message is malformed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The KEM ciphertext in the message is malformed.
    #[error(transparent)]
    Kyber(#[from] KyberError),
}

/// The parts of an inner message to be sent.
pub(crate) struct WhisperContent<'a> {
    pub(crate) ratchet_key: &'a PublicKey,
    pub(crate) counter: u32,
    pub(crate) previous_counter: u32,
    pub(crate) ciphertext: Vec<u8>,
    pub(crate) pq_ratchet: Vec<u8>,
    pub(crate) addresses: Option<[u8; 36]>,
}

impl WhisperContent<'_> {
    /// `version ‖ protobuf`, with room for the MAC that the caller appends.
    pub(crate) fn encode(self) -> Vec<u8> {
        let fields = WhisperFields {
            ratchet_key: Some(self.ratchet_key.encode().to_vec()),
            counter: Some(self.counter),
            previous_counter: Some(self.previous_counter),
            ciphertext: Some(self.ciphertext),
            pq_ratchet: Some(self.pq_ratchet),
            addresses: self.addresses.map(Vec::from),
        };
        encode(&fields, MAC_LENGTH)
    }
}

/// A received inner message.
#[derive(Debug)]
pub(crate) struct WhisperMessage<'a> {
    pub(crate) ratchet_key: PublicKey,
    pub(crate) counter: u32,
    pub(crate) ciphertext: Vec<u8>,
    pub(crate) pq_ratchet: Vec<u8>,
    pub(crate) addresses: Option<Vec<u8>>,
    /// What the MAC covers, as received.
    pub(crate) authenticated: &'a [u8],
    pub(crate) mac: [u8; MAC_LENGTH],
}

impl<'a> WhisperMessage<'a> {
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, MessageError> {
        let (authenticated, mac) = bytes.split_last_chunk().ok_or(MessageError::Malformed)?;
        let fields = decode::<WhisperFields>(authenticated)?;
        Ok(Self {
            ratchet_key: PublicKey::decode(&required(fields.ratchet_key)?)?,
            counter: required(fields.counter)?,
            ciphertext: required(fields.ciphertext)?,
            pq_ratchet: fields.pq_ratchet.unwrap_or_default(),
            addresses: fields.addresses,
            authenticated,
            mac: *mac,
        })
    }
}

/// The parts of a prekey message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PreKeyMessage {
    pub(crate) one_time_prekey_id: Option<u32>,
    pub(crate) base_key: PublicKey,
    pub(crate) identity_key: PublicKey,
    pub(crate) message: Vec<u8>,
    pub(crate) registration_id: u32,
    pub(crate) signed_prekey_id: u32,
    pub(crate) kyber_prekey_id: u32,
    pub(crate) kyber_ciphertext: KyberCiphertext,
}

impl PreKeyMessage {
    pub(crate) fn encode(self) -> Vec<u8> {
        let fields = PreKeyFields {
            pre_key_id: self.one_time_prekey_id,
            base_key: Some(self.base_key.encode().to_vec()),
            identity_key: Some(self.identity_key.encode().to_vec()),
            message: Some(self.message),
            registration_id: Some(self.registration_id),
            signed_pre_key_id: Some(self.signed_prekey_id),
            kyber_pre_key_id: Some(self.kyber_prekey_id),
            kyber_ciphertext: Some(self.kyber_ciphertext.encode()),
        };
        encode(&fields, 0)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let fields = decode::<PreKeyFields>(bytes)?;
        Ok(Self {
            one_time_prekey_id: fields.pre_key_id,
            base_key: PublicKey::decode(&required(fields.base_key)?)?,
            identity_key: PublicKey::decode(&required(fields.identity_key)?)?,
            message: required(fields.message)?,
            registration_id: fields.registration_id.unwrap_or(0),
            signed_prekey_id: required(fields.signed_pre_key_id)?,
            kyber_prekey_id: required(fields.kyber_pre_key_id)?,
            kyber_ciphertext: KyberCiphertext::decode(&required(fields.kyber_ciphertext)?)?,
        })
    }
}

fn encode(fields: &impl Message, room: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + fields.encoded_len() + room);
    bytes.push(VERSION_BYTE);
    fields.encode(&mut bytes).expect("a vector grows as needed");
    bytes
}

/// Checks the version byte, whose low half says nothing, and decodes the fields behind it.
fn decode<F: Message + Default>(bytes: &[u8]) -> Result<F, MessageError> {
    if bytes.len() > MESSAGE_LENGTH_MAX {
        return Err(MessageError::Malformed);
    }
    let (version, fields) = bytes.split_first().ok_or(MessageError::Malformed)?;
    match version >> 4 {
        SESSION_VERSION => F::decode(fields).map_err(|_| MessageError::Malformed),
        other => Err(MessageError::Version(other)),
    }
}

fn required<T>(field: Option<T>) -> Result<T, MessageError> {
    field.ok_or(MessageError::Malformed)
}

/// Field numbers and types of section 4.1.
#[derive(Clone, PartialEq, Eq, Message)]
struct WhisperFields {
    #[prost(bytes = "vec", optional, tag = "1")]
    ratchet_key: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "2")]
    counter: Option<u32>,
    #[prost(uint32, optional, tag = "3")]
    previous_counter: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "4")]
    ciphertext: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "5")]
    pq_ratchet: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "6")]
    addresses: Option<Vec<u8>>,
}

/// Field numbers and types of section 4.2.
#[derive(Clone, PartialEq, Eq, Message)]
struct PreKeyFields {
    #[prost(uint32, optional, tag = "1")]
    pre_key_id: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "2")]
    base_key: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "3")]
    identity_key: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "4")]
    message: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "5")]
    registration_id: Option<u32>,
    #[prost(uint32, optional, tag = "6")]
    signed_pre_key_id: Option<u32>,
    #[prost(uint32, optional, tag = "7")]
    kyber_pre_key_id: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "8")]
    kyber_ciphertext: Option<Vec<u8>>,
}

#[cfg(test)]
mod tests;
