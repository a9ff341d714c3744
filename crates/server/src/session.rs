//! What a link's task remembers of its own link.
//!
//! Invariants: identity is set by a successful log-in only and never changes on a link (T56); a challenge serves one link;
//! half-done registrations and log-ins live here and die with the link.

use tacite_accounts::{Identity, PasswordProven, PendingPassword, PendingRegistration, PendingWords};
use tacite_model::Timestamp;
use tacite_model::limits::LINK_BAD_FRAMES_MAX;
use tacite_model::rate::{Meter, Quota};
use tacite_router::DeviceKey;
use tacite_router::delivery::LinkId;
use tacite_wire::Code;

use crate::behind::Behind;
use crate::generations::Told;
use crate::refusal::Refusal;

/// Frames that cannot be read, per link: a burst, then one in so many milliseconds.
const BAD_FRAMES: Quota = Quota::new(1, 10_000, LINK_BAD_FRAMES_MAX);
/// Refresh tokens shown, per link, right or wrong: whose they are is not known before.
const REFRESHES: Quota = Quota::new(1, 5000, 10);

/// See the module.
pub(crate) struct Session {
    pub(crate) link: LinkId,
    /// Made for this link; a device signs it.
    pub(crate) challenge: [u8; 32],
    pub(crate) said_hello: bool,
    pub(crate) step: Step,
    pub(crate) identity: Option<Identity>,
    /// Set once the delivery machine knows the link.
    pub(crate) attached: Option<DeviceKey>,
    /// What generation the device told on this link.
    pub(crate) generation: Option<Told>,
    /// How many messages went on to the delivery machine.
    pub(crate) submitted: u64,
    /// Which messages were refused on this link.
    pub(crate) behind: Behind,
    /// The link is to end after the present answer.
    pub(crate) ends: bool,
    bad_frames: Meter,
    refreshes: Meter,
}

/// How far a command of several steps has come.
#[derive(Default)]
pub(crate) enum Step {
    #[default]
    None,
    Registering(Box<PendingRegistration>),
    LoggingIn(Box<PendingPassword>),
    WordsWanted(Box<PasswordProven>),
    GivingWords(Box<PendingWords>),
}

impl Session {
    pub(crate) fn new(link: LinkId, challenge: [u8; 32]) -> Self {
        Self {
            link,
            challenge,
            said_hello: false,
            step: Step::None,
            identity: None,
            attached: None,
            generation: None,
            submitted: 0,
            behind: Behind::default(),
            ends: false,
            bad_frames: Meter::default(),
            refreshes: Meter::default(),
        }
    }

    /// Counts a frame that could not be read; true when there were too many.
    pub(crate) fn is_flooded(&mut self, now: Timestamp) -> bool {
        self.bad_frames.admit(BAD_FRAMES, now).is_err()
    }

    /// Counts a refresh token shown on this link, or says when the next may be.
    pub(crate) fn admit_refresh(&mut self, now: Timestamp) -> Result<(), Refusal> {
        self.refreshes.admit(REFRESHES, now).map_err(Refusal::too_fast)
    }

    /// Who is signed in.
    pub(crate) fn identity(&self) -> Result<&Identity, Refusal> {
        self.identity.as_ref().ok_or(Refusal::new(Code::LOG_IN_FIRST))
    }

    /// The device that is signed in.
    pub(crate) fn device(&self) -> Result<DeviceKey, Refusal> {
        let identity = self.identity()?;
        Ok(DeviceKey { account_id: identity.account_id, device_id: identity.device_id })
    }
}
