//! A room, as long as there are none: the server's only multicast is that of moods, so what is written is said as one.
//!
//! Whoever joins says that she is online. Whoever writes says that she is busy, next time that she is online, and so on, because
//! only what changes is told. The others are told nothing but the mood: they know which message it stands for by counting the
//! moods of its writer. She is a member like the others, and has it with the server's answer.
//!
//! Invariants: the mood of somebody who joins is no message; a mood that is missing, or comes twice, ends the link.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use anyhow::{Result, bail, ensure};
use tacite_model::{AccountId, MessageId};
use tacite_wire::proto::{Presence, PresenceChanged, SetPresence};
use tacite_wire::{Frame, Opcode, Status};

use super::locked;
use super::sending::Text;
use super::wire::{Wire, refusal};
use crate::load::Event;

/// What everybody has written, in order; shared by the links of all people.
#[derive(Debug, Default)]
pub(super) struct Written(Mutex<HashMap<AccountId, Vec<Text>>>);

impl Written {
    fn add(&self, writer: AccountId, text: Text) -> usize {
        let mut written = locked(&self.0);
        let texts = written.entry(writer).or_default();
        texts.push(text);
        texts.len() - 1
    }

    fn get(&self, writer: AccountId, number: usize) -> Option<Text> {
        locked(&self.0).get(&writer)?.get(number).copied()
    }
}

/// One member's part.
#[derive(Debug, Default)]
pub(super) struct Moods {
    /// What was said and not answered, in order: a message, or that one has joined.
    unanswered: VecDeque<(MessageId, Option<Text>)>,
    /// How many messages of a writer have come.
    heard: HashMap<AccountId, usize>,
}

impl Moods {
    /// Takes part from now on.
    pub(super) fn join(&mut self, wire: &mut Wire, out: &mut Vec<u8>) -> Result<()> {
        self.say(Presence::Online, None, wire, out)
    }

    /// Writes to all contacts who have joined.
    pub(super) fn write(
        &mut self,
        (writer, text): (AccountId, Text),
        written: &Written,
        wire: &mut Wire,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let number = written.add(writer, text);
        self.say(mood_of(number), Some(text), wire, out)
    }

    /// Takes the answer to `mood`.
    pub(super) fn answered(&mut self, frame: &Frame, sink: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        if frame.header.status != Status::FINISHED {
            return Err(refusal(frame));
        }
        match self.unanswered.pop_front() {
            Some((id, None)) if id == frame.header.message_id => sink(Event::Ready),
            Some((id, Some(text))) if id == frame.header.message_id => sink(Event::Message(&text.payload())),
            _ => bail!("an answer to no mood"),
        }
        Ok(())
    }

    /// Takes a push of moods.
    pub(super) fn told(
        &mut self,
        frame: &Frame,
        written: &Written,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        let changed: PresenceChanged = frame.read()?;
        for told in &changed.presences {
            let writer = AccountId::try_from(&told.account_id[..])?;
            let number = self.heard.get(&writer).copied().unwrap_or(0);
            match (told.presence(), written.get(writer, number)) {
                (mood, Some(text)) if mood == mood_of(number) => {
                    self.heard.insert(writer, number + 1);
                    sink(Event::Message(&text.payload()));
                }
                // Of whoever is gone, and of whoever has just joined or was there before.
                (Presence::Offline, _) => {}
                (mood, _) => {
                    ensure!(
                        mood == Presence::Online && number == 0,
                        "a mood that was not said after the last"
                    );
                }
            }
        }
        Ok(())
    }

    fn say(&mut self, mood: Presence, text: Option<Text>, wire: &mut Wire, out: &mut Vec<u8>) -> Result<()> {
        let id = wire.put_command(Opcode::SET_PRESENCE, &SetPresence { presence: mood.into() }, out)?;
        self.unanswered.push_back((id, text));
        Ok(())
    }
}

/// What stands for the message of this number, counted from 0 for each writer: first another mood than that of joining.
fn mood_of(number: usize) -> Presence {
    if number.is_multiple_of(2) { Presence::Busy } else { Presence::Online }
}

#[cfg(test)]
mod tests {
    use tacite_model::Timestamp;
    use tacite_server::Clock;
    use tacite_wire::Code;
    use tacite_wire::proto::{AccountPresence, Empty};

