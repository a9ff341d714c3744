//! Changed identity keys: shown, kept, and taken only by the person's decision.
//!
//! Invariants: what was offered is used for nothing before it is accepted; accepting it makes the contact unverified, and nothing
//! is sealed any more in sessions with the old one.

use tacite_model::limits::HELD_MESSAGES_MAX;
use tacite_model::{DeviceId, Handle, MessageName};
use tacite_wire::Code;

use super::Turn;
use super::healing::note_unreadable;
use crate::{CoreError, Event, Outcome, Problem, RequestId};

/// The person takes a changed identity for a contact's own: sessions begin anew, and what could not be opened is asked for.
pub(super) fn accept(
    turn: &mut Turn<'_, '_>,
    request: RequestId,
    handle: &Handle,
) -> Result<Option<Problem>, CoreError> {
    let Some(mut contact) = turn.tx.contact_by_handle(handle)? else {
        return Ok(Some(Problem::of(Code::NOT_A_CONTACT)));
    };
    let account_id = contact.account_id;
    let Some(offered) = turn.tx.offered_identity(account_id)? else {
        return Ok(Some(Problem::identity_unchanged(handle)));
    };
    turn.tx.forget_offered_identity(account_id)?;
    (contact.identity_key, contact.verified) = (Some(offered), false);
    turn.tx.save_contact(&contact)?;
    for device_id in turn.tx.session_devices(account_id)? {
        turn.tx.freeze_session(account_id, device_id)?;
    }
    for message_id in turn.tx.unreadable_messages(account_id, HELD_MESSAGES_MAX)? {
        let name = MessageName { author_id: account_id, message_id };
        note_unreadable(turn, name, DeviceId::FIRST)?;
    }
    turn.notice(Problem::identity_accepted(handle));
    turn.tell(Event::Done(request, Outcome::Done));
    Ok(None)
}
