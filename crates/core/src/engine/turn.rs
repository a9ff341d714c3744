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
    /// The vault's own time, by which everything is planned: it never steps back, whatever the device's clock does (T70).
    pub(crate) now: Timestamp,
    /// What the device's clock shows: for people, and for others.
    pub(crate) clock: Timestamp,
    pub(crate) rng: &'t mut dyn CryptoRng,
    effects: Vec<Effect>,
}

impl<'t, 'v> Turn<'t, 'v> {
    /// `clock`: what the device's clock shows.
    pub(crate) fn new(
        tx: &'t Transaction<'v>,
        clock: Timestamp,
        rng: &'t mut dyn CryptoRng,
    ) -> Result<Self, CoreError> {
        let now = tx.own_time(clock)?;
        Ok(Self { tx, now, clock, rng, effects: Vec::new() })
    }

    /// What the device's clock will show at a time of the vault, if it is not set meanwhile.
    pub(crate) fn on_clock(&self, at: Timestamp) -> Timestamp {
        self.clock.plus_ms(at.ms_since(self.now))
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
        self.effects.push(Effect::WakeAt(self.on_clock(at)));
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
