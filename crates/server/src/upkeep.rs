//! What must happen now and then: overdue messages are parked, old ones expire, deleted bodies leave the disk.

use std::sync::Arc;
use std::time::Duration;

use tacite_depot::Store as _;
use tacite_model::limits::MESSAGE_WAIT_MS_MAX;
use tacite_router::Store as _;
use tacite_router::delivery::Input;
use tacite_wire::{Opcode, proto};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::hub::{Hub, Parts};
use crate::refusal::{Refusal, store_code};

const TICK: Duration = Duration::from_millis(500);
const SWEEP: Duration = Duration::from_hours(1);
/// For so long the depot's files may hold bytes of a body that was deleted.
const WIPE: Duration = Duration::from_mins(1);

/// Runs until told to stop.
pub(crate) async fn run<P: Parts>(hub: Arc<Hub<P>>, stop: CancellationToken) {
    let (mut tick, mut sweep, mut wipe) = (interval(TICK), interval(SWEEP), interval(WIPE));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = tick.tick() => hub.deliver(Input::Tick),
            _ = wipe.tick() => {
                if let Err(error) = hub.depot.wipe_deleted().await {
                    store_code(&error);
                }
            }
            _ = sweep.tick() => {
                if let Err(error) = expire(&hub).await {
                    store_code(&error);
                }
            }
        }
    }
}

/// Messages that waited as long as allowed are deleted and their senders told; settled ones are forgotten as long after.
async fn expire<P: Parts>(hub: &Arc<Hub<P>>) -> Result<(), tacite_depot::StoreError> {
    let now = hub.clock.now();
    if let Err(error) = hub.accounts.sweep(now).await {
        // Logged there; what has expired is refused whether or not its row is gone.
        let _ = Refusal::from(error);
    }
    let before = now.minus_ms(MESSAGE_WAIT_MS_MAX);
    let expired = hub.router.expire_waiting(before, now).await?;
    let names = expired.iter().map(|status| hub.name(&status.key, &status.recipient)).collect();
    for status in expired {
        hub.push_to_account(status.key.sender_id, Opcode::STATE_CHANGED, &proto::MessageState::from(status));
    }
    hub.depot.delete_bodies(names).await?;
    hub.depot.expire_bodies(now).await?;
    hub.router.forget_settled(before).await?;
    Ok(())
}
