//! What a device shows of itself to a test.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tacite_core::{
    Core, Event, LinkStatus, MessageState, MessageView, Outcome, Problem, RequestId, Standing, Transaction,
    Vault, queries,
};
use tacite_model::{AccountId, DeviceId, Handle};
use tacite_seal::{Content, Receipt, ReceiptState};
use tacite_wire::Frame;
use tacite_wire::proto::{DeliveryState, Envelope};

use super::Device;

impl Device {
    pub(super) fn new(name: &'static str, seed: u64) -> Self {
        Self {
            handle: name.parse().unwrap(),
            vault: Vault::open_in_memory().unwrap(),
            core: Core::new(),
            events: Vec::new(),
            link: None,
            opening: None,
            wake_at: None,
            rng: ChaCha20Rng::seed_from_u64(seed),
            requests: 0,
            inputs: 0,
            crash: None,
        }
    }

    /// What the engine's queries say.
    pub(crate) fn ask<T>(&mut self, question: impl FnOnce(&Transaction<'_>) -> T) -> T {
        question(&self.vault.transaction().unwrap())
    }

    /// The conversation with somebody, from the vault.
    pub(crate) fn history(&mut self, peer: &str) -> Vec<MessageView> {
        let peer = peer.parse().unwrap();
        self.ask(|tx| queries::history(tx, &peer, 10_000).unwrap().unwrap_or_default())
    }

    /// The texts that came from somebody, in the order of the vault.
    pub(crate) fn received(&mut self, peer: &str) -> Vec<String> {
        let history = self.history(peer);
        history.into_iter().filter(|message| !message.outgoing).map(|message| message.text).collect()
    }

    /// The states of what went to somebody.
    pub(crate) fn sent_states(&mut self, peer: &str) -> Vec<MessageState> {
        let history = self.history(peer);
        history.into_iter().filter(|message| message.outgoing).map(|message| message.state).collect()
    }

    /// The texts that the view was told of as they came.
    pub(crate) fn told(&self) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::MessageReceived(view) => Some(view.text.as_str()),
                _ => None,
            })
            .collect()
    }

    /// The words of the notices told.
    pub(crate) fn notices(&self) -> Vec<&'static str> {
        let word = |event: &Event| match event {
            Event::Notice(problem) => Some(problem.word),
            _ => None,
        };
        self.events.iter().filter_map(word).collect()
    }

    /// How an intent was answered; every intent is answered at most once.
    pub(crate) fn answer(&self, request: RequestId) -> Option<Result<Outcome, Problem>> {
        let mut answers = self.events.iter().filter_map(|event| match event {
            Event::Done(id, outcome) if *id == request => Some(Ok(outcome.clone())),
            Event::Failed(id, problem) if *id == request => Some(Err(problem.clone())),
            _ => None,
        });
        let answer = answers.next();
        assert!(answers.next().is_none(), "answered twice");
        answer
    }

    /// The word of the problem with which an intent failed.
    pub(crate) fn failure(&self, request: RequestId) -> &'static str {
        match self.answer(request) {
            Some(Err(problem)) => problem.word,
            other => panic!("not failed: {other:?}"),
        }
    }

    /// How many contents that went to somebody are kept to be sent again.
    pub(crate) fn kept_for(&mut self, peer_id: AccountId) -> usize {
        let sent = self.ask(|tx| tx.sent_contents_between(peer_id, 0, i64::MAX, 1000).unwrap());
        sent.iter().filter(|sent| sent.content.is_some()).count()
    }

    /// What a recipient proves about the content that a command of this device carries; empty where there is nothing to prove.
    pub(crate) fn proof_for(&mut self, command: &Frame, state: DeliveryState) -> Vec<u8> {
        let envelope: Envelope = command.read().unwrap();
        let message_id = command.header.message_id;
        let state = match state {
            DeliveryState::Received => ReceiptState::Received,
            DeliveryState::Read => ReceiptState::Read,
            _ => return Vec::new(),
        };
        let receipt = Receipt {
            state,
            message_id,
            recipient_id: AccountId::try_from(envelope.recipient_id.as_ref()).unwrap(),
            recipient_device: DeviceId::try_from(envelope.recipient_device).unwrap(),
        };
        let sent = self.ask(|tx| tx.sent_content(message_id).unwrap().unwrap()).content.unwrap();
        Content::decode(sent.expose(), message_id).unwrap().receipt_key.prove(&receipt).to_vec()
    }

    pub(crate) fn link(&self) -> LinkStatus {
        self.core.link()
    }

    pub(crate) fn standing(&mut self, peer: &str) -> Option<Standing> {
        let peer: Handle = peer.parse().unwrap();
        let contacts = self.ask(|tx| queries::contacts(tx).unwrap());
        contacts.into_iter().find(|contact| contact.handle == peer).map(|contact| contact.standing)
    }
}
