//! Contacts, as the server tells of them.
//!
//! Invariants: the server's word alone makes nobody a contact: the person must have asked or accepted; what a server tells
//! about an account never changes the identity key, the person's own name for it, or its verification.

use tacite_model::{AccountId, ConversationId, Handle, Timestamp};
use tacite_vault::{Contact, Standing};
use tacite_wire::Frame;
use tacite_wire::proto::{self, ContactState};

use super::errands::ErrandKind;
use super::{Engine, Turn, healing};
use crate::{CoreError, Event};

/// A row about a contact, parsed.
struct Row {
    account_id: AccountId,
    handle: Handle,
    state: ContactState,
    conversation_id: Option<ConversationId>,
    blocked: bool,
    updated_at: Timestamp,
}

impl Engine {
    /// `cntc`.
    pub(super) fn contact_changed(
        &mut self,
        turn: &mut Turn<'_, '_>,
        frame: &Frame,
    ) -> Result<(), CoreError> {
        if let Some(contact) = self.read::<proto::Contact>(turn, frame) {
            apply_contact(turn, &contact)?;
        }
        Ok(())
    }
}

/// Applies the answer to an errand about `handle`; `None` if it makes no sense.
pub(super) fn apply_answer(
    turn: &mut Turn<'_, '_>,
    contact: &proto::Contact,
    kind: &ErrandKind,
) -> Result<Option<Contact>, CoreError> {
    let Some(row) = Row::parse(contact) else { return Ok(None) };
    if kind.handle() != Some(&row.handle) {
        return Ok(None);
    }
    if !matches!(kind, ErrandKind::BlockContact(_) | ErrandKind::UnblockContact(_)) {
        turn.tx.take_consent(&row.handle)?;
    }
    // To block somebody, or not any more, says nothing else about them.
    let consents = match kind {
        ErrandKind::RefuseContact(_) => false,
        ErrandKind::BlockContact(_) | ErrandKind::UnblockContact(_) => {
            turn.tx.contact(row.account_id)?.is_some_and(|known| known.consented)
        }
        _ => true,
    };
    apply_row(turn, row, consents)
}

/// Applies a row that came by itself or in a synchronisation. Rows that make no sense are passed over: one of them must
/// not keep the device from all others.
pub(super) fn apply_contact(turn: &mut Turn<'_, '_>, contact: &proto::Contact) -> Result<(), CoreError> {
    let Some(row) = Row::parse(contact) else { return Ok(()) };
    let known = turn.tx.contact(row.account_id)?;
    if known.as_ref().is_some_and(|known| known.updated_at > row.updated_at) {
        return Ok(());
    }
    let consented = known.is_some_and(|known| known.consented)
        || (matches!(row.state, ContactState::Asked | ContactState::Accepted)
            && turn.tx.take_consent(&row.handle)?);
    apply_row(turn, row, consented)?;
    Ok(())
}

/// Stores a row; `None` if it is about nobody that concerns us.
fn apply_row(turn: &mut Turn<'_, '_>, row: Row, consents: bool) -> Result<Option<Contact>, CoreError> {
    if turn.account()?.account_id == row.account_id {
        return Ok(None);
    }
    let standing = match row.state {
        ContactState::Asked if consents => Standing::Asked,
        ContactState::Accepted if consents => Standing::Accepted,
        // The server says that they are a contact, the person has not: their decision is still wanted.
        ContactState::Accepted | ContactState::Asking => Standing::Asking,
        ContactState::Refused => Standing::Refused,
        ContactState::Asked | ContactState::Unspecified => return Ok(None),
    };
    let known = turn.tx.contact(row.account_id)?;
    let changed = known.as_ref().is_none_or(|known| known.standing != standing);
    let was_blocked = known.as_ref().is_some_and(|known| known.blocked);
    let undecided = known.as_ref().filter(|known| known.standing == Standing::Asking);
    let is_no_news = undecided.is_some_and(|undecided| undecided.updated_at == row.updated_at);
    let known = known.unwrap_or_else(|| nobody_yet(row.account_id, row.handle.clone(), standing));
    let contact = Contact {
        handle: row.handle,
        standing,
        consented: matches!(standing, Standing::Asked | Standing::Accepted),
        conversation_id: row.conversation_id,
        blocked: row.blocked,
        updated_at: row.updated_at,
        ..known
    };
    turn.tx.save_contact(&contact)?;
    if standing == Standing::Accepted && is_no_news {
        // They were contacts before the person decided: this is an older copy, and may have missed something.
        healing::ask_for_all(turn, &contact)?;
    }
    if changed {
        turn.tell(Event::ContactChanged { handle: contact.handle.clone(), standing });
    }
    if was_blocked != contact.blocked {
        turn.tell(Event::ContactBlocked { handle: contact.handle.clone(), blocked: contact.blocked });
    }
    Ok(Some(contact))
}

/// Somebody of whom nothing is known but what the server says.
fn nobody_yet(account_id: AccountId, handle: Handle, standing: Standing) -> Contact {
    Contact {
        account_id,
        handle,
        standing,
        consented: false,
        conversation_id: None,
        identity_key: None,
        own_name: String::new(),
        verified: false,
        notes: String::new(),
        blocked: false,
        updated_at: Timestamp::default(),
    }
}

impl Row {
    fn parse(contact: &proto::Contact) -> Option<Self> {
        let conversation_id = match contact.conversation_id.as_ref() {
            [] => None,
            bytes => Some(ConversationId::try_from(bytes).ok()?),
        };
        Some(Self {
            account_id: AccountId::try_from(contact.account_id.as_ref()).ok()?,
            handle: contact.handle.parse().ok()?,
            state: ContactState::try_from(contact.state).ok()?,
            conversation_id,
            blocked: contact.blocked,
            updated_at: Timestamp::from_ms(contact.updated_at_ms),
        })
    }
}
