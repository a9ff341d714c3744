//! Somebody with a device: a real core over a real vault, driven as the contract of `tacite_core` demands.
//!
//! Invariants: transaction, handle, commit, and only then the effects; a program that dies loses everything but what its
//! vault had committed.

use bytes::Bytes;
use rand_chacha::ChaCha20Rng;
use tacite_core::{Alarm, Core, Effect, Event, Input, Intent, RequestId, Vault};
use tacite_model::{Handle, Timestamp};
use tacite_wire::{Frame, Opcode, proto};

use crate::depot::Errand;
use crate::dice::generator;
use crate::event::{Due, Happening};
use crate::plan::{Act, Crash};
use crate::plant::Plant;
use crate::world::{World, shifted};

/// Longest time that a program that died is away, milliseconds.
const AWAY_MS_MAX: u64 = 5000;

/// See the module.
pub(crate) struct Person {
    pub(crate) handle: Handle,
    pub(crate) vault: Vault,
    pub(crate) core: Core,
    rng: ChaCha20Rng,
    /// Whether the program runs.
    pub(crate) runs: bool,
    /// Whether the person wants it to run.
    pub(crate) wants: bool,
    /// How much this device's clock is ahead of the world's, milliseconds.
    pub(crate) clock_ms: i64,
    /// The number of the link that counts.
    pub(crate) link: Option<u64>,
    alarm: Alarm,
    timer: u64,
    /// How often the program has begun.
    pub(crate) life: u64,
    requests: u64,
    /// After how many more inputs to die how.
    crash: Option<(u64, Crash)>,
    pub(crate) backup: Option<Vec<u8>>,
    pub(crate) compared: Compared,
}

/// Whether the server can notice that an old copy is in place of a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compared {
    /// It can.
    Well,
    /// It was killed, perhaps before it wrote how far this vault was, and has not heard it since: that an older copy would be
    /// noticed now, nobody promises.
    Forgotten,
    /// An old copy has come back, and it has not heard it yet.
    Old,
}

/// The people of all worlds.
pub(crate) const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];

impl Person {
    /// One of them, not there yet.
    pub(crate) fn new(index: usize, seed: u64, vault: Vault) -> Self {
        let name = NAMES[index];
        Self {
            handle: name.parse().expect("a valid handle"),
            vault,
            core: Core::new(),
            rng: generator(seed, name),
            runs: false,
            wants: false,
            clock_ms: 0,
            link: None,
            alarm: Alarm::new(Timestamp::default()),
            timer: 0,
            life: 0,
            requests: 0,
            crash: None,
            backup: None,
            compared: Compared::Well,
        }
    }
}

impl World {
    /// The time by a person's clock.
    pub(crate) fn time_of(&self, person: usize) -> Timestamp {
        shifted(self.time(), self.people[person].clock_ms)
    }

    /// A person's program begins, unless it runs.
    pub(crate) fn start(&mut self, index: usize) {
        let now = self.time_of(index);
        let person = &mut self.people[index];
        if person.runs || !person.wants {
            return;
        }
        person.runs = true;
        person.life += 1;
        person.alarm = Alarm::new(now);
        if self.plant == Some(Plant::DropOutboxAtRestart) {
            drop_outbox(&mut person.vault);
        }
        self.tell(format_args!("{} starts", NAMES[index]));
        self.input(index, Input::Start);
    }

    /// A person's program ends: only the vault remains.
    pub(crate) fn stop(&mut self, index: usize) {
        let person = &mut self.people[index];
        if !person.runs {
            return;
        }
        person.runs = false;
        person.core = Core::new();
        person.timer += 1;
        person.crash = None;
        let link = person.link.take();
        self.tell(format_args!("{} stops", NAMES[index]));
        if let Some(link) = link {
            self.abandon(link);
        }
    }

    /// A person's program is to die at an input to come.
    pub(crate) fn plan_crash(&mut self, index: usize, after_inputs: u64, how: Crash) {
        self.people[index].crash = Some((after_inputs, how));
    }

    /// No crash is planned any more.
    pub(crate) fn forgive(&mut self, index: usize) {
        self.people[index].crash = None;
    }

    /// Hands an intent in, if the program runs; its request.
    pub(crate) fn intend(&mut self, index: usize, intent: Intent) -> Option<RequestId> {
        let person = &mut self.people[index];
        if !person.runs {
            return None;
        }
        person.requests += 1;
        let request = RequestId(person.requests);
        self.input(index, Input::Intent(request, intent));
        Some(request)
    }

