//! Who is there and who is typing: told and heard in passing, kept in memory only.
//!
//! Invariants: nothing is told that the person has switched off; what is heard of anybody but accepted contacts is passed over; when
//! the link is gone, nobody is known to be there.

use tacite_model::limits::PRESENCES_PER_FRAME_MAX;
use tacite_model::{AccountId, Handle, Timestamp};
use tacite_vault::{Contact, Standing};
use tacite_wire::proto::{self, SetPresence, Typing};
use tacite_wire::{Code, Frame, Opcode};

use super::commands::{Answer, Reply, Waiting};
use super::{Engine, Turn};
use crate::{CoreError, Event, Outcome, Presence, Problem, RequestId};

/// The same need not be told again for so long: a view tells it with every key. Milliseconds.
const TYPING_MS: u64 = 3000;

/// What is known in passing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Passing {
    /// What the person wants to be for their contacts; `None`: nothing was said, and they see nothing.
    own: Option<Presence>,
    /// What was told on the present link.
    told: Option<Presence>,
    /// What was last told about typing: to whom, what, when.
    typing: Option<(AccountId, bool, Timestamp)>,
    /// Who is not offline.
    others: Vec<(AccountId, Presence)>,
}

impl Passing {
    pub(super) fn forget_link(&mut self) {
        self.told = None;
        self.typing = None;
    }
}

impl Engine {
    /// The person wants to be this for their contacts.
    pub(super) fn intend_presence(
        &mut self,
        turn: &mut Turn<'_, '_>,
        request: RequestId,
        presence: Presence,
    ) -> Option<Problem> {
        self.passing.own = Some(presence);
        turn.tell(Event::Done(request, Outcome::Done));
        None
    }

    /// The person is typing, or no longer. Without a link nobody needs to know.
    pub(super) fn intend_typing(
        &mut self,
        turn: &mut Turn<'_, '_>,
        request: RequestId,
        to: &Handle,
        typing: bool,
    ) -> Result<Option<Problem>, CoreError> {
        let contact = turn.tx.contact_by_handle(to)?;
        let Some(contact) = contact.filter(is_heard) else {
            return Ok(Some(Problem::of(Code::NOT_A_CONTACT)));
        };
        turn.tell(Event::Done(request, Outcome::Done));
        let is_told = self.passing.typing.is_some_and(|(account_id, told, at)| {
            (account_id, told) == (contact.account_id, typing) && turn.now.ms_since(at) < TYPING_MS
        });
        if !self.link.is_online() || is_told || !turn.tx.settings()?.typing {
            return Ok(None);
        }
        self.passing.typing = Some((contact.account_id, typing, turn.now));
        let body = Typing { account_id: contact.account_id.as_bytes().to_vec().into(), typing };
        self.command(turn, Waiting::Passing { opcode: Opcode::SET_TYPING }, &body)?;
        Ok(None)
    }

    /// Tells what the person wants to be, once on each link and whenever it changes.
    pub(super) fn drive_presence(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        let is_shared = turn.tx.settings()?.presence;
        let wanted = match (self.passing.own, self.passing.told) {
            (Some(own), _) if is_shared => own,
            // Switched off after it was told.
            (_, Some(told)) if told != Presence::Offline => Presence::Offline,
            _ => return Ok(()),
        };
        if self.passing.told == Some(wanted) {
            return Ok(());
        }
        self.passing.told = Some(wanted);
        let body = SetPresence { presence: wanted.to_proto().into() };
        self.command(turn, Waiting::Passing { opcode: Opcode::SET_PRESENCE }, &body)
    }

    /// Answers to `mood` and `type`. Who was refused says it again on the next link.
    #[expect(clippy::unnecessary_wraps, reason = "all handlers have one signature")]
    pub(super) fn passing_answered(
        &mut self,
        turn: &mut Turn<'_, '_>,
        answer: Answer<'_>,
    ) -> Result<(), CoreError> {
        let Answer { reply, .. } = answer;
        if reply == Reply::InProgress {
            self.distrust_link(turn);
        }
        Ok(())
    }

    /// `pres`.
    pub(super) fn presence_changed(
        &mut self,
        turn: &mut Turn<'_, '_>,
        frame: &Frame,
    ) -> Result<(), CoreError> {
        let Some(changed) = self.read::<proto::PresenceChanged>(turn, frame) else { return Ok(()) };
        for row in changed.presences.iter().take(PRESENCES_PER_FRAME_MAX) {
            let Some(contact) = heard(turn, &row.account_id)? else { continue };
            let presence = Presence::from_proto(row.presence());
            self.note_presence(turn, &contact, presence);
        }
        Ok(())
    }

    /// `typn`.
    pub(super) fn typing_changed(&mut self, turn: &mut Turn<'_, '_>, frame: &Frame) -> Result<(), CoreError> {
        let Some(row) = self.read::<Typing>(turn, frame) else { return Ok(()) };
        if let Some(contact) = heard(turn, &row.account_id)? {
            turn.tell(Event::TypingChanged { handle: contact.handle, typing: row.typing });
        }
        Ok(())
    }

    /// Without a link nobody is known to be there.
    pub(super) fn forget_presences(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        if self.link.is_online() {
            return Ok(());
        }
        for (account_id, _) in std::mem::take(&mut self.passing.others) {
            if let Some(contact) = turn.tx.contact(account_id)? {
                turn.tell(Event::PresenceChanged { handle: contact.handle, presence: Presence::Offline });
            }
        }
        Ok(())
    }

    fn note_presence(&mut self, turn: &mut Turn<'_, '_>, contact: &Contact, presence: Presence) {
        let others = &mut self.passing.others;
        let known = others.iter().find(|(account_id, _)| *account_id == contact.account_id);
        if known.map_or(Presence::Offline, |(_, known)| *known) == presence {
            return;
        }
        others.retain(|(account_id, _)| *account_id != contact.account_id);
        if presence != Presence::Offline {
            others.push((contact.account_id, presence));
        }
        turn.tell(Event::PresenceChanged { handle: contact.handle.clone(), presence });
    }
}

impl Presence {
    const fn to_proto(self) -> proto::Presence {
        match self {
            Self::Offline => proto::Presence::Offline,
            Self::Busy => proto::Presence::Busy,
            Self::Online => proto::Presence::Online,
        }
    }

    const fn from_proto(presence: proto::Presence) -> Self {
        match presence {
            proto::Presence::Unspecified | proto::Presence::Offline => Self::Offline,
            proto::Presence::Busy => Self::Busy,
            proto::Presence::Online => Self::Online,
        }
    }
}

/// The accepted contact of this account id, unless they are blocked.
fn heard(turn: &Turn<'_, '_>, account_id: &[u8]) -> Result<Option<Contact>, CoreError> {
    let Ok(account_id) = AccountId::try_from(account_id) else { return Ok(None) };
    Ok(turn.tx.contact(account_id)?.filter(is_heard))
}

fn is_heard(contact: &Contact) -> bool {
    contact.standing == Standing::Accepted && !contact.blocked
}
