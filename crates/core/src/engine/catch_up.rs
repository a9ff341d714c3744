//! Catching up with the server's record of changes after signing in.
//!
//! Invariant: a page's rows and the cursor behind them are stored together; pages are read one after the other.

use tacite_model::limits::SYNC_PAGE_ROWS_MAX;
use tacite_model::{AccountId, DeviceId, MessageId, Timestamp};
use tacite_vault::{Cursor, MessageState};
use tacite_wire::Frame;
use tacite_wire::proto::{self, DeliveryState, Sync, SyncPage};

use super::commands::{Answer, Reply, Waiting};
use super::contacts::apply_contact;
use super::conversation::{proven_state, recipient_of};
use super::link::Phase;
use super::outbox::device_served;
use super::{Engine, Turn};
use crate::CoreError;

impl Engine {
    /// `sync` from the stored cursor.
    pub(super) fn catch_up(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        let cursor = turn.tx.cursor()?;
        let since = proto::Cursor {
            updated_at_ms: cursor.updated_at.as_ms(),
            id: cursor.id.map_or_else(Vec::new, |id| id.to_vec()).into(),
        };
        let generation = turn.tx.generation()?;
        self.command(turn, Waiting::Sync, &Sync { since: Some(since), generation })
    }

    /// Answers to `sync`.
    pub(super) fn sync_answered(
        &mut self,
        turn: &mut Turn<'_, '_>,
        answer: Answer<'_>,
    ) -> Result<(), CoreError> {
        match answer.reply {
            Reply::Finished => {}
            Reply::InProgress => {
                self.distrust_link(turn);
                return Ok(());
            }
            Reply::Refused(problem) if problem.retryable => {
                self.drop_link(turn, Some(&problem));
                return Ok(());
            }
            Reply::Refused(problem) => {
                return self.stop_link(turn, &problem);
            }
        }
        let Some(page) = self.read::<SyncPage>(turn, answer.frame) else { return Ok(()) };
        if page.contacts.len() + page.states.len() > SYNC_PAGE_ROWS_MAX {
            self.distrust_link(turn);
            return Ok(());
        }
        let Some(tells_again) = self.count_link(turn, page.known_generation)? else { return Ok(()) };
        for contact in &page.contacts {
            apply_contact(turn, contact)?;
        }
        for state in &page.states {
            apply_state(turn, state)?;
        }
        let advanced = save_cursor(turn, page.next.as_ref())?;
        if tells_again {
            return self.catch_up(turn);
        }
        if !page.more {
            self.link.succeed();
            self.link.phase = Phase::Online { level: false };
            return self.receive_held(turn);
        }
        if !advanced {
            // The same page again and again would never end.
            self.distrust_link(turn);
            return Ok(());
        }
        self.catch_up(turn)
    }

    /// `stat`.
    pub(super) fn state_changed(&mut self, turn: &mut Turn<'_, '_>, frame: &Frame) -> Result<(), CoreError> {
        match self.read::<proto::MessageState>(turn, frame) {
            Some(state) => apply_state(turn, &state),
            None => Ok(()),
        }
    }

    /// `levl`.
    #[expect(clippy::unnecessary_wraps, reason = "all handlers have one signature")]
    pub(super) fn level(&mut self, _turn: &mut Turn<'_, '_>, _frame: &Frame) -> Result<(), CoreError> {
        if let Phase::Online { level } = &mut self.link.phase {
            *level = true;
        }
        Ok(())
    }
}

/// The vault's word for a state of the wire; `None`: says nothing.
pub(super) fn message_state(number: i32) -> Option<MessageState> {
    match DeliveryState::try_from(number) {
        Ok(DeliveryState::Sent) => Some(MessageState::Sent),
        Ok(DeliveryState::Received) => Some(MessageState::Received),
        Ok(DeliveryState::Read) => Some(MessageState::Read),
        Ok(DeliveryState::Expired) => Some(MessageState::Expired),
        Ok(DeliveryState::Unspecified) | Err(_) => None,
    }
}

/// Advances a content of ours, whether it is still in the outbox (the answer was lost) or not.
fn apply_state(turn: &mut Turn<'_, '_>, row: &proto::MessageState) -> Result<(), CoreError> {
    let Ok(message_id) = MessageId::try_from(row.message_id.as_ref()) else { return Ok(()) };
    let Ok(recipient_id) = AccountId::try_from(row.recipient_id.as_ref()) else { return Ok(()) };
    let Ok(device_id) = DeviceId::try_from(row.recipient_device) else { return Ok(()) };
    let Some(state) = message_state(row.state) else { return Ok(()) };
    if recipient_of(turn, message_id)? != Some(recipient_id) {
        return Ok(());
    }
    let state = proven_state(turn, message_id, recipient_id, device_id, (state, row.proof.as_ref()))?;
    device_served(turn, message_id, device_id, state)
}

/// Stores the cursor behind a page; false if it did not move forward.
fn save_cursor(turn: &Turn<'_, '_>, next: Option<&proto::Cursor>) -> Result<bool, CoreError> {
    let Some(next) = next else { return Ok(false) };
    let id = match next.id.as_ref() {
        [] => None,
        bytes => match bytes.try_into() {
            Ok(id) => Some(id),
            Err(_) => return Ok(false),
        },
    };
    let next = Cursor { updated_at: Timestamp::from_ms(next.updated_at_ms), id };
    let known = turn.tx.cursor()?;
    if (next.updated_at, next.id) <= (known.updated_at, known.id) {
        return Ok(false);
    }
    turn.tx.save_cursor(&next)?;
    Ok(true)
}
