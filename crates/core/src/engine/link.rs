//! The link to the server: opening, waiting, trying again.
//!
//! Invariants: at most one link is asked for at a time; what the server refuses for good (an old version, an ended session,
//! a wrong key) is not tried again by itself; delays double up to a minute and are drawn at random below that, so that
//! clients do not come back all at once.

use std::collections::BTreeMap;

use rand_core::CryptoRng;
use tacite_model::{MessageId, Timestamp};
use tacite_vault::AccountStanding;
use tacite_wire::Code;

use super::commands::Waiting;
use super::generation::Counting;
use super::hello::Greeting;
use super::{Engine, Turn};
use crate::{CoreError, Effect, LinkStatus, Problem};

/// Milliseconds that a server may leave a command, or a new link, unanswered.
pub(crate) const ANSWER_MS_MAX: u64 = 60_000;
/// Upper bound of the first delay before a link is tried again, milliseconds.
const RETRY_MS_MIN: u64 = 500;
/// Upper bound of every delay, milliseconds.
const RETRY_MS_MAX: u64 = 60_000;
/// A token must be good for that long to be shown at the upgrade, milliseconds.
const BEARER_LEFT_MS_MIN: u64 = 60_000;

/// The state of the link.
#[derive(Debug, Clone, Default)]
pub(crate) struct Link {
    pub(super) phase: Phase,
    /// Commands that were sent and not answered for good.
    pub(super) waiting: BTreeMap<MessageId, Waiting>,
    /// Tries since a link was last caught up.
    attempt: u32,
    status_told: Option<LinkStatus>,
    deadline: Option<Timestamp>,
    pub(super) counting: Counting,
    /// Where bodies are put and fetched in split mode; empty: where the link is.
    pub(super) depot_url: String,
}

/// How far the link is.
#[derive(Debug, Clone)]
pub(crate) enum Phase {
    /// None, and none will be tried by itself: nothing registered, logged out, or refused for good.
    Idle {
        /// Why, if the server or the network refused.
        problem: Option<Problem>,
    },
    /// None; it is tried again at the given time.
    Resting {
        /// When.
        retry_at: Timestamp,
    },
    /// Asked for.
    Opening,
    /// Open; the server's first frame is awaited.
    Opened,
    /// Hello was said, or answered and a proof of identity is under way.
    Greeted(Greeting),
    /// Signed in; the record of changes is being read.
    CatchingUp,
    /// Signed in and caught up.
    Online {
        /// Whether nothing waits on the server any more.
        level: bool,
    },
    /// Asked to be closed.
    Closing(Then),
}

impl Default for Phase {
    fn default() -> Self {
        Self::Idle { problem: None }
    }
}

/// What follows when the link is closed.
#[derive(Debug, Clone)]
pub(crate) enum Then {
    /// A new one after a pause of at least this many milliseconds.
    Retry { pause_ms_min: u64 },
    /// A new one at once, if one is wanted.
    Anew,
    /// Nothing, because of this.
    Stop(Option<Problem>),
}

