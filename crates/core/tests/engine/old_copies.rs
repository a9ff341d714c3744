//! T9, T18: a vault that was put back to an older copy, or that is used in two places.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use prost::Message;
use tacite_core::{Intent, MessageState, Vault};
use tacite_model::{AccountId, Handle, Secret};
use tacite_seal::{SealKind, Sealed};
use tacite_wire::proto::Envelope;
use tacite_wire::{Code, Opcode};
use tempfile::TempDir;

use crate::server::Mischief;
use crate::world::World;

/// What Signal leaves in the clear of a message within a session.
#[derive(Clone, PartialEq, Message)]
struct Whisper {
    #[prost(bytes = "vec", tag = "1")]
    ratchet_key: Vec<u8>,
    #[prost(uint32, tag = "2")]
    counter: u32,
}

/// The same of a message that may begin one.
#[derive(Clone, PartialEq, Message)]
struct Prekey {
    #[prost(bytes = "vec", tag = "4")]
    message: Vec<u8>,
}

const MAC_BYTES: usize = 8;

/// Ratchet key and counter of a sealed body.
fn header(sealed: &Sealed) -> (Vec<u8>, u32) {
    let whisper = match sealed.kind {
        SealKind::Whisper => sealed.message.clone(),
        SealKind::Prekey => Prekey::decode(&sealed.message[1..]).unwrap().message,
    };
    let Whisper { ratchet_key, counter } = Whisper::decode(&whisper[1..whisper.len() - MAC_BYTES]).unwrap();
    assert_eq!(ratchet_key.len(), 33);
    (ratchet_key, counter)
}

/// No key of a ratchet was used for two ciphertexts.
pub(crate) fn assert_no_key_is_used_twice(world: &World) {
    let mut used: BTreeMap<(AccountId, Vec<u8>, u32), Vec<u8>> = BTreeMap::new();
    for frame in world.sent.iter().filter(|frame| frame.header.opcode == Opcode::SEND_DIRECT) {
        let envelope: Envelope = frame.read().unwrap();
        let sender_id = AccountId::try_from(envelope.sender_id.as_ref()).unwrap();
        let sealed = Sealed::decode(&envelope.sealed).unwrap();
        let (ratchet_key, counter) = header(&sealed);
        let first = used.entry((sender_id, ratchet_key, counter)).or_insert_with(|| sealed.message.clone());
        assert!(*first == sealed.message, "one key for two ciphertexts");
    }
}

fn key() -> Secret<[u8; 32]> {
    Secret::new([3; 32])
}

/// Alice with a vault on disk, bob; both are contacts and have written to each other.
struct Copies {
    world: World,
    dir: TempDir,
    made: usize,
}

impl Copies {
    fn new() -> Self {
        let mut copies = Self::of_silent_contacts();
        copies.exchange("before");
        copies
    }

    /// The same before the first word.
    fn of_silent_contacts() -> Self {
        Self::of_people(true)
    }

    /// The same before they are contacts.
    fn of_strangers() -> Self {
        Self::of_people(false)
    }

    fn of_people(are_contacts: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::empty();
        let vault = Vault::open(&dir.path().join("vault"), &key()).unwrap();
        world.add_registered_with(vault, "alice", 1);
        world.add_registered("bob", 2);
        if are_contacts {
            world.befriend("alice", "bob");
        }
        world.start("alice");
        world.start("bob");
        world.settle();
        Self { world, dir, made: 0 }
    }

    fn vault(&self) -> PathBuf {
        self.dir.path().join("vault")
    }

    /// Alice's process ends; what `act` does with her files happens; it begins again.
    fn while_alice_is_away(&mut self, act: impl FnOnce(&Path)) {
        self.world.end("alice");
        self.world.device("alice").vault = Vault::open_in_memory().unwrap();
        act(&self.vault());
        self.world.device("alice").vault = Vault::open(&self.vault(), &key()).unwrap();
        self.world.start("alice");
    }