    /// The number that the next intent of a person will have.
    pub(crate) fn next_request(&self, index: usize) -> RequestId {
        RequestId(self.people[index].requests + 1)
    }

    /// A timer of a person's driver has come.
    pub(crate) fn timer(&mut self, index: usize, timer: u64) {
        let now = self.time_of(index);
        let person = &mut self.people[index];
        if person.timer != timer || !person.runs {
            return;
        }
        if person.alarm.rings(now) {
            self.input(index, Input::Timer);
        } else {
            self.sleep(index);
        }
    }

    /// One input, as the contract demands; a planned crash happens here.
    pub(crate) fn input(&mut self, index: usize, input: Input) {
        let now = self.time_of(index);
        let person = &mut self.people[index];
        person.alarm.look(now);
        let crash = match &mut person.crash {
            Some((0, how)) => Some(*how),
            Some((inputs, _)) => {
                *inputs -= 1;
                None
            }
            None => None,
        };
        let sends_early = self.plant == Some(Plant::SendBeforeCommit) && person.crash.is_some();
        let mut crash = crash;
        let handled = person.vault.transaction().map_err(|error| error.to_string()).and_then(|mut tx| {
            let handled = person.core.handle(&mut tx, input, now, &mut person.rng);
            let effects = handled.map_err(|error| error.to_string())?;
            if sends_early && effects.iter().any(is_message) {
                crash = Some(Crash::BeforeCommit);
            }
            if crash != Some(Crash::BeforeCommit) {
                tx.commit().map_err(|error| error.to_string())?;
            }
            Ok(effects)
        });
        if self.plant == Some(Plant::ForgetDeduplication) && crash != Some(Crash::BeforeCommit) {
            // A vault that cannot even forget shows in what follows.
            let _ = person.vault.forget_seen();
        }
        let effects = match handled {
            Ok(effects) => effects,
            Err(error) => return self.wrong(format!("{}: the core failed: {error}", NAMES[index])),
        };
        let count = match crash {
            Some(Crash::BeforeCommit) if self.plant == Some(Plant::SendBeforeCommit) => usize::MAX,
            Some(Crash::BeforeCommit | Crash::BeforeEffects) => 0,
            Some(Crash::AfterEffects(count)) => count,
            None => usize::MAX,
        };
        for effect in effects.into_iter().take(count) {
            self.perform(index, effect);
        }
        match crash {
            Some(how) => self.die(index, how),
            None => self.sleep(index),
        }
    }

    fn die(&mut self, index: usize, how: Crash) {
        self.tell(format_args!("{} dies {how:?}", NAMES[index]));
        self.stop(index);
        let away_ms = self.dice.below(AWAY_MS_MAX);
        self.after(away_ms, Happening::Start(index));
    }

    /// Plans the next waking of a person's driver.
    fn sleep(&mut self, index: usize) {
        let now = self.time_of(index);
        let person = &mut self.people[index];
        person.timer += 1;
        let timer = person.timer;
        let sleep_ms = person.alarm.sleep_ms(now);
        self.after(sleep_ms, Happening::Timer(index, timer));
    }

    fn perform(&mut self, index: usize, effect: Effect) {
        match effect {
            Effect::OpenLink { bearer, .. } => {
                let bearer = bearer.map(|token| token.expose().clone());
                self.open(index, bearer);
            }
            Effect::Send(frame) => self.send_up(index, &frame),
            Effect::CloseLink => self.close(index),
            Effect::Tell(event) => self.told(index, event),
            Effect::PutBody { name, permit, bytes, .. } => {
                self.set_out(index, Errand::Put(name, permit.expose().clone(), bytes));
            }
            Effect::FetchBody { name, .. } => self.set_out(index, Errand::Fetch(name)),
            Effect::WakeAt(at) => {
                if at <= self.time_of(index) {
                    self.wrong(format!("{} would be busy with nothing", NAMES[index]));
                }
                self.people[index].alarm.set(at);
            }
        }
    }

    /// A frame has come to the server. What never does, nobody but its sender has seen: TLS hides it.
    pub(crate) fn look_at_frame(&mut self, index: usize, frame: &Bytes) {
        if let Ok(frame) = Frame::decode(frame.clone())
            && frame.header.opcode == Opcode::SEND_DIRECT
            && let Ok(envelope) = frame.read::<proto::Envelope>()
            && !envelope.sealed.is_empty()
        {
            self.look_at_sealed(index, &envelope.sealed, false);
        }
    }

