//! W3: messages to people who have been there but are away; then these people come back.
//!
//! Invariants: accepted is what the server has taken responsibility for, no earlier; with `kill_after` 0 the server dies at
//! the moment of the last acceptance, and what it has accepted must be there when it runs again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use tokio::time::{Instant, sleep};

use super::locked;
use crate::load::connection::Handle;
use crate::load::counter::Counter;
use crate::load::crowd::{Field, PATIENCE, all_do, counting_ready, order_all};
use crate::load::figures::{Figures, number};
use crate::load::payload::read_payload;
use crate::load::tally::Tally;
use crate::load::{Destination, Event, Order};

/// The numbers of those who are away begin here.
const AWAY: u32 = 1000;

/// What is sent.
#[derive(Debug, Clone, Args)]
pub struct OfflineSend {
    /// How many people are away.
    #[arg(long, default_value_t = 200)]
    pub recipients: u32,
    /// How many messages, over all senders.
    #[arg(long, default_value_t = 20_000)]
    pub messages: u32,
    /// How many people send.
    #[arg(long, default_value_t = 50)]
    pub senders: u32,
    /// How many messages of a sender may wait to be accepted: as many as Tacite's client has under way.
    #[arg(long, default_value_t = 64)]
    pub window: u32,
    /// Kill the server (SIGKILL) this many seconds after it accepted the last message.
    #[arg(long, value_name = "SECONDS")]
    pub kill_after: Option<f64>,
}

/// What is expected to wait.
#[derive(Debug, Clone, Args)]
pub struct OfflineDrain {
    /// How many people come back.
    #[arg(long, default_value_t = 200)]
    pub recipients: u32,
    /// How many messages wait for them.
    #[arg(long, default_value_t = 20_000)]
    pub messages: u64,
    /// Give up after this long without a message.
    #[arg(long, default_value_t = 10.0)]
    pub quiet_seconds: f64,
}

/// The senders' part.
pub async fn send(field: &Field, offline: &OfflineSend) -> Result<Figures> {
    be_there_and_leave(field, offline.recipients).await?;
    let accepted = Counter::default();
    let share = offline.messages / offline.senders;
    let at_once = offline.window.min(share);
    let mut own_handles = Vec::new();
    let senders = field
        .log_in_all(0..offline.senders, |source| {
            let own_handle = Arc::new(OnceLock::<Handle>::new());
            own_handles.push(Arc::clone(&own_handle));
            let (accepted, offline) = (accepted.clone(), offline.clone());
            let mut next = at_once;
            move |event: Event<'_>| {
                let Event::Accepted(count) = event else { return };
                if let Some(own_handle) = own_handle.get() {
                    for _ in 0..count.min(u64::from(share - next)) {
                        own_handle.order(message(&offline, source, next));
                        next += 1;
                    }
                }
                accepted.add(count);
            }
        })
        .await?;
    for (own_handle, handle) in own_handles.iter().zip(&senders) {
        own_handle.get_or_init(|| handle.clone());
    }
    let total = u64::from(share * offline.senders);
    let start = field.server.usage()?;
    for (source, handle) in (0..).zip(&senders) {
        for number in 0..at_once {
            handle.order(message(offline, source, number));
        }
    }
    let all = accepted.reach(total, PATIENCE).await;
    if all && offline.kill_after == Some(0.0) {
        field.server.kill()?;
    }
    let spent = field.server.since(&start)?;
    ensure!(all, "only {} of {total} messages were accepted", accepted.count());
    let figures = Figures::of(&spent, &field.failed)
        .with_count("accepted", total)
        .with("per_second", number(total) / spent.seconds);
    match offline.kill_after {
        None => Ok(figures.with("cpu_us_per_message", spent.server_us / number(total))),
        Some(0.0) => Ok(figures.without(&["server_cpu", "other_cpu"])),
        Some(seconds) => {
            sleep(Duration::from_secs_f64(seconds)).await;
            field.server.kill()?;
            Ok(figures.with("cpu_us_per_message", spent.server_us / number(total)))
        }
    }
}

