//! One sender, two receivers: Signal's library and ours get the same kind of message, and each must say what the table says.

use std::sync::atomic::{AtomicU64, Ordering};

use tacite_signal::{
    Address, CiphertextMessage, LocalParty,
    hazmat::{Forgery, encrypt_forged, skip_keys},
};

use crate::{
    device::{Device, alice, carol},
    library::Official,
};

const BOB: &str = "796abedb-ca4e-4f18-8803-1fde5b921f9f";

/// What a receiver does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepts,
    Rejects,
}

pub(crate) use Verdict::{Accepts, Rejects};

/// Which receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Bob, of Signal's library.
    Theirs,
    /// Carol, of ours.
    Ours,
}

pub(crate) const BOTH: [Who; 2] = [Who::Theirs, Who::Ours];

/// Alice, who cheats, and her two victims.
pub(crate) struct Arena {
    pub(crate) alice: Device,
    pub(crate) bob: Official,
    pub(crate) carol: Device,
}

impl Arena {
    /// Alice has both bundles and has said nothing yet.
    pub(crate) fn introduced() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1_000);
        let seed = NEXT.fetch_add(1, Ordering::Relaxed);
        let (mut alice, carol) = (alice(seed), carol(seed));
        let bob = Official::new(&format!("arena {seed}"), BOB, 2);
        alice.begin(&bob.address, &bob.publish(true));
        alice.begin(&carol.address, &carol.bundle());
        Self { alice, bob, carol }
    }

    /// First messages were answered: all further ones are of kind 2.
    pub(crate) fn acquainted() -> Self {
        let mut arena = Self::introduced();
        for who in BOTH {
            arena.exchange(who);
        }
        arena
    }

    pub(crate) fn address(&self, who: Who) -> Address {
        match who {
            Who::Theirs => self.bob.address.clone(),
            Who::Ours => self.carol.address.clone(),
        }
    }

    pub(crate) fn send(&mut self, who: Who) -> CiphertextMessage {
        self.alice.encrypt(&self.address(who), b"honest")
    }

    /// A wrong message.
    pub(crate) fn forge(&mut self, who: Who, edit: &dyn Fn(Vec<u8>) -> Vec<u8>) -> CiphertextMessage {
        self.forge_with(who, Forgery { without_pq_key: false, edit })
    }

    pub(crate) fn forge_with(&mut self, who: Who, forgery: Forgery<'_>) -> CiphertextMessage {
        let remote = self.address(who);
        let mut record = self.alice.record(&remote);
        let Device { address, identity, registration_id, rng, .. } = &mut self.alice;
        let local = LocalParty { address, identity, registration_id: *registration_id };
        let message = encrypt_forged(&mut record, &local, &remote, b"forged", forgery, rng).unwrap();
        self.alice.store(&remote, &record);
        message
    }

    pub(crate) fn skip(&mut self, who: Who, seeds: u32, pq_keys: u32) {
        let remote = self.address(who);
        let mut record = self.alice.record(&remote);
        skip_keys(&mut record, seeds, pq_keys, &mut self.alice.rng);
        self.alice.store(&remote, &record);
    }

    /// Delivers a message; a refusal must leave the receiver's stored session alone.
    pub(crate) fn deliver(&mut self, who: Who, message: &CiphertextMessage) -> Verdict {
        let alice = &self.alice.address;
        let accepted = match who {
            Who::Theirs => {
                let before = self.bob.record(alice);
                let accepted = self.bob.decrypt(alice, message).is_ok();
                assert!(accepted || self.bob.record(alice) == before, "their refusal changed their session");
                accepted
            }
            Who::Ours => self.carol.decrypt(alice, message).is_ok(),
        };
        if accepted { Accepts } else { Rejects }
    }

    /// An honest message from Alice.
    pub(crate) fn honest(&mut self, who: Who) -> Verdict {
        let message = self.send(who);
        self.deliver(who, &message)
    }

    /// A message from the receiver to Alice, who must read it.
    pub(crate) fn answer(&mut self, who: Who) -> CiphertextMessage {
        let message = match who {
            Who::Theirs => self.bob.encrypt(&self.alice.address, b"answer"),
            Who::Ours => self.carol.encrypt(&self.alice.address.clone(), b"answer"),
        };
        self.alice.decrypt(&self.address(who), &message).unwrap();
        message
    }

    /// One honest message each way.
    pub(crate) fn exchange(&mut self, who: Who) {
        assert_eq!(self.honest(who), Accepts);
        self.answer(who);
    }
}

/// A row of the table for messages of kind 2, each on fresh sessions: what the library and we say of a forged message.
pub(crate) fn row(name: &str, theirs: Verdict, ours: Verdict, edit: &dyn Fn(Vec<u8>) -> Vec<u8>) {
    let mut arena = Arena::acquainted();
    for (who, expected) in [(Who::Theirs, theirs), (Who::Ours, ours)] {
        let message = arena.forge(who, edit);
        assert_eq!(arena.deliver(who, &message), expected, "{who:?}: {name}");
        if expected == Rejects {
            assert_eq!(arena.honest(who), Accepts, "{who:?}, afterwards: {name}");
        }
    }
}

/// A row for messages of kind 3: `edit` gets the whole message, of which only the inner one is authenticated.
pub(crate) fn first_row(name: &str, theirs: Verdict, ours: Verdict, edit: &dyn Fn(Vec<u8>) -> Vec<u8>) {
    let mut arena = Arena::introduced();
    for (who, expected) in [(Who::Theirs, theirs), (Who::Ours, ours)] {
        let honest = arena.send(who);
        let altered = CiphertextMessage { bytes: edit(honest.bytes.clone()), ..honest.clone() };
        assert_eq!(arena.deliver(who, &altered), expected, "{who:?}: {name}");
        if expected == Rejects {
            // Neither a session nor a prekey was used up.
            assert_eq!(arena.deliver(who, &honest), Accepts, "{who:?}, afterwards: {name}");
        }
    }
}