    pub(crate) fn look_at_sealed(&mut self, index: usize, body: &[u8], is_padded: bool) {
        let body = Bytes::copy_from_slice(body);
        let unpadded = if is_padded { tacite_wire::body::unpad(&body) } else { Some(body) };
        let looked = unpadded.ok_or("a body is not padded").and_then(|body| self.tap.sealed(index, &body));
        if let Err(what) = looked {
            self.wrong(format!("{}: {what}", NAMES[index]));
        }
    }

    fn told(&mut self, index: usize, event: Event) {
        match &event {
            Event::ContactChanged { handle, standing: tacite_core::Standing::Asking } => {
                let asker = self.people.iter().position(|person| person.handle == *handle);
                if let Some(asker) = asker {
                    self.after(500, Happening::Accept { person: index, asker });
                }
            }
            Event::Notice(problem) => {
                self.tell(format_args!("{} is told: {}", NAMES[index], problem.word));
            }
            Event::MessageReceived(view) => {
                let text = view.text.split(' ').next_back().unwrap_or_default().to_owned();
                self.tell(format_args!("{} sees message {text} of {}", NAMES[index], view.peer));
            }
            Event::MessageChanged(view) => {
                let text = view.text.split(' ').next_back().unwrap_or_default().to_owned();
                self.tell(format_args!(
                    "{} sees message {text} to {}: {:?}",
                    NAMES[index], view.peer, view.state
                ));
            }
            _ => {}
        }
        if let Err(what) = self.truth.told(index, event) {
            self.wrong(format!("{}: {what}", NAMES[index]));
        }
    }

    /// What people do and what befalls their devices.
    pub(crate) fn act(&mut self, act: Act) {
        if act.is_fault() {
            self.tally.faults += 1;
            self.tell(format_args!("! {act:?}"));
        }
        match act {
            Act::Write { from, to } => self.write(from, to),
            Act::Gesture { person, peer, gesture } => self.gesture(person, peer, gesture),
            Act::Meet { asker, asked } => self.meet(asker, asked),
            Act::Come(person) => {
                self.people[person].wants = true;
                self.start(person);
            }
            Act::Go(person) => {
                self.people[person].wants = false;
                self.stop(person);
            }
            Act::Cut(person) => self.cut(person),
            Act::Hole { person, ms } => self.dig_hole(person, ms),
            Act::Crash { person, after_inputs, how } => self.plan_crash(person, after_inputs, how),
            Act::CrashServer { down_ms, clock_ms } => self.crash_server(down_ms, clock_ms),
            Act::Disk { delay_ms_max, full_per_mille, unavailable_per_mille } => {
                self.server.disk.set(delay_ms_max, full_per_mille, unavailable_per_mille);
            }
            Act::SetClock { person, by_ms } => self.people[person].clock_ms += by_ms,
            Act::BackUp(person) => self.back_up(person),
            Act::Restore(person) => self.restore(person),
        }
    }

    /// A copy is made while the program goes on, as backups do.
    fn back_up(&mut self, index: usize) {
        self.tell(format_args!("{} copies the vault", NAMES[index]));
        match self.people[index].vault.snapshot() {
            Ok(bytes) => self.people[index].backup = Some(bytes),
            Err(error) => self.wrong(format!("a vault cannot be copied: {error}")),
        }
    }

    /// The old copy comes back in place of the vault.
    fn restore(&mut self, index: usize) {
        let person = &self.people[index];
        let Some(bytes) = person.backup.clone().filter(|_| person.compared != Compared::Forgotten) else {
            return;
        };
        self.stop(index);
        match Vault::from_snapshot(&bytes) {
            Ok(vault) => {
                let old = std::mem::replace(&mut self.people[index].vault, vault);
                self.people[index].compared = Compared::Old;
                self.note_restored(index, old);
            }
            Err(error) => self.wrong(format!("a vault cannot be put back: {error}")),
        }
        self.start(index);
    }
}

/// Whether an effect sends a message.
fn is_message(effect: &Effect) -> bool {
    matches!(effect, Effect::Send(frame) if frame.header.opcode == Opcode::SEND_DIRECT)
}

/// A planted fault: what was written and not sent is gone.
fn drop_outbox(vault: &mut Vault) {
    let forget = || -> Result<(), tacite_core::VaultError> {
        let tx = vault.transaction()?;
        for recipient in tx.outbox_recipients()? {
            while let Some(entry) = tx.outbox_after(recipient, 0)? {
                tx.dequeue(entry.message_id)?;
            }
        }
        tx.commit()
    };
    // A vault that cannot be read shows in what follows.
    let mut forget = forget;
    let _ = forget();
}
