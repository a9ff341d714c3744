//! `pubk`, `getk`: prekeys of devices.

use std::sync::Arc;

use tacite_depot::{Store as _, Upload};
use tacite_model::{AccountId, Timestamp};
use tacite_wire::proto::{DeviceBundle, FetchKeys, KeyBundles, PublishKeys};
use tacite_wire::{Code, Frame, Opcode};

use super::finished;
use crate::dispatch::Handled;
use crate::hub::{Hub, Parts};
use crate::session::Session;

/// A device is told when fewer one-time prekeys of a kind than this are left.
const FEW: u32 = 20;

pub(crate) async fn publish<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    let device = session.device()?;
    hub.meters.key_uploads.admit(device.account_id, now)?;
    let upload = Upload::try_from(frame.read::<PublishKeys>()?)?;
    let count = hub.depot.publish(device.account_id, device.device_id, upload).await?;
    finished(&frame.header, now, &count)
}

pub(crate) async fn fetch<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    let asker = session.identity()?.account_id;
    let body: FetchKeys = frame.read()?;
    let owner = AccountId::try_from(&body.account_id[..])?;
    hub.accepted(asker, owner).await?;
    hub.meters.key_fetches.admit(asker, now)?;
    let identity_key = hub.accounts.identity_key_of(owner).await?.ok_or(Code::DEVICE_UNKNOWN)?;
    let known = hub.accounts.devices_of(owner).await?;
    let links = hub.links.of_account(owner);
    let mut devices = Vec::new();
    for keys in hub.depot.take_keys(owner).await? {
        let Some(device) = known.iter().find(|device| device.device_id == keys.device_id) else { continue };
        if keys.left.one_time_prekeys < FEW || keys.left.kyber_prekeys < FEW {
            for (_, link) in links.iter().filter(|(device_id, _)| *device_id == keys.device_id) {
                hub.links.push(*link, hub.push_frame(Opcode::KEYS_LOW, &keys.left));
            }
        }
        devices.push(DeviceBundle {
            device_id: keys.device_id.into(),
            registration_id: device.registration_id,
            signed_prekey: Some(keys.signed_prekey),
            kyber_prekey: Some(keys.kyber_prekey),
            one_time_prekey: keys.one_time_prekey,
        });
    }
    if devices.is_empty() {
        return Err(Code::DEVICE_UNKNOWN.into());
    }
    let bundles = KeyBundles {
        account_id: owner.as_bytes().to_vec().into(),
        identity_key: identity_key.to_vec().into(),
        devices,
    };
    finished(&frame.header, now, &bundles)
}