impl Link {
    /// Whether frames may come.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Opened | Phase::Greeted(_) | Phase::CatchingUp | Phase::Online { .. })
    }

    /// Whether a link is asked for or open, and not asked to close.
    const fn is_up(&self) -> bool {
        self.is_open() || matches!(self.phase, Phase::Opening)
    }

    pub(super) const fn is_online(&self) -> bool {
        matches!(self.phase, Phase::Online { .. })
    }

    pub(super) const fn is_signed_in(&self) -> bool {
        matches!(self.phase, Phase::CatchingUp | Phase::Online { .. })
    }

    pub(super) const fn retry_at(&self) -> Option<Timestamp> {
        if let Phase::Resting { retry_at } = self.phase { Some(retry_at) } else { None }
    }

    pub(super) const fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    pub(super) fn is_overdue(&self, now: Timestamp) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    pub(super) const fn succeed(&mut self) {
        self.attempt = 0;
    }

    /// Sets the time by which the server must have said something, while something is expected of it.
    pub(super) fn watch(&mut self, now: Timestamp, is_sign_of_life: bool) {
        let expects = self.is_up() && (!self.is_signed_in() || !self.waiting.is_empty());
        if !expects {
            self.deadline = None;
        } else if is_sign_of_life || self.deadline.is_none() {
            self.deadline = Some(now.plus_ms(ANSWER_MS_MAX));
        }
    }

    pub(super) fn status(&self) -> LinkStatus {
        match self.phase {
            Phase::Idle { .. } => LinkStatus::Offline { retry_at: None },
            Phase::Resting { retry_at } => LinkStatus::Offline { retry_at: Some(retry_at) },
            Phase::Opening | Phase::Opened | Phase::Greeted(_) => LinkStatus::Connecting,
            Phase::CatchingUp | Phase::Online { level: false } => LinkStatus::Online,
            Phase::Online { level: true } => LinkStatus::Level,
            // What comes next is known when the link is closed.
            Phase::Closing(_) => self.status_told.unwrap_or(LinkStatus::Connecting),
        }
    }

    /// The status, if it is another than the one told last.
    pub(super) fn changed_status(&mut self) -> Option<LinkStatus> {
        let status = self.status();
        let changed = self.status_told != Some(status);
        self.status_told = Some(status);
        changed.then_some(status)
    }

    /// Milliseconds until the next try.
    fn next_delay_ms(&mut self, rng: &mut dyn CryptoRng) -> u64 {
        let delay_ms = backoff_ms(self.attempt, RETRY_MS_MIN, RETRY_MS_MAX, rng);
        self.attempt = self.attempt.saturating_add(1);
        delay_ms
    }
}

/// A random delay below `min_ms` doubled `attempt` times, at most below `max_ms`.
pub(super) fn backoff_ms(attempt: u32, min_ms: u64, max_ms: u64, rng: &mut dyn CryptoRng) -> u64 {
    let bound_ms = min_ms.saturating_mul(1 << attempt.min(20)).min(max_ms);
    rng.next_u64() % (bound_ms + 1)
}

impl Engine {
    /// Asks for a link if there is something to do on one: credentials to check, or an account with a session.
    pub(super) fn connect_if_wanted(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        let account = turn.tx.account()?;
        let standing = account.map(|account| account.standing);
        let has_session = matches!(standing, Some(AccountStanding::SignedIn | AccountStanding::Registering));
        let server = match &self.credentials {
            Some(credentials) => credentials.server(turn)?,
            None if has_session => turn.tx.server()?.map(Into::into),
            None => None,
        };
        let Some(server) = server else {
            self.link.phase = Phase::Idle { problem: None };
            return Ok(());
        };
        let bearer = match turn.tx.tokens()? {
            Some(tokens)
                if self.credentials.is_none()
                    && standing == Some(AccountStanding::SignedIn)
                    && tokens.access_expires_at > turn.now.plus_ms(BEARER_LEFT_MS_MIN) =>
            {
                Some(tokens.access_token)
            }
            _ => None,
        };
        self.link.phase = Phase::Opening;
        turn.effect(Effect::OpenLink { server, bearer });
        Ok(())
    }

    /// New credentials are to be checked: on a link of their own.
    pub(super) fn connect_anew(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        if self.link.is_up() {
            self.close_link(turn, Then::Anew);
            return Ok(());
        }
        if let Phase::Closing(then) = &mut self.link.phase {
            *then = Then::Anew;
            return Ok(());
        }
        self.connect_if_wanted(turn)
    }

    pub(super) fn link_opened(&mut self) {
        if matches!(self.link.phase, Phase::Opening) {
            self.link.phase = Phase::Opened;
        }
    }

    /// Closes the link and tries again after a pause; `problem` may say how long.
    pub(super) fn drop_link(&mut self, turn: &mut Turn<'_, '_>, problem: Option<&Problem>) {
        let pause_ms_min = problem.and_then(|problem| problem.retry_after_ms).unwrap_or(0);
        self.close_link(turn, Then::Retry { pause_ms_min });
    }