async fn be_there_and_leave(field: &Field, recipients: u32) -> Result<()> {
    let ready = Counter::default();
    let there = field.log_in_all(AWAY..AWAY + recipients, |_| counting_ready(&ready)).await?;
    all_do(&there, &ready, Order::Online).await?;
    order_all(&there, Order::Close);
    drop(there);
    sleep(Duration::from_secs(3)).await;
    Ok(())
}

/// The senders take turns: message m of all goes to the recipient m modulo their number.
fn message(offline: &OfflineSend, source: u32, number: u32) -> Order {
    let recipient = AWAY + (source + number * offline.senders) % offline.recipients;
    Order::Send { to: Destination::Person(recipient), source, number, due_ns: None }
}

#[derive(Default)]
struct Drained {
    first_at: Option<Instant>,
    last_at: Option<Instant>,
    /// By recipient and sender.
    tallies: HashMap<(u32, u32), Tally>,
}

/// The recipients' part: counts what waited for them.
pub async fn drain(field: &Field, offline: &OfflineDrain) -> Result<Figures> {
    let count = Counter::default();
    let drained = Arc::new(Mutex::new(Drained::default()));
    let there = field
        .log_in_all(AWAY..AWAY + offline.recipients, |person| drain_sink(person, &count, &drained))
        .await?;
    // Some servers send as soon as somebody has logged in: then their work has begun before it was looked at.
    let began_before = count.count() > 0;
    let start = field.server.usage()?;
    order_all(&there, Order::Online);
    count.reach(offline.messages, Duration::from_secs_f64(offline.quiet_seconds)).await;
    let spent = field.server.since(&start)?;
    // What came last is acknowledged before they leave.
    sleep(Duration::from_secs(1)).await;
    order_all(&there, Order::Close);
    sleep(Duration::from_secs(1)).await;
    let drained = locked(&drained);
    let came = number(count.count());
    let figures = Figures::of(&spent, &field.failed)
        .with_count("drained", count.count())
        .with_count("lost", offline.messages.saturating_sub(count.count()))
        .with_count("doubled", drained.tallies.values().map(|tally| tally.doubled).sum())
        .with_count("misordered", drained.tallies.values().map(|tally| tally.misordered).sum());
    let figures =
        if began_before { figures } else { figures.with("cpu_us_per_message", spent.server_us / came) };
    Ok(match (drained.first_at, drained.last_at) {
        (Some(first), Some(last)) => {
            let seconds = (last - first).as_secs_f64();
            figures.with("drain_seconds", seconds).with("per_second", came / seconds)
        }
        _ => figures,
    })
}

fn drain_sink(
    person: u32,
    count: &Counter,
    drained: &Arc<Mutex<Drained>>,
) -> impl FnMut(Event<'_>) + Send + use<> {
    let (count, drained) = (count.clone(), Arc::clone(drained));
    move |event| {
        let Event::Message(body) = event else { return };
        let Some(head) = read_payload(body) else { return };
        let mut drained = locked(&drained);
        let now = Instant::now();
        drained.first_at.get_or_insert(now);
        drained.last_at = Some(now);
        if drained.tallies.entry((person, head.source)).or_default().note(head.number) {
            count.add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipient_gets_her_share() {
        let offline =
            OfflineSend { recipients: 200, messages: 20_000, senders: 50, window: 8, kill_after: None };
        let mut shares = HashMap::new();
        for source in 0..50 {
            for number in 0..400 {
                let Order::Send { to, .. } = message(&offline, source, number) else { panic!("it sends") };
                let Destination::Person(person) = to else { panic!("to a person") };
                *shares.entry(person).or_insert(0) += 1;
            }
        }
        assert_eq!(shares.len(), 200);
        assert!(shares.iter().all(|(person, share)| (1000..1200).contains(person) && *share == 100));
    }
}
