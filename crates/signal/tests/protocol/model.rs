//! A model of a conversation: any schedule of sends, deliveries, losses, replays, restarts and new sessions.
//!
//! The model knows which messages were delivered. Properties: a delivered message gives its content once; every later copy is refused; what
//! a stranger altered is refused; memory stays within the limits. (Devices restart around every operation anyway, see `device`.)

use proptest::prelude::*;
use tacite_signal::CiphertextMessage;

use crate::device::{Device, alice, bob};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The side sends a message.
    Send(bool),
    /// One of the messages under way to the side arrives, not necessarily the oldest.
    Deliver(bool, u8),
    /// One is lost.
    Lose(bool, u8),
    /// One that arrived before arrives again.
    Replay(bool, u8),
    /// One under way arrives altered in one bit, and stays under way.
    Alter(bool, u8, u16),
    /// The side begins a new session, as after a reinstallation of the peer.
    Begin(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let side = any::<bool>();
    prop_oneof![
        8 => side.prop_map(Step::Send),
        8 => (side, 0..3_u8).prop_map(|(side, which)| Step::Deliver(side, which)),
        2 => (side, any::<u8>()).prop_map(|(side, which)| Step::Lose(side, which)),
        2 => (side, any::<u8>()).prop_map(|(side, which)| Step::Replay(side, which)),
        2 => (side, any::<u8>(), any::<u16>()).prop_map(|(side, which, bit)| Step::Alter(side, which, bit)),
        1 => side.prop_map(Step::Begin),
    ]
}

struct World {
    devices: [Device; 2],
    /// Towards each device: content, message, the sender's turn when it was sent.
    under_way: [Vec<Sent>; 2],
    arrived: [Vec<CiphertextMessage>; 2],
    sent: u64,
    /// How often each side has heard something since it last spoke: the number of chains that its messages are on.
    turns: [u64; 2],
}

#[derive(Clone)]
struct Sent {
    content: Vec<u8>,
    message: CiphertextMessage,
    turn: u64,
}

impl World {
    fn new() -> Self {
        let (mut alice, bob) = (alice(1), bob(1));
        alice.begin(&bob.address, &bob.last_resort_bundle());
        Self {
            devices: [alice, bob],
            under_way: Default::default(),
            arrived: Default::default(),
            sent: 0,
            turns: [0; 2],
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Send(side) => self.send(usize::from(side)),
            Step::Deliver(side, which) => self.deliver(usize::from(side), which),
            Step::Lose(side, which) => drop(self.pick(usize::from(side), which)),
            Step::Replay(side, which) => self.replay(usize::from(side), which),
            Step::Alter(side, which, bit) => self.alter(usize::from(side), which, bit),
            Step::Begin(side) => self.begin(usize::from(side)),
        }
        for side in 0..2 {
            let stored = self.devices[side].sessions.values().map(Vec::len).sum::<usize>();
            assert!(stored < 41 * 12_000, "{stored} bytes stored");
        }
    }

    fn send(&mut self, to: usize) {
        let peer = self.devices[to].address.clone();
        let from = &mut self.devices[1 - to];
        if from.record(&peer).has_session() {
            self.sent += 1;
            let content = self.sent.to_be_bytes().to_vec();
            let message = from.encrypt(&peer, &content);
            self.under_way[to].push(Sent { content, message, turn: self.turns[1 - to] });
        }
    }

    fn deliver(&mut self, to: usize, which: u8) {
        let Some(sent) = self.pick(to, which) else { return };
        // A receiver remembers five chains; what is older may be refused.
        let recent = self.turns[1 - to] - sent.turn < 4;
        let from = self.devices[1 - to].address.clone();
        match self.devices[to].decrypt(&from, &sent.message) {
            Ok(content) => {
                assert_eq!(content, sent.content);
                self.turns[to] += 1;
                self.arrived[to].push(sent.message);
            }
            Err(error) => assert!(!recent, "a recent message was refused: {error}"),
        }
    }

    fn replay(&mut self, to: usize, which: u8) {
        let count = self.arrived[to].len();
        if count > 0 {
            let message = self.arrived[to][usize::from(which) % count].clone();
            let from = self.devices[1 - to].address.clone();
            assert!(self.devices[to].decrypt(&from, &message).is_err(), "a replay was accepted");
        }
    }

    fn alter(&mut self, to: usize, which: u8, bit: u16) {
        let Some(sent) = self.under_way[to].get(usize::from(which)) else { return };
        let mut message = sent.message.clone();
        // The last bytes of either kind are MAC or KEM ciphertext: nothing there is without meaning.
        let place = message.bytes.len() - 1 - usize::from(bit / 8) % 8;
        message.bytes[place] ^= 1 << (bit % 8);
        let from = self.devices[1 - to].address.clone();
        let known = self.devices[to].record(&from).has_session();
        let result = self.devices[to].decrypt(&from, &message);
        // The KEM ciphertext of a session that exists already is not looked at again.
        assert!(result.is_err() || (known && message.kind == tacite_signal::MessageKind::PreKey));
        if result.is_ok() {
            self.under_way[to].remove(usize::from(which));
            self.arrived[to].push(message);
            self.turns[to] += 1;
        }
    }

    /// Everything under way is lost, as the sender's former sessions may be many by now.
    fn begin(&mut self, side: usize) {
        let bundle = self.devices[1 - side].last_resort_bundle();
        let peer = self.devices[1 - side].address.clone();
        self.devices[side].begin(&peer, &bundle);
    }

    fn pick(&mut self, to: usize, which: u8) -> Option<Sent> {
        let count = self.under_way[to].len();
        (count > 0).then(|| self.under_way[to].remove(usize::from(which) % count))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]
    #[test]
    fn t14_t15_t20_any_schedule(steps in proptest::collection::vec(step(), 1..250)) {
        let mut world = World::new();
        for step in steps {
            world.run(step);
        }
    }
}

#[test]
fn t17_memory_is_bounded_under_10_000_messages_out_of_order() {
    let (mut alice, mut bob) = crate::device::acquainted(2);
    let mut stored = 0;
    for _ in 0..100 {
        let messages: Vec<_> = (0..100).map(|_| alice.encrypt(&bob.address, b"")).collect();
        bob.decrypt(&alice.address, messages.last().unwrap()).unwrap();
        stored = stored.max(bob.sessions.values().map(Vec::len).sum::<usize>());
    }
    // Two stores of 2,000 keys of 36 bytes, and little else.
    assert!(stored < 2 * 2_000 * 36 + 12_000, "{stored} bytes");
}