    /// Makes a copy of alice's vault.
    fn copy(&mut self) -> PathBuf {
        self.made += 1;
        let to = self.dir.path().join(format!("copy {}", self.made));
        self.while_alice_is_away(|vault| {
            std::fs::copy(vault, &to).unwrap();
        });
        self.world.settle();
        to
    }

    /// Makes a copy while alice's link is open and goes on.
    fn copy_of_open_vault(&mut self) -> PathBuf {
        self.made += 1;
        let to = self.dir.path().join(format!("copy {}", self.made));
        for part in ["", "-wal"] {
            let part_of = |path: &Path| PathBuf::from(format!("{}{part}", path.display()));
            std::fs::copy(part_of(&self.vault()), part_of(&to)).unwrap();
        }
        // What is in the log moves into the file, so that the copy is one file as the others are.
        drop(Vault::open(&to, &key()).unwrap());
        to
    }

    /// Alice goes on with a copy; her present vault takes its place.
    fn exchange_vaults(&mut self, copy: &Path) {
        self.while_alice_is_away(|vault| {
            let aside = vault.with_extension("aside");
            std::fs::rename(vault, &aside).unwrap();
            std::fs::rename(copy, vault).unwrap();
            std::fs::rename(&aside, copy).unwrap();
        });
    }

    /// Somebody asks, or accepts.
    fn meet(&mut self, who: &'static str, intent: fn(Handle) -> Intent, whom: &str) {
        self.world.intend(who, intent(whom.parse().unwrap()));
        self.world.settle();
    }

    /// Each writes to the other.
    fn exchange(&mut self, what: &str) {
        for (from, to) in [("alice", "bob"), ("bob", "alice"), ("alice", "bob")] {
            self.world.send(from, to, &format!("{what}, from {from}"));
            self.world.settle();
        }
    }

    fn restored(&mut self) -> usize {
        let notices = self.world.device("alice").notices();
        notices.iter().filter(|word| **word == "vault-restored").count()
    }
}

// T18, T9
#[test]
fn t18_a_vault_put_back_is_noticed_and_no_key_is_used_twice() {
    let mut copies = Copies::new();
    let copy = copies.copy();
    assert_eq!(copies.restored(), 0);
    copies.exchange("meanwhile");
    copies.exchange_vaults(&copy);
    // Written before the link is open.
    copies.world.send("alice", "bob", "written early");
    copies.world.settle();
    assert_eq!(copies.restored(), 1);
    copies.exchange("after");
    assert_no_key_is_used_twice(&copies.world);
    let expected = [
        "before, from alice",
        "before, from alice",
        "meanwhile, from alice",
        "meanwhile, from alice",
        "written early",
        "after, from alice",
        "after, from alice",
    ];
    assert_eq!(copies.world.device("bob").received("alice"), expected);
    // What came while the other copy was in use comes again.
    let expected = ["before, from bob", "meanwhile, from bob", "after, from bob"];
    assert_eq!(copies.world.device("alice").received("bob"), expected);
    assert!(copies.world.device("bob").notices().is_empty());
    copies.world.crash("alice");
    copies.world.settle();
    assert_eq!(copies.restored(), 1, "once is enough");
}

// T9, T18: the copy was made while a link was open, and the original never opened another.
#[test]
fn t18_a_copy_of_an_open_vault_is_noticed_once_anything_was_sealed_or_received_after_it() {
    for what in ["sent", "received"] {
        let mut copies = Copies::new();
        let copy = copies.copy_of_open_vault();
        let (from, to) = if what == "sent" { ("alice", "bob") } else { ("bob", "alice") };
        copies.world.send(from, to, "meanwhile");
        copies.world.settle();
        copies.exchange_vaults(&copy);
        copies.world.send("alice", "bob", "written early");
        copies.world.settle();
        assert_eq!(copies.restored(), 1, "{what}");
        assert_no_key_is_used_twice(&copies.world);
        copies.exchange("after");
        assert_no_key_is_used_twice(&copies.world);
        let count = |texts: Vec<String>| texts.iter().filter(|text| *text == "meanwhile").count();
        let (by_bob, by_alice) =
            (copies.world.device("bob").received("alice"), copies.world.device("alice").received("bob"));
        assert_eq!(count(by_bob) + count(by_alice), 1, "{what}");
    }
}

