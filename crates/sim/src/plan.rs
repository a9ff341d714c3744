//! What is to happen in a world: drawn from its seed before it begins.
//!
//! Invariants: a plan is a function of its seed; everything in it has a time; faults end when the world heals.

use tacite_wire::proto::DeliveryMode;

use crate::dice::Dice;

/// Everything that is decided before a world begins.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// How many take part. The last of four is a stranger to the others.
    pub(crate) people: usize,
    /// Milliseconds between the preparation of vaults and stores and the beginning.
    pub(crate) age_ms: u64,
    /// Bounds of the time that a frame takes, milliseconds.
    pub(crate) delay_ms: (u64, u64),
    /// In which way messages travel.
    pub(crate) mode: DeliveryMode,
    /// Messages a second that the server allows an account.
    pub(crate) messages_per_second: u32,
    /// What the network does to single frames that carry messages. None of it can happen under TLS; delivery survives it.
    pub(crate) hostile: Hostile,
    /// When what happens, milliseconds from the beginning.
    pub(crate) acts: Vec<(u64, Act)>,
    /// When everything heals.
    pub(crate) heals_at_ms: u64,
}

/// How often, in a thousand frames, a hostile network does what.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hostile {
    pub(crate) drops: u64,
    pub(crate) doubles: u64,
    pub(crate) reorders: u64,
}

impl Hostile {
    /// Whether it does anything.
    pub(crate) const fn is_on(self) -> bool {
        self.drops + self.doubles + self.reorders > 0
    }

    /// Whether a message may come when later ones have long been answered.
    pub(crate) const fn delays_messages(self) -> bool {
        self.drops + self.reorders > 0
    }
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Somebody writes to somebody.
    Write { from: usize, to: usize },
    /// Somebody does something in the conversation with somebody.
    Gesture { person: usize, peer: usize, gesture: Gesture },
    /// Somebody asks somebody to become a contact.
    Meet { asker: usize, asked: usize },
    /// Somebody opens the program.
    Come(usize),
    /// Somebody closes the program.
    Go(usize),
    /// The link breaks.
    Cut(usize),
    /// Nothing gets through for a while.
    Hole { person: usize, ms: u64 },
    /// The program dies at one of its next inputs.
    Crash { person: usize, after_inputs: u64, how: Crash },
    /// The server dies, and comes back with a clock that may have been set.
    CrashServer { down_ms: u64, clock_ms: i64 },
    /// The server's disks are like this from now on.
    Disk { delay_ms_max: u64, full_per_mille: u64, unavailable_per_mille: u64 },
    /// Somebody's clock is set forward or back.
    SetClock { person: usize, by_ms: i64 },
    /// Somebody copies the vault.
    BackUp(usize),
    /// Somebody puts the copy back.
    Restore(usize),
}

/// What somebody does with messages that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gesture {
    /// Looks at all of them.
    Read,
    /// Reacts to one.
    React,
    /// Changes one's own.
    Edit,
    /// Deletes one's own.
    Delete,
}

/// Where a program dies while it handles an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// Nothing is committed.
    BeforeCommit,
    /// Committed, no effect performed.
    BeforeEffects,
    /// Committed, this many effects performed.
    AfterEffects(usize),
}

impl Act {
    /// Whether this is a fault rather than what people do.
    pub(crate) const fn is_fault(self) -> bool {
        !matches!(
            self,
            Self::Write { .. }
                | Self::Gesture { .. }
                | Self::Meet { .. }
                | Self::Come(_)
                | Self::Go(_)
                | Self::BackUp(_)
        )
    }
}

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

impl Plan {
    /// Nothing happens by itself: for preparations.
    pub(crate) fn calm(people: usize) -> Self {
        Self {
            people,
            age_ms: 0,
            delay_ms: (0, 0),
            mode: DeliveryMode::Inline,
            messages_per_second: 100,
            hostile: Hostile::default(),
            acts: Vec::new(),
            heals_at_ms: 0,
        }
    }