    use super::*;
    use crate::load::payload::read_payload;

    const ALICE: AccountId = AccountId::from_bytes([0xA1; 16]);
    const BOB: AccountId = AccountId::from_bytes([0xB0; 16]);

    fn push(presences: &[(AccountId, Presence)]) -> Frame {
        let presence = |(account_id, presence): &(AccountId, Presence)| AccountPresence {
            account_id: account_id.as_bytes().to_vec().into(),
            presence: (*presence).into(),
        };
        let body = PresenceChanged { presences: presences.iter().map(presence).collect() };
        let id = MessageId::from_bytes([1; 16]);
        Frame::command(Opcode::PRESENCE_CHANGED, id, Timestamp::from_ms(1), &body).unwrap()
    }

    /// The numbers of the messages that pushes mean.
    fn heard(moods: &mut Moods, written: &Written, frame: &Frame) -> Result<Vec<u32>> {
        let mut numbers = Vec::new();
        moods.told(frame, written, &mut |event| {
            let Event::Message(body) = event else { panic!("{event:?}") };
            numbers.push(read_payload(body).unwrap().number);
        })?;
        Ok(numbers)
    }

    fn written(writer: AccountId, numbers: &[u32]) -> Written {
        let written = Written::default();
        for number in numbers {
            written.add(writer, Text::new(None, 0, *number));
        }
        written
    }

    #[test]
    fn moods_stand_for_messages_by_their_count_and_those_of_joining_for_none() {
        let (mut moods, written) = (Moods::default(), written(ALICE, &[3, 11, 19]));
        let joining = push(&[(BOB, Presence::Online), (ALICE, Presence::Online)]);
        assert_eq!(heard(&mut moods, &written, &joining).unwrap(), [0; 0]);
        for (mood, number) in [(Presence::Busy, 3), (Presence::Online, 11), (Presence::Busy, 19)] {
            assert_eq!(heard(&mut moods, &written, &push(&[(ALICE, mood)])).unwrap(), [number]);
        }
        let leaving = push(&[(ALICE, Presence::Offline)]);
        assert_eq!(heard(&mut moods, &written, &leaving).unwrap(), [0; 0]);
    }

    #[test]
    fn a_mood_that_comes_twice_or_that_nobody_said_is_a_fault() {
        let (mut moods, written) = (Moods::default(), written(ALICE, &[0, 1]));
        let busy = push(&[(ALICE, Presence::Busy)]);
        assert_eq!(heard(&mut moods, &written, &busy).unwrap(), [0]);
        assert!(heard(&mut moods, &written, &busy).is_err(), "the next would be online");
        assert!(heard(&mut moods, &written, &push(&[(BOB, Presence::Busy)])).is_err(), "he wrote nothing");
    }

    #[test]
    fn a_writer_has_her_message_with_its_answer() {
        let (mut moods, written) = (Moods::default(), Written::default());
        let (mut wire, mut out) = (Wire::new(Clock::start()), Vec::new());
        moods.join(&mut wire, &mut out).unwrap();
        moods.write((ALICE, Text::new(None, 0, 7)), &written, &mut wire, &mut out).unwrap();
        assert!(written.get(ALICE, 0).is_some() && written.get(ALICE, 1).is_none());
        let answers: Vec<Frame> = moods.unanswered.iter().map(|(id, _)| answer(*id)).collect();
        let mut told = Vec::new();
        let mut tell = |event: Event<'_>| {
            told.push(match event {
                Event::Message(body) => read_payload(body).map(|head| head.number),
                _ => None,
            });
        };
        for answer in &answers {
            moods.answered(answer, &mut tell).unwrap();
        }
        assert!(moods.answered(&answers[1], &mut tell).is_err(), "answered already");
        assert_eq!(told, [None, Some(7)]);
    }

    fn answer(id: MessageId) -> Frame {
        let body = SetPresence::default();
        let asked = Frame::command(Opcode::SET_PRESENCE, id, Timestamp::from_ms(1), &body).unwrap();
        Frame::answer(&asked.header, Status::FINISHED, Code::DONE, Timestamp::from_ms(2), &Empty {}).unwrap()
    }
}
