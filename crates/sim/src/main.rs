//! `tacite-sim`: one world step by step, or many worlds and their sum. `cargo xtask sim` runs it.
//!
//! Invariant: the exit status says whether everything held; a world that did not is named by its seed.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use tacite_sim::{Plant, Report, run};

const HELP: &str = "\
tacite-sim --seed N [--plant NAME]                 one world, step by step
tacite-sim --seeds COUNT [--from N] [--plant NAME] [--threads N]   many worlds, and their sum";

/// What is wanted.
#[derive(Default)]
struct Wanted {
    seed: Option<u64>,
    seeds: Option<u64>,
    from: u64,
    plant: Option<Plant>,
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let wanted = match Wanted::parse(std::env::args().skip(1)) {
        Ok(wanted) => wanted,
        Err(what) => {
            let _ = writeln!(io::stderr(), "tacite-sim: {what}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let told = match (wanted.seed, wanted.seeds) {
        (Some(seed), None) => one(seed, wanted.plant, &mut io::stdout()),
        (None, Some(count)) => many(count, &wanted, &mut io::stdout()),
        _ => writeln!(io::stderr(), "{HELP}").map(|()| false),
    };
    // A reader who is gone has seen enough.
    if told.unwrap_or(true) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Wanted {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut wanted = Self::default();
        let mut arguments = arguments;
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} wants a value"))?;
            let number = || value.parse::<u64>().map_err(|_| format!("{name} wants a number"));
            match name.as_str() {
                "--seed" => wanted.seed = Some(number()?),
                "--seeds" => wanted.seeds = Some(number()?),
                "--from" => wanted.from = number()?,
                "--threads" => wanted.threads = Some(usize::try_from(number()?).unwrap_or(1)),
                "--plant" => {
                    let names = || Plant::ALL.map(Plant::name).join(", ");
                    wanted.plant = Some(value.parse().map_err(|_| format!("plants are: {}", names()))?);
                }
                _ => return Err(format!("no such option: {name}")),
            }
        }
        Ok(wanted)
    }
}

/// One world, step by step.
fn one(seed: u64, plant: Option<Plant>, out: &mut dyn Write) -> io::Result<bool> {
    let report = run(seed, plant, Some(Box::new(io::stdout())));
    for what in &report.wrong {
        writeln!(out, "seed {seed}: {what}")?;
    }
    let mut sum = Sum::default();
    sum.add(&report);
    sum.print(out)?;
    Ok(report.wrong.is_empty())
}

/// Many worlds, on as many threads as wanted. Each world has a thread to itself as long as it lasts.
fn many(count: u64, wanted: &Wanted, out: &mut dyn Write) -> io::Result<bool> {
    let next = AtomicU64::new(wanted.from);
    let end = wanted.from.saturating_add(count);
    let threads =
        wanted.threads.or_else(|| thread::available_parallelism().ok().map(Into::into)).unwrap_or(1);
    let (reports_in, reports) = mpsc::channel();
    let mut sum = Sum::default();
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let (next, reports_in, plant) = (&next, reports_in.clone(), wanted.plant);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || reports_in.send((seed, run(seed, plant, None))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(reports_in);
        for (seed, report) in reports {
            for what in &report.wrong {
                writeln!(out, "seed {seed}: {what}")?;
            }
            out.flush()?;
            sum.add(&report);
        }
        sum.print(out)
    })?;
    Ok(sum.broken == 0)
}

/// The sum of worlds.
#[derive(Default)]
struct Sum {
    worlds: u64,
    broken: u64,
    messages: u64,
    faults: u64,
    lost: usize,
    doubled: usize,
}

impl Sum {
    fn add(&mut self, report: &Report) {
        self.worlds += 1;
        self.broken += u64::from(!report.wrong.is_empty());
        self.messages += report.messages;
        self.faults += report.faults;
        self.lost += report.lost();
        self.doubled += report.doubled();
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.broken > 0 {
            writeln!(out, "sim: {} worlds broke a promise", self.broken)?;
        }
        let Self { worlds, messages, faults, lost, doubled, .. } = self;
        writeln!(
            out,
            "sim: {worlds} worlds, {messages} messages, {faults} faults, {lost} lost, {doubled} doubled"
        )
    }
}