    /// The server said something that makes no sense.
    pub(super) fn distrust_link(&mut self, turn: &mut Turn<'_, '_>) {
        turn.notice(Problem::server_unintelligible());
        self.drop_link(turn, None);
    }

    /// Closes the link for good, because of `problem`, which the person is told.
    #[expect(clippy::unnecessary_wraps, reason = "handlers end with it, and all have one signature")]
    pub(super) fn stop_link(&mut self, turn: &mut Turn<'_, '_>, problem: &Problem) -> Result<(), CoreError> {
        self.fail_credentials(turn, problem);
        self.fail_errands(turn, problem);
        turn.notice(problem.clone());
        self.close_link(turn, Then::Stop(Some(problem.clone())));
        Ok(())
    }

    pub(super) fn close_link(&mut self, turn: &mut Turn<'_, '_>, then: Then) {
        if self.link.is_up() {
            turn.effect(Effect::CloseLink);
            self.link.phase = Phase::Closing(then);
            self.forget_link();
        }
    }

    pub(super) fn link_closed(
        &mut self,
        turn: &mut Turn<'_, '_>,
        cause: Option<Problem>,
    ) -> Result<(), CoreError> {
        self.forget_link();
        let then = match std::mem::take(&mut self.link.phase) {
            Phase::Closing(then) => then,
            // Nothing was open: a late report of an end that is dealt with.
            phase @ (Phase::Idle { .. } | Phase::Resting { .. }) => {
                self.link.phase = phase;
                return Ok(());
            }
            _ => match cause.clone() {
                Some(problem) if !problem.retryable => Then::Stop(Some(problem)),
                _ => Then::Retry { pause_ms_min: 0 },
            },
        };
        match then {
            Then::Anew => self.connect_if_wanted(turn),
            Then::Stop(problem) => {
                self.stop(turn, problem);
                Ok(())
            }
            Then::Retry { pause_ms_min } => self.rest(turn, cause, pause_ms_min),
        }
    }

    fn stop(&mut self, turn: &mut Turn<'_, '_>, problem: Option<Problem>) {
        let told = problem.clone().unwrap_or_else(|| Problem::of(Code::SESSION_ENDED));
        self.fail_credentials(turn, &told);
        self.fail_errands(turn, &told);
        self.link.phase = Phase::Idle { problem };
    }

    /// Waits before the next try. Credentials are not tried again by themselves: the person waits at the prompt.
    fn rest(
        &mut self,
        turn: &mut Turn<'_, '_>,
        cause: Option<Problem>,
        pause_ms_min: u64,
    ) -> Result<(), CoreError> {
        let standing = turn.tx.account()?.map(|account| account.standing);
        if standing != Some(AccountStanding::Registering) {
            self.fail_credentials(turn, &cause.unwrap_or_else(Problem::link_lost));
        }
        if !matches!(standing, Some(AccountStanding::SignedIn | AccountStanding::Registering)) {
            self.link.phase = Phase::Idle { problem: None };
            return Ok(());
        }
        let delay_ms = self.link.next_delay_ms(turn.rng).max(pause_ms_min);
        self.link.phase = Phase::Resting { retry_at: turn.now.plus_ms(delay_ms) };
        Ok(())
    }

    /// Forgets all that belongs to one link.
    fn forget_link(&mut self) {
        self.link.waiting.clear();
        self.link.counting = Counting::default();
        self.lanes.clear();
        self.uploads.forget_link();
        self.downloads.forget_link();
        self.acknowledgements.clear();
        self.reads.forget_link();
        self.passing.forget_link();
        self.left_waiting.clear();
        self.held.clear();
        self.keys.forget_link();
        self.refresh_at = None;
        for errand in &mut self.errands {
            errand.sent = false;
        }
    }
}
