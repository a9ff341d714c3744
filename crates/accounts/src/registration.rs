//! Registering an account (`crea`), in two steps on one link.
//!
//! Invariants: without a valid invitation, where one is needed, an answer does not tell whether a name is taken (T29); the
//! account, its records, its device, its session and the use of the invitation are one transaction; the device has proven
//! that it holds its log-in key.

use sha2::{Digest as _, Sha256};
use tacite_model::{AccountId, DeviceId, Handle, Timestamp};
use tacite_wire::password::{password_identifier, words_identifier};
use tacite_wire::{proto, signing};

use crate::session::{NewTokens, verify_signature};
use crate::store::{InvitationHash, NewAccount, NewDevice, Registered, Session, Store};
use crate::{Accounts, AccountsError, Granted, Registration, Rng, SessionId, opaque};

/// Signal registration ids have 14 bits and are not 0.
const REGISTRATION_ID_MAX: u32 = 0x3FFF;
/// First byte of an identity key in Signal's encoding (Curve25519).
const KEY_TYPE: u8 = 0x05;

/// What a link must keep between the two steps.
#[derive(Debug)]
pub struct PendingRegistration {
    handle: Handle,
    invitation: Option<InvitationHash>,
}

impl<S: Store> Accounts<S> {
    /// First step: checks invitation and handle, answers the two OPAQUE requests.
    ///
    /// Fails with `RegistrationClosed`, `HandleNotAllowed`, `InvitationInvalid`, `TooFast`, `HandleTaken` or `Unreadable`.
    pub async fn register_start(
        &self,
        start: &proto::RegisterStart,
        now: Timestamp,
    ) -> Result<(proto::RegisterStarted, PendingRegistration), AccountsError> {
        let handle: Handle = start.handle.parse()?;
        let invitation = self.check_invitation(&start.invitation, now).await?;
        self.registrations.admit(invitation, now)?;
        if self.store.find(handle.clone()).await?.is_some() {
            return Err(AccountsError::HandleTaken);
        }
        let answer =
            |request: &[u8], identifier: &[u8]| opaque::answer_registration(&self.setup, request, identifier);
        let started = proto::RegisterStarted {
            password_response: answer(&start.password_request, &password_identifier(&handle))?.into(),
            words_response: answer(&start.words_request, &words_identifier(&handle))?.into(),
        };
        Ok((started, PendingRegistration { handle, invitation }))
    }

    /// Second step: checks what the device made, keeps it, grants the first session. `challenge` is the link's.
    ///
    /// Fails with `Unreadable`, `CredentialsWrong` (the device's signature), `IdInUse`, `HandleTaken` or
    /// `InvitationInvalid` (taken or used up since the first step).
    pub async fn register_finish(
        &self,
        pending: PendingRegistration,
        finish: &proto::RegisterFinish,
        challenge: &[u8; 32],
        now: Timestamp,
        rng: &mut Rng,
    ) -> Result<Granted, AccountsError> {
        let account_id = AccountId::try_from(finish.account_id.as_ref())
            .map_err(|_| AccountsError::Unreadable("account_id"))?;
        let device = self.check_device(finish, challenge, account_id)?;
        let tokens = NewTokens::random(rng, now);
        let session_id = SessionId::random(rng);
        let new = NewAccount {
            account_id,
            handle: pending.handle,
            identity_key: identity_key(&finish.identity_key)?,
            password_record: opaque::accept_record(&finish.password_record)?,
            words_record: opaque::accept_record(&finish.words_record)?,
            device,
            session: tokens.session(session_id, account_id, device.device_id),
            invitation: pending.invitation,
        };
        match self.store.register(new).await? {
            Registered::Done { administrator } => {
                let device_id = device.device_id;
                let session = Session { session_id, account_id, device_id, administrator };
                Ok(self.grant(&session, &tokens))
            }
            Registered::IdInUse => Err(AccountsError::IdInUse),
            Registered::HandleTaken => Err(AccountsError::HandleTaken),
            Registered::InvitationInvalid => Err(AccountsError::InvitationInvalid),
        }
    }

    async fn check_invitation(
        &self,
        secret: &[u8],
        now: Timestamp,
    ) -> Result<Option<InvitationHash>, AccountsError> {
        match self.settings.registration {
            Registration::Open => Ok(None),
            Registration::Closed => Err(AccountsError::RegistrationClosed),
            Registration::Invitation => {
                let secret: [u8; 16] = secret.try_into().map_err(|_| AccountsError::InvitationInvalid)?;
                let hash = invitation_hash(&secret);
                let valid = self.store.is_invitation_valid(hash, now).await?;
                if valid { Ok(Some(hash)) } else { Err(AccountsError::InvitationInvalid) }
            }
        }
    }

    fn check_device(
        &self,
        finish: &proto::RegisterFinish,
        challenge: &[u8; 32],
        account_id: AccountId,
    ) -> Result<NewDevice, AccountsError> {
        let device = finish.device.as_ref().ok_or(AccountsError::Unreadable("device"))?;
        let device_id = DeviceId::try_from(device.device_id).ok().filter(|id| *id == DeviceId::FIRST);
        let device_id = device_id.ok_or(AccountsError::Unreadable("device_id"))?;
        let login_key: [u8; 32] =
            device.login_key.as_ref().try_into().map_err(|_| AccountsError::Unreadable("login_key"))?;
        if !(1..=REGISTRATION_ID_MAX).contains(&device.registration_id) {
            return Err(AccountsError::Unreadable("registration_id"));
        }
        let text = signing::sign_in_text(&self.settings.server_name, challenge, account_id, device_id);
        verify_signature(&login_key, &text, &device.signature)?;
        Ok(NewDevice { device_id, login_key, registration_id: device.registration_id })
    }
}

/// What is stored of an invitation. The secret is random, so a plain hash cannot be guessed.
pub(crate) fn invitation_hash(secret: &[u8; 16]) -> InvitationHash {
    InvitationHash(Sha256::digest(secret).into())
}

fn identity_key(bytes: &[u8]) -> Result<[u8; 33], AccountsError> {
    let key: Option<[u8; 33]> = bytes.try_into().ok();
    key.filter(|key| key[0] == KEY_TYPE).ok_or(AccountsError::Unreadable("identity_key"))
}
