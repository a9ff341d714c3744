//! A world: people, a server, a network between them, and a clock that only moves when everybody waits.
//!
//! Invariants: everything that happens follows from the seed (and the code); faults end when the world heals, and what must
//! hold is checked once it has come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tacite_core::Vault;
use tacite_model::Timestamp;
use tacite_server::LinkMessage;
use tokio::time::{Instant, sleep_until};

use crate::Report;
use crate::checks::history;
use crate::depot::Trips;
use crate::dice::Dice;
use crate::event::{Agenda, Due, Happening};
use crate::net::Net;
use crate::person::{Compared, Person};
use crate::plan::{Hostile, Plan};
use crate::plant::Plant;
use crate::server::{Server, Stores};
use crate::store::Disk;
use crate::trace::Trace;
use crate::truth::Truth;
use crate::wiretap::Wiretap;

/// When the first world was prepared.
pub(crate) const EPOCH: Timestamp = Timestamp::from_ms(1_800_000_000_000);
/// A healed world must be at rest after so long, milliseconds: longer than every pause of a client.
const REST_MS_MAX: u64 = 40 * 60_000;
/// For so long it must stay at rest, milliseconds: longer than a client waits for what is missing.
const REST_MS: u64 = 70_000;
/// How often a healed world is looked at, milliseconds.
const LOOK_MS: u64 = 5000;
/// More happenings than any world has that comes to rest.
const HAPPENINGS_MAX: u64 = 1_000_000;

/// What has happened, in numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) faults: u64,
}

/// See the module.
pub(crate) struct World {
    began: Instant,
    begins_at: Timestamp,
    pub(crate) agenda: Agenda,
    pub(crate) dice: Dice,
    pub(crate) people: Vec<Person>,
    pub(crate) server: Server,
    pub(crate) net: Net,
    pub(crate) trips: Trips,
    pub(crate) tap: Wiretap,
    pub(crate) truth: Truth,
    pub(crate) tally: Tally,
    pub(crate) plant: Option<Plant>,
    pub(crate) delay_ms: (u64, u64),
    pub(crate) hostile: Hostile,
    /// Whether somebody's clock is set forward.
    pub(crate) clock_leaps: bool,
    pub(crate) is_healed: bool,
    /// Who asked whom to become a contact.
    pub(crate) wishes: BTreeSet<(usize, usize)>,
    trace: Trace,
    wrong: Vec<String>,
    pub(crate) healed_at_ms: u64,
    at_rest_since_ms: Option<u64>,
    is_over: bool,
}

impl Due for World {
    fn after(&mut self, ms: u64, happening: Happening) {
        let at_ms = self.now_ms() + ms;
        self.agenda.add(at_ms, happening);
    }
}

impl World {
    /// A world with this plan, in which nothing has happened. Must be called within a runtime with a paused clock.
    pub(crate) fn new(
        seed: u64,
        plan: &Plan,
        (stores, vaults): (Stores, Vec<Vault>),
        plant: Option<Plant>,
        trace: Trace,
    ) -> Self {
        let marker = format!("canary-{seed:08x}");
        let disk = Disk::new(Dice::new(seed, "disk"), plant, marker.clone().into_bytes());
        let server = Server::new(stores, disk, Dice::new(seed, "server"), plan);
        let people =
            vaults.into_iter().enumerate().map(|(index, vault)| Person::new(index, seed, vault)).collect();
        let mut agenda = Agenda::default();
        for (at_ms, act) in &plan.acts {
            agenda.add(*at_ms, Happening::Act(*act));
        }
        let mut world = Self {
            began: Instant::now(),
            begins_at: EPOCH.plus_ms(plan.age_ms),
            agenda,
            dice: Dice::new(seed, "world"),
            people,
            server,
            net: Net::default(),
            trips: Trips::default(),
            tap: Wiretap::default(),
            truth: Truth::new(marker),
            tally: Tally::default(),
            plant,
            delay_ms: plan.delay_ms,
            hostile: plan.hostile,
            clock_leaps: plan.has_leaps(),
            is_healed: false,
            wishes: BTreeSet::new(),
            trace,
            wrong: Vec::new(),
            healed_at_ms: plan.heals_at_ms,
            at_rest_since_ms: None,
            is_over: false,
        };
        world.server.start(world.begins_at);
        world
    }

    /// Milliseconds since the beginning.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The time by the world's own clock.
    pub(crate) fn time(&self) -> Timestamp {
        self.begins_at.plus_ms(self.now_ms())
    }

    /// A line of the trace.
    pub(crate) fn tell(&mut self, what: std::fmt::Arguments<'_>) {
        let now_ms = self.now_ms();
        self.trace.tell(now_ms, what);
    }

    /// Something must not be as it is.
    pub(crate) fn wrong(&mut self, what: String) {
        self.tell(format_args!("WRONG: {what}"));
        self.wrong.push(what);
    }

    /// Lets everything happen, until the world has healed and is at rest.
    pub(crate) async fn run(mut self) -> Report {
        self.agenda.add(self.healed_at_ms, Happening::Heal);
        self.until(|world| world.is_over).await;
        self.check();
        let messages = u64::try_from(self.truth.count()).unwrap_or(u64::MAX);
        Report {
            messages,
            faults: self.tally.faults + self.server.disk.failures(),
            wrong: self.wrong,
            trace_sum: self.trace.sum(),
            ms: self.began.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
        }
    }

