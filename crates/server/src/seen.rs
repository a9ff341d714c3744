//! Presence: what the machine of the router decides, told to links.
//!
//! Invariant: pushes are made under the machine's lock, so a link hears of an account in the order of its moods; only with
//! `last_seen` does any of it reach a store.

use std::sync::Arc;

use tacite_model::AccountId;
use tacite_model::limits::PRESENCES_PER_FRAME_MAX;
use tacite_router::delivery::LinkId;
use tacite_router::presence::{Mood, Tell};
use tacite_router::{Presence, Store as _, StoreError};
use tacite_wire::{Frame, Opcode, proto};

use crate::hub::{Hub, Parts, lock};
use crate::refusal::{Refusal, store_code};

impl<P: Parts> Hub<P> {
    /// A link says a mood: contacts are told, and at its first time the link which of them are there.
    pub(crate) async fn say_mood(
        self: &Arc<Self>,
        account_id: AccountId,
        link: LinkId,
        mood: Mood,
    ) -> Result<(), Refusal> {
        let contacts = self.contacts(account_id).await?;
        {
            let mut presence = lock(&self.presence);
            let is_first = !presence.has_said(link);
            if presence.say(account_id, link, mood) {
                self.tell(&presence.tell(account_id, &contacts));
            }
            if is_first {
                self.tell_roster(&presence, link, &contacts);
            }
        }
        if mood > Mood::Offline {
            self.note_seen(account_id).await;
        }
        Ok(())
    }

    /// A link has ended.
    pub(crate) fn leave(self: &Arc<Self>, link: LinkId) {
        let Some(account_id) = lock(&self.presence).leave(link) else { return };
        let hub = Arc::clone(self);
        self.tasks.spawn(async move {
            match hub.contacts(account_id).await {
                Ok(contacts) => hub.tell(&lock(&hub.presence).tell(account_id, &contacts)),
                Err(error) => drop(store_code(&error)),
            }
            hub.note_seen(account_id).await;
        });
    }

    /// The two are contacts from now on, or no longer.
    pub(crate) fn meet(&self, one: AccountId, other: AccountId, are_contacts: bool) {
        let presence = lock(&self.presence);
        self.tell(&presence.meet(one, other, are_contacts));
    }

    /// With whom an account may write.
    async fn contacts(&self, account_id: AccountId) -> Result<Arc<[AccountId]>, StoreError> {
        if let Some(contacts) = self.allowed.contacts(account_id) {
            return Ok(contacts);
        }
        let asked = self.allowed.ask();
        let contacts: Arc<[AccountId]> = self.router.contacts(account_id).await?.into();
        self.allowed.remember_contacts(asked, account_id, &contacts);
        Ok(contacts)
    }

    async fn note_seen(&self, account_id: AccountId) {
        if self.policy.delivery.last_seen
            && let Err(error) = self.router.saw(account_id, self.clock.now()).await
        {
            store_code(&error);
        }
    }

    fn tell(&self, told: &[Tell]) {
        // Many are told the same: they get the same bytes.
        for told in told.chunk_by(|one, next| (one.account_id, one.mood) == (next.account_id, next.mood)) {
            let frame = self.presences(&[(told[0].account_id, told[0].mood)]);
            self.links.push_to_all(told.iter().map(|tell| tell.link), &frame);
        }
    }

    fn tell_roster(&self, presence: &Presence, link: LinkId, contacts: &[AccountId]) {
        for page in presence.roster(contacts).chunks(PRESENCES_PER_FRAME_MAX) {
            self.links.push(link, self.presences(page));
        }
    }

    fn presences(&self, moods: &[(AccountId, Mood)]) -> Frame {
        let presence = |(account_id, mood): &(AccountId, Mood)| proto::AccountPresence {
            account_id: account_id.as_bytes().to_vec().into(),
            presence: proto::Presence::from(*mood).into(),
        };
        let body = proto::PresenceChanged { presences: moods.iter().map(presence).collect() };
        self.push_frame(Opcode::PRESENCE_CHANGED, &body)
    }
}
