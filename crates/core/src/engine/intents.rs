//! What the person wants: sorted into what the vault alone can do, errands for the link, and credentials to check.
//!
//! Invariant: every intent is answered exactly once, here or by whatever it was turned into.

use tacite_model::Secret;
use tacite_vault::AccountStanding;
use tacite_wire::Code;

use super::conversation;
use super::errands::{Errand, ErrandKind};
use super::identities;
use super::link::Phase;
use super::log_in::LogIn;
use super::register::Registration;
use super::{Engine, Turn};
use crate::{CoreError, Event, Intent, Outcome, Problem, RequestId, Server};

/// A registration or log-in under way.
#[derive(Debug, Clone)]
pub(crate) enum Credentials {
    Register(Registration),
    LogIn(LogIn),
}

impl Credentials {
    pub(super) const fn request(&self) -> RequestId {
        match self {
            Self::Register(registration) => registration.request,
            Self::LogIn(log_in) => log_in.request,
        }
    }

    /// The server to which they belong.
    pub(super) fn server(&self, turn: &Turn<'_, '_>) -> Result<Option<Server>, CoreError> {
        match self {
            Self::Register(registration) => Ok(Some(registration.server.clone())),
            Self::LogIn(_) => Ok(turn.tx.server()?.map(Into::into)),
        }
    }
}

impl Engine {
    pub(super) fn intend(
        &mut self,
        turn: &mut Turn<'_, '_>,
        request: RequestId,
        intent: Intent,
    ) -> Result<(), CoreError> {
        let refusal = match intent {
            Intent::Register { server, invitation, handle, password, words } => {
                let registration = Registration::new(request, server, invitation, handle, password, words);
                self.intend_register(turn, registration)?
            }
            Intent::LogIn { password, words } => self.intend_log_in(turn, request, password, words)?,
            Intent::AcceptIdentity { handle } => identities::accept(turn, request, &handle)?,
            Intent::LogOut => self.intend_errand(turn, request, ErrandKind::LogOut)?,
            Intent::RequestContact { handle } => {
                self.intend_errand(turn, request, ErrandKind::RequestContact(handle))?
            }
            Intent::AcceptContact { handle } => {
                self.intend_errand(turn, request, ErrandKind::AcceptContact(handle))?
            }
            Intent::RefuseContact { handle } => {
                self.intend_errand(turn, request, ErrandKind::RefuseContact(handle))?
            }
            Intent::BlockContact { handle } => {
                self.intend_errand(turn, request, ErrandKind::BlockContact(handle))?
            }
            Intent::UnblockContact { handle } => {
                self.intend_errand(turn, request, ErrandKind::UnblockContact(handle))?
            }
            Intent::SetPresence { presence } => self.intend_presence(turn, request, presence),
            Intent::SetTyping { to, typing } => self.intend_typing(turn, request, &to, typing)?,
            wish => perform_wish(turn, request, wish)?,
        };
        if let Some(problem) = refusal {
            turn.tell(Event::Failed(request, problem));
        }
        Ok(())
    }

    fn intend_register(
        &mut self,
        turn: &mut Turn<'_, '_>,
        registration: Registration,
    ) -> Result<Option<Problem>, CoreError> {
        if self.credentials.is_some() {
            return Ok(Some(Problem::busy()));
        }
        if turn.tx.account()?.is_some() {
            return Ok(Some(Problem::already_registered()));
        }
        if let Some(problem) = check_secrets(&registration.password, &registration.words) {
            return Ok(Some(problem));
        }
        self.credentials = Some(Credentials::Register(registration));
        self.connect_anew(turn)?;
        Ok(None)
    }

    fn intend_log_in(
        &mut self,
        turn: &mut Turn<'_, '_>,
        request: RequestId,
        password: Secret<String>,
        words: Secret<String>,
    ) -> Result<Option<Problem>, CoreError> {
        let standing = turn.tx.account()?.map(|account| account.standing);
        if self.credentials.is_some() || standing == Some(AccountStanding::Registering) {
            return Ok(Some(Problem::busy()));
        }
        if standing.is_none() {
            return Ok(Some(Problem::not_registered()));
        }
        if let Some(problem) = check_secrets(&password, &words) {
            return Ok(Some(problem));
        }
        self.credentials = Some(Credentials::LogIn(LogIn::new(request, password, words)));
        self.connect_anew(turn)?;
        Ok(None)
    }

    fn intend_errand(
        &mut self,
        turn: &mut Turn<'_, '_>,
        request: RequestId,
        kind: ErrandKind,
    ) -> Result<Option<Problem>, CoreError> {
        let Some(account) = turn.tx.account()? else { return Ok(Some(Problem::not_registered())) };
        if account.standing == AccountStanding::SignedOut {
            if kind == ErrandKind::LogOut {
                turn.tell(Event::Done(request, Outcome::SignedOut));
                return Ok(None);
            }
            return Ok(Some(Problem::of(Code::SESSION_ENDED)));
        }
        if let Phase::Idle { problem: Some(problem) } = &self.link.phase {
            return Ok(Some(problem.clone()));
        }
        if kind.handle() == Some(&account.handle) {
            return Ok(Some(Problem::not_yourself()));
        }
        match &kind {
            ErrandKind::RequestContact(handle) | ErrandKind::AcceptContact(handle) => {
                turn.tx.give_consent(handle)?;
            }
            // The later wish counts, whenever the server hears of it.
            ErrandKind::RefuseContact(handle) => {
                turn.tx.take_consent(handle)?;
            }
            ErrandKind::BlockContact(_) | ErrandKind::UnblockContact(_) | ErrandKind::LogOut => {}
        }
        self.errands.push(Errand { request, kind, sent: false });
        Ok(None)
    }

    /// Answers the registration or log-in under way, if there is one, with a failure.
    pub(super) fn fail_credentials(&mut self, turn: &mut Turn<'_, '_>, problem: &Problem) {
        if let Some(credentials) = self.credentials.take() {
            turn.tell(Event::Failed(credentials.request(), problem.clone()));
        }
    }
}

/// What the vault alone can do is done at once.
fn perform_wish(
    turn: &mut Turn<'_, '_>,
    request: RequestId,
    wish: Intent,
) -> Result<Option<Problem>, CoreError> {
    match conversation::perform(turn, wish)? {
        Ok(outcome) => {
            turn.tell(Event::Done(request, outcome));
            Ok(None)
        }
        Err(problem) => Ok(Some(problem)),
    }
}

fn check_secrets(password: &Secret<String>, words: &Secret<String>) -> Option<Problem> {
    if password.expose().is_empty() {
        return Some(Problem::password_empty());
    }
    let three = words.expose().split(' ').filter(|word| !word.is_empty()).count() == 3;
    let single_spaces = words.expose().matches(' ').count() == 2;
    (!three || !single_spaces).then(Problem::words_not_three)
}
