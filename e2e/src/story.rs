//! The story of the demo: two people meet through a real server and talk, whatever happens to server and link.
//!
//! Invariants: what was sent and what was heard is counted by message id, from what the programs say, not from what the
//! story intends.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Result, ensure};

use crate::{Message, Mode, Person, World, canary};

/// The story and what has been counted so far.
#[derive(Debug, Default)]
pub struct Story {
    sent: Vec<Message>,
    /// How often each message id was heard.
    heard: BTreeMap<String, usize>,
}

/// How many messages were sent and heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Put into an outbox.
    pub sent: usize,
    /// Heard at least once.
    pub delivered: usize,
    /// Sent and not heard.
    pub lost: usize,
    /// Heard more than once.
    pub doubled: usize,
}

impl Story {
    /// Tells the story; `say` hears of each step as it is done. The world is left as it ended, to be looked at.
    pub fn tell(&mut self, mode: Mode, say: &mut dyn FnMut(&str)) -> Result<World> {
        let mut world = World::new(mode)?;
        say(&format!("a server started with nothing and listens on {}", world.server.address()));
        let (alice, bob) = meet(&world, say)?;
        self.talk_online(&alice, &bob, say)?;
        self.talk_offline(&world, &alice, &bob, say)?;
        self.survive_a_kill(&mut world, &alice, &bob, say)?;
        self.agree(&world, &alice, &bob, say)?;
        self.search(&world, &alice, &bob, say)?;
        world.server.stop()?;
        say("the server ended cleanly on SIGTERM");
        Ok(world)
    }

    /// What has been counted so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let heard = |message: &&Message| self.heard.contains_key(&message.id);
        let delivered = self.sent.iter().filter(heard).count();
        Tally {
            sent: self.sent.len(),
            delivered,
            lost: self.sent.len() - delivered,
            doubled: self.heard.values().filter(|times| **times > 1).count(),
        }
    }

    fn talk_online(&mut self, alice: &Person, bob: &Person, say: &mut dyn FnMut(&str)) -> Result<()> {
        for (author, reader, texts) in [
            (alice, bob, ["the heron has landed", "two rowans by the quay", "bring the lantern"]),
            (bob, alice, ["kelp soup at seven", "the lantern is lit", "come by the tide path"]),
        ] {
            let mut listening = reader.start(&["listen"])?;
            for text in texts {
                self.send(author, reader, text, "received")?;
            }
            for text in texts {
                let message = Message::from_line(&listening.next_line()?)?;
                ensure!(message.text == text, "`{}` came where `{text}` was due", message.text);
                self.hear(&[message]);
            }
            listening.interrupt()?;
            for line in listening.wait()?.0 {
                self.hear(&[Message::from_line(&line)?]);
            }
            let count = texts.len();
            let (author, reader) = (author.handle(), reader.handle());
            say(&format!("both online: {author} sent {count} messages, {reader} heard them in order"));
        }
        Ok(())
    }

    fn talk_offline(
        &mut self,
        world: &World,
        alice: &Person,
        bob: &Person,
        say: &mut dyn FnMut(&str),
    ) -> Result<()> {
        let reach = world.mode.reach_while_away();
        self.send(alice, bob, "the ferry waits for nobody", reach)?;
        self.send(alice, bob, "except for you", reach)?;
        say(match world.mode {
            Mode::Inline | Mode::Split => {
                "@bob is away: @alice sent 2 messages, the server keeps them sealed"
            }
            Mode::Direct => "@bob is away: @alice wrote 2 messages, her device keeps them",
        });
        self.hear(&world.deliver(alice, bob)?);
        say("@bob came back and heard them");
        Ok(())
    }

    /// The server is killed after it has accepted one message, and before another has left its outbox.
    fn survive_a_kill(
        &mut self,
        world: &mut World,
        alice: &Person,
        bob: &Person,
        say: &mut dyn FnMut(&str),
    ) -> Result<()> {
        self.send(alice, bob, "accepted before the storm", world.mode.reach_while_away())?;
        world.server.kill()?;
        say(match world.mode {
            Mode::Inline | Mode::Split => {
                "the server accepted a message of @alice for @bob and was killed (kill -9)"
            }
            Mode::Direct => "@alice wrote to @bob, who is away, and the server was killed (kill -9)",
        });
        self.send(alice, bob, "written in the storm", "queued")?;
        say("@alice wrote another one while there was no server");
        world.server.restart()?;
        self.hear(&world.deliver(alice, bob)?);
        say("the server is back: @bob heard both");
        self.send(bob, alice, "the storm is over", world.mode.reach_while_away())?;
        self.hear(&world.deliver(bob, alice)?);
        say("@alice heard @bob's answer");
        Ok(())
    }

    /// Both devices hold the same conversation, each message once, and each author knows what became of it.
    fn agree(&self, world: &World, alice: &Person, bob: &Person, say: &mut dyn FnMut(&str)) -> Result<()> {
        world.tell_states(alice, bob)?;
        world.tell_states(bob, alice)?;
        let texts =
            |messages: Vec<Message>| messages.into_iter().map(|message| message.text).collect::<Vec<_>>();
        let expected: Vec<_> = self.sent.iter().map(|message| message.text.clone()).collect();
        for (reader, other) in [(alice, bob), (bob, alice)] {
            let waits = world.first_open(reader, other)?;
            ensure!(waits.is_none(), "{} does not know what became of {waits:?}", reader.handle());
            let history = reader.history(other)?;
            let held = texts(history);
            ensure!(held == expected, "{} holds {held:?} instead of {expected:?}", reader.handle());
        }
        say("both devices hold the same conversation, and each author knows what became of it");
        Ok(())
    }

    fn search(&self, world: &World, alice: &Person, bob: &Person, say: &mut dyn FnMut(&str)) -> Result<()> {
        let texts: Vec<String> = self.sent.iter().map(|message| message.text.clone()).collect();
        let secrets = [alice, bob].into_iter().flat_map(|person| [person.password(), person.words()]);
        let on_server: Vec<String> = texts.iter().cloned().chain(secrets).collect();
        canary::expect_none(&world.server.data(), &on_server)?;
        canary::expect_none(&world.server.logs(), &on_server)?;
        say("no message, password or word stands in the server's files and logs");
        canary::expect_none(&alice.data(), &texts)?;
        canary::expect_none(&bob.data(), &texts)?;
        say("no message stands in the clear on the disks of @alice and @bob");
        Ok(())
    }

    fn send(&mut self, author: &Person, reader: &Person, text: &str, wait: &str) -> Result<()> {
        let message = author.send(reader, text, wait)?;
        ensure!(message.text == text, "`{}` was sent instead of `{text}`", message.text);
        self.sent.push(message);
        Ok(())
    }

    fn hear(&mut self, messages: &[Message]) {
        for message in messages {
            *self.heard.entry(message.id.clone()).or_default() += 1;
        }
    }
}

