//! The machine behind [`crate::Core::handle`].
//!
//! Invariants: everything here may be lost at any time; a value of [`Engine`] is cheap to copy, which is how a failed input
//! is undone; every call ends with [`Engine::drive`], so whatever can go out now goes out, in whichever order inputs come.

mod catch_up;
mod commands;
mod contacts;
mod conversation;
mod dispatch;
mod downloads;
mod errands;
mod fetch;
mod generation;
mod healing;
mod hello;
mod identities;
mod inbox;
mod intents;
mod keys;
mod link;
mod log_in;
mod order;
mod outbox;
mod presence;
mod register;
mod sign_in;
mod turn;
mod uploads;

use std::collections::{BTreeMap, BTreeSet};

use tacite_model::{AccountId, Secret, Timestamp};
use tacite_wire::Frame;

use crate::{CoreError, Event, Input, LinkStatus, Problem};
pub(crate) use conversation::erase_expired;
use conversation::{Reads, forget_old_contents, next_look_at, sweep};
use errands::Errand;
use healing::Healing;
use inbox::Acknowledgement;
use intents::Credentials;
use keys::Keys;
use link::Link;
use outbox::Lane;
use presence::Passing;
pub(crate) use turn::Turn;
use uploads::Uploads;

/// A driver is never asked to wake it sooner than after so many milliseconds.
const SOONEST_MS: u64 = 100;

/// All that the engine remembers between two inputs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Engine {
    deployment_key: Option<Secret<Vec<u8>>>,
    link: Link,
    /// The registration or log-in under way.
    credentials: Option<Credentials>,
    /// Intents that need the server and are not answered yet, in the order in which they came.
    errands: Vec<Errand>,
    /// Per recipient: how far the outbox is driven on this link.
    lanes: BTreeMap<AccountId, Lane>,
    /// As the views were told.
    outbox_is_empty: bool,
    /// Bodies that are being put into the depot.
    uploads: Uploads,
    /// Messages whose bodies are being fetched.
    downloads: downloads::Downloads,
    healing: Healing,
    /// The server asked for silence until then.
    sending_paused_until: Timestamp,
    /// Stored messages that are to be acknowledged.
    acknowledgements: Vec<Acknowledgement>,
    reads: Reads,
    /// Whose messages were left on the server because the person has not decided about them.
    left_waiting: BTreeSet<AccountId>,
    /// Pushes that came before the device had caught up.
    held: Vec<Frame>,
    keys: Keys,
    passing: Passing,
    /// When to look next for messages that disappear.
    look_at: Option<Timestamp>,
    /// When the link's access token should be exchanged.
    refresh_at: Option<Timestamp>,
    /// The timer that the driver was last asked for.
    wake_at: Option<Timestamp>,
}

impl Engine {
    pub(crate) fn with_deployment_key(key: Secret<Vec<u8>>) -> Self {
        Self { deployment_key: Some(key), ..Self::default() }
    }

    /// Handles inputs that are there together. After an error the engine must be put back to what it was.
    pub(crate) fn handle(
        &mut self,
        turn: &mut Turn<'_, '_>,
        inputs: impl IntoIterator<Item = Input>,
    ) -> Result<(), CoreError> {
        let (mut is_timer, mut is_sign_of_life) = (false, false);
        sweep(turn)?;
        for input in inputs {
            is_timer |= matches!(input, Input::Timer);
            is_sign_of_life |= matches!(input, Input::Frame(_) | Input::LinkOpened);
            self.take(turn, input)?;
        }
        self.drive_healing(turn)?;
        self.drive(turn)?;
        self.link.watch(turn.now, is_sign_of_life);
        self.forget_presences(turn)?;
        self.tell_status(turn);
        self.set_timer(turn, is_timer)
    }

    fn take(&mut self, turn: &mut Turn<'_, '_>, input: Input) -> Result<(), CoreError> {
        match input {
            Input::Start => {
                forget_old_contents(turn)?;
                self.connect_if_wanted(turn)
            }
            Input::Intent(request, intent) => self.intend(turn, request, intent),
            Input::LinkOpened => {
                forget_old_contents(turn)?;
                self.link_opened();
                Ok(())
            }
            Input::LinkClosed { cause } => self.link_closed(turn, cause),
            Input::Frame(frame) => self.receive(turn, &frame),
            Input::Timer => self.timer(turn),
            Input::BodyPut { name, result } => self.body_put(turn, name, result),
            Input::BodyFetched { name, result } => self.body_fetched(turn, name, result),
        }
    }

    pub(crate) fn link_status(&self) -> LinkStatus {
        self.link.status()
    }

    /// Sends whatever can be sent now.
    fn drive(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        if !self.link.is_online() {
            return Ok(());
        }
        self.drive_refresh(turn)?;
        self.drive_downloads(turn);
        self.drive_acknowledgements(turn)?;
        self.drive_keys(turn)?;
        self.drive_errands(turn)?;
        Self::tell_reads_by_content(turn)?;
        self.drive_outbox(turn)?;
        if !self.link.is_online() {
            // Given up over something in the outbox.
            return Ok(());
        }
        self.drive_reads(turn)?;
        self.drive_presence(turn)?;
        self.fetch_left_waiting(turn)
    }

    fn timer(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        if self.link.is_overdue(turn.now) {
            self.fail_credentials(turn, &Problem::server_silent());
            self.drop_link(turn, None);
        }
        if self.link.retry_at().is_some_and(|retry_at| retry_at <= turn.now) {
            self.connect_if_wanted(turn)?;
        }
        Ok(())
    }

    fn tell_status(&mut self, turn: &mut Turn<'_, '_>) {
        let Some(mut status) = self.link.changed_status() else { return };
        if let LinkStatus::Offline { retry_at: Some(retry_at) } = &mut status {
            *retry_at = turn.on_clock(*retry_at);
        }
        turn.tell(Event::Link(status));
    }

    /// Asks the driver for the earliest time at which something is to be done.
    fn set_timer(&mut self, turn: &mut Turn<'_, '_>, is_timer: bool) -> Result<(), CoreError> {
        self.look_at = next_look_at(turn, self.look_at)?;
        let mut times = vec![self.link.deadline(), self.link.retry_at(), self.look_at];
        if self.link.is_online() {
            times.extend([self.refresh_at, self.keys.next_at(), self.next_sending_at(turn.now)]);
            times.push(self.reads.next_at(turn.now));
            times.push(self.downloads.next_at());
        }
        times.push(self.next_healing_at(turn)?);
        // What is due and was not done now waits for an answer, not for the clock: whoever asked for the present again and again
        // would keep the device busy with nothing.
        let soonest = turn.now.plus_ms(SOONEST_MS);
        let wake_at = times.into_iter().flatten().min().map(|at| if at <= turn.now { soonest } else { at });
        if let Some(at) = wake_at
            && (is_timer || self.wake_at != wake_at)
        {
            turn.wake_at(at);
        }
        self.wake_at = wake_at;
        Ok(())
    }
}
