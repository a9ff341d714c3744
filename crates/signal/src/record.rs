//! All sessions with one device of a peer: the current one and those before it (section 5).
//!
//! Sending uses the current session; receiving tries them all. When both sides begin at once, each makes the session that the other's
//! message came in its current one, and so they meet.
//!
//! Invariant: a method that returns an error has changed nothing, to the byte of the stored form.

use std::{collections::VecDeque, fmt};

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    address::Address,
    bundle::{BundleError, PreKeyBundle},
    codec::{Reader, StoredError, Writer},
    curve::PublicKey,
    error::{DecryptError, EncryptError},
    limits::ARCHIVED_SESSIONS_MAX,
    message::{PreKeyMessage, WhisperMessage},
    prekeys::{PrekeySource, UsedPrekeys},
    session::{CiphertextMessage, LocalParty, Session, SessionChange},
};

const VERSION: u8 = 1;

/// All sessions with one device of a peer. A value: store [`Self::to_bytes`] before a ciphertext leaves and before a plaintext is shown.
#[derive(Default)]
pub struct SessionRecord {
    current: Option<Session>,
    /// Newest first.
    archived: VecDeque<Session>,
}

/// What a message that can begin a session contained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decrypted {
    /// The content.
    pub plaintext: Vec<u8>,
    /// The sender's identity, to be remembered.
    pub identity: PublicKey,
    /// The prekeys to be struck out, if the message began a session; a further message of a session that exists uses none.
    pub used: Option<UsedPrekeys>,
}

/// Where a session stands in the record.
#[derive(Clone, Copy)]
enum Place {
    Current,
    Archived(usize),
}

impl SessionRecord {
    /// A record without sessions.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Whether there is a current session. It may be too old to send on; see [`Self::is_usable`].
    #[must_use]
    pub fn has_session(&self) -> bool {
        self.current.is_some()
    }

    /// Whether [`Self::encrypt`] would find a session at `now_ms` (milliseconds since 1970).
    #[must_use]
    pub fn is_usable(&self, now_ms: u64) -> bool {
        self.current.as_ref().is_some_and(|session| session.is_usable(now_ms))
    }

    /// The peer's identity in the current session.
    #[must_use]
    pub fn remote_identity(&self) -> Option<&PublicKey> {
        self.current.as_ref().map(Session::remote_identity)
    }

    /// The peer's registration id in the current session; a changed one means that the peer was installed anew. Not authenticated.
    #[must_use]
    pub fn remote_registration_id(&self) -> Option<u32> {
        self.current.as_ref().map(Session::remote_registration_id)
    }

    /// Stops using the current session for sending; messages under way in it can still be read.
    pub fn archive_current(&mut self) {
        if let Some(mut session) = self.current.take() {
            session.forget_pending();
            self.archived.push_front(session);
            self.archived.truncate(ARCHIVED_SESSIONS_MAX);
        }
    }

    /// Begins a session with the owner of `bundle` and makes it the current one. `now_ms` is milliseconds since 1970.
    ///
    /// The caller has checked that the bundle's identity is one it trusts for this account.
    pub fn process_bundle(
        &mut self,
        local: &LocalParty<'_>,
        remote: &Address,
        bundle: &PreKeyBundle,
        now_ms: u64,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), BundleError> {
        if bundle.device_id != remote.device() {
            return Err(BundleError::Device);
        }
        let session = Session::initiate(local, bundle, now_ms, rng)?;
        self.install(session);
        Ok(())
    }

    /// Encrypts the next message in the current session. `now_ms` is milliseconds since 1970.
    pub fn encrypt(
        &mut self,
        local: &LocalParty<'_>,
        remote: &Address,
        plaintext: &[u8],
        now_ms: u64,
        rng: &mut dyn CryptoRng,
    ) -> Result<CiphertextMessage, EncryptError> {
        let session = self.current.as_mut().ok_or(EncryptError::NoSession)?;
        session.seal(local.address, remote, plaintext, now_ms, rng)
    }

    /// Reads a message of kind 2. `trust` is asked about the session's identity key after the message has opened.
    pub fn decrypt_whisper(
        &mut self,
        local: &LocalParty<'_>,
        remote: &Address,
        bytes: &[u8],
        rng: &mut dyn CryptoRng,
        trust: &dyn Fn(&PublicKey) -> bool,
    ) -> Result<Vec<u8>, DecryptError> {
        let message = WhisperMessage::decode(bytes)?;
        let (place, plaintext, change) = self.open(local.address, remote, &message, rng)?;
        if !self.at(place).is_some_and(|session| trust(session.remote_identity())) {
            return Err(DecryptError::UntrustedIdentity);
        }
        self.apply(place, change);
        Ok(plaintext)
    }