impl Tally {
    /// Whether everything sent was heard exactly once.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.lost == 0 && self.doubled == 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, delivered, lost, doubled } = self;
        write!(f, "{sent} sent, {delivered} delivered, {lost} lost, {doubled} doubled")
    }
}

fn meet(world: &World, say: &mut dyn FnMut(&str)) -> Result<(Person, Person)> {
    let (alice, bob) = (world.stranger("alice")?, world.stranger("bob")?);
    alice.register(world.server.first_invitation())?;
    say("@alice registered with the invitation that the server printed");
    bob.register(&world.server.invite(1)?)?;
    say("@bob registered with another one");
    let early = alice.run(&["send", "@bob", "may I?"])?.expect(3)?;
    ensure!(early.stdout.is_empty(), "a message to a stranger was taken: {}", early.stdout);
    alice.results(&["contacts", "request", "@bob"])?;
    say("@alice asked @bob; before that no message was taken");
    bob.results(&["contacts", "accept", "@alice"])?;
    say("@bob accepted @alice");
    Ok((alice, bob))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str) -> Message {
        let (peer, text, state) = ("@bob".to_owned(), "hello".to_owned(), "sent".to_owned());
        Message { id: id.to_owned(), peer, outgoing: true, text, state }
    }

    #[test]
    fn what_is_lost_and_what_is_doubled_is_counted() {
        let mut story = Story { sent: ["a", "b", "c"].map(message).into(), ..Story::default() };
        story.hear(&["a", "b", "b"].map(message));
        let tally = story.tally();
        assert_eq!(tally.to_string(), "3 sent, 2 delivered, 1 lost, 1 doubled");
        assert!(!tally.is_whole());
    }
}
