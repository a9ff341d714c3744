//! Intents that need the server: contacts and logging out.
//!
//! Invariants: an errand is sent once per link and again on the next one until it is answered; before that, the vault is
//! asked whether its aim has been reached meanwhile (its answer may have been lost, its effect has come by `sync`).

use tacite_model::Handle;
use tacite_vault::{AccountStanding, Contact, Standing};
use tacite_wire::proto::{self, AnswerContact, BlockContact, Empty};
use tacite_wire::{Code, Opcode};

use super::commands::{Answer, Reply, Waiting};
use super::contacts::apply_answer;
use super::link::Then;
use super::{Engine, Turn};
use crate::{CoreError, Event, Outcome, Problem, RequestId};

/// An intent on its way.
#[derive(Debug, Clone)]
pub(crate) struct Errand {
    pub(super) request: RequestId,
    pub(super) kind: ErrandKind,
    /// Whether it was sent on the present link.
    pub(super) sent: bool,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ErrandKind {
    RequestContact(Handle),
    AcceptContact(Handle),
    RefuseContact(Handle),
    BlockContact(Handle),
    UnblockContact(Handle),
    LogOut,
}

/// What to do about an errand now.
enum Step {
    RequestContact(proto::RequestContact),
    AnswerContact(AnswerContact),
    BlockContact(BlockContact),
    LogOut,
    Reached(Outcome),
    Refuse(Problem),
}

impl ErrandKind {
    pub(super) const fn handle(&self) -> Option<&Handle> {
        match self {
            Self::RequestContact(handle)
            | Self::AcceptContact(handle)
            | Self::RefuseContact(handle)
            | Self::BlockContact(handle)
            | Self::UnblockContact(handle) => Some(handle),
            Self::LogOut => None,
        }
    }

    const fn opcode(&self) -> Opcode {
        match self {
            Self::RequestContact(_) => Opcode::REQUEST_CONTACT,
            Self::AcceptContact(_) => Opcode::ACCEPT_CONTACT,
            Self::RefuseContact(_) => Opcode::REFUSE_CONTACT,
            Self::BlockContact(_) => Opcode::BLOCK_CONTACT,
            Self::UnblockContact(_) => Opcode::UNBLOCK_CONTACT,
            Self::LogOut => Opcode::LOG_OUT,
        }
    }
}

impl Engine {
    /// Sends the errands that were not sent on this link yet.
    pub(super) fn drive_errands(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        for errand in self.errands.clone() {
            if errand.sent {
                continue;
            }
            let waiting = Waiting::Errand { request: errand.request, opcode: errand.kind.opcode() };
            match next_step(turn, &errand.kind)? {
                Step::RequestContact(body) => self.command(turn, waiting, &body)?,
                Step::AnswerContact(body) => self.command(turn, waiting, &body)?,
                Step::BlockContact(body) => self.command(turn, waiting, &body)?,
                Step::LogOut => self.command(turn, waiting, &Empty {})?,
                Step::Reached(outcome) => {
                    self.take_errand(errand.request);
                    withdraw_consent(turn, &errand.kind)?;
                    turn.tell(Event::Done(errand.request, outcome));
                    continue;
                }
                Step::Refuse(problem) => {
                    self.take_errand(errand.request);
                    withdraw_consent(turn, &errand.kind)?;
                    turn.tell(Event::Failed(errand.request, problem));
                    continue;
                }
            }
            for sent in self.errands.iter_mut().filter(|it| it.request == errand.request) {
                sent.sent = true;
            }
        }
        Ok(())
    }

    /// Answers to `jmpu`, `ampu`, `rfmu`, `blok`, `unbl` and `bye_`.
    pub(super) fn errand_answered(
        &mut self,
        turn: &mut Turn<'_, '_>,
        answer: Answer<'_>,
    ) -> Result<(), CoreError> {
        let Waiting::Errand { request, .. } = answer.waiting else { return Ok(()) };
        let Some(errand) = self.errands.iter().find(|errand| errand.request == request).cloned() else {
            return Ok(());
        };
        match answer.reply {
            Reply::Refused(problem) => {
                self.take_errand(request);
                // Who failed for now may have obeyed all the same: what the person wanted stands.
                if !problem.retryable {
                    withdraw_consent(turn, &errand.kind)?;
                }
                turn.tell(Event::Failed(request, problem));
                Ok(())
            }
            Reply::Finished if errand.kind == ErrandKind::LogOut => self.logged_out(turn),
            Reply::Finished => {
                let Some(row) = self.read::<proto::Contact>(turn, answer.frame) else { return Ok(()) };
                let Some(contact) = apply_answer(turn, &row, &errand.kind)? else {
                    self.distrust_link(turn);
                    return Ok(());
                };
                self.take_errand(request);
                let outcome = Outcome::Contact { handle: contact.handle, standing: contact.standing };
                turn.tell(Event::Done(request, outcome));
                Ok(())
            }
            Reply::InProgress => {
                self.distrust_link(turn);
                Ok(())
            }
        }
    }

