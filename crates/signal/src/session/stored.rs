//! The stored form of a session: a part of the record, which carries the version.

use super::{Pending, Session};
use crate::{
    braid::PqRatchet,
    codec::{Reader, StoredError, Writer},
    curve::PublicKey,
    kyber::KyberCiphertext,
    ratchet::DoubleRatchet,
};

impl Session {
    pub(crate) fn write(&self, writer: &mut Writer) {
        for key in [&self.local_identity, &self.remote_identity, &self.base_key] {
            writer.bytes(key.u_coordinate());
        }
        writer.u32(self.local_registration_id);
        writer.u32(self.remote_registration_id);
        writer.u8(u8::from(self.pending.is_some()));
        if let Some(pending) = &self.pending {
            pending.write(writer);
        }
        self.ratchet.write(writer);
        self.pq.write(writer);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, StoredError> {
        let local_identity = PublicKey::from_u_coordinate(reader.array()?);
        let remote_identity = PublicKey::from_u_coordinate(reader.array()?);
        let base_key = PublicKey::from_u_coordinate(reader.array()?);
        let local_registration_id = reader.u32()?;
        let remote_registration_id = reader.u32()?;
        let pending = if reader.flag()? { Some(Pending::read(reader)?) } else { None };
        let ratchet = DoubleRatchet::read(reader)?;
        let pq = PqRatchet::read(reader)?;
        Ok(Self {
            local_identity,
            remote_identity,
            local_registration_id,
            remote_registration_id,
            base_key,
            pending,
            ratchet,
            pq,
        })
    }

    /// Bytes that [`Self::write`] takes, at most.
    pub(crate) fn stored_length(&self) -> usize {
        105 + self.pending.as_ref().map_or(0, |_| 1600)
            + self.ratchet.stored_length()
            + self.pq.stored_length()
    }
}

impl Pending {
    fn write(&self, writer: &mut Writer) {
        writer.optional_u32(self.one_time_prekey_id);
        writer.u32(self.signed_prekey_id);
        writer.u32(self.kyber_prekey_id);
        writer.u64(self.created_ms);
        writer.prefixed(&self.kyber_ciphertext.encode());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, StoredError> {
        Ok(Self {
            one_time_prekey_id: reader.optional_u32()?,
            signed_prekey_id: reader.u32()?,
            kyber_prekey_id: reader.u32()?,
            created_ms: reader.u64()?,
            kyber_ciphertext: KyberCiphertext::decode(reader.prefixed()?)
                .map_err(|_| StoredError::Damaged)?,
        })
    }
}
