//! `upld`: where bodies may be put, in split mode.

use std::sync::Arc;

use tacite_model::limits::{UPLOAD_PERMIT_MS, UPLOADS_PER_FRAME_MAX};
use tacite_model::{AccountId, DeviceId, MessageId, Timestamp};
use tacite_router::{DeviceKey, MessageKey};
use tacite_wire::proto::{RequestUploads, UploadPermit, UploadPermits};
use tacite_wire::{Code, Frame};

use super::finished;
use crate::dispatch::Handled;
use crate::hub::{Hub, Parts};
use crate::session::Session;

pub(crate) async fn request<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    let sender = session.device()?;
    let sender_id = sender.account_id;
    let body: RequestUploads = frame.read()?;
    if body.uploads.len() > UPLOADS_PER_FRAME_MAX {
        return Err(Code::BODY_UNREADABLE.into());
    }
    // Whatever becomes of it: the device has counted it.
    hub.grow_generation(session, sender, body.uploads.len());
    if !hub.is_split() {
        return Err(Code::OTHER_MODE.into());
    }
    hub.meters.uploads.admit(sender_id, now)?;
    let expires_at = now.plus_ms(UPLOAD_PERMIT_MS);
    let mut permits = Vec::with_capacity(body.uploads.len());
    for upload in &body.uploads {
        let key = MessageKey { sender_id, message_id: MessageId::try_from(&upload.message_id[..])? };
        let recipient = DeviceKey {
            account_id: AccountId::try_from(&upload.recipient_id[..])?,
            device_id: DeviceId::try_from(upload.recipient_device)?,
        };
        hub.permit(sender_id, recipient).await?;
        let name = hub.name(&key, &recipient);
        permits.push(UploadPermit {
            name: name.0.to_vec().into(),
            permit: hub.permits.issue(name, expires_at).into(),
            expires_at_ms: expires_at.as_ms(),
        });
    }
    finished(&frame.header, now, &UploadPermits { permits })
}
