//! W4: members of a room write in turn, all members (the writer too) receive.
//!
//! Or, instead of a room: a copy for each of the others, sent by the writer.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use tokio::time::sleep;

use super::locked;
use crate::load::connection::Handle;
use crate::load::counter::Counter;
use crate::load::crowd::{Field, all_do};
use crate::load::figures::{Figures, number};
use crate::load::payload::{now_ns, read_payload};
use crate::load::{Destination, Event, Order};

/// How long no delivery may come before the rest counts as lost.
const QUIET: Duration = Duration::from_secs(20);

/// The room, and what is written there.
#[derive(Debug, Clone, Args)]
pub struct FanOut {
    /// How many members.
    #[arg(long, default_value_t = 500)]
    pub members: u32,
    /// How many messages are written.
    #[arg(long, default_value_t = 200)]
    pub messages: u32,
    /// The next message leaves when all members have the one this many before it.
    #[arg(long, default_value_t = 200)]
    pub window: u32,
    /// How many of the members write, in turn.
    #[arg(long, default_value_t = 8)]
    pub writers: u32,
    /// Do without the room: the writer sends a copy to each of the others.
    #[arg(long)]
    pub copies: bool,
    /// The room's number.
    #[arg(long, default_value_t = 1)]
    pub room: u32,
    /// How long the room may settle after all have joined.
    #[arg(long, default_value_t = 5.0)]
    pub settle_seconds: f64,
}

struct Room {
    options: FanOut,
    ready: Counter,
    delivered: Counter,
    members: OnceLock<Vec<Handle>>,
    next: AtomicU32,
    /// How many have each message.
    arrived: Vec<AtomicU32>,
    latencies_ns: Mutex<Vec<u64>>,
}

impl FanOut {
    /// To how many a message is delivered.
    fn recipients(&self) -> u32 {
        self.members - u32::from(self.copies)
    }
}

impl Room {
    fn new(options: &FanOut) -> Self {
        Self {
            ready: Counter::default(),
            delivered: Counter::default(),
            members: OnceLock::new(),
            next: AtomicU32::new(options.window.min(options.messages)),
            arrived: (0..options.messages).map(|_| AtomicU32::new(0)).collect(),
            latencies_ns: Mutex::default(),
            options: options.clone(),
        }
    }

    fn take(&self, event: Event<'_>) {
        match event {
            Event::Ready => self.ready.add(1),
            Event::Accepted(_) | Event::Received(_) => {}
            Event::Message(body) => {
                let Some(head) = read_payload(body) else { return };
                let Some(arrived) = self.arrived.get(head.number as usize) else { return };
                locked(&self.latencies_ns).push(now_ns().saturating_sub(head.due_ns));
                if arrived.fetch_add(1, Ordering::Relaxed) + 1 == self.options.recipients() {
                    self.write_next();
                }
                self.delivered.add(1);
            }
        }
    }

    fn write_next(&self) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number < self.options.messages {
            self.write(number);
        }
    }

    fn write(&self, number: u32) {
        let Some(members) = self.members.get() else { return };
        let FanOut { members: count, writers, copies, room, .. } = self.options;
        let source = number % writers.clamp(1, count);
        let writer = &members[source as usize];
        if copies {
            let due_ns = Some(now_ns());
            for person in (0..count).filter(|person| *person != source) {
                writer.order(Order::Send { to: Destination::Person(person), source, number, due_ns });
            }
        } else {
            writer.order(Order::Send { to: Destination::Room(room), source, number, due_ns: None });
        }
    }
}

/// Runs it.
pub async fn run(field: &Field, fan_out: &FanOut) -> Result<Figures> {
    let room = Arc::new(Room::new(fan_out));
    let members = field
        .log_in_all(0..fan_out.members, |_| {
            let room = Arc::clone(&room);
            move |event: Event<'_>| room.take(event)
        })
        .await?;
    all_do(&members, &room.ready, Order::Online).await?;
    if !fan_out.copies {
        // The first member makes the room, on servers that have rooms to make.
        all_do(&members[..1], &room.ready, Order::Join(fan_out.room)).await?;
        sleep(Duration::from_secs(1)).await;
        all_do(&members[1..], &room.ready, Order::Join(fan_out.room)).await?;
    }
    sleep(Duration::from_secs_f64(fan_out.settle_seconds)).await;

    room.members.get_or_init(|| members);
    let total = u64::from(fan_out.messages) * u64::from(fan_out.recipients());
    let start = field.server.usage()?;
    for number in 0..fan_out.window.min(fan_out.messages) {
        room.write(number);
    }
    room.delivered.reach(total, QUIET).await;
    let spent = field.server.since(&start)?;
    let delivered = room.delivered.count();
    let latencies_ns = std::mem::take(&mut *locked(&room.latencies_ns));
    Ok(Figures::of(&spent, &field.failed)
        .with_count("delivered", delivered)
        .with_count("lost", total.saturating_sub(delivered))
        .with_count("doubled", delivered.saturating_sub(total))
        .with("per_second", number(delivered) / spent.seconds)
        .with("cpu_us_per_delivery", spent.server_us / number(delivered))
        .with_percentiles("latency_us", latencies_ns))
}