    /// Lets things happen until something is so.
    pub(crate) async fn until(&mut self, is_so: impl Fn(&Self) -> bool) {
        let mut count = 0;
        while !is_so(self) {
            self.collect();
            let Some(at_ms) = self.agenda.next_at() else {
                self.net.post.bell.notified().await;
                continue;
            };
            if at_ms > self.now_ms() {
                tokio::select! {
                    biased;
                    () = self.net.post.bell.notified() => {}
                    () = sleep_until(self.began + Duration::from_millis(at_ms)) => {}
                }
                continue;
            }
            count += 1;
            if count > HAPPENINGS_MAX {
                return self.wrong(String::from("the world does not come to rest: too much happens"));
            }
            if let Some(happening) = self.agenda.pop() {
                self.happen(happening);
            }
            // The server goes as far as it can before the next thing happens.
            tokio::task::yield_now().await;
        }
    }

    /// Lets things happen until nothing is left to do: for preparations.
    pub(crate) async fn until_at_rest(&mut self) {
        while self.unrest().is_some() {
            let later_ms = self.now_ms() + LOOK_MS;
            self.agenda.add(later_ms, Happening::Pause);
            self.until(|world| world.now_ms() >= later_ms).await;
        }
    }

    fn happen(&mut self, happening: Happening) {
        if let Some(link) = happening.link()
            && self.is_held_up(link, &happening)
        {
            return;
        }
        match happening {
            Happening::Act(act) => self.act(act),
            Happening::Start(person) => self.start(person),
            Happening::Timer(person, timer) => self.timer(person, timer),
            Happening::Accept { person, asker } => self.accept(person, asker),
            Happening::Establish(link) => self.establish(link),
            Happening::Opened(link) => self.opened(link),
            Happening::Up(link, bytes) => self.arrive_up(link, LinkMessage::Binary(bytes)),
            Happening::Pong(link) => self.arrive_up(link, LinkMessage::Pong(bytes::Bytes::new())),
            Happening::UpEnd(link) => self.end_up(link),
            Happening::Down(link, message) => self.arrive_down(link, &message),
            Happening::DownEnd(link) | Happening::Lost(link) => self.end_down(link),
            Happening::Silence(link) => self.listen(link),
            Happening::AtDepot(trip) => self.at_depot(trip),
            Happening::FromDepot(trip) => self.back_from_depot(trip),
            Happening::DepotSilent(trip) => self.fail_trip(trip),
            Happening::ServerStart(clock_ms) => {
                self.tell(format_args!("the server starts"));
                let at = shifted(self.time(), clock_ms);
                self.server.start(at);
            }
            Happening::Heal => self.heal(),
            Happening::Look => self.look(),
            Happening::Pause => {}
        }
    }

    /// The server's process dies, all links with it.
    pub(crate) fn crash_server(&mut self, down_ms: u64, clock_ms: i64) {
        // What a server knows in memory only, because its disk takes nothing, goes with it: an old copy that it has not heard yet
        // would be one nobody notices.
        let is_spared = self.people.iter().any(|person| person.compared == Compared::Old);
        if self.server.node().is_none() || is_spared {
            return;
        }
        self.collect();
        self.server.crash();
        self.cut_all();
        self.fail_trips(None);
        for person in &mut self.people {
            person.compared = Compared::Forgotten;
        }
        self.after(down_ms, Happening::ServerStart(clock_ms));
    }

    fn heal(&mut self) {
        self.tell(format_args!("everything heals"));
        self.is_healed = true;
        self.server.disk.set(0, 0, 0);
        self.heal_net();
        for index in 0..self.people.len() {
            self.forgive(index);
            self.people[index].wants = true;
            self.start(index);
        }
        self.after(LOOK_MS, Happening::Look);
    }

    fn look(&mut self) {
        let now_ms = self.now_ms();
        let looked_for_ms = now_ms.saturating_sub(self.healed_at_ms);
        let Some(unrest) = self.unrest() else {
            let since_ms = *self.at_rest_since_ms.get_or_insert(now_ms);
            self.is_over = now_ms - since_ms >= REST_MS;
            self.after(LOOK_MS, Happening::Look);
            return;
        };
        self.at_rest_since_ms = None;
        if looked_for_ms > REST_MS_MAX {
            self.wrong(format!("the world does not come to rest: {unrest}"));
            self.is_over = true;
        }
        if looked_for_ms.is_multiple_of(6 * LOOK_MS) {
            self.wish_again();
        }
        self.after(LOOK_MS, Happening::Look);
    }

    /// A program that died forgot what its person wanted; the person has not.
    fn wish_again(&mut self) {
        for (asker, asked) in self.wishes.clone() {
            if !self.has_contact(asker, asked) {
                self.meet(asker, asked);
            }
            if !self.has_contact(asked, asker) {
                self.accept(asked, asker);
            }
        }
    }

    /// A vault was replaced by an older copy: what it lacks is nobody's fault, nor what it has again.
    pub(crate) fn note_restored(&mut self, index: usize, mut old: Vault) {
        let mut lacking = Vec::new();
        for peer in 0..self.people.len() {
            let handle = self.people[peer].handle.clone();
            let kept = history(&mut self.people[index].vault, &handle);
            let kept: BTreeMap<_, _> = kept.into_iter().map(|row| (row.message_id, row.deleted)).collect();
            let had = history(&mut old, &handle).into_iter();
            let differs = had.filter(|row| kept.get(&row.message_id) != Some(&row.deleted));
            lacking.extend(differs.map(|row| row.message_id));
        }
        self.truth.restored(index, lacking);
    }
}

/// A time that is so much later, or earlier.
pub(crate) const fn shifted(at: Timestamp, by_ms: i64) -> Timestamp {
    if by_ms >= 0 { at.plus_ms(by_ms.unsigned_abs()) } else { at.minus_ms(by_ms.unsigned_abs()) }
}
