//! `smpu`, `ackm`, `read`: sending, acknowledging, saying what was shown. The delivery machine answers `smpu`.

use std::collections::BTreeSet;
use std::sync::Arc;

use tacite_model::limits::{
    ACKNOWLEDGEMENTS_PER_FRAME_MAX, READS_PER_FRAME_MAX, RECEIPT_PROOF_BYTES, SEALED_BYTES_MAX,
};
use tacite_model::{AccountId, DeviceId, MessageId, Timestamp};
use tacite_router::delivery::{Input, Parcel, Reply};
use tacite_router::{DeviceKey, MessageKey, MessageStatus, MessageStatusState, Proof, Receipt, Store as _};
use tacite_wire::proto::{Acknowledge, DeliveryMode, Empty, Envelope, MarkRead, MessageRef};
use tacite_wire::{Code, Frame, Opcode};

use super::{DIRECT_MESSAGE, finished};
use crate::dispatch::Handled;
use crate::hub::{Hub, Parts};
use crate::refusal::Refusal;
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
    hub.grow_generation(session, sender, 1);
    let recipient = DeviceKey {
        account_id: AccountId::try_from(&envelope.recipient_id[..])?,
        device_id: DeviceId::try_from(envelope.recipient_device)?,
    };
    let message = frame.header.message_id;
    let handled = match session.behind.admit(recipient, message) {
        Ok(()) => submit(hub, session, (frame, envelope), recipient, now).await,
        Err(refusal) => Err(refusal),
    };
    if let Err(refusal) = &handled {
        session.behind.refused(recipient, message, refusal);
    }
    handled
}

/// Hands a message of this link's device to the delivery machine, if the rules allow it.
async fn submit<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    (frame, envelope): (Frame, Envelope),
    recipient: DeviceKey,
    now: Timestamp,
) -> Handled {
    let sender = session.device()?;
    let header = frame.header;
    let key = MessageKey { sender_id: sender.account_id, message_id: header.message_id };
    check_body(hub, &envelope, &key, &recipient)?;
    let conversation_id = hub.permit(sender.account_id, recipient).await?;
    hub.meters.messages.admit(sender.account_id, now)?;
    if hub.is_split() && !hub.announce(&key, &recipient, now).await? {
        return Err(Code::BODY_MISSING.into());
    }
    session.submitted += 1;
    // The envelope shares the frame's bytes; without it they can be forwarded uncopied.
    drop(envelope);
    let parcel = Parcel {
        key,
        sender_device: sender.device_id,
        session_id: session.identity()?.session_id.0,
        recipient,
        conversation_id,
        frame: frame.forward(Opcode::DIRECT_RECEIVED, now),
        reply: Reply { link: session.link, header, number: session.submitted },
        taken_at: now,
    };
    hub.deliver(Input::Submit(Box::new(parcel)));
    Ok(None)
}

/// Whether the body travels as the delivery mode demands: in the frame, or in split mode under its own name and no other.
fn check_body<P: Parts>(
    hub: &Hub<P>,
    envelope: &Envelope,
    key: &MessageKey,
    recipient: &DeviceKey,
) -> Result<(), Refusal> {
    let is_well = if hub.is_split() {
        if !envelope.sealed.is_empty() || envelope.body_name.is_empty() {
            return Err(Code::OTHER_MODE.into());
        }
        envelope.body_name[..] == hub.name(key, recipient).0
    } else {
        if !envelope.body_name.is_empty() {
            return Err(Code::OTHER_MODE.into());
        }
        (1..=SEALED_BYTES_MAX).contains(&envelope.sealed.len())
    };
    let is_well = is_well && envelope.message_type == DIRECT_MESSAGE;
    is_well.then_some(()).ok_or(Code::BODY_UNREADABLE.into())
}

pub(crate) async fn acknowledge<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    let body: Acknowledge = frame.read()?;
    let receipts = receipts(&body.messages, ACKNOWLEDGEMENTS_PER_FRAME_MAX)?;
    let device = session.device()?;
    hub.grow_generation(session, device, receipts.len());
    hub.deliver(Input::Acknowledge { device, receipts });
    finished(&frame.header, now, &Empty {})
}

pub(crate) async fn mark_read<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    let reader = session.device()?;
    hub.meters.reads.admit(reader.account_id, now)?;
    let body: MarkRead = frame.read()?;
    let receipts = receipts(&body.messages, READS_PER_FRAME_MAX)?;
    let senders: BTreeSet<AccountId> = receipts.iter().map(|receipt| receipt.key.sender_id).collect();
    for sender in &senders {
        hub.accepted(reader.account_id, *sender).await?;
    }
    let advanced = if hub.policy.delivery.mode == DeliveryMode::Direct {
        let is_away = |sender: &&AccountId| hub.links.of_account(**sender).is_empty();
        if let Some(sender) = senders.iter().find(is_away) {
            for device in hub.accounts.devices_of(*sender).await? {
                let device = DeviceKey { account_id: *sender, device_id: device.device_id };
                hub.deliver(Input::Await { link: session.link, device });
            }
            return Err(Code::RECIPIENT_AWAY.into());
        }
        let told = |Receipt { key, proof, .. }| MessageStatus {
            key,
            recipient: reader,
            state: MessageStatusState::Read,
            updated_at: now,
            proof,
        };
        receipts.into_iter().map(told).collect()
    } else {
        hub.router.read(reader, receipts, now).await?
    };
    hub.tell_senders(advanced);
    finished(&frame.header, now, &Empty {})
}

fn receipts(messages: &[MessageRef], most: usize) -> Result<Vec<Receipt>, Refusal> {
    if messages.len() > most {
        return Err(Code::BODY_UNREADABLE.into());
    }
    messages.iter().map(receipt).collect()
}

fn receipt(message: &MessageRef) -> Result<Receipt, Refusal> {
    let proof: Proof = match &message.proof[..] {
        [] => None,
        proof => Some(<[u8; RECEIPT_PROOF_BYTES]>::try_from(proof).map_err(|_| Code::BODY_UNREADABLE)?),
    };
    let key = MessageKey {
        sender_id: AccountId::try_from(&message.sender_id[..])?,
        message_id: MessageId::try_from(&message.message_id[..])?,
    };
    Ok(Receipt { key, proof, silent: message.silent })
}
