//! `crea`, `auth`, `pass`, `sign`, `refr`, `bye_`: coming in and going out.

use std::sync::Arc;

use tacite_accounts::{AccountsError, Granted};
use tacite_model::Timestamp;
use tacite_wire::proto::{
    Empty, LogIn, Refresh, Register, SignIn, Words, log_in, register, words as words_proto,
};
use tacite_wire::{Code, Frame, Header};

use super::{finished, in_progress};
use crate::dispatch::Handled;
use crate::hub::{Hub, Parts};
use crate::link;
use crate::refusal::Refusal;
use crate::session::{Session, Step};

pub(crate) async fn register<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    refuse_signed_in(session)?;
    let body: Register = frame.read()?;
    let step = std::mem::take(&mut session.step);
    match (body.step.ok_or(Code::BODY_UNREADABLE)?, step) {
        (register::Step::Start(start), _) => {
            let (answer, pending) = hub.accounts.register_start(&start, now).await?;
            session.step = Step::Registering(Box::new(pending));
            in_progress(&frame.header, now, &answer)
        }
        (register::Step::Finish(finish), Step::Registering(pending)) => {
            let mut rng = hub.chance.fork();
            let challenge = session.challenge;
            let granted = hub.accounts.register_finish(*pending, &finish, &challenge, now, &mut rng).await?;
            grant(hub, session, &frame.header, now, granted)
        }
        (register::Step::Finish(_), _) => Err(Code::STEP_OUT_OF_ORDER.into()),
    }
}

pub(crate) async fn log_in<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    refuse_signed_in(session)?;
    let body: LogIn = frame.read()?;
    let step = std::mem::take(&mut session.step);
    match (body.step.ok_or(Code::BODY_UNREADABLE)?, step) {
        (log_in::Step::Start(start), _) => {
            let mut rng = hub.chance.fork();
            let (answer, pending) = hub.accounts.log_in_start(&start, now, &mut rng).await?;
            session.step = Step::LoggingIn(Box::new(pending));
            in_progress(&frame.header, now, &answer)
        }
        (log_in::Step::Finish(finish), Step::LoggingIn(pending)) => {
            let proven = hub.accounts.log_in_finish(*pending, &finish).inspect_err(warn)?;
            session.step = Step::WordsWanted(Box::new(proven));
            in_progress(&frame.header, now, &Empty {})
        }
        (log_in::Step::Finish(_), _) => Err(Code::STEP_OUT_OF_ORDER.into()),
    }
}

pub(crate) async fn words<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    refuse_signed_in(session)?;
    let body: Words = frame.read()?;
    let mut rng = hub.chance.fork();
    let step = std::mem::take(&mut session.step);
    match (body.step.ok_or(Code::BODY_UNREADABLE)?, step) {
        (words_proto::Step::Start(start), Step::WordsWanted(proven)) => {
            let (answer, pending) = hub.accounts.words_start(*proven, &start, &mut rng)?;
            session.step = Step::GivingWords(Box::new(pending));
            in_progress(&frame.header, now, &answer)
        }
        (words_proto::Step::Finish(finish), Step::GivingWords(pending)) => {
            let challenge = session.challenge;
            let granted = hub
                .accounts
                .words_finish(*pending, &finish, &challenge, now, &mut rng)
                .await
                .inspect_err(warn)?;
            grant(hub, session, &frame.header, now, granted)
        }
        _ => Err(Code::STEP_OUT_OF_ORDER.into()),
    }
}

pub(crate) async fn sign_in<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    refuse_signed_in(session)?;
    let body: SignIn = frame.read()?;
    let mut rng = hub.chance.fork();
    let challenge = session.challenge;
    let granted = hub.accounts.sign_in(&body, &challenge, now, &mut rng).await.inspect_err(warn)?;
    grant(hub, session, &frame.header, now, granted)
}

pub(crate) async fn refresh<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    session.admit_refresh(now)?;
    let body: Refresh = frame.read()?;
    let mut rng = hub.chance.fork();
    let outcome = hub.accounts.refresh(&body, session.identity.as_ref(), now, &mut rng).await;
    if let Err(AccountsError::TokenReused { session_id }) = &outcome {
        tracing::warn!("a refresh token was used twice; its session has been ended");
        hub.links.close_session(*session_id);
    }
    grant(hub, session, &frame.header, now, outcome?)
}

pub(crate) async fn log_out<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    hub.accounts.log_out(session.identity()?).await?;
    hub.links.close_device(session.device()?, session.link);
    session.ends = true;
    finished(&frame.header, now, &Empty {})
}

/// A link never changes its account or device, and a refusal must come before any change is made (T56).
fn refuse_signed_in(session: &Session) -> Result<(), Refusal> {
    if session.identity.is_some() { Err(Code::FORBIDDEN.into()) } else { Ok(()) }
}

/// Signs the link in and answers with the tokens.
fn grant<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    header: &Header,
    now: Timestamp,
    granted: Granted,
) -> Handled {
    let is_new = session.identity.is_none();
    link::sign_in(hub, session, granted.identity);
    if is_new {
        // A device has one session; what the earlier one opened ends with it.
        hub.links.close_device(session.device()?, session.link);
    }
    finished(header, now, &granted.session)
}

/// Failed log-ins are worth a line; whose they were is not.
fn warn(error: &AccountsError) {
    if matches!(error, AccountsError::CredentialsWrong) {
        tracing::warn!("a log-in failed: wrong credentials");
    }
}
