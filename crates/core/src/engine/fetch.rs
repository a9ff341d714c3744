//! Fetching somebody's keys before a first message.
//!
//! Invariants: a known identity key never changes by a server's word; keys that are not signed by the identity begin no
//! session; one fetch per recipient is under way at a time, because each costs the recipient one-time keys.

use tacite_model::limits::DEVICES_PER_ACCOUNT_MAX;
use tacite_model::{AccountId, DeviceId};
use tacite_wire::Code;
use tacite_wire::proto::{FetchKeys, KeyBundles};

use super::commands::{Answer, Reply, Waiting};
use super::outbox::{fail_messages_to, give_up_devices};
use super::{Engine, Turn};
use crate::session::{self, Party, Peer};
use crate::{CoreError, Problem};

impl Engine {
    pub(super) fn is_fetching_keys(&self, account_id: AccountId) -> bool {
        self.is_waiting(|it| *it == Waiting::FetchKeys { recipient_id: account_id })
    }

    /// `getk`.
    pub(super) fn fetch_keys(
        &mut self,
        turn: &mut Turn<'_, '_>,
        recipient_id: AccountId,
    ) -> Result<(), CoreError> {
        let body = FetchKeys { account_id: recipient_id.as_bytes().to_vec().into() };
        self.command(turn, Waiting::FetchKeys { recipient_id }, &body)
    }

    /// Answers to `getk`.
    pub(super) fn fetch_keys_answered(
        &mut self,
        turn: &mut Turn<'_, '_>,
        answer: Answer<'_>,
    ) -> Result<(), CoreError> {
        let Waiting::FetchKeys { recipient_id } = answer.waiting else { return Ok(()) };
        match answer.reply {
            Reply::Finished => {
                let Some(bundles) = self.read::<KeyBundles>(turn, answer.frame) else { return Ok(()) };
                self.use_bundles(turn, recipient_id, &bundles)
            }
            Reply::Refused(problem) if problem.retryable => {
                self.send_again(turn, recipient_id, None, &problem);
                Ok(())
            }
            Reply::Refused(problem) => {
                turn.notice(problem);
                fail_messages_to(turn, recipient_id)
            }
            Reply::InProgress => {
                self.distrust_link(turn);
                Ok(())
            }
        }
    }

    fn use_bundles(
        &mut self,
        turn: &mut Turn<'_, '_>,
        recipient_id: AccountId,
        bundles: &KeyBundles,
    ) -> Result<(), CoreError> {
        let identity_key = <[u8; 33]>::try_from(bundles.identity_key.as_ref());
        let is_asked_for = AccountId::try_from(bundles.account_id.as_ref()) == Ok(recipient_id);
        let (Ok(identity_key), true) = (identity_key, is_asked_for) else {
            self.distrust_link(turn);
            return Ok(());
        };
        let Some(mut contact) = turn.tx.contact(recipient_id)? else { return Ok(()) };
        if contact.identity_key.is_some_and(|known| known != identity_key) {
            turn.tx.offer_identity(recipient_id, &identity_key)?;
            turn.notice(Problem::identity_changed(&contact.handle));
            return fail_messages_to(turn, recipient_id);
        }
        if !begin_sessions(turn, recipient_id, &identity_key, bundles)? {
            self.send_again(turn, recipient_id, None, &Problem::of(Code::DEVICE_UNKNOWN));
            return Ok(());
        }
        contact.identity_key = Some(identity_key);
        turn.tx.save_contact(&contact)?;
        give_up_devices(turn, recipient_id)
    }
}

/// Begins a session with every device that has none; false if afterwards there is none at all.
fn begin_sessions(
    turn: &mut Turn<'_, '_>,
    account_id: AccountId,
    identity_key: &[u8; 33],
    bundles: &KeyBundles,
) -> Result<bool, CoreError> {
    let party = Party::new(&turn.account()?)?;
    let mut has_session = false;
    for bundle in bundles.devices.iter().take(DEVICES_PER_ACCOUNT_MAX) {
        let Ok(device_id) = DeviceId::try_from(bundle.device_id) else { continue };
        let peer = Peer { account_id, device_id };
        has_session |= session::is_usable(turn.tx, peer, turn.now)?
            || session::begin(turn.tx, &party, peer, identity_key, bundle, turn.now, turn.rng)?;
    }
    Ok(has_session)
}
