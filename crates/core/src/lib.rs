//! The client engine: everything that a client of Tacite decides, without a socket, a clock or a random source.
//!
//! # The contract
//!
//! There is one door: [`Core::handle`]. The driver
//! 1. opens a vault transaction,
//! 2. calls `handle` with one [`Input`] (or with [`Core::handle_all`] several at once), the time and a random source,
//! 3. commits the transaction (or, if `handle` failed, rolls it back and performs nothing),
//! 4. and only then performs the returned [`Effect`]s, in order.
//!
//! So a ciphertext never leaves before the ratchet state that made it is on disk, and nothing is acknowledged to the
//! server before it is stored. A crash between commit and send is healed by the outbox, which `core` drives again from
//! the vault after [`Input::Start`]. Whatever lives only in memory (the link's phase, a log-in under way, which
//! outbox entry is in flight) may be lost at any time without harm.
//!
//! If `handle` or the commit fails, the input never happened, in memory as in the vault: the driver closes the link and
//! hands in [`Input::LinkClosed`], or ends. An intent among such inputs is answered by the driver itself.
//!
//! A commit has to wait for the disk. Frames that are there already may therefore be handed in together, in their order: they
//! become durable together, or none of them happened. What goes out in answer goes out once, after the last.
//!
//! The driver keeps one timer, an [`Alarm`]: the earliest [`Effect::WakeAt`] not yet passed; when it passes it hands in
//! [`Input::Timer`]. A timer that comes early or twice does no harm. When the clock was set back, it hands in a timer soon, so
//! that what was planned by the old clock is planned anew.
//!
//! What can be checked of this is checked: two calls in one transaction panic in debug builds (and are an error in
//! others), and inputs whose transaction was not committed are forgotten before the next one.
//!
//! # Inside
//!
//! `engine` holds the machine, one module per topic; `session` is the only place that calls the Signal protocol, `opaque`
//! the only one that calls OPAQUE. [`queries`] answers views from the vault without changing anything.

mod alarm;
mod contract;
mod engine;
mod opaque;
mod problem;
pub mod queries;
mod session;

use rand_core::CryptoRng;
use tacite_model::{Secret, Timestamp};
use thiserror::Error;

pub use alarm::Alarm;
pub use contract::{
    BodyName, ContactNote, Effect, Event, Input, Intent, LinkStatus, MessageRef, MessageView, Outcome,
    Presence, Problem, ReactionView, RequestId, Server,
};
pub use queries::{AccountView, ContactView, DeliveryMode, Status};
pub use tacite_model::{Expiry, ExpiryStart};
pub use tacite_vault::{
    AccountStanding, Marks, MessageKind, MessageState, Settings, Standing, Transaction, Vault, VaultError,
};

use engine::{Engine, Turn};

/// What this client calls itself on the wire.
const SOFTWARE: &str = concat!("tacite ", env!("CARGO_PKG_VERSION"));

/// Erases the messages whose time is over, for a program that looks into a vault without driving an engine. An engine does it
/// by itself.
pub fn erase_expired(tx: &Transaction<'_>, now: Timestamp) -> Result<(), CoreError> {
    engine::erase_expired(tx, now)
}

/// The engine of one profile. Everything in it may be lost at any time; the vault is the truth.
#[derive(Debug, Default)]
pub struct Core {
    engine: Engine,
    /// The number of the last call's transaction, and the engine as it was before that call.
    last: Option<(u64, Engine)>,
}

/// Why an input could not be handled. It never happened.
#[derive(Debug, Error)]
pub enum CoreError {
    /// Local: the vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Misuse: one transaction for two calls.
    #[error("a transaction serves one call only")]
    TransactionReused,
    /// Our own fault: a stored key or session cannot be read, or a library refused its own output.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl Core {
    /// An engine that has seen no input yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with the deployment key that some servers demand from their clients.
    #[must_use]
    pub fn with_deployment_key(key: Secret<Vec<u8>>) -> Self {
        Self { engine: Engine::with_deployment_key(key), last: None }
    }

    /// Handles one input; see the contract above. `tx` must be fresh, `now` the present time.
    ///
    /// Returns what is to be done once `tx` is committed.
    pub fn handle(
        &mut self,
        tx: &mut Transaction<'_>,
        input: Input,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<Effect>, CoreError> {
        self.handle_all(tx, [input], now, rng)
    }

    /// The same for several inputs that are there already, in the order in which they came: they happen together, or not at
    /// all. Meant for frames of one link, whose number the caller bounds; nothing in between goes out or is told that is out of
    /// date after the last one.
    pub fn handle_all(
        &mut self,
        tx: &mut Transaction<'_>,
        inputs: impl IntoIterator<Item = Input>,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<Effect>, CoreError> {
        let is_fresh = tx.claim();
        debug_assert!(is_fresh, "a transaction serves one call only");
        if !is_fresh {
            return Err(CoreError::TransactionReused);
        }
        if let Some((_, before)) = self.last.take_if(|(number, _)| *number != tx.last_claimed()) {
            self.engine = before;
        }
        let before = self.engine.clone();
        let mut turn = Turn::new(tx, now, rng)?;
        match self.engine.handle(&mut turn, inputs) {
            Ok(()) => {
                let effects = turn.into_effects();
                self.last = Some((tx.number(), before));
                Ok(effects)
            }
            Err(error) => {
                self.engine = before;
                self.last = None;
                Err(error)
            }
        }
    }

    /// How the link stands; a time in it is the vault's own, which differs from the clock's if that was set back.
    #[must_use]
    pub fn link(&self) -> LinkStatus {
        self.engine.link_status()
    }
}