// T18: what the copy had received and not acknowledged yet makes it no newer than the original.
#[test]
fn t18_a_copy_is_noticed_that_has_not_acknowledged_all_that_it_received() {
    let mut copies = Copies::new();
    let before = copies.world.device("alice").received("bob").len();
    for text in ["one", "two", "three", "four"] {
        copies.world.send("bob", "alice", text);
    }
    while copies.world.device("alice").received("bob").len() < before + 4 {
        assert!(copies.world.step());
    }
    let copy = copies.copy_of_open_vault();
    let sent = copies.world.server.places.len();
    copies.world.send("alice", "bob", "meanwhile");
    while copies.world.server.places.len() == sent {
        assert!(copies.world.step());
    }
    copies.exchange_vaults(&copy);
    copies.world.send("alice", "bob", "after");
    copies.world.settle();
    assert_eq!(copies.restored(), 1);
    assert_no_key_is_used_twice(&copies.world);
    assert_eq!(copies.world.device("bob").received("alice").last().unwrap(), "after");
}

// T18: of a copy that is as far as its original nothing needs to be said.
#[test]
fn t18_a_copy_after_which_nothing_happened_goes_on() {
    let mut copies = Copies::new();
    let copy = copies.copy_of_open_vault();
    copies.exchange_vaults(&copy);
    copies.world.settle();
    assert_eq!(copies.restored(), 0);
    copies.exchange("after");
    assert_no_key_is_used_twice(&copies.world);
}

// T18: what was in the outbox of the copy is sealed anew, under its id.
#[test]
fn t18_what_waited_in_the_outbox_is_sealed_anew_and_shown_once() {
    let mut copies = Copies::new();
    copies.world.network_up = false;
    copies.world.cut("bob");
    copies.world.network_up = true;
    copies.world.cut("alice");
    copies.world.device("bob").link = None;
    for _ in 0..9 {
        copies.world.server.plan(Opcode::SEND_DIRECT, Mischief::Ignore);
    }
    copies.world.send("alice", "bob", "sealed and not answered");
    while !copies.world.sent.iter().any(|frame| frame.header.opcode == Opcode::SEND_DIRECT) {
        assert!(copies.world.step());
    }
    let copy = copies.copy();
    copies.world.server.mischief.clear();
    copies.exchange("meanwhile");
    copies.exchange_vaults(&copy);
    copies.world.settle();
    copies.exchange("after");
    assert_eq!(copies.restored(), 1);
    assert_no_key_is_used_twice(&copies.world);
    let received = copies.world.device("bob").received("alice");
    assert_eq!(received.iter().filter(|text| *text == "sealed and not answered").count(), 1, "{received:?}");
    let states = copies.world.device("alice").sent_states("bob");
    assert_eq!(states, vec![MessageState::Received; states.len()]);
}

// T18: whom the copy never heard may have written since; nothing that comes later shows it.
#[test]
fn t18_who_was_silent_before_the_copy_is_asked_too() {
    let mut copies = Copies::of_silent_contacts();
    let copy = copies.copy();
    copies.world.send("bob", "alice", "the only one");
    copies.world.settle();
    assert_eq!(copies.world.device("bob").sent_states("alice"), [MessageState::Received]);
    copies.exchange_vaults(&copy);
    copies.world.settle();
    assert_eq!(copies.restored(), 1);
    assert_eq!(copies.world.device("alice").received("bob"), ["the only one"]);
    assert_no_key_is_used_twice(&copies.world);
}

