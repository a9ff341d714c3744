//! One input's surroundings: the vault transaction, the time, chance, and the effects that it brings about.

use rand_core::CryptoRng;
use tacite_model::{Handle, MessageName, Timestamp};
use tacite_vault::{Account, Message, Transaction};
use tacite_wire::Frame;

use crate::queries::message_view;
use crate::{CoreError, Effect, Event, Problem};

/// What one call of `handle` works with.
pub(crate) struct Turn<'t, 'v> {
    pub(crate) tx: &'t Transaction<'v>,
    pub(crate) now: Timestamp,
    pub(crate) rng: &'t mut dyn CryptoRng,
    effects: Vec<Effect>,
}

impl<'t, 'v> Turn<'t, 'v> {
    pub(crate) fn new(tx: &'t Transaction<'v>, now: Timestamp, rng: &'t mut dyn CryptoRng) -> Self {
        Self { tx, now, rng, effects: Vec::new() }
    }

    pub(crate) fn into_effects(self) -> Vec<Effect> {
        self.effects
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(crate) fn send(&mut self, frame: Frame) {
        self.effects.push(Effect::Send(frame));
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.effects.push(Effect::Tell(event));
    }

    pub(crate) fn notice(&mut self, problem: Problem) {
        self.tell(Event::Notice(problem));
    }

    pub(crate) fn wake_at(&mut self, at: Timestamp) {
        self.effects.push(Effect::WakeAt(at));
    }

    /// Tells that a message has changed.
    pub(crate) fn tell_message_changed(&mut self, message: Message) -> Result<(), CoreError> {
        if let Some(peer) = self.peer_handle(&message)? {
            let view = message_view(self.tx, message, peer)?;
            self.tell(Event::MessageChanged(view));
        }
        Ok(())
    }

    /// Tells that the message of this name has changed, as it stands in the vault now.
    pub(crate) fn tell_changed(&mut self, name: MessageName) -> Result<(), CoreError> {
        match self.tx.message(name.author_id, name.message_id)? {
            Some(message) => self.tell_message_changed(message),
            None => Ok(()),
        }
    }

    /// Tells that a message has arrived.
    pub(crate) fn tell_message_received(&mut self, message: Message, peer: Handle) -> Result<(), CoreError> {
        let view = message_view(self.tx, message, peer)?;
        self.tell(Event::MessageReceived(view));
        Ok(())
    }

    /// The account; its absence where a link is signed in is our own fault.
    pub(crate) fn account(&self) -> Result<Account, CoreError> {
        self.tx.account()?.ok_or(CoreError::Internal("a link without an account"))
    }

    fn peer_handle(&self, message: &Message) -> Result<Option<Handle>, CoreError> {
        Ok(self.tx.contact(message.peer_id)?.map(|contact| contact.handle))
    }
}
