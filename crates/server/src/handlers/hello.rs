//! `helo`: version, software, deployment key.

use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tacite_model::Timestamp;
use tacite_model::limits::SOFTWARE_BYTES_MAX;
use tacite_wire::proto::{Empty, Hello};
use tacite_wire::signing::deployment_text;
use tacite_wire::{Code, Frame, VERSIONS};

use super::finished;
use crate::SOFTWARE;
use crate::dispatch::Handled;
use crate::hub::{Hub, Parts};
use crate::refusal::Refusal;
use crate::session::Session;

pub(crate) async fn hello<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    let hello: Hello = frame.read()?;
    if hello.software.len() > SOFTWARE_BYTES_MAX {
        return Err(Code::BODY_UNREADABLE.into());
    }
    if !u8::try_from(hello.version).is_ok_and(|version| VERSIONS.contains(&version)) {
        return Err(incompatible());
    }
    if let Some(key) = &hub.policy.deployment_key {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).map_err(|_| Code::SERVER_FAULT)?;
        mac.update(&deployment_text(&session.challenge));
        mac.verify_slice(&hello.deployment_proof).map_err(|_| Code::DEPLOYMENT_KEY_WRONG)?;
    }
    session.said_hello = true;
    finished(&frame.header, now, &Empty {})
}

/// The refusal of a peer that speaks no version of ours: it is told what to run.
pub(crate) fn incompatible() -> Refusal {
    Refusal { wanted_software: SOFTWARE.to_owned(), ..Refusal::new(Code::INCOMPATIBLE) }
}
