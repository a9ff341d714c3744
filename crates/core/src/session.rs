//! Sessions of the Signal protocol over the vault: the only place (with `prekeys` below it) that calls `tacite_signal`.
//!
//! Invariants: a session's record is written in the transaction that its ciphertext or plaintext belongs to; used one-time
//! prekeys are deleted there too; a peer's identity key, once known, must stay the same; a frozen session opens and never
//! seals; one that a peer began with retired prekeys is frozen from the first message on.

pub(crate) mod prekeys;

use std::cell::Cell;

use rand_core::CryptoRng;
use tacite_model::{AccountId, DeviceId, Secret, Timestamp};
use tacite_seal::{SealKind, Sealed};
use tacite_signal::{
    Address, BundleError, CiphertextMessage, DecryptError, IdentityKeyPair, KyberPublicKey, LocalParty,
    MessageKind, PreKeyBundle, PublicKey, SessionRecord, UsedPrekeys,
};
use tacite_vault::{Account, PrekeyKind, Transaction};
use tacite_wire::proto::DeviceBundle;
use zeroize::Zeroizing;

use crate::CoreError;
use prekeys::VaultPrekeys;

/// This device as the Signal protocol sees it.
pub(crate) struct Party {
    address: Address,
    identity: IdentityKeyPair,
    registration_id: u32,
}

/// A device of somebody else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) account_id: AccountId,
    pub(crate) device_id: DeviceId,
}

/// What a sealed body held.
pub(crate) struct Opened {
    pub(crate) plaintext: Zeroizing<Vec<u8>>,
    /// The sender's identity key, in Signal's encoding; equal to the known one if one was known.
    pub(crate) identity_key: [u8; 33],
}

/// Why a sealed body could not be opened; nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// The sender's identity key is not the known one, but this.
    IdentityChanged(Option<[u8; 33]>),
    /// Anything else: forged, damaged, repeated, or for a session or prekey that we do not have.
    Unreadable,
}

impl Party {
    /// This device, from its account.
    pub(crate) fn new(account: &Account) -> Result<Self, CoreError> {
        let identity = IdentityKeyPair::from_bytes(account.identity_key_pair.expose())
            .map_err(|_| CoreError::Internal("the stored identity key cannot be read"))?;
        let address = address(Peer { account_id: account.account_id, device_id: account.device_id });
        Ok(Self { address, identity, registration_id: account.registration_id })
    }

    fn local(&self) -> LocalParty<'_> {
        LocalParty { address: &self.address, identity: &self.identity, registration_id: self.registration_id }
    }
}

/// Seals a padded content for a device; `None` if there is no session that may be used. One whose keys are used up is put away,
/// so that fresh keys begin another.
pub(crate) fn seal(
    tx: &Transaction<'_>,
    party: &Party,
    peer: Peer,
    content: &[u8],
    now: Timestamp,
    rng: &mut dyn CryptoRng,
) -> Result<Option<Vec<u8>>, CoreError> {
    let mut record = load(tx, peer)?;
    if !record.is_usable(now.as_ms()) {
        return Ok(None);
    }
    let sealed = record.encrypt(&party.local(), &address(peer), content, now.as_ms(), rng);
    let Ok(CiphertextMessage { kind, bytes }) = sealed else {
        retire(tx, peer)?;
        return Ok(None);
    };
    save(tx, peer, &record)?;
    let kind = match kind {
        MessageKind::Whisper => SealKind::Whisper,
        MessageKind::PreKey => SealKind::Prekey,
    };
    Ok(Some(Sealed { kind, message: bytes }.encode()))
}

/// Opens a sealed body that came from a device. `known_identity` is the sender's identity key if it is known.
pub(crate) fn open(
    tx: &Transaction<'_>,
    party: &Party,
    peer: Peer,
    known_identity: Option<[u8; 33]>,
    sealed: &Sealed,
    rng: &mut dyn CryptoRng,
) -> Result<Result<Opened, OpenError>, CoreError> {
    let mut record = load(tx, peer)?;
    let opened = open_in(VaultPrekeys::new(tx), &mut record, party, peer, known_identity, sealed, rng)?;
    if opened.is_ok() {
        save(tx, peer, &record)?;
    }
    if !matches!(opened, Err(OpenError::Unreadable)) {
        return Ok(opened);
    }
    for position in tx.frozen_sessions(peer.account_id, peer.device_id)? {
        let Some(bytes) = tx.frozen_session(position)? else { continue };
        let mut record = read(&bytes)?;
        let prekeys = VaultPrekeys::with_retired(tx);
        let thawed = open_in(prekeys, &mut record, party, peer, known_identity, sealed, rng)?;
        if thawed.is_ok() {
            tx.save_frozen_session(position, &record.to_bytes())?;
            return Ok(thawed);
        }
    }
    // The vault that this one is a copy of may have gone on in this session: here nothing is sealed in it.
    let mut record = SessionRecord::empty();
    let prekeys = VaultPrekeys::with_retired(tx);
    let opened = open_in(prekeys, &mut record, party, peer, known_identity, sealed, rng)?;
    if opened.is_ok() {
        tx.add_frozen_session(peer.account_id, peer.device_id, &record.to_bytes())?;
    }
    Ok(opened)
}

