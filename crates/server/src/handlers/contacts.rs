//! `jmpu`, `ampu`, `rfmu`, `blok`, `unbl`: asking, accepting, refusing, blocking.

use std::sync::Arc;

use tacite_depot::Store as _;
use tacite_model::{AccountId, ConversationId, Handle, Timestamp};
use tacite_router::{Conversation, ConversationState, Requested, Store as _};
use tacite_wire::proto::{AnswerContact, BlockContact, Contact, RequestContact};
use tacite_wire::{Code, Frame, Opcode};

use super::finished;
use crate::dispatch::Handled;
use crate::hub::{Hub, Parts};
use crate::refusal::{Refusal, store_code};
use crate::session::Session;

pub(crate) async fn request<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    let asker = session.identity()?.account_id;
    hub.meters.contacts.admit(asker, now)?;
    let body: RequestContact = frame.read()?;
    let handle: Handle = body.handle.parse().map_err(|_| Code::NOBODY)?;
    let other = hub.accounts.look_up(asker, &handle, now).await?.ok_or(Code::NOBODY)?.account_id;
    if other == asker {
        return Err(Code::NOBODY.into());
    }
    let new_id = hub.chance.with(|rng| ConversationId::random(rng));
    let conversation = match hub.router.request(asker, other, new_id, now).await? {
        // As with everything else that is sent to them. (Before they are contacts, a block looks like no answer.)
        Requested::Unchanged(conversation)
            if conversation.state == ConversationState::Accepted && conversation.block_by(other).is_set =>
        {
            return Err(Code::NOT_A_CONTACT.into());
        }
        Requested::Changed(conversation) | Requested::Unchanged(conversation) => conversation,
        Requested::TooMany => return Err(Code::TOO_MANY.into()),
    };
    // The other may not have heard of what was written before: something failed after it was. Who has refused has heard.
    if conversation.state != ConversationState::Refused {
        changed(hub, &conversation, asker).await?;
    }
    finished(&frame.header, now, &contact(hub, &conversation, asker).await?)
}

pub(crate) async fn accept<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    answer(hub, session, &frame, now, true).await
}

pub(crate) async fn refuse<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    answer(hub, session, &frame, now, false).await
}

async fn answer<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &Session,
    frame: &Frame,
    now: Timestamp,
    accept: bool,
) -> Handled {
    let answerer = session.identity()?.account_id;
    hub.meters.contact_answers.admit(answerer, now)?;
    let body: AnswerContact = frame.read()?;
    let asker = AccountId::try_from(&body.account_id[..])?;
    let conversation = hub.router.answer(answerer, asker, accept, now).await?.ok_or(Code::NO_REQUEST)?;
    if accept {
        changed(hub, &conversation, answerer).await?;
    }
    finished(&frame.header, now, &contact(hub, &conversation, answerer).await?)
}

/// A conversation as one of its two accounts sees it.
pub(crate) async fn contact<P: Parts>(
    hub: &Arc<Hub<P>>,
    conversation: &Conversation,
    seen_by: AccountId,
) -> Result<Contact, Refusal> {
    let other = conversation.other(seen_by);
    let handle = hub.accounts.handle_of(other).await?;
    Ok(Contact {
        account_id: other.as_bytes().to_vec().into(),
        handle: handle.map(|handle| handle.as_str().to_owned()).unwrap_or_default(),
        state: conversation.state_for(seen_by).into(),
        conversation_id: conversation.id.as_bytes().to_vec().into(),
        updated_at_ms: conversation.updated_at_for(seen_by).as_ms(),
        blocked: conversation.block_by(seen_by).is_set,
    })
}

pub(crate) async fn block<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    set_block(hub, session, &frame, now, true).await
}

pub(crate) async fn unblock<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    set_block(hub, session, &frame, now, false).await
}

async fn set_block<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &Session,
    frame: &Frame,
    now: Timestamp,
    is_set: bool,
) -> Handled {
    let account_id = session.identity()?.account_id;
    hub.meters.blocks.admit(account_id, now)?;
    let body: BlockContact = frame.read()?;
    let other = AccountId::try_from(&body.account_id[..])?;
    let blocked = hub.router.block(account_id, other, is_set, now).await?.ok_or(Code::NOT_A_CONTACT)?;
    hub.allowed.forget(account_id, other);
    let names = blocked.dropped.iter().map(|(key, device)| hub.name(key, device)).collect();
    if let Err(error) = hub.depot.delete_bodies(names).await {
        // Nobody is given them any more, and they expire by themselves.
        store_code(&error);
    }
    let conversation = blocked.conversation;
    if is_set && conversation.state == ConversationState::Accepted || conversation.is_open() {
        hub.meet(account_id, other, !is_set);
    }
    finished(&frame.header, now, &contact(hub, &conversation, account_id).await?)
}

/// `by` has changed how the two stand: the other hears it at once, or by synchronising. Who has blocked hears nothing.
async fn changed<P: Parts>(
    hub: &Arc<Hub<P>>,
    conversation: &Conversation,
    by: AccountId,
) -> Result<(), Refusal> {
    let other = conversation.other(by);
    hub.allowed.forget(by, other);
    if conversation.is_open() {
        hub.meet(by, other, true);
    }
    if !conversation.block_by(other).is_set {
        let body = contact(hub, conversation, other).await?;
        hub.push_to_account(other, Opcode::CONTACT_CHANGED, &body);
    }
    Ok(())
}
