//! Trips to the depot and back (split mode): requests that go beside the links, as HTTPS does.
//!
//! Invariants: each request is answered once to the program that made it, by the depot or by the network; what the network
//! says of a request tells nothing about whether it took effect.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tacite_core::{BodyName, Input, Problem};
use tacite_depot::{Put, StoreError};
use tacite_server::bodies::PutError;
use tacite_wire::Code;

use crate::event::{Due, Happening};
use crate::world::World;

/// How long a device waits for the depot, milliseconds.
const PATIENCE_MS: u64 = 60_000;

/// What a device wants of the depot.
#[derive(Debug, Clone)]
pub(crate) enum Errand {
    /// Put a body, with this permit.
    Put(BodyName, Vec<u8>, Vec<u8>),
    /// Fetch a body.
    Fetch(BodyName),
}

/// See the module.
#[derive(Default)]
pub(crate) struct Trips {
    under_way: BTreeMap<u64, Trip>,
    /// What the depot has answered and the world has not yet taken.
    answers: Arc<Mutex<Vec<(u64, Input)>>>,
    last: u64,
}

struct Trip {
    person: usize,
    life: u64,
    errand: Errand,
    answer: Option<Input>,
}

impl World {
    /// A device sends a request to the depot.
    pub(crate) fn set_out(&mut self, person: usize, errand: Errand) {
        self.trips.last += 1;
        let number = self.trips.last;
        let life = self.people[person].life;
        self.trips.under_way.insert(number, Trip { person, life, errand, answer: None });
        let delay_ms = self.delay_ms();
        self.after(delay_ms, Happening::AtDepot(number));
        self.after(PATIENCE_MS, Happening::DepotSilent(number));
    }

    /// A request has come to where the depot should be.
    pub(crate) fn at_depot(&mut self, number: u64) {
        let Some(trip) = self.trips.under_way.get(&number) else { return };
        let (person, errand) = (trip.person, trip.errand.clone());
        if let Some(until_ms) = self.hole_of(person) {
            return self.agenda.add(until_ms, Happening::AtDepot(number));
        }
        if let (Some(_), Errand::Put(_, _, bytes)) = (self.server.node(), &errand) {
            self.look_at_sealed(person, bytes, true);
        }
        let Some(node) = self.server.node() else { return self.fail_trip(number) };
        let (answers, post) = (Arc::clone(&self.trips.answers), Arc::clone(&self.net.post));
        let tell = move |input| {
            answers.lock().unwrap_or_else(PoisonError::into_inner).push((number, input));
            post.bell.notify_one();
        };
        match errand {
            Errand::Put(name, permit, bytes) => {
                let put = node.put_body(tacite_depot::BodyName(name.0), permit, bytes.into());
                tokio::spawn(async move {
                    let result = put.await;
                    tell(Input::BodyPut { name, result: result.map(well).map_err(|error| refused(&error)) });
                });
            }
            Errand::Fetch(name) => {
                let fetch = node.fetch_body(tacite_depot::BodyName(name.0));
                tokio::spawn(async move {
                    let result = fetch.await.map(|body| body.map(Into::into));
                    let result = result.map_err(|error| failed(&error));
                    tell(Input::BodyFetched { name, result });
                });
            }
        }
    }

    /// What the depot has answered goes into the network.
    pub(crate) fn collect_trips(&mut self) {
        let answers = std::mem::take(&mut *self.trips.answers.lock().unwrap_or_else(PoisonError::into_inner));
        for (number, input) in answers {
            let delay_ms = self.delay_ms();
            if let Some(trip) = self.trips.under_way.get_mut(&number) {
                trip.answer = Some(input);
                self.after(delay_ms, Happening::FromDepot(number));
            }
        }
    }

    /// An answer has come back.
    pub(crate) fn back_from_depot(&mut self, number: u64) {
        let Some(trip) = self.trips.under_way.get(&number) else { return };
        if let Some(until_ms) = self.hole_of(trip.person) {
            return self.agenda.add(until_ms, Happening::FromDepot(number));
        }
        let Some(trip) = self.trips.under_way.remove(&number) else { return };
        if let Some(answer) = trip.answer
            && self.people[trip.person].life == trip.life
            && self.people[trip.person].runs
        {
            self.input(trip.person, answer);
        }
    }

    /// A device is told that the depot cannot be reached.
    pub(crate) fn fail_trip(&mut self, number: u64) {
        let Some(trip) = self.trips.under_way.get_mut(&number) else { return };
        let problem = problem(Code::UNAVAILABLE, "depot-unreachable");
        trip.answer = Some(match &trip.errand {
            Errand::Put(name, ..) => Input::BodyPut { name: *name, result: Err(problem) },
            Errand::Fetch(name) => Input::BodyFetched { name: *name, result: Err(problem) },
        });
        self.after(0, Happening::FromDepot(number));
    }

    /// The connections to the depot break: those of a person, or all.
    pub(crate) fn fail_trips(&mut self, person: Option<usize>) {
        let broken = |trip: &Trip| person.is_none_or(|person| trip.person == person);
        let numbers: Vec<u64> =
            self.trips.under_way.iter().filter(|(_, trip)| broken(trip)).map(|(number, _)| *number).collect();
        for number in numbers {
            self.fail_trip(number);
        }
    }

    /// Whether a device waits for the depot.
    pub(crate) fn has_trips(&self) -> bool {
        let waits = |trip: &Trip| self.people[trip.person].life == trip.life;
        self.trips.under_way.values().any(waits)
    }
}

/// Whatever is there under the name is this message.
const fn well(_: Put) {}

/// What the client's driver makes of the depot's refusals.
fn refused(error: &PutError) -> Problem {
    match error {
        PutError::TooFast { retry_after_ms } => {
            Problem { retry_after_ms: Some(*retry_after_ms), ..problem(Code::TOO_FAST, "too-fast") }
        }
        PutError::Store(error) => failed(error),
        PutError::Permit(_) | PutError::Size(_) => problem(Code::UNAVAILABLE, "depot-refused"),
    }
}

fn failed(error: &StoreError) -> Problem {
    match error {
        StoreError::Full => problem(Code::STORAGE_FULL, "storage-full"),
        _ => problem(Code::UNAVAILABLE, "depot-refused"),
    }
}

/// All that a depot refuses may succeed later.
fn problem(code: Code, word: &'static str) -> Problem {
    let (sentence, next_step) = (String::from("simulated"), String::new());
    Problem { code, word, sentence, next_step, retryable: true, retry_after_ms: None }
}