// T18: nobody is asked before new keys are published, so a refusal of those is not waited out for long.
#[test]
fn t18_refused_keys_are_offered_again_soon() {
    let mut copies = Copies::of_silent_contacts();
    let copy = copies.copy();
    copies.world.send("bob", "alice", "the only one");
    copies.world.settle();
    copies.exchange_vaults(&copy);
    copies.world.server.plan(Opcode::PUBLISH_KEYS, Mischief::Refuse(Code::STORAGE_FULL, 0));
    copies.world.settle_within(20_000);
    assert_eq!(copies.world.device("alice").received("bob"), ["the only one"]);
    assert_no_key_is_used_twice(&copies.world);
}

// T18: so is who became a contact since: at once if that was asked for before the copy was made, or when alice decides again.
#[test]
fn t18_who_became_a_contact_after_the_copy_is_asked_too() {
    let request = |handle| Intent::RequestContact { handle };
    let accept = |handle| Intent::AcceptContact { handle };
    for alice_asks in [true, false] {
        let mut copies = Copies::of_strangers();
        let copy = if alice_asks {
            copies.meet("alice", request, "bob");
            let copy = copies.copy();
            copies.meet("bob", accept, "alice");
            copy
        } else {
            let copy = copies.copy();
            copies.meet("bob", request, "alice");
            copies.meet("alice", accept, "bob");
            copy
        };
        for text in ["one", "two"] {
            copies.world.send("bob", "alice", text);
            copies.world.settle();
        }
        assert_eq!(copies.world.device("bob").sent_states("alice"), [MessageState::Received; 2]);
        copies.exchange_vaults(&copy);
        copies.world.settle();
        assert_eq!(copies.restored(), 1);
        if !alice_asks {
            assert_eq!(copies.world.device("alice").received("bob"), [""; 0]);
            copies.meet("alice", accept, "bob");
        }
        assert_eq!(copies.world.device("alice").received("bob"), ["one", "two"], "{alice_asks}");
        assert_no_key_is_used_twice(&copies.world);
    }
}

// T18: whichever copy runs after the other notices it, again and again.
#[test]
fn t18_two_copies_in_turn_each_notice() {
    let mut copies = Copies::new();
    let other = copies.copy();
    copies.exchange("first");
    for round in 0..4 {
        copies.exchange_vaults(&other);
        copies.world.settle();
        assert_eq!(copies.restored(), round + 1);
        copies.exchange(&format!("round {round}"));
        assert_eq!(copies.restored(), round + 1);
    }
    assert_no_key_is_used_twice(&copies.world);
    let received = copies.world.device("bob").received("alice");
    assert_eq!(received.len(), 2 * 6, "{received:?}");
    assert!(copies.world.device("bob").notices().is_empty());
}

// T18: the answer that tells it may be lost at any place.
#[test]
fn t18_it_is_noticed_though_links_break_at_every_frame() {
    let mut frames = 0;
    loop {
        let mut copies = Copies::new();
        let copy = copies.copy();
        copies.exchange("meanwhile");
        copies.exchange_vaults(&copy);
        copies.world.send("alice", "bob", "after");
        for _ in 0..frames {
            copies.world.step();
        }
        let is_over = copies.world.device("bob").received("alice").contains(&"after".to_owned());
        copies.world.cut("alice");
        copies.world.settle();
        copies.exchange("after all");
        assert_eq!(copies.restored(), 1, "{frames}");
        assert_no_key_is_used_twice(&copies.world);
        assert_eq!(copies.world.device("bob").received("alice").len(), 2 + 2 + 1 + 2, "{frames}");
        if is_over {
            break;
        }
        frames += 1;
    }
    assert!(frames > 8, "{frames}");
}