    /// Answers all errands with a failure. What the person wanted stands: the server may have obeyed.
    pub(super) fn fail_errands(&mut self, turn: &mut Turn<'_, '_>, problem: &Problem) {
        for errand in std::mem::take(&mut self.errands) {
            turn.tell(Event::Failed(errand.request, problem.clone()));
        }
    }

    /// The session has ended: whoever wanted just that is content.
    pub(super) fn complete_log_out(&mut self, turn: &mut Turn<'_, '_>) {
        let (done, rest) = std::mem::take(&mut self.errands)
            .into_iter()
            .partition::<Vec<_>, _>(|errand| errand.kind == ErrandKind::LogOut);
        self.errands = rest;
        for errand in done {
            turn.tell(Event::Done(errand.request, Outcome::SignedOut));
        }
    }

    fn logged_out(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        turn.tx.set_account_standing(AccountStanding::SignedOut)?;
        turn.tx.remove_tokens()?;
        self.complete_log_out(turn);
        self.close_link(turn, Then::Stop(None));
        Ok(())
    }

    fn take_errand(&mut self, request: RequestId) {
        self.errands.retain(|errand| errand.request != request);
    }
}

fn next_step(turn: &Turn<'_, '_>, kind: &ErrandKind) -> Result<Step, CoreError> {
    let Some(handle) = kind.handle() else { return Ok(Step::LogOut) };
    let contact = turn.tx.contact_by_handle(handle)?;
    if let ErrandKind::BlockContact(_) | ErrandKind::UnblockContact(_) = kind {
        return Ok(contact.map_or_else(
            || Step::Refuse(Problem::of(Code::NOT_A_CONTACT)),
            |contact| block_step(kind, contact),
        ));
    }
    let standing = contact.as_ref().map(|contact| contact.standing);
    let reached = |standing| Step::Reached(Outcome::Contact { handle: handle.clone(), standing });
    let answer = |contact: Contact| {
        Step::AnswerContact(AnswerContact { account_id: contact.account_id.as_bytes().to_vec().into() })
    };
    Ok(match (kind, standing) {
        (ErrandKind::RequestContact(_) | ErrandKind::AcceptContact(_), Some(Standing::Accepted)) => {
            reached(Standing::Accepted)
        }
        (ErrandKind::RefuseContact(_), Some(Standing::Refused)) => reached(Standing::Refused),
        (ErrandKind::RequestContact(_), _) => {
            Step::RequestContact(proto::RequestContact { handle: handle.as_str().to_owned() })
        }
        (ErrandKind::AcceptContact(_), Some(Standing::Asking | Standing::Refused))
        | (ErrandKind::RefuseContact(_), Some(Standing::Asking | Standing::Accepted)) => {
            contact.map_or_else(|| Step::Refuse(Problem::of(Code::NO_REQUEST)), answer)
        }
        _ => Step::Refuse(Problem::of(Code::NO_REQUEST)),
    })
}

fn block_step(kind: &ErrandKind, contact: Contact) -> Step {
    if contact.blocked == matches!(kind, ErrandKind::BlockContact(_)) {
        return Step::Reached(Outcome::Contact { handle: contact.handle, standing: contact.standing });
    }
    Step::BlockContact(BlockContact { account_id: contact.account_id.as_bytes().to_vec().into() })
}

/// An errand that is done with leaves no consent behind: what it reached stands with the contact.
fn withdraw_consent(turn: &Turn<'_, '_>, kind: &ErrandKind) -> Result<(), CoreError> {
    if let ErrandKind::RequestContact(handle)
    | ErrandKind::AcceptContact(handle)
    | ErrandKind::RefuseContact(handle) = kind
    {
        turn.tx.take_consent(handle)?;
    }
    Ok(())
}
