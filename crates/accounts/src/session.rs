//! Sessions: begun by a device's signature, renewed by a refresh token, ended by log-out, proven by an access token.
//!
//! Invariants: a signature counts only for the link's challenge, this server, this account and this device (T10, T50) and is
//! checked strictly (T3); a refresh token is good for one use (T54); after a log-out neither token nor signature lets
//! the device in.

use ed25519_dalek::{Signature, VerifyingKey};
use tacite_model::limits::REFRESH_TOKEN_MS;
use tacite_model::{AccountId, DeviceId, Timestamp};
use tacite_wire::{proto, signing};

use crate::store::{NewSession, Proof, Rotated, Rotation, Session, Store};
use crate::token::RefreshToken;
use crate::{Accounts, AccountsError, Granted, Identity, Rng, SessionId};

impl<S: Store> Accounts<S> {
    /// `sign`: a known device proves itself by signing the link's `challenge`.
    ///
    /// Fails with `Unreadable`, `CredentialsWrong`, `TooFast`, or `SessionEnded` if the device was logged out.
    pub async fn sign_in(
        &self,
        sign_in: &proto::SignIn,
        challenge: &[u8; 32],
        now: Timestamp,
        rng: &mut Rng,
    ) -> Result<Granted, AccountsError> {
        let (account_id, device_id) = self.check_signature(sign_in, challenge).await?;
        self.sessions.admit(account_id, now)?;
        self.begin_session(account_id, device_id, Proof::Signature, now, rng).await
    }

    /// `refr`: exchanges a refresh token for new tokens of the same session. `link` is who the link is signed in as, if
    /// anybody: then only a token of that very session will do (T56).
    ///
    /// Fails with `TokenInvalid`, `TokenReused`, `SessionEnded` (expired) or `TooFast`.
    pub async fn refresh(
        &self,
        refresh: &proto::Refresh,
        link: Option<&Identity>,
        now: Timestamp,
        rng: &mut Rng,
    ) -> Result<Granted, AccountsError> {
        let shown = RefreshToken::from_text(&refresh.refresh_token)?;
        let tokens = NewTokens::random(rng, now);
        if let Some(link) = link {
            self.sessions.admit(link.account_id, now)?;
        }
        let rotation = Rotation {
            shown: shown.hash(),
            expected: link.map(|link| link.session_id),
            next: tokens.refresh.hash(),
            now,
            expires_at: tokens.refresh_expires_at(),
        };
        match self.store.rotate(rotation).await? {
            Rotated::Done(session) => Ok(self.grant(&session, &tokens)),
            Rotated::Unknown => Err(AccountsError::TokenInvalid),
            Rotated::Expired => Err(AccountsError::SessionEnded),
            Rotated::Reused(session_id) => {
                tracing::warn!("a refresh token was used twice; its session has been ended");
                Err(AccountsError::TokenReused { session_id })
            }
        }
    }

    /// `bye_`: ends the device's session with all its tokens; the device's signature is refused until the next log-in by password.
    pub async fn log_out(&self, identity: &Identity) -> Result<(), AccountsError> {
        Ok(self.store.log_out(identity.account_id, identity.device_id).await?)
    }

    /// Who shows this access token. Fails with `TokenInvalid`, or `SessionEnded` if it has expired or its session has ended.
    pub async fn verify_access(&self, token: &str, now: Timestamp) -> Result<Identity, AccountsError> {
        let identity = self.access_tokens.verify(token, now)?;
        if self.is_session_live(identity.session_id, now).await? {
            Ok(identity)
        } else {
            Err(AccountsError::SessionEnded)
        }
    }

    /// Whether a session has neither been ended nor expired.
    pub async fn is_session_live(
        &self,
        session_id: SessionId,
        now: Timestamp,
    ) -> Result<bool, AccountsError> {
        Ok(self.store.is_session_live(session_id, now).await?)
    }

    /// Whose the signature is; every way to be wrong is the same error.
    pub(crate) async fn check_signature(
        &self,
        sign_in: &proto::SignIn,
        challenge: &[u8; 32],
    ) -> Result<(AccountId, DeviceId), AccountsError> {
        let account_id = AccountId::try_from(sign_in.account_id.as_ref())
            .map_err(|_| AccountsError::Unreadable("account_id"))?;
        let device_id =
            DeviceId::try_from(sign_in.device_id).map_err(|_| AccountsError::Unreadable("device_id"))?;
        let key = self.store.login_key(account_id, device_id).await?;
        let key = key.ok_or(AccountsError::CredentialsWrong)?;
        let text = signing::sign_in_text(&self.settings.server_name, challenge, account_id, device_id);
        verify_signature(&key, &text, &sign_in.signature)?;
        Ok((account_id, device_id))
    }

    pub(crate) async fn begin_session(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
        proof: Proof,
        now: Timestamp,
        rng: &mut Rng,
    ) -> Result<Granted, AccountsError> {
        let tokens = NewTokens::random(rng, now);
        let new = tokens.session(SessionId::random(rng), account_id, device_id);
        let session = self.store.begin_session(new, proof).await?;
        session.map(|session| self.grant(&session, &tokens)).ok_or(AccountsError::SessionEnded)
    }

    /// The answer for a session that the store has just kept.
    pub(crate) fn grant(&self, session: &Session, tokens: &NewTokens) -> Granted {
        let Session { session_id, account_id, device_id, administrator } = *session;
        let (access_token, identity) =
            self.access_tokens.issue(account_id, device_id, session_id, tokens.now);
        let session = proto::SessionGranted {
            account_id: account_id.as_bytes().to_vec().into(),
            access_token,
            access_expires_at_ms: identity.expires_at.as_ms(),
            refresh_token: tokens.refresh.to_text(),
            refresh_expires_at_ms: tokens.refresh_expires_at().as_ms(),
            administrator,
        };
        Granted { identity, session }
    }
}

/// The refresh token of a session that begins or is renewed `now`.
pub(crate) struct NewTokens {
    refresh: RefreshToken,
    now: Timestamp,
}

impl NewTokens {
    pub(crate) fn random(rng: &mut Rng, now: Timestamp) -> Self {
        Self { refresh: RefreshToken::random(rng), now }
    }

    pub(crate) fn session(
        &self,
        session_id: SessionId,
        account_id: AccountId,
        device_id: DeviceId,
    ) -> NewSession {
        let expires_at = self.refresh_expires_at();
        NewSession {
            session_id,
            account_id,
            device_id,
            refresh: self.refresh.hash(),
            now: self.now,
            expires_at,
        }
    }

    fn refresh_expires_at(&self) -> Timestamp {
        self.now.plus_ms(REFRESH_TOKEN_MS)
    }
}

/// Ed25519 (RFC 8032), strict: no small-order key or nonce, no second form of a signature (T3).
pub(crate) fn verify_signature(key: &[u8; 32], text: &[u8], signature: &[u8]) -> Result<(), AccountsError> {
    let key = VerifyingKey::from_bytes(key).map_err(|_| AccountsError::CredentialsWrong)?;
    let signature = Signature::from_slice(signature).map_err(|_| AccountsError::CredentialsWrong)?;
    key.verify_strict(text, &signature).map_err(|_| AccountsError::CredentialsWrong)
}