// T18: links that break are no copies.
#[test]
fn t18_an_answer_that_is_lost_is_no_copy() {
    for frames in 0..40 {
        let mut copies = Copies::new();
        copies.world.cut("alice");
        for _ in 0..frames {
            copies.world.step();
        }
        copies.world.cut("alice");
        copies.world.settle();
        assert_eq!(copies.restored(), 0, "{frames}");
    }
}

// T21, T18: the copy still has the prekeys of a session that went on without it. It reads what is under way in that session, and
// answers in another: the contact could not read it, because for them that session is further.
#[test]
fn t21_a_session_that_began_before_the_restoration_is_not_begun_again() {
    let mut copies = Copies::of_silent_contacts();
    let copy = copies.copy();
    copies.world.send("bob", "alice", "first");
    copies.world.settle();
    for text in ["second", "third"] {
        copies.world.send("bob", "alice", text);
        copies.world.intercept("alice", Opcode::DIRECT_RECEIVED);
    }
    copies.world.send("alice", "bob", "an answer");
    while copies.world.device("bob").received("alice").is_empty() {
        assert!(copies.world.step());
    }
    copies.exchange_vaults(&copy);
    copies.world.settle();
    assert_eq!(copies.restored(), 1);
    copies.exchange("after");
    assert_eq!(copies.world.device("alice").received("bob"), ["first", "second", "third", "after, from bob"]);
    let expected = ["an answer", "after, from alice", "after, from alice"];
    assert_eq!(copies.world.device("bob").received("alice"), expected);
    assert!(copies.world.device("bob").notices().is_empty(), "{:?}", copies.world.device("bob").notices());
    assert!(!copies.world.device("alice").notices().contains(&"message-unreadable"));
    assert_no_key_is_used_twice(&copies.world);
}

// T21, C10: bob asks in a session of which the copy knows nothing. That question is asked again by nobody, and there is nothing to
// show: no line that cannot be read stays.
#[test]
fn t21_a_question_in_a_lost_session_leaves_nothing_unreadable() {
    let mut copies = Copies::of_silent_contacts();
    let copy = copies.copy();
    let alice = copies.world.account_id("alice");
    copies.world.send("alice", "bob", "lost");
    let lost = copies.world.intercept("bob", Opcode::DIRECT_RECEIVED);
    copies.world.server.swallow((alice, lost.header.message_id));
    copies.world.send("alice", "bob", "bob asks what was before");
    while copies.world.step() {}
    // He does so before the copy asks anything in a session of its own.
    copies.world.end("alice");
    copies.world.pass(6000);
    copies.exchange_vaults(&copy);
    copies.world.settle();
    assert_eq!(copies.restored(), 1);
    assert_eq!(copies.world.device("alice").notices(), ["vault-restored", "message-unreadable"]);
    copies.exchange("after");
    let history = copies.world.device("alice").history("bob");
    assert!(history.iter().all(|message| message.state != MessageState::Unreadable), "{history:?}");
    assert_eq!(copies.world.device("alice").received("bob"), ["after, from bob"]);
    assert_no_key_is_used_twice(&copies.world);
}

// T21: a server that only says so costs new keys, and the person is told each time.
#[test]
fn t21_a_server_that_claims_to_know_more_is_believed_and_told() {
    let mut copies = Copies::new();
    let alice = copies.world.account_id("alice");
    for round in 1..4 {
        copies.world.server.accounts.get_mut(&alice).unwrap().generation += 10;
        copies.world.cut("alice");
        copies.world.settle();
        copies.exchange("renewed");
        assert_eq!(copies.restored(), round);
    }
    for nonsense in [1 << 62, u64::MAX] {
        copies.world.server.accounts.get_mut(&alice).unwrap().generation = nonsense;
        copies.world.cut("alice");
        copies.world.settle_within(1000);
        assert_eq!(copies.restored(), 3, "not believed");
        assert!(copies.world.device("alice").notices().contains(&"server-unintelligible"));
    }
}
