//! `mood`, `type`: what contacts may see of somebody just now. Kept in memory only.

use std::sync::Arc;

use tacite_model::{AccountId, Timestamp};
use tacite_router::presence::Mood;
use tacite_wire::proto::{self, Empty, SetPresence, Typing};
use tacite_wire::{Code, Frame, Opcode};

use super::finished;
use crate::dispatch::Handled;
use crate::hub::{Hub, Parts};
use crate::session::Session;

pub(crate) async fn set<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    let account_id = session.identity()?.account_id;
    hub.meters.moods.admit(account_id, now)?;
    let mood = match frame.read::<SetPresence>()?.presence() {
        proto::Presence::Offline => Mood::Offline,
        proto::Presence::Busy => Mood::Busy,
        proto::Presence::Online => Mood::Online,
        proto::Presence::Unspecified => return Err(Code::BODY_UNREADABLE.into()),
    };
    hub.say_mood(account_id, session.link, mood).await?;
    finished(&frame.header, now, &Empty {})
}

pub(crate) async fn typing<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    let account_id = session.identity()?.account_id;
    hub.meters.typing.admit(account_id, now)?;
    let body: Typing = frame.read()?;
    let other = AccountId::try_from(&body.account_id[..])?;
    hub.accepted(account_id, other).await?;
    let told = Typing { account_id: account_id.as_bytes().to_vec().into(), typing: body.typing };
    hub.push_to_account(other, Opcode::TYPING_CHANGED, &told);
    finished(&frame.header, now, &Empty {})
}
