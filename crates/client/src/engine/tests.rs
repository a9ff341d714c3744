//! The loop with a link that is played by the test.
//!
//! Invariant: what the engine finds waiting was put there before it looks, so each test has one outcome.

use tacite_model::limits::UNACKNOWLEDGED_MAX;
use tacite_model::{AccountId, DeviceId, Timestamp};
use tacite_signal::IdentityKeyPair;
use tacite_vault::{Account, AccountStanding, Contact, Standing};
use tacite_wire::proto::{
    Acknowledge, Connected, DeliveryMode, Empty, Envelope, KeyCount, SessionGranted, SyncPage,
};
use tacite_wire::{Code, Status};

use super::*;

const ALICE: AccountId = AccountId::from_bytes([1; 16]);
const BOB: AccountId = AccountId::from_bytes([2; 16]);
/// No number that the engine gives by itself here.
const LINK: u64 = 99;

/// An engine that is signed in, and what it sends on its link.
struct Played {
    engine: Engine,
    sent: mpsc::UnboundedReceiver<Frame>,
    _asking: mpsc::UnboundedSender<Request>,
    _runtime: tokio::runtime::Runtime,
}

impl Played {
    fn signed_in() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (asking, requests) = mpsc::unbounded_channel();
        let events = Arc::new(Mailbox::default());
        let options = SessionOptions::default();
        let mut engine = Engine::new(vault(), options, runtime.handle().clone(), requests, events);
        engine.hand_in(Input::Start).unwrap();
        // The real link leads nowhere and ends by itself; the test's takes its place.
        let (frames, sent) = mpsc::unbounded_channel();
        let link = engine.link.as_mut().unwrap();
        let real = std::mem::replace(&mut link.number, LINK);
        link.frames = frames;
        while !matches!(engine.wait(), Wake::Link(number, LinkEvent::Closed(_)) if number == real) {}
        let mut played = Self { engine, sent, _asking: asking, _runtime: runtime };
        played.happen(LinkEvent::Opened);
        played.arrive(push(Opcode::CONNECTED, 0, &connected()));
        while let Ok(command) = played.sent.try_recv() {
            if let Some(answer) = answer(&command) {
                played.arrive(answer);
            }
        }
        played
    }

    fn happen(&mut self, event: LinkEvent) {
        self.engine.link_event(LINK, event).unwrap();
    }

    fn arrive(&mut self, frame: Frame) {
        self.happen(LinkEvent::Arrived(frame));
    }

    /// Events wait; the engine looks once.
    fn find(&mut self, events: Vec<LinkEvent>) {
        for event in events {
            self.engine.link_events_in.try_send((LINK, event)).unwrap();
        }
        self.look();
    }

    fn look(&mut self) {
        match self.engine.wait() {
            Wake::Link(number, event) => self.engine.link_event(number, event).unwrap(),
            _ => panic!("an event of the link comes first"),
        }
    }

    /// How many messages each acknowledgement names that was sent meanwhile.
    fn acknowledged(&mut self) -> Vec<usize> {
        let mut counts = Vec::new();
        while let Ok(frame) = self.sent.try_recv() {
            if frame.header.opcode == Opcode::ACKNOWLEDGE {
                counts.push(frame.read::<Acknowledge>().unwrap().messages.len());
            }
        }
        counts
    }

    fn transactions(&mut self) -> u64 {
        self.engine.vault.transaction().unwrap().number()
    }

    fn is_seen(&mut self, id: u8) -> bool {
        let tx = self.engine.vault.transaction().unwrap();
        tx.is_seen(BOB, MessageId::from_bytes([id; 16])).unwrap()
    }
}

// C5, T14: one commit for all that is there, and one acknowledgement behind it.
#[test]
fn frames_that_are_there_already_become_durable_together() {
    let mut played = Played::signed_in();
    let before = played.transactions();
    played.find((1..=3).map(|id| LinkEvent::Arrived(message(id))).collect());
    assert!((1..=3).all(|id| played.is_seen(id)));
    assert_eq!(played.acknowledged(), [3]);
    // Three were for looking.
    assert_eq!(played.transactions() - before, 1 + 3 + 1);
}

