//! Many people who log in and do the same.
//!
//! Invariant: a crowd comes in small groups: a thundering herd is measured by the workload of that name only.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::sync::Semaphore;

use super::connection::{FailedLinks, Handle};
use super::counter::Counter;
use super::target::Target;
use super::usage::ServerProcesses;
use super::{Event, Order};

/// How long a workload waits for a server that does nothing.
pub const PATIENCE: Duration = Duration::from_mins(2);

const LOG_INS_AT_ONCE: usize = 32;
const READY_AT_ONCE: usize = 64;

/// What every workload works on.
#[derive(Clone)]
pub struct Field {
    /// Whom to connect to.
    pub target: Arc<Target>,
    /// Whose processor time and memory is measured.
    pub server: ServerProcesses,
    /// Counts the connections that were lost.
    pub failed: FailedLinks,
}

impl Field {
    /// Logs people in and starts each one's connection with the sink made for her.
    pub async fn log_in_all<Sink>(
        &self,
        people: impl Iterator<Item = u32>,
        mut sink_of: impl FnMut(u32) -> Sink,
    ) -> Result<Vec<Handle>>
    where
        Sink: FnMut(Event<'_>) + Send + 'static,
    {
        let slots = Arc::new(Semaphore::new(LOG_INS_AT_ONCE));
        let mut log_ins = Vec::new();
        for person in people {
            let slot = Arc::clone(&slots).acquire_owned().await?;
            let (field, sink) = (self.clone(), sink_of(person));
            log_ins.push(tokio::spawn(async move {
                let connection = field.target.log_in(person).await?;
                drop(slot);
                anyhow::Ok(connection.start(field.failed, sink))
            }));
        }
        let mut handles = Vec::new();
        for log_in in log_ins {
            handles.push(log_in.await??);
        }
        Ok(handles)
    }
}

/// A sink that counts who is ready and nothing else.
pub fn counting_ready(ready: &Counter) -> impl FnMut(Event<'_>) + Send + use<> {
    let ready = ready.clone();
    move |event| {
        if event == Event::Ready {
            ready.add(1);
        }
    }
}

/// Gives everybody `order`.
pub fn order_all(crowd: &[Handle], order: Order) {
    for handle in crowd {
        handle.order(order);
    }
}

/// Gives everybody `order`, and waits until all are ready.
pub async fn all_do(crowd: &[Handle], ready: &Counter, order: Order) -> Result<()> {
    let mut goal = ready.count();
    for group in crowd.chunks(READY_AT_ONCE) {
        goal += group.len() as u64;
        order_all(group, order);
        ensure!(ready.reach(goal, PATIENCE).await, "only {} of {goal} connections got ready", ready.count());
    }
    Ok(())
}
