//! `sync`: everything changed since a cursor; after the last page the waiting messages come.

use std::sync::Arc;

use tacite_model::limits::SYNC_PAGE_ROWS_MAX;
use tacite_model::{AccountId, Timestamp};
use tacite_router::delivery::Input;
use tacite_router::{Change, Cursor, Store as _};
use tacite_wire::proto::{self, Sync, SyncPage};
use tacite_wire::{Code, Frame};

use super::{contacts, finished};
use crate::dispatch::Handled;
use crate::hub::{Hub, Parts};
use crate::refusal::{Refusal, store_code};
use crate::session::Session;

pub(crate) async fn sync<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Handled {
    let body: Sync = frame.read()?;
    let device = session.device()?;
    hub.meters.syncs.admit(device.account_id, now)?;
    let since = cursor(&body.since.unwrap_or_default())?;
    let known_generation = hub.hear_generation(session, device, body.generation).await?;
    forget_synced(hub, device.account_id, since).await?;
    let changes = hub.router.changes_since(device.account_id, since, SYNC_PAGE_ROWS_MAX).await?;
    let next = changes.last().map_or(since, |change| change.cursor(device.account_id));
    let mut page = SyncPage {
        next: Some(proto::Cursor { updated_at_ms: next.updated_at.as_ms(), id: next.id.to_vec().into() }),
        more: changes.len() == SYNC_PAGE_ROWS_MAX,
        known_generation,
        ..SyncPage::default()
    };
    for change in changes {
        match change {
            Change::Conversation(row) => {
                page.contacts.push(contacts::contact(hub, &row, device.account_id).await?);
            }
            Change::Status(row) => page.states.push(row.into()),
        }
    }
    if !page.more {
        session.attached = Some(device);
        hub.deliver(Input::LinkUp { device, link: session.link });
    }
    finished(&frame.header, now, &page)
}

/// E5: what the account has stored of the states of its messages and can change no more is forgotten, unless another device
/// of the account has yet to hear it.
async fn forget_synced<P: Parts>(
    hub: &Arc<Hub<P>>,
    account_id: AccountId,
    since: Cursor,
) -> Result<(), Refusal> {
    if since > Cursor::default() && hub.accounts.devices_of(account_id).await?.len() == 1 {
        // What cannot be forgotten now, on a full disk, is forgotten later; nobody is kept away for it.
        if let Err(error) = hub.router.forget_synced(account_id, since).await {
            store_code(&error);
        }
    }
    Ok(())
}

fn cursor(cursor: &proto::Cursor) -> Result<Cursor, Refusal> {
    let id = match &cursor.id[..] {
        [] => [0; 16],
        id => id.try_into().map_err(|_| Code::BODY_UNREADABLE)?,
    };
    Ok(Cursor { updated_at: Timestamp::from_ms(cursor.updated_at_ms), id })
}
