//! What a process does whose client is measured.
//!
//! Each measurement has a process of its own, so that its memory and its CPU are those of a client and nothing else.
//!
//! Invariant: nothing is counted that was not committed to a vault on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum};
use futures_util::future::try_join_all;
use tacite_client::vault_key::KeyFile;
use tacite_client::{Session, SessionOptions, clock};
use tacite_core::{Effect, Event, Input, LinkStatus, VaultError, queries};
use tacite_model::{Handle, Secret};
use tacite_wire::{Frame, Opcode};

use super::meter::{Watch, microseconds, percentile, resident_bytes};
use super::missed::{self, SENDERS};
use super::person::{self, Person, REGISTRATION_ID, account_of, text_to};
use super::stand_in::StandIn;

/// How often a client is started.
const STARTS: usize = 20;
/// Messages of the first page that a person sees.
const PAGE: u32 = 50;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Task {
    /// From the vault's key to the first page.
    Start,
    /// One message after the other, from what a person wants to the frame.
    SendOne,
    /// Many messages at once over a real link.
    SendMany,
    /// One message after the other, from the frame to the view.
    ReceiveOne,
    /// Everything that was missed, over a real link.
    Sync,
}

/// What the process of one measurement is told.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What to measure.
    #[arg(long)]
    task: Task,
    /// A vault of the bench, which is changed.
    #[arg(long)]
    vault: PathBuf,
    /// Messages that were missed.
    #[arg(long)]
    missed: PathBuf,
    /// How many messages.
    #[arg(long)]
    count: u32,
}

/// Figures by name.
pub type Figures = BTreeMap<String, f64>;

/// Measures.
pub fn run(arguments: &Arguments) -> Result<Figures> {
    let Arguments { task, vault, missed, count } = arguments;
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let mut figures = match task {
        Task::Start => runtime()?.block_on(start(vault))?,
        Task::SendOne => send_one(vault, *count)?,
        Task::SendMany => runtime()?.block_on(send_many(vault, *count))?,
        Task::ReceiveOne => receive_one(vault, missed, *count)?,
        Task::Sync => runtime()?.block_on(sync(vault, *count))?,
    };
    let (now, most) = resident_bytes()?;
    figures.insert("rss_bytes".to_owned(), now);
    figures.insert("rss_bytes_max".to_owned(), most);
    Ok(figures)
}

/// The key is there; what it takes to derive one from a passphrase is measured apart, because that is slow on purpose.
async fn start(path: &Path) -> Result<Figures> {
    let (mut opened, mut started, mut unshown) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let watch = Watch::start()?;
        let vault = person::open(path)?;
        opened.push(watch.time());
        let session = Session::start(vault, SessionOptions::default())?;
        let shown = session.query(|tx| first_page(tx)).await?;
        started.push(watch.time());
        ensure!(shown == PAGE as usize, "the first page has {shown} messages");
        let watch = Watch::start()?;
        session.unshown().await?;
        unshown.push(watch.time());
        session.close().await?;
    }
    let derivation = derive_key(path)?;
    Ok(figures([
        ("start_ms_p50", milliseconds(percentile(&mut started, 50))),
        ("start_ms_max", milliseconds(percentile(&mut started, 100))),
        ("open_ms_p50", milliseconds(percentile(&mut opened, 50))),
        ("unshown_ms_p50", milliseconds(percentile(&mut unshown, 50))),
        ("passphrase_ms", milliseconds(derivation)),
    ]))
}

/// What a person sees first: all conversations with their newest messages, and a page of the one that is newest.
fn first_page(tx: &tacite_core::Transaction<'_>) -> Result<usize, VaultError> {
    let mut newest = None;
    for contact in queries::contacts(tx)? {
        let last = queries::history(tx, &contact.handle, 1)?.unwrap_or_default().pop();
        newest = newest.max(last.map(|message| (message.sent_at, contact.handle.as_str().to_owned())));
    }
    let Some(handle) = newest.and_then(|(_, handle)| handle.parse::<Handle>().ok()) else { return Ok(0) };
    let _settings = queries::status(tx)?;
    Ok(queries::history(tx, &handle, PAGE)?.unwrap_or_default().len())
}

fn derive_key(beside: &Path) -> Result<Duration> {
    let path = beside.with_extension("toml");
    let passphrase = Secret::new("a passphrase of the bench".to_owned());
    KeyFile::create_with_passphrase(&path, &passphrase, &mut clock::random_source())?;
    let watch = Watch::start()?;
    KeyFile::read(&path)?.context("the key's file")?.unlock(Some(&passphrase))?;
    let time = watch.time();
    std::fs::remove_file(path)?;
    Ok(time)
}

fn send_one(path: &Path, count: u32) -> Result<Figures> {
    let mut desk = Desk::open(path, Vec::new())?;
    desk.until_level()?;
    let watch = Watch::start()?;
    let mut times = Vec::new();
    for number in 0..count {
        let (_, handle) = account_of(1 + number % SENDERS)?;
        let sent = desk.person.intend(text_to(&handle, missed::text(number)))?;
        let is_message = |effect: &Effect| matches!(effect, Effect::Send(frame) if frame.header.opcode == Opcode::SEND_DIRECT);
        ensure!(sent.effects.iter().any(is_message), "the message did not go out at once");
        times.push(sent.time);
        desk.person.perform(sent.effects, &mut desk.server)?;
        desk.settle(|_, _| ())?;
    }
    one_by_one(times, &watch)
}

