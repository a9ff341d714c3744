//! W2: people who are logged in, ready to receive, and get nothing.

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use tokio::time::{Instant, sleep};

use crate::load::Order;
use crate::load::counter::Counter;
use crate::load::crowd::{Field, all_do, counting_ready};
use crate::load::figures::{Figures, number};

/// How many, and for how long.
#[derive(Debug, Clone, Args)]
pub struct Idle {
    /// How many connections.
    #[arg(long, default_value_t = 10_000)]
    pub links: u32,
    /// How long the server may settle before its memory is looked at.
    #[arg(long, default_value_t = 8.0)]
    pub settle_seconds: f64,
    /// How long to measure what the server does without anything to do.
    #[arg(long, default_value_t = 3.0)]
    pub seconds: f64,
}

/// Runs it.
pub async fn run(field: &Field, idle: &Idle) -> Result<Figures> {
    let ready = Counter::default();
    let rss_before = field.server.rss_bytes()?;
    let begin = Instant::now();
    let links = field.log_in_all(0..idle.links, |_| counting_ready(&ready)).await?;
    all_do(&links, &ready, Order::Online).await?;
    let log_in_seconds = begin.elapsed().as_secs_f64();
    let rss_at_log_in = field.server.rss_bytes()?;
    sleep(Duration::from_secs_f64(idle.settle_seconds)).await;
    let start = field.server.usage()?;
    sleep(Duration::from_secs_f64(idle.seconds)).await;
    let spent = field.server.since(&start)?;
    let rss = field.server.rss_bytes()?;
    ensure!(field.failed.count() == 0, "{} of {} connections were lost", field.failed.count(), idle.links);
    Ok(Figures::of(&spent, &field.failed)
        .with("log_ins_per_second", f64::from(idle.links) / log_in_seconds)
        .with_count("rss_bytes", rss)
        .with_count("rss_at_log_in_bytes", rss_at_log_in)
        .with("bytes_per_link", (number(rss) - number(rss_before)) / f64::from(idle.links)))
}
