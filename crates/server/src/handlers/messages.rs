//! `smpu`, `ackm`: sending and acknowledging. The delivery machine answers `smpu`.

use std::sync::Arc;

use tacite_model::limits::{ACKNOWLEDGEMENTS_PER_FRAME_MAX, SEALED_BYTES_MAX};
use tacite_model::{AccountId, DeviceId, MessageId, Timestamp};
use tacite_router::delivery::{Input, Parcel, Reply};
use tacite_router::{DeviceKey, MessageKey};
use tacite_wire::proto::{Acknowledge, Empty, Envelope};
use tacite_wire::{Code, Frame, Opcode};

use super::{DIRECT_MESSAGE, finished};
use crate::dispatch::Handled;
use crate::hub::{Hub, Parts};
use crate::session::Session;

pub(crate) async fn send<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    let envelope: Envelope = frame.read()?;
    let sender = session.device()?;
    let claimed = DeviceKey {
        account_id: AccountId::try_from(&envelope.sender_id[..])?,
        device_id: DeviceId::try_from(envelope.sender_device)?,
    };
    if claimed != sender {
        return Err(Code::FORBIDDEN.into());
    }
    if envelope.sealed.is_empty()
        || envelope.sealed.len() > SEALED_BYTES_MAX
        || envelope.message_type != DIRECT_MESSAGE
    {
        return Err(Code::BODY_UNREADABLE.into());
    }
    let recipient = DeviceKey {
        account_id: AccountId::try_from(&envelope.recipient_id[..])?,
        device_id: DeviceId::try_from(envelope.recipient_device)?,
    };
    let conversation_id = hub.permit(sender.account_id, recipient).await?;
    hub.meters.messages.admit(sender.account_id, now)?;
    // The envelope shares the frame's bytes; without it they can be forwarded uncopied.
    drop(envelope);
    let header = frame.header;
    let parcel = Parcel {
        key: MessageKey { sender_id: sender.account_id, message_id: header.message_id },
        sender_device: sender.device_id,
        session_id: session.identity()?.session_id.0,
        recipient,
        conversation_id,
        frame: frame.forward(Opcode::DIRECT_RECEIVED, now),
        reply: Reply { link: session.link, header },
        taken_at: now,
    };
    hub.deliver(Input::Submit(Box::new(parcel)));
    Ok(None)
}

pub(crate) async fn acknowledge<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    let body: Acknowledge = frame.read()?;
    if body.messages.len() > ACKNOWLEDGEMENTS_PER_FRAME_MAX {
        return Err(Code::BODY_UNREADABLE.into());
    }
    let mut messages = Vec::with_capacity(body.messages.len());
    for message in &body.messages {
        messages.push(MessageKey {
            sender_id: AccountId::try_from(&message.sender_id[..])?,
            message_id: MessageId::try_from(&message.message_id[..])?,
        });
    }
    hub.deliver(Input::Acknowledge { device: session.device()?, messages });
    finished(&frame.header, now, &Empty {})
}
