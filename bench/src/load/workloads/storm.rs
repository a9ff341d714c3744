//! W7: everybody logs in at once, as after a restart of the server.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::load::crowd::Field;
use crate::load::figures::Figures;

/// The server is left alone for so long before.
const SETTLING: Duration = Duration::from_secs(2);

/// Who comes.
#[derive(Debug, Clone, Args)]
pub struct Storm {
    /// How many people log in.
    #[arg(long, default_value_t = 5000)]
    pub log_ins: u32,
    /// How many of them at a time.
    #[arg(long, default_value_t = 64)]
    pub at_once: usize,
}

/// Runs it: who is in stays until all are.
pub async fn run(field: &Field, storm: &Storm) -> Result<Figures> {
    for person in 0..storm.log_ins {
        field.target.prepare(person).await?;
    }
    sleep(SETTLING).await;
    let slots = Arc::new(Semaphore::new(storm.at_once));
    let start = field.server.usage()?;
    let mut log_ins = Vec::new();
    for person in 0..storm.log_ins {
        let slot = Arc::clone(&slots).acquire_owned().await?;
        let target = Arc::clone(&field.target);
        log_ins.push(tokio::spawn(async move {
            let connection = target.log_in(person).await?;
            drop(slot);
            anyhow::Ok(connection)
        }));
    }
    let mut connections = Vec::new();
    for log_in in log_ins {
        connections.push(log_in.await??);
    }
    let spent = field.server.since(&start)?;
    let count = f64::from(storm.log_ins);
    Ok(Figures::of(&spent, &field.failed)
        .with("log_ins_per_second", count / spent.seconds)
        .with("cpu_us_per_log_in", spent.server_us / count))
}