    /// Reads a message of kind 3. `trust` is asked about its identity key first. `prekeys` looks up, and never deletes; what is to be deleted
    /// stands in [`Decrypted::used`].
    pub fn decrypt_prekey(
        &mut self,
        local: &LocalParty<'_>,
        remote: &Address,
        bytes: &[u8],
        prekeys: &mut dyn PrekeySource,
        rng: &mut dyn CryptoRng,
        trust: &dyn Fn(&PublicKey) -> bool,
    ) -> Result<Decrypted, DecryptError> {
        let message = PreKeyMessage::decode(bytes)?;
        let inner = WhisperMessage::decode(&message.message)?;
        let identity = message.identity_key;
        if !trust(&identity) {
            return Err(DecryptError::UntrustedIdentity);
        }
        if let Some((place, session)) = self.find(&message.base_key) {
            if *session.remote_identity() != identity {
                return Err(DecryptError::Forged);
            }
            let (plaintext, change) = session.open(local.address, remote, &inner, rng)?;
            self.apply(place, change);
            return Ok(Decrypted { plaintext, identity, used: None });
        }
        let (mut session, used) = Session::respond(local, &message, prekeys)?;
        let (plaintext, change) = session.open(local.address, remote, &inner, rng)?;
        if !prekeys.permit_kyber_use(&used) {
            return Err(DecryptError::KyberUseRefused);
        }
        session.apply(change);
        self.install(session);
        Ok(Decrypted { plaintext, identity, used: Some(used) })
    }

    /// The stored form, beginning with a version byte; holds secrets.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let length = self.sessions().map(|(_, session)| session.stored_length()).sum::<usize>();
        let mut writer = Writer::with_capacity(3 + length);
        writer.u8(VERSION);
        writer.u8(u8::from(self.current.is_some()));
        writer.u8(u8::try_from(self.archived.len()).expect("at most 40 archived sessions"));
        for (_, session) in self.sessions() {
            session.write(&mut writer);
        }
        writer.finish()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoredError> {
        let mut reader = Reader::new(bytes);
        reader.version(VERSION)?;
        let has_current = reader.flag()?;
        let archived = usize::from(reader.u8()?);
        if archived > ARCHIVED_SESSIONS_MAX {
            return Err(StoredError::Damaged);
        }
        let current = if has_current { Some(Session::read(&mut reader)?) } else { None };
        let archived = (0..archived).map(|_| Session::read(&mut reader)).collect::<Result<_, _>>()?;
        reader.end()?;
        Ok(Self { current, archived })
    }

    #[cfg(feature = "hazmat")]
    pub(crate) fn current_mut(&mut self) -> Option<&mut Session> {
        self.current.as_mut()
    }

    /// Tries the sessions in turn; a message that was read before ends the search.
    fn open(
        &self,
        local: &Address,
        remote: &Address,
        message: &WhisperMessage<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Place, Vec<u8>, SessionChange), DecryptError> {
        let mut first_error = None;
        for (place, session) in self.sessions() {
            match session.open(local, remote, message, rng) {
                Ok((plaintext, change)) => return Ok((place, plaintext, change)),
                Err(DecryptError::Duplicate) => return Err(DecryptError::Duplicate),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        Err(first_error.unwrap_or(DecryptError::NoSession))
    }

    /// All sessions, the current one first, then from new to old.
    fn sessions(&self) -> impl Iterator<Item = (Place, &Session)> {
        let archived =
            self.archived.iter().enumerate().map(|(index, session)| (Place::Archived(index), session));
        self.current.iter().map(|session| (Place::Current, session)).chain(archived)
    }

    fn find(&self, base_key: &PublicKey) -> Option<(Place, &Session)> {
        self.sessions().find(|(_, session)| session.base_key() == base_key)
    }

    fn at(&self, place: Place) -> Option<&Session> {
        match place {
            Place::Current => self.current.as_ref(),
            Place::Archived(index) => self.archived.get(index),
        }
    }

    /// Makes the session at `place` the current one and uses up the message's keys in it.
    fn apply(&mut self, place: Place, change: SessionChange) {
        if let Place::Archived(index) = place
            && let Some(session) = self.archived.remove(index)
        {
            self.install(session);
        }
        if let Some(session) = &mut self.current {
            session.apply(change);
        }
    }

    fn install(&mut self, session: Session) {
        self.archive_current();
        self.current = Some(session);
    }
}

impl fmt::Debug for SessionRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("SessionRecord");
        shown.field("current", &self.current.is_some()).field("archived", &self.archived.len());
        shown.finish_non_exhaustive()
    }
}
