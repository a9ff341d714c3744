//! `jmpu`, `ampu`, `rfmu`: asking, accepting, refusing.

use std::sync::Arc;

use tacite_model::{AccountId, ConversationId, Handle, Timestamp};
use tacite_router::{Conversation, Requested, Store as _};
use tacite_wire::proto::{AnswerContact, Contact, RequestContact};
use tacite_wire::{Code, Frame, Opcode};

use super::finished;
use crate::dispatch::Handled;
use crate::hub::{Hub, Parts};
use crate::refusal::Refusal;
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
        Requested::Changed(conversation) => {
            push(hub, &conversation, other).await?;
            conversation
        }
        Requested::Unchanged(conversation) => conversation,
        Requested::TooMany => return Err(Code::TOO_MANY.into()),
    };
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
        push(hub, &conversation, asker).await?;
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
        blocked: false,
    })
}

/// Tells an account at once; if it has no link, it learns it by synchronising.
async fn push<P: Parts>(
    hub: &Arc<Hub<P>>,
    conversation: &Conversation,
    to: AccountId,
) -> Result<(), Refusal> {
    let body = contact(hub, conversation, to).await?;
    hub.push_to_account(to, Opcode::CONTACT_CHANGED, &body);
    Ok(())
}