    /// The plan of the world with this seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, "plan");
        let people = *dice.pick(&[2, 2, 2, 3, 3, 4]);
        let heals_at_ms = *dice.pick(&[10, 30, 60, 150]) * SECOND;
        let mut plan = Self {
            people,
            age_ms: *dice.pick(&[0, 0, 5 * MINUTE, 20 * MINUTE, 26 * HOUR, 8 * 24 * HOUR]),
            delay_ms: *dice.pick(&[(0, 0), (1, 5), (5, 60), (20, 400), (100, 3000)]),
            mode: *dice.pick(&[
                DeliveryMode::Inline,
                DeliveryMode::Inline,
                DeliveryMode::Split,
                DeliveryMode::Direct,
            ]),
            messages_per_second: *dice.pick(&[100, 100, 10, 1]),
            hostile: Hostile::default(),
            acts: Vec::new(),
            heals_at_ms,
        };
        plan.draw_people(&mut dice);
        plan.draw_writing(&mut dice);
        plan.draw_faults(&mut dice);
        plan.draw_gestures(&mut dice);
        plan
    }

    /// Whether somebody's clock is set forward.
    pub(crate) fn has_leaps(&self) -> bool {
        self.acts.iter().any(|(_, act)| matches!(act, Act::SetClock { by_ms: 1.., .. }))
    }

    fn add(&mut self, at_ms: u64, act: Act) {
        self.acts.push((at_ms, act));
    }

    /// Who is there when.
    fn draw_people(&mut self, dice: &mut Dice) {
        for person in 0..self.people {
            let begins_at_ms = if dice.per_mille(700) { 0 } else { dice.below(self.heals_at_ms) };
            self.add(begins_at_ms, Act::Come(person));
            if dice.per_mille(300) {
                let goes_at_ms = dice.between(begins_at_ms, self.heals_at_ms);
                self.add(goes_at_ms, Act::Go(person));
                let away_ms = dice.below(self.heals_at_ms);
                self.add((goes_at_ms + away_ms).min(self.heals_at_ms), Act::Come(person));
            }
        }
        if self.people == 4 {
            let asked = dice.index(3);
            self.add(dice.below(self.heals_at_ms / 2), Act::Meet { asker: 3, asked });
        }
    }

    /// Bursts of messages.
    fn draw_writing(&mut self, dice: &mut Dice) {
        for _ in 0..dice.between(1, 6) {
            let mut at_ms = dice.below(self.heals_at_ms);
            let pace_ms = *dice.pick(&[1, 50, 2000]);
            let from = dice.index(self.people);
            let to = (from + 1 + dice.index(self.people - 1)) % self.people;
            let answers = dice.per_mille(500);
            for number in 0..dice.between(1, 8) {
                let turned = answers && number % 2 == 1;
                let (from, to) = if turned { (to, from) } else { (from, to) };
                self.add(at_ms, Act::Write { from, to });
                at_ms = (at_ms + dice.below(pace_ms) + 1).min(self.heals_at_ms);
            }
        }
    }

    /// What is read disappears an hour later: not in worlds in which clocks jump, where nobody could say when that is.
    fn draw_gestures(&mut self, dice: &mut Dice) {
        let clocks_jump = self.acts.iter().any(|(_, act)| matches!(act, Act::SetClock { .. }));
        let gestures = [Gesture::React, Gesture::Edit, Gesture::Delete, Gesture::Read, Gesture::Read];
        let gestures = if clocks_jump { &gestures[..3] } else { &gestures[..] };
        if dice.per_mille(500) {
            for _ in 0..dice.between(1, 12) {
                let (at_ms, person) = (dice.below(self.heals_at_ms), dice.index(self.people));
                let peer = (person + 1 + dice.index(self.people - 1)) % self.people;
                self.add(at_ms, Act::Gesture { person, peer, gesture: *dice.pick(gestures) });
            }
        }
    }

    /// Some kinds of faults, and some of each.
    fn draw_faults(&mut self, dice: &mut Dice) {
        self.draw_network(dice);
        self.draw_devices(dice);
        self.draw_server(dice);
    }

    fn draw_network(&mut self, dice: &mut Dice) {
        if dice.per_mille(400) {
            self.repeat(dice, 6, |person, _| Act::Cut(person));
        }
        if dice.per_mille(300) {
            self.repeat(dice, 3, |person, dice| Act::Hole { person, ms: dice.between(100, 100 * SECOND) });
        }
        if dice.per_mille(150) {
            let mut often = || *dice.pick(&[0, 20, 100]);
            self.hostile = Hostile { drops: often(), doubles: often(), reorders: often() };
        }
    }

    fn draw_devices(&mut self, dice: &mut Dice) {
        if dice.per_mille(500) {
            self.repeat(dice, 6, |person, dice| Act::Crash {
                person,
                after_inputs: dice.below(20),
                how: *dice.pick(&[
                    Crash::BeforeCommit,
                    Crash::BeforeEffects,
                    Crash::AfterEffects(1),
                    Crash::AfterEffects(2),
                ]),
            });
        }
        if dice.per_mille(250) {
            self.repeat(dice, 4, |person, dice| Act::SetClock {
                person,
                by_ms: *dice.pick(&[-86_400_000, -3_600_000, -30_000, -1, 1, 30_000, 3_600_000, 86_400_000]),
            });
        }
        // An old copy is known by what the server has counted: each frame that the original's link delivered. TLS hands over no
        // frame behind one that is missing; a network that does makes the server count less than the device did.
        if dice.per_mille(100) && !self.hostile.delays_messages() {
            let person = dice.index(self.people);
            let copied_at_ms = dice.below(self.heals_at_ms);
            self.add(copied_at_ms, Act::BackUp(person));
            self.add(dice.between(copied_at_ms, self.heals_at_ms), Act::Restore(person));
        }
    }

    fn draw_server(&mut self, dice: &mut Dice) {
        if dice.per_mille(400) {
            self.repeat(dice, 4, |_, dice| Act::CrashServer {
                down_ms: dice.below(5 * SECOND),
                clock_ms: *dice.pick(&[0, 0, 0, 90_000, -90_000, 3_600_000, -3_600_000]),
            });
        }
        if dice.per_mille(300) {
            self.repeat(dice, 4, |_, dice| Act::Disk {
                delay_ms_max: *dice.pick(&[1, 20, 1000]),
                full_per_mille: *dice.pick(&[0, 0, 500, 1000]),
                unavailable_per_mille: *dice.pick(&[0, 0, 200]),
            });
        } else if dice.per_mille(500) {
            let delay_ms_max = *dice.pick(&[1, 20, 200]);
            self.add(0, Act::Disk { delay_ms_max, full_per_mille: 0, unavailable_per_mille: 0 });
        }
    }

    fn repeat(&mut self, dice: &mut Dice, most: u64, mut draw: impl FnMut(usize, &mut Dice) -> Act) {
        for _ in 0..dice.between(1, most) {
            let (at_ms, person) = (dice.below(self.heals_at_ms), dice.index(self.people));
            let act = draw(person, dice);
            self.add(at_ms, act);
        }
    }
}
