//! W1: pairs of people who are online; the even one writes to the odd one.
//!
//! Closed loop: a fixed number of messages is on its way in each pair. Open loop: messages leave at a fixed rate, whatever
//! becomes of them, and each one's latency counts from when it was due.
//!
//! Invariant: the run is over when every message has come and, where the protocol tells, its sender knows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use tokio::time::sleep;

use super::locked;
use super::pace::pace;
use crate::load::connection::Handle;
use crate::load::counter::Counter;
use crate::load::crowd::{Field, all_do};
use crate::load::figures::{Figures, number};
use crate::load::payload::{now_ns, read_payload};
use crate::load::tally::Tally;
use crate::load::usage::Spent;
use crate::load::{Destination, Event, Order};

/// How long the last messages may take.
const LAST_MESSAGES: Duration = Duration::from_secs(5);

/// How the pairs talk.
#[derive(Debug, Clone, Args)]
pub struct Pairs {
    /// How many pairs.
    #[arg(long, default_value_t = 50)]
    pub pairs: u32,
    /// Messages on their way in each pair (closed loop).
    #[arg(long, default_value_t = 8)]
    pub window: u32,
    /// Messages a second over all pairs, instead of a window (open loop).
    #[arg(long)]
    pub per_second: Option<f64>,
    /// How long to measure.
    #[arg(long, default_value_t = 6.0)]
    pub seconds: f64,
    /// How long to run before.
    #[arg(long, default_value_t = 2.0)]
    pub warm_up_seconds: f64,
}

/// What all connections of the run share.
#[derive(Clone, Default)]
struct Shared {
    ready: Counter,
    sent: Counter,
    received: Counter,
    told: Counter,
    /// Each message that comes lets the next one go.
    closed_loop: Arc<AtomicBool>,
    measuring: Arc<AtomicBool>,
}

#[derive(Default)]
struct Pair {
    latencies_ns: Vec<u64>,
    tally: Tally,
    /// Messages from somebody else.
    astray: u64,
}

/// Runs it.
pub async fn run(field: &Field, pairs: &Pairs) -> Result<Figures> {
    let shared = Shared::default();
    shared.closed_loop.store(pairs.per_second.is_none(), Ordering::Relaxed);
    let records: Vec<Arc<Mutex<Pair>>> = (0..pairs.pairs).map(|_| Arc::default()).collect();
    let senders =
        field.log_in_all((0..pairs.pairs).map(|pair| 2 * pair), |_| sender_sink(shared.clone())).await?;
    let receivers = field
        .log_in_all((0..pairs.pairs).map(|pair| 2 * pair + 1), |person| {
            let pair = person as usize / 2;
            receiver_sink(
                shared.clone(),
                Arc::clone(&records[pair]),
                senders[pair].clone(),
                person,
                pairs.window,
            )
        })
        .await?;
    all_do(&receivers, &shared.ready, Order::Online).await?;
    all_do(&senders, &shared.ready, Order::Online).await?;
    sleep(Duration::from_secs(1)).await;

    let pacer = begin(pairs, &senders, &shared);
    let (spent, delivered) = measure(field, pairs, &shared).await?;
    shared.closed_loop.store(false, Ordering::Relaxed);
    let mut lags_ns = Vec::new();
    if let Some(pacer) = pacer {
        while !pacer.is_finished() {
            sleep(Duration::from_millis(10)).await;
        }
        lags_ns = pacer.join().expect("the pacer does not panic");
    }
    shared.received.reach(shared.sent.count(), LAST_MESSAGES).await;
    if shared.told.count() > 0 {
        shared.told.reach(shared.sent.count(), LAST_MESSAGES).await;
    }
    let figures = Figures::of(&spent, &field.failed)
        .with_count("delivered", delivered)
        .with("per_second", number(delivered) / spent.seconds)
        .with("cpu_us_per_message", spent.server_us / number(delivered))
        .with_percentiles("pacer_lag_us", lags_ns);
    Ok(of_the_whole_run(figures, &shared, &records))
}

/// Counts of the whole run, so that loss shows: `sent` is what `told_received` should be.
fn of_the_whole_run(figures: Figures, shared: &Shared, records: &[Arc<Mutex<Pair>>]) -> Figures {
    let (mut latencies_ns, mut doubled, mut misordered) = (Vec::new(), 0, 0);
    for pair in records {
        let mut pair = locked(pair);
        latencies_ns.append(&mut pair.latencies_ns);
        doubled += pair.tally.doubled;
        misordered += pair.tally.misordered + pair.astray;
    }
    let figures = figures
        .with_percentiles("latency_us", latencies_ns)
        .with_count("sent", shared.sent.count())
        .with_count("lost", shared.sent.count().saturating_sub(shared.received.count()))
        .with_count("doubled", doubled)
        .with_count("misordered", misordered);
    match shared.told.count() {
        0 => figures,
        told => figures.with_count("told_received", told),
    }
}

fn sender_sink(shared: Shared) -> impl FnMut(Event<'_>) + Send + 'static {
    move |event| match event {
        Event::Ready => shared.ready.add(1),
        Event::Received(count) => shared.told.add(count),
        Event::Message(_) | Event::Accepted(_) => {}
    }
}

fn receiver_sink(
    shared: Shared,
    record: Arc<Mutex<Pair>>,
    sender: Handle,
    person: u32,
    window: u32,
) -> impl FnMut(Event<'_>) + Send + 'static {
    let mut next = window;
    move |event| match event {
        Event::Ready => shared.ready.add(1),
        Event::Accepted(_) | Event::Received(_) => {}
        Event::Message(body) => {
            let Some(head) = read_payload(body) else { return };
            let mut record = locked(&record);
            if head.source != person - 1 {
                record.astray += 1;
                return;
            }
            if !record.tally.note(head.number) {
                return;
            }
            if shared.measuring.load(Ordering::Relaxed) {
                record.latencies_ns.push(now_ns().saturating_sub(head.due_ns));
            }
            shared.received.add(1);
            if shared.closed_loop.load(Ordering::Relaxed) {
                shared.sent.add(1);
                sender.order(message(person - 1, next, None));
                next += 1;
            }
        }
    }
}

/// The message number `number` of `source` to her partner.
pub(super) fn message(source: u32, number: u32, due_ns: Option<u64>) -> Order {
    Order::Send { to: Destination::Person(source + 1), source, number, due_ns }
}

/// Sends the first messages, or starts the pacer, which gives how late each message left.
fn begin(pairs: &Pairs, senders: &[Handle], shared: &Shared) -> Option<JoinHandle<Vec<u64>>> {
    if let Some(per_second) = pairs.per_second {
        let (senders, sent) = (senders.to_vec(), shared.sent.clone());
        // A little longer than is measured, so that the end is like the middle.
        let seconds = pairs.warm_up_seconds + pairs.seconds + 0.5;
        return Some(std::thread::spawn(move || pace(&senders, per_second, seconds, &sent)));
    }
    for (sender, source) in senders.iter().zip((0..).step_by(2)) {
        for number in 0..pairs.window {
            shared.sent.add(1);
            sender.order(message(source, number, None));
        }
    }
    None
}

async fn measure(field: &Field, pairs: &Pairs, shared: &Shared) -> Result<(Spent, u64)> {
    sleep(Duration::from_secs_f64(pairs.warm_up_seconds)).await;
    let (start, before) = (field.server.usage()?, shared.received.count());
    shared.measuring.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs_f64(pairs.seconds)).await;
    shared.measuring.store(false, Ordering::Relaxed);
    Ok((field.server.since(&start)?, shared.received.count() - before))
}
