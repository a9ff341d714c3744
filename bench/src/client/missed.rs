//! Messages that were written while a device was away: really sealed, in sessions that were answered before.
//!
//! Invariant: the vault that is prepared is the one that can open them, each of them once.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use tacite_core::{Event, Input, LinkStatus, Vault};
use tacite_model::AccountId;
use tacite_wire::Frame;

use super::person::{self, Person, REGISTRATION_ID, account_of, contact, sign_up, text_to};
use super::seed::OWNER;
use super::stand_in::StandIn;

/// People who write: accounts 1 to this.
pub(super) const SENDERS: u32 = 20;
/// Bytes of a text.
pub(super) const TEXT_BYTES: usize = 256;
/// How often each has answered the other before: their ratchets have turned.
const ANSWERS: u32 = 3;

/// Gives the vault in the file at `path` sessions with all senders, and returns `count` messages that wait for it.
pub(super) fn prepare(path: &Path, count: u32) -> Result<Vec<Frame>> {
    let (owner_id, owner_handle) = account_of(OWNER)?;
    let mut club = Club::default();
    let mut owner = Person::new(person::open(path)?)?;
    let tx = owner.vault.transaction()?;
    for number in 1..=SENDERS {
        // Their devices are new and would wait for what came before.
        tx.remove_last_sent_id(account_of(number)?.0)?;
    }
    tx.commit()?;
    club.add(owner)?;
    for number in 1..=SENDERS {
        let mut vault = Vault::open_in_memory()?;
        sign_up(&mut vault, number)?;
        let tx = vault.transaction()?;
        tx.save_contact(&contact(OWNER)?)?;
        tx.commit()?;
        club.add(Person::new(vault)?)?;
    }
    for _ in 0..ANSWERS {
        for number in 1..=SENDERS {
            let (account_id, handle) = account_of(number)?;
            club.say(account_id, &owner_handle, "ping".to_owned())?;
            club.say(owner_id, &handle, "pong".to_owned())?;
        }
    }
    // Everything came, or the messages could not be opened either.
    ensure!(club.received == ANSWERS * SENDERS * 2, "of the first messages {} came", club.received);
    club.people.remove(&owner_id);
    club.server.disconnect(owner_id);
    for number in 0..count {
        let (account_id, _) = account_of(1 + number % SENDERS)?;
        club.say(account_id, &owner_handle, text(number))?;
    }
    Ok(club.server.take_waiting(owner_id).into())
}

/// A text of the right size.
pub(super) fn text(number: u32) -> String {
    format!("{number:0TEXT_BYTES$}")
}

/// Writes frames into a file.
pub(super) fn save(path: &Path, frames: &[Frame]) -> Result<()> {
    let mut bytes = Vec::new();
    for frame in frames {
        let frame = frame.clone().into_bytes();
        bytes.extend(u32::try_from(frame.len())?.to_be_bytes());
        bytes.extend(frame);
    }
    fs::write(path, bytes).context("the file of missed messages")
}

/// Reads them again.
pub(super) fn load(path: &Path) -> Result<Vec<Frame>> {
    let mut bytes = Bytes::from(fs::read(path).context("the file of missed messages")?);
    let mut frames = Vec::new();
    while let Some(length) = bytes.first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let _ = bytes.split_to(4);
        ensure!(bytes.len() >= length, "the file of missed messages ends early");
        frames.push(Frame::decode(bytes.split_to(length))?);
    }
    Ok(frames)
}

/// People at one server, all in one thread.
#[derive(Debug, Default)]
struct Club {
    server: StandIn,
    people: BTreeMap<AccountId, Person>,
    received: u32,
}

impl Club {
    /// Somebody comes in and stays online.
    fn add(&mut self, mut person: Person) -> Result<()> {
        let account_id = person.account_id;
        self.server.add(account_id, REGISTRATION_ID, person.identity_key);
        let started = person.input(Input::Start)?;
        person.perform(started.effects, &mut self.server)?;
        self.people.insert(account_id, person);
        self.settle()?;
        let person = self.people.get(&account_id).context("somebody who came in")?;
        ensure!(person.link() == LinkStatus::Level, "a client did not sign in");
        Ok(())
    }

    fn say(&mut self, from: AccountId, to: &tacite_model::Handle, text: String) -> Result<()> {
        let person = self.people.get_mut(&from).context("nobody says it")?;
        let said = person.intend(text_to(to, text))?;
        person.perform(said.effects, &mut self.server)?;
        self.settle()
    }

    /// Until nothing is under way any more.
    fn settle(&mut self) -> Result<()> {
        while let Some((to, frame)) = self.server.next() {
            let Some(person) = self.people.get_mut(&to) else { continue };
            let handled = person.input(Input::Frame(frame))?;
            for event in person.perform(handled.effects, &mut self.server)? {
                self.received += u32::from(matches!(event, Event::MessageReceived(_)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_can_be_opened_in_order_and_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vault.db");
        let mut vault = person::open(&path).unwrap();
        sign_up(&mut vault, OWNER).unwrap();
        let tx = vault.transaction().unwrap();
        for number in 1..=SENDERS {
            tx.save_contact(&contact(number).unwrap()).unwrap();
        }
        tx.commit().unwrap();
        drop(vault);
        let count = SENDERS * 2;
        let frames = prepare(&path, count).unwrap();
        let file = directory.path().join("missed");
        save(&file, &frames).unwrap();
        let frames = load(&file).unwrap();
        assert_eq!(frames.len(), count as usize);
        let mut club = Club::default();
        let person = Person::new(person::open(&path).unwrap()).unwrap();
        club.server.let_wait(person.account_id, frames.into_iter());
        club.add(person).unwrap();
        assert_eq!(club.received, count);
    }
}
