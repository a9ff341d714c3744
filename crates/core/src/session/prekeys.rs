//! Making prekeys, and finding them again when a first message names them.
//!
//! Invariant: a prekey is in the vault before its public half leaves.

use rand_core::CryptoRng;
use tacite_model::{Secret, Timestamp};
use tacite_signal::{
    IdentityKeyPair, KyberPreKeyRecord, OneTimePreKeyRecord, PrekeySource, SignedPreKeyRecord, UsedPrekeys,
};
use tacite_vault::{Account, Prekey, PrekeyKind, Transaction, VaultError};
use tacite_wire::proto::{OneTimePrekey, SignedPrekey};

use crate::CoreError;

/// A new identity: its stored form and its public key in Signal's encoding.
pub(crate) fn new_identity(rng: &mut dyn CryptoRng) -> (Secret<Vec<u8>>, [u8; 33]) {
    let pair = IdentityKeyPair::generate(rng);
    (Secret::new(pair.to_bytes().to_vec()), pair.public().encode())
}

/// Makes prekeys of one account.
pub(crate) struct PrekeyMaker<'a, 'v> {
    pub(crate) tx: &'a Transaction<'v>,
    pub(crate) identity: IdentityKeyPair,
    pub(crate) now: Timestamp,
}

impl<'a, 'v> PrekeyMaker<'a, 'v> {
    pub(crate) fn new(tx: &'a Transaction<'v>, account: &Account, now: Timestamp) -> Result<Self, CoreError> {
        let identity = IdentityKeyPair::from_bytes(account.identity_key_pair.expose())
            .map_err(|_| CoreError::Internal("the stored identity key cannot be read"))?;
        Ok(Self { tx, identity, now })
    }

    /// Makes and stores a signed prekey.
    pub(crate) fn signed(&self, rng: &mut dyn CryptoRng) -> Result<(), CoreError> {
        let record = SignedPreKeyRecord::generate(self.next_id(rng)?, &self.identity, rng);
        self.store(PrekeyKind::Signed, record.id(), record.to_bytes().to_vec())
    }

    /// Makes and stores a Kyber prekey, one-time or last-resort.
    pub(crate) fn kyber(&self, kind: PrekeyKind, rng: &mut dyn CryptoRng) -> Result<SignedPrekey, CoreError> {
        let record = KyberPreKeyRecord::generate(self.next_id(rng)?, &self.identity, rng);
        self.store(kind, record.id(), record.to_bytes().to_vec())?;
        Ok(public_kyber(&record))
    }

    /// Makes and stores a one-time prekey.
    pub(crate) fn one_time(&self, rng: &mut dyn CryptoRng) -> Result<OneTimePrekey, CoreError> {
        let record = OneTimePreKeyRecord::generate(self.next_id(rng)?, rng);
        self.store(PrekeyKind::OneTime, record.id(), record.to_bytes().to_vec())?;
        Ok(OneTimePrekey { id: record.id(), key: record.public().encode().to_vec().into() })
    }

    fn next_id(&self, rng: &mut dyn CryptoRng) -> Result<u32, CoreError> {
        Ok(self.tx.next_prekey_id(rng.next_u32())?)
    }

    fn store(&self, kind: PrekeyKind, id: u32, record: Vec<u8>) -> Result<(), CoreError> {
        let record = Secret::new(record);
        let prekey = Prekey { kind, id, record, created_at: self.now, published: false, retired: false };
        Ok(self.tx.add_prekey(&prekey)?)
    }
}

/// The public half of a stored signed or last-resort prekey, for the server.
pub(crate) fn public_half(prekey: &Prekey) -> Result<SignedPrekey, CoreError> {
    let unreadable = |_| CoreError::Internal("a stored prekey cannot be read");
    if prekey.kind == PrekeyKind::Signed {
        let record = SignedPreKeyRecord::from_bytes(prekey.record.expose()).map_err(unreadable)?;
        let key = record.public().encode().to_vec().into();
        return Ok(SignedPrekey { id: record.id(), key, signature: record.signature().to_vec().into() });
    }
    let record = KyberPreKeyRecord::from_bytes(prekey.record.expose()).map_err(unreadable)?;
    Ok(public_kyber(&record))
}

fn public_kyber(record: &KyberPreKeyRecord) -> SignedPrekey {
    SignedPrekey {
        id: record.id(),
        key: record.public().encode().into(),
        signature: record.signature().to_vec().into(),
    }
}

/// The vault's prekeys, for a session that a peer begins.
pub(super) struct VaultPrekeys<'a, 'v> {
    pub(super) tx: &'a Transaction<'v>,
    /// Whether retired ones are found too.
    retired: bool,
    /// The trait cannot say that the vault failed; it is said afterwards.
    failure: Option<VaultError>,
}

impl<'a, 'v> VaultPrekeys<'a, 'v> {
    /// Those for a session in which we may answer.
    pub(super) fn new(tx: &'a Transaction<'v>) -> Self {
        Self { tx, retired: false, failure: None }
    }

    /// All, for a session that is frozen.
    pub(super) fn with_retired(tx: &'a Transaction<'v>) -> Self {
        Self { tx, retired: true, failure: None }
    }

    /// Whether the vault answered every question.
    pub(super) fn into_result(self) -> Result<(), VaultError> {
        self.failure.map_or(Ok(()), Err)
    }

    fn find<T>(
        &mut self,
        id: u32,
        kinds: &[PrekeyKind],
        read: impl Fn(&[u8]) -> Result<T, tacite_signal::StoredError>,
    ) -> Option<T> {
        match self.tx.prekey(id) {
            Ok(prekey) => {
                let is_wanted =
                    |prekey: &Prekey| kinds.contains(&prekey.kind) && (self.retired || !prekey.retired);
                let prekey = prekey.filter(is_wanted)?;
                read(prekey.record.expose()).ok()
            }
            Err(error) => {
                self.failure = Some(error);
                None
            }
        }
    }
}

impl PrekeySource for VaultPrekeys<'_, '_> {
    fn signed(&mut self, id: u32) -> Option<SignedPreKeyRecord> {
        self.find(id, &[PrekeyKind::Signed], SignedPreKeyRecord::from_bytes)
    }

    fn kyber(&mut self, id: u32) -> Option<KyberPreKeyRecord> {
        self.find(id, &[PrekeyKind::Kyber, PrekeyKind::LastResort], KyberPreKeyRecord::from_bytes)
    }

    fn one_time(&mut self, id: u32) -> Option<OneTimePreKeyRecord> {
        self.find(id, &[PrekeyKind::OneTime], OneTimePreKeyRecord::from_bytes)
    }

    fn permit_kyber_use(&mut self, used: &UsedPrekeys) -> bool {
        match self.note_use(used) {
            Ok(is_new) => is_new,
            Err(error) => {
                self.failure = Some(error);
                false
            }
        }
    }
}

impl VaultPrekeys<'_, '_> {
    /// Notes the use of a last-resort key; false if it was noted before. One-time keys are deleted instead.
    fn note_use(&self, used: &UsedPrekeys) -> Result<bool, VaultError> {
        match self.tx.prekey(used.kyber)? {
            Some(prekey) if prekey.kind == PrekeyKind::LastResort => {
                self.tx.note_last_resort_use(used.kyber, used.signed, &used.base_key.encode())
            }
            _ => Ok(true),
        }
    }
}
