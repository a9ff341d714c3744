//! Logging in with password and words (`auth`, then `pass`), each an OPAQUE exchange of two steps, on one link.
//!
//! Invariants: the words are asked only after the right password, and a wrong word costs another password; an unknown name
//! goes the same way with a fake record, is counted the same and fails at the same step with the same error (T29, T52);
//! the device that comes in belongs to the account whose password was given (T56).

use opaque_ke::ServerLogin;
use tacite_model::{AccountId, Handle, Timestamp};
use tacite_wire::password::{Suite, password_identifier, words_identifier};
use tacite_wire::proto;

use crate::store::{Credentials, Proof, Record, Store};
use crate::{Accounts, AccountsError, Granted, Rng, opaque};

/// What a link must keep between the two steps of the password.
pub struct PendingPassword {
    handle: Handle,
    login: ServerLogin<Suite>,
    /// `None` for an unknown name.
    account: Option<(AccountId, Record)>,
}

/// What a link must keep once the password was right. Used up by the first try of the words.
pub struct PasswordProven {
    handle: Handle,
    account_id: AccountId,
    words_record: Record,
}

/// What a link must keep between the two steps of the words.
pub struct PendingWords {
    handle: Handle,
    account_id: AccountId,
    login: ServerLogin<Suite>,
}

impl<S: Store> Accounts<S> {
    /// `auth`, first step: KE1 in, KE2 out.
    ///
    /// Fails with `CredentialsWrong` for what cannot be a name, `TooFast` or `Unreadable`.
    pub async fn log_in_start(
        &self,
        start: &proto::LogInStart,
        now: Timestamp,
        rng: &mut Rng,
    ) -> Result<(proto::CredentialStarted, PendingPassword), AccountsError> {
        let handle: Handle = start.handle.parse().map_err(|_| AccountsError::CredentialsWrong)?;
        self.log_ins.admit(handle.clone(), now)?;
        let found = self.store.credentials(handle.clone()).await?;
        let record = found.as_ref().map(|credentials| &credentials.password_record);
        let identifier = password_identifier(&handle);
        let (answer, login) =
            opaque::start(&self.setup, record, &start.credential_request, &identifier, rng)?;
        let account = found.map(|Credentials { account_id, words_record, .. }| (account_id, words_record));
        let started = proto::CredentialStarted { credential_response: answer.into() };
        Ok((started, PendingPassword { handle, login, account }))
    }

    /// `auth`, second step: KE3 in. Fails with `CredentialsWrong` or `Unreadable`.
    pub fn log_in_finish(
        &self,
        pending: PendingPassword,
        finish: &proto::CredentialFinish,
    ) -> Result<PasswordProven, AccountsError> {
        let PendingPassword { handle, login, account } = pending;
        opaque::finish(login, &finish.credential_finalization)?;
        let (account_id, words_record) = account.ok_or(AccountsError::CredentialsWrong)?;
        Ok(PasswordProven { handle, account_id, words_record })
    }

    /// `pass`, first step: KE1 in, KE2 out. Fails with `Unreadable`.
    pub fn words_start(
        &self,
        proven: PasswordProven,
        start: &proto::WordsStart,
        rng: &mut Rng,
    ) -> Result<(proto::CredentialStarted, PendingWords), AccountsError> {
        let PasswordProven { handle, account_id, words_record } = proven;
        let identifier = words_identifier(&handle);
        let (answer, login) =
            opaque::start(&self.setup, Some(&words_record), &start.credential_request, &identifier, rng)?;
        let started = proto::CredentialStarted { credential_response: answer.into() };
        Ok((started, PendingWords { handle, account_id, login }))
    }

    /// `pass`, second step: KE3 and the device's signature of the link's `challenge` in, session out.
    ///
    /// Fails with `CredentialsWrong` or `Unreadable`; then the log-in begins again with the password.
    pub async fn words_finish(
        &self,
        pending: PendingWords,
        finish: &proto::WordsFinish,
        challenge: &[u8; 32],
        now: Timestamp,
        rng: &mut Rng,
    ) -> Result<Granted, AccountsError> {
        let PendingWords { handle, account_id, login } = pending;
        opaque::finish(login, &finish.credential_finalization)?;
        let sign_in = finish.device.as_ref().ok_or(AccountsError::Unreadable("device"))?;
        let (signer, device_id) = self.check_signature(sign_in, challenge).await?;
        if signer != account_id {
            return Err(AccountsError::CredentialsWrong);
        }
        let granted = self.begin_session(account_id, device_id, Proof::Words, now, rng).await?;
        self.log_ins.forget(&handle);
        Ok(granted)
    }
}
