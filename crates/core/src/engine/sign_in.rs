//! Sessions: proving the device by signature, tokens, the end of a session.
//!
//! Invariants: a refresh token leaves the vault before it leaves the device, so it is never used twice; a session that the
//! server has ended is not begun again without password and words.

use ed25519_dalek::{Signer, SigningKey};
use tacite_model::limits::TOKEN_BYTES_MAX;
use tacite_model::{AccountId, Secret, Timestamp};
use tacite_vault::{Account, AccountStanding, Tokens};
use tacite_wire::proto::{Refresh, SessionGranted, SignIn};
use tacite_wire::{Code, Frame, signing};

use super::commands::{Answer, Reply, Waiting};
use super::hello::Greeting;
use super::link::{Phase, Then};
use super::{Engine, Turn};
use crate::{CoreError, Event, Outcome, Problem};

/// How long before its end an access token is exchanged, milliseconds.
const REFRESH_BEFORE_MS: u64 = 2 * 60_000;
/// How often tokens are exchanged at most, milliseconds, however short-lived a server makes them.
const REFRESH_PAUSE_MS: u64 = 30_000;

/// The device's signature for a link.
pub(super) fn signature(account: &Account, greeting: &Greeting) -> Vec<u8> {
    let text = signing::sign_in_text(
        &greeting.server_name,
        &greeting.challenge,
        account.account_id,
        account.device_id,
    );
    SigningKey::from_bytes(account.login_key.expose()).sign(&text).to_bytes().to_vec()
}

/// When to exchange a token. It expires by the server's clock, with which the device's need not agree (T70).
fn refresh_time(expires_at: Timestamp, server_now: Timestamp, now: Timestamp) -> Timestamp {
    let left_ms = expires_at.ms_since(server_now);
    now.plus_ms(left_ms.saturating_sub(REFRESH_BEFORE_MS).max(REFRESH_PAUSE_MS))
}

impl Engine {
    /// `sign`.
    pub(super) fn sign_in(&mut self, turn: &mut Turn<'_, '_>, greeting: &Greeting) -> Result<(), CoreError> {
        let account = turn.account()?;
        let sign_in = SignIn {
            account_id: account.account_id.as_bytes().to_vec().into(),
            device_id: account.device_id.into(),
            signature: signature(&account, greeting).into(),
        };
        self.command(turn, Waiting::SignIn, &sign_in)
    }

    /// Answers to `sign`.
    pub(super) fn sign_in_answered(
        &mut self,
        turn: &mut Turn<'_, '_>,
        answer: Answer<'_>,
    ) -> Result<(), CoreError> {
        let problem = match answer.reply {
            Reply::Finished => return self.granted(turn, answer.frame),
            Reply::Refused(problem) => problem,
            Reply::InProgress => {
                self.distrust_link(turn);
                return Ok(());
            }
        };
        let is_registering = turn.account()?.standing == AccountStanding::Registering;
        match problem.code {
            Code::CREDENTIALS_WRONG if is_registering => {
                let problem = Problem::registration_interrupted();
                turn.notice(problem.clone());
                self.register_refused(turn, &problem)
            }
            Code::SESSION_ENDED | Code::CREDENTIALS_WRONG => self.end_session(turn, &problem),
            _ if problem.retryable => {
                self.drop_link(turn, Some(&problem));
                Ok(())
            }
            _ => self.stop_link(turn, &problem),
        }
    }

    /// A session was granted, by whichever command: stores it and begins to catch up.
    pub(super) fn granted(&mut self, turn: &mut Turn<'_, '_>, frame: &Frame) -> Result<(), CoreError> {
        let account = turn.account()?;
        let Some(administrator) = self.save_grant(turn, &account, frame)? else { return Ok(()) };
        turn.tx.set_account_standing(AccountStanding::SignedIn)?;
        turn.tx.set_administrator(administrator)?;
        if let Some(credentials) = self.credentials.take() {
            let outcome =
                Outcome::SignedIn { account_id: account.account_id, handle: account.handle, administrator };
            turn.tell(Event::Done(credentials.request(), outcome));
        }
        self.signed_in(turn)
    }