/// Opens a sealed body in one record, which is not stored here; used prekeys are struck out.
fn open_in(
    mut prekeys: VaultPrekeys<'_, '_>,
    record: &mut SessionRecord,
    party: &Party,
    peer: Peer,
    known_identity: Option<[u8; 33]>,
    sealed: &Sealed,
    rng: &mut dyn CryptoRng,
) -> Result<Result<Opened, OpenError>, CoreError> {
    let (remote, tx) = (address(peer), prekeys.tx);
    let refused = Cell::new(None);
    let trust = |key: &PublicKey| {
        let is_known = known_identity.is_none_or(|known| known == key.encode());
        refused.set((!is_known).then(|| key.encode()));
        is_known
    };
    let opened = match sealed.kind {
        SealKind::Whisper => record
            .decrypt_whisper(&party.local(), &remote, &sealed.message, rng, &trust)
            .map(|plaintext| (plaintext, record.remote_identity().map(PublicKey::encode), None)),
        SealKind::Prekey => {
            let decrypted =
                record.decrypt_prekey(&party.local(), &remote, &sealed.message, &mut prekeys, rng, &trust);
            prekeys.into_result()?;
            decrypted
                .map(|decrypted| (decrypted.plaintext, Some(decrypted.identity.encode()), decrypted.used))
        }
    };
    let (plaintext, identity_key, used) = match opened {
        Ok((plaintext, Some(identity_key), used)) => (Zeroizing::new(plaintext), identity_key, used),
        Ok((_, None, _)) => return Err(CoreError::Internal("a session without the peer's identity")),
        Err(DecryptError::UntrustedIdentity) => {
            return Ok(Err(OpenError::IdentityChanged(refused.get())));
        }
        Err(_) => return Ok(Err(OpenError::Unreadable)),
    };
    if let Some(used) = used {
        strike_out(tx, &used)?;
    }
    Ok(Ok(Opened { plaintext, identity_key }))
}

/// Whether something can be sealed for this device now.
pub(crate) fn is_usable(tx: &Transaction<'_>, peer: Peer, now: Timestamp) -> Result<bool, CoreError> {
    Ok(load(tx, peer)?.is_usable(now.as_ms()))
}

/// Stops sealing in the present session with a device; what is under way in it can still be opened.
pub(crate) fn retire(tx: &Transaction<'_>, peer: Peer) -> Result<(), CoreError> {
    let mut record = load(tx, peer)?;
    record.archive_current();
    save(tx, peer, &record)
}

/// Begins a session from fetched keys; false if they are refused: malformed, or not signed by `identity_key`.
pub(crate) fn begin(
    tx: &Transaction<'_>,
    party: &Party,
    peer: Peer,
    identity_key: &[u8; 33],
    keys: &DeviceBundle,
    now: Timestamp,
    rng: &mut dyn CryptoRng,
) -> Result<bool, CoreError> {
    let Some(bundle) = bundle(peer.device_id, identity_key, keys) else { return Ok(false) };
    let mut record = load(tx, peer)?;
    let begun: Result<(), BundleError> =
        record.process_bundle(&party.local(), &address(peer), &bundle, now.as_ms(), rng);
    if begun.is_err() {
        return Ok(false);
    }
    save(tx, peer, &record)?;
    Ok(true)
}

fn bundle(device_id: DeviceId, identity_key: &[u8; 33], keys: &DeviceBundle) -> Option<PreKeyBundle> {
    let signed = keys.signed_prekey.as_ref()?;
    let kyber = keys.kyber_prekey.as_ref()?;
    let one_time = match &keys.one_time_prekey {
        Some(one_time) => Some((one_time.id, PublicKey::decode(&one_time.key).ok()?)),
        None => None,
    };
    Some(PreKeyBundle {
        registration_id: keys.registration_id,
        device_id: device_id.value(),
        identity_key: PublicKey::decode(identity_key).ok()?,
        signed_prekey_id: signed.id,
        signed_prekey: PublicKey::decode(&signed.key).ok()?,
        signed_prekey_signature: signed.signature.as_ref().try_into().ok()?,
        kyber_prekey_id: kyber.id,
        kyber_prekey: KyberPublicKey::decode(&kyber.key).ok()?,
        kyber_prekey_signature: kyber.signature.as_ref().try_into().ok()?,
        one_time_prekey: one_time,
    })
}

/// Deletes the one-time prekeys that began a session.
fn strike_out(tx: &Transaction<'_>, used: &UsedPrekeys) -> Result<(), CoreError> {
    if let Some(one_time) = used.one_time {
        tx.remove_prekey(one_time)?;
    }
    if tx.prekey(used.kyber)?.is_some_and(|prekey| prekey.kind == PrekeyKind::Kyber) {
        tx.remove_prekey(used.kyber)?;
    }
    Ok(())
}

fn load(tx: &Transaction<'_>, peer: Peer) -> Result<SessionRecord, CoreError> {
    match tx.session(peer.account_id, peer.device_id)? {
        Some(bytes) => read(&bytes),
        None => Ok(SessionRecord::empty()),
    }
}

fn read(bytes: &Secret<Vec<u8>>) -> Result<SessionRecord, CoreError> {
    SessionRecord::from_bytes(bytes.expose())
        .map_err(|_| CoreError::Internal("a stored session cannot be read"))
}

fn save(tx: &Transaction<'_>, peer: Peer, record: &SessionRecord) -> Result<(), CoreError> {
    Ok(tx.save_session(peer.account_id, peer.device_id, &record.to_bytes())?)
}

fn address(peer: Peer) -> Address {
    Address::new(peer.account_id.to_string(), peer.device_id.value())
        .expect("a UUID has 36 bytes and a device id is 1 to 127")
}
