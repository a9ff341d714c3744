//! What must happen now and then: overdue messages are parked, old ones expire, deleted bodies leave the disk.

use std::sync::Arc;
use std::time::Duration;

use tacite_depot::Store as _;
use tacite_router::Store as _;
use tacite_router::delivery::Input;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::generations;
use crate::hub::{Hub, Parts};
use crate::refusal::{Refusal, store_code};

const TICK: Duration = Duration::from_millis(500);
const SWEEP: Duration = Duration::from_hours(1);
/// For so long the depot's files may hold bytes of a body that was deleted.
const WIPE: Duration = Duration::from_mins(1);

/// Runs until told to stop. Overdue messages wait for no sweep.
pub(crate) async fn run<P: Parts>(hub: Arc<Hub<P>>, stop: CancellationToken) {
    tokio::join!(
        tick(&hub, &stop),
        sweep(&hub, &stop),
        write_generations(&hub, &stop),
        hub.links.company.run(&stop)
    );
}

async fn write_generations<P: Parts>(hub: &Arc<Hub<P>>, stop: &CancellationToken) {
    let mut write = interval(generations::WRITE);
    write.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(write.tick()).await.is_some() {
        if let Err(error) = hub.write_generations().await {
            // Logged there, and repeated.
            let _ = Refusal::from(error);
        }
    }
}

async fn tick<P: Parts>(hub: &Arc<Hub<P>>, stop: &CancellationToken) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = tick.tick() => hub.deliver(Input::Tick),
        }
    }
}

async fn sweep<P: Parts>(hub: &Arc<Hub<P>>, stop: &CancellationToken) {
    let (mut sweep, mut wipe) = (interval(SWEEP), interval(WIPE));
    loop {
        let done = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = wipe.tick() => hub.depot.wipe_deleted().await,
            _ = sweep.tick() => expire(hub).await,
        };
        if let Err(error) = done {
            store_code(&error);
        }
    }
}

/// Messages that waited as long as allowed are deleted and their senders told; settled ones are forgotten as long after.
pub(crate) async fn expire<P: Parts>(hub: &Arc<Hub<P>>) -> Result<(), tacite_depot::StoreError> {
    let now = hub.clock.now();
    if let Err(error) = hub.accounts.sweep(now).await {
        // Logged there; what has expired is refused whether or not its row is gone.
        let _ = Refusal::from(error);
    }
    let expired = hub.router.expire_waiting(now.minus_ms(hub.policy.delivery.wait_ms()), now).await?;
    let names = expired.iter().map(|status| hub.name(&status.key, &status.recipient)).collect();
    hub.tell_senders(expired);
    hub.depot.delete_bodies(names).await?;
    hub.depot.expire_bodies(now).await?;
    hub.router.forget_settled(now.minus_ms(hub.policy.delivery.retention_ms)).await?;
    Ok(())
}