async fn send_many(path: &Path, count: u32) -> Result<Figures> {
    let mut session = Session::start(person::open(path)?, SessionOptions::default())?;
    until_level(&mut session).await?;
    let watch = Watch::start()?;
    let mut waiting = Vec::new();
    for number in 0..count {
        let (_, handle) = account_of(1 + number % SENDERS)?;
        waiting.push(session.perform(text_to(&handle, missed::text(number))));
    }
    try_join_all(waiting).await?;
    loop {
        let queued = session.query(|tx| tx.outbox_count()).await?;
        if queued == 0 {
            break;
        }
        while session.next_event().await.context("the engine has ended")? != Event::OutboxEmpty {}
    }
    let figures = together(count, &watch)?;
    session.close().await?;
    Ok(figures)
}

fn receive_one(path: &Path, missed: &Path, count: u32) -> Result<Figures> {
    let mut frames = missed::load(missed)?;
    frames.truncate(count as usize);
    let mut desk = Desk::open(path, frames)?;
    let watch = Watch::start()?;
    let (mut times, mut received) = (Vec::new(), 0);
    desk.settle(|count, time| {
        received += count;
        // Those that came before the client had caught up are shown together.
        times.extend((count == 1).then_some(time));
    })?;
    ensure!(received == count as usize, "of {count} messages {received} came");
    one_by_one(times, &watch)
}

async fn sync(path: &Path, count: u32) -> Result<Figures> {
    let watch = Watch::start()?;
    let mut session = Session::start(person::open(path)?, SessionOptions::default())?;
    let mut received = BTreeSet::new();
    loop {
        match session.next_event().await.context("the engine has ended")? {
            Event::MessageReceived(message) => {
                received.insert(message.message_id);
            }
            Event::Link(LinkStatus::Level) => break,
            Event::Notice(problem) => bail!("something is wrong: {}", problem.sentence),
            _ => {}
        }
    }
    let figures = together(count, &watch)?;
    ensure!(received.len() == count as usize, "of {count} messages {} came", received.len());
    session.close().await?;
    Ok(figures)
}

async fn until_level(session: &mut Session) -> Result<()> {
    while session.next_event().await.context("the engine has ended")? != Event::Link(LinkStatus::Level) {}
    Ok(())
}

/// A client at a server in the same thread.
struct Desk {
    person: Person,
    server: StandIn,
}

impl Desk {
    /// A client that has begun to sign in, for which messages wait.
    fn open(path: &Path, waiting: Vec<Frame>) -> Result<Self> {
        let mut person = Person::new(person::open(path)?)?;
        let mut server = StandIn::default();
        server.add(person.account_id, REGISTRATION_ID, person.identity_key);
        for number in 1..=SENDERS {
            server.add(account_of(number)?.0, REGISTRATION_ID, person.identity_key);
        }
        server.let_wait(person.account_id, waiting.into_iter());
        let started = person.input(Input::Start)?;
        person.perform(started.effects, &mut server)?;
        Ok(Self { person, server })
    }

    fn until_level(&mut self) -> Result<()> {
        self.settle(|_, _| ())?;
        ensure!(self.person.link() == LinkStatus::Level, "the client did not sign in");
        Ok(())
    }

    /// Until nothing is under way any more; tells of each frame how many messages it brought to the view, and how long that took.
    fn settle(&mut self, mut tell: impl FnMut(usize, Duration)) -> Result<()> {
        while let Some((to, frame)) = self.server.next() {
            if to != self.person.account_id {
                continue;
            }
            let handled = self.person.input(Input::Frame(frame))?;
            let is_message = |effect: &&Effect| matches!(effect, Effect::Tell(Event::MessageReceived(_)));
            tell(handled.effects.iter().filter(is_message).count(), handled.time);
            self.person.perform(handled.effects, &mut self.server)?;
        }
        Ok(())
    }
}

/// Figures of messages that went one by one. The CPU is that of all that a message brings about, also of the answers.
fn one_by_one(mut times: Vec<Duration>, watch: &Watch) -> Result<Figures> {
    let count = f64::from(u32::try_from(times.len())?);
    let (whole, cpu) = (watch.time(), watch.cpu()?);
    Ok(figures([
        ("us_p50", microseconds(percentile(&mut times, 50))),
        ("us_p99", microseconds(percentile(&mut times, 99))),
        ("one_per_second", count / whole.as_secs_f64()),
        ("one_cpu_us_per_message", microseconds(cpu) / count),
    ]))
}

/// Figures of messages that went as fast as they could.
fn together(count: u32, watch: &Watch) -> Result<Figures> {
    let (whole, cpu) = (watch.time(), watch.cpu()?);
    Ok(figures([
        ("per_second", f64::from(count) / whole.as_secs_f64()),
        ("cpu_us_per_message", microseconds(cpu) / f64::from(count)),
        ("seconds", whole.as_secs_f64()),
    ]))
}

fn figures<const N: usize>(values: [(&str, f64); N]) -> Figures {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