#[test]
fn as_many_are_taken_together_as_may_wait_and_one_more_comes_next() {
    assert_eq!(LINK_EVENTS_MAX, UNACKNOWLEDGED_MAX);
    let mut played = Played::signed_in();
    let most = u8::try_from(LINK_EVENTS_MAX).unwrap();
    for id in 1..=most {
        played.engine.link_events_in.try_send((LINK, LinkEvent::Arrived(message(id)))).unwrap();
    }
    let Wake::Link(number, LinkEvent::Arrived(first)) = played.engine.wait() else { panic!("the first") };
    played.engine.link_events_in.try_send((LINK, LinkEvent::Arrived(message(most + 1)))).unwrap();
    played.engine.frames_arrived(number, first).unwrap();
    assert!(played.is_seen(most) && !played.is_seen(most + 1));
    played.look();
    assert!(played.is_seen(most + 1));
}

#[test]
fn the_end_of_a_link_comes_behind_the_frames_before_it() {
    let mut played = Played::signed_in();
    played.find(vec![LinkEvent::Arrived(message(1)), LinkEvent::Closed(None)]);
    assert_eq!(played.acknowledged(), [1]);
    assert!(played.engine.link.is_some());
    played.look();
    assert!(played.engine.link.is_none());
}

fn vault() -> Vault {
    let mut vault = Vault::open_in_memory().unwrap();
    let tx = vault.transaction().unwrap();
    tx.save_account(&Account {
        account_id: ALICE,
        handle: "alice".parse().unwrap(),
        device_id: DeviceId::FIRST,
        registration_id: 7,
        identity_key_pair: Secret::new(IdentityKeyPair::generate(&mut random_source()).to_bytes().to_vec()),
        login_key: Secret::new([3; 32]),
        administrator: false,
        standing: AccountStanding::SignedIn,
    })
    .unwrap();
    tx.save_server(&tacite_vault::Server {
        address: "127.0.0.1:1".to_owned(),
        name: Some("club.example".to_owned()),
        pin: None,
        tls_disabled: true,
        certificate_unchecked: false,
        delivery_mode: 1,
    })
    .unwrap();
    tx.save_contact(&Contact {
        account_id: BOB,
        handle: "bob".parse().unwrap(),
        standing: Standing::Accepted,
        consented: true,
        conversation_id: None,
        identity_key: None,
        own_name: String::new(),
        verified: false,
        notes: String::new(),
        blocked: false,
        updated_at: Timestamp::default(),
    })
    .unwrap();
    tx.commit().unwrap();
    vault
}

fn connected() -> Connected {
    Connected {
        version_min: 1,
        version_max: 1,
        software: "server of the tests".to_owned(),
        server_name: "club.example".to_owned(),
        challenge: vec![7; 32].into(),
        delivery_mode: DeliveryMode::Inline.into(),
        messages_per_second_max: 5,
        ..Connected::default()
    }
}

/// What a server says to a command of a device that signs in.
fn answer(command: &Frame) -> Option<Frame> {
    let header = &command.header;
    match header.opcode {
        Opcode::HELLO => finished(header, &Empty {}),
        Opcode::SIGN_IN => {
            let granted = SessionGranted {
                account_id: ALICE.as_bytes().to_vec().into(),
                access_token: "access".to_owned(),
                access_expires_at_ms: now().plus_ms(900_000).as_ms(),
                ..SessionGranted::default()
            };
            finished(header, &granted)
        }
        Opcode::SYNC => finished(header, &SyncPage::default()),
        Opcode::PUBLISH_KEYS => finished(header, &KeyCount { one_time_prekeys: 100, kyber_prekeys: 30 }),
        _ => None,
    }
}

fn finished(header: &Header, body: &impl prost::Message) -> Option<Frame> {
    Frame::answer(header, Status::FINISHED, Code::DONE, now(), body).ok()
}

fn push(opcode: Opcode, id: u8, body: &impl prost::Message) -> Frame {
    Frame::command(opcode, MessageId::from_bytes([id; 16]), now(), body).unwrap()
}

/// A message of bob's that alice's device cannot open; it is stored as such and acknowledged all the same.
fn message(id: u8) -> Frame {
    let envelope = Envelope {
        sender_id: BOB.as_bytes().to_vec().into(),
        sender_device: 1,
        recipient_id: ALICE.as_bytes().to_vec().into(),
        recipient_device: 1,
        message_type: 1,
        sealed: vec![1, 2, 3].into(),
        ..Envelope::default()
    };
    push(Opcode::DIRECT_RECEIVED, id, &envelope)
}