    /// The token at the upgrade was accepted. `server_now`: the server's clock.
    pub(super) fn signed_in_by_token(
        &mut self,
        turn: &mut Turn<'_, '_>,
        server_now: Timestamp,
    ) -> Result<(), CoreError> {
        let tokens = turn.tx.tokens()?;
        self.refresh_at = tokens.map(|tokens| refresh_time(tokens.access_expires_at, server_now, turn.now));
        self.signed_in(turn)
    }

    fn signed_in(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        self.link.phase = Phase::CatchingUp;
        self.keys.check();
        self.catch_up(turn)
    }

    /// Stores granted tokens; says whether the account administers the server, or `None` if the grant makes no sense.
    fn save_grant(
        &mut self,
        turn: &mut Turn<'_, '_>,
        account: &Account,
        frame: &Frame,
    ) -> Result<Option<bool>, CoreError> {
        let Some(granted) = self.read::<SessionGranted>(turn, frame) else { return Ok(None) };
        let is_ours = AccountId::try_from(granted.account_id.as_ref()) == Ok(account.account_id);
        let fits = |token: &str| token.len() <= TOKEN_BYTES_MAX;
        if !is_ours || !fits(&granted.access_token) || !fits(&granted.refresh_token) {
            self.distrust_link(turn);
            return Ok(None);
        }
        let access_expires_at = Timestamp::from_ms(granted.access_expires_at_ms);
        let refresh_token = (!granted.refresh_token.is_empty()).then(|| Secret::new(granted.refresh_token));
        turn.tx.save_tokens(&Tokens {
            access_token: Secret::new(granted.access_token),
            access_expires_at,
            refresh_token,
            refresh_expires_at: Timestamp::from_ms(granted.refresh_expires_at_ms),
        })?;
        self.refresh_at = Some(refresh_time(access_expires_at, frame.header.timestamp, turn.now));
        Ok(Some(granted.administrator))
    }

    /// Exchanges the access token before it ends; without a refresh token by a new link and signature.
    pub(super) fn drive_refresh(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        if self.refresh_at.is_none_or(|at| at > turn.now) || self.is_waiting(|it| *it == Waiting::Refresh) {
            return Ok(());
        }
        self.refresh_at = None;
        let refresh_expires_at = turn.tx.tokens()?.map(|tokens| tokens.refresh_expires_at);
        let token = turn.tx.take_refresh_token()?;
        match token.filter(|_| refresh_expires_at.is_some_and(|at| at > turn.now)) {
            Some(token) => {
                let refresh = Refresh { refresh_token: token.expose().clone() };
                self.command(turn, Waiting::Refresh, &refresh)
            }
            None => self.sign_in_anew(turn),
        }
    }

    /// Answers to `refr`.
    pub(super) fn refresh_answered(
        &mut self,
        turn: &mut Turn<'_, '_>,
        answer: Answer<'_>,
    ) -> Result<(), CoreError> {
        let Answer { frame, reply, .. } = answer;
        match reply {
            Reply::Finished => {
                let account = turn.account()?;
                self.save_grant(turn, &account, frame)?;
                Ok(())
            }
            Reply::InProgress | Reply::Refused(_) => self.sign_in_anew(turn),
        }
    }

    /// The session is over: password and words are wanted.
    pub(super) fn end_session(
        &mut self,
        turn: &mut Turn<'_, '_>,
        problem: &Problem,
    ) -> Result<(), CoreError> {
        turn.tx.set_account_standing(AccountStanding::SignedOut)?;
        turn.tx.remove_tokens()?;
        self.complete_log_out(turn);
        self.stop_link(turn, problem)
    }

    /// The server says that the session is over. A device's clock may be wrong about its tokens, so only a refused signature
    /// decides: it is tried on a new link, after a pause.
    pub(super) fn sign_in_again(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        turn.tx.remove_tokens()?;
        self.drop_link(turn, None);
        Ok(())
    }

    /// The session goes on, on a new link, with a signature instead of tokens.
    fn sign_in_anew(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        turn.tx.remove_tokens()?;
        self.close_link(turn, Then::Anew);
        Ok(())
    }
}
