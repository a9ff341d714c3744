//! Direct mode: whose coming is waited for, and by which links.
//!
//! Invariants: only links that are up wait, and each for at most [`AWAY_PER_LINK_MAX`] devices (who is refused more tries
//! again by itself); a link is told once for each time that it was refused.

use std::collections::{BTreeMap, BTreeSet};

use tacite_model::limits::AWAY_PER_LINK_MAX;

use super::LinkId;
use crate::DeviceKey;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Away {
    /// Each link that is up, and for which devices it waits.
    links: BTreeMap<LinkId, BTreeSet<DeviceKey>>,
    /// The same the other way round; no entry is empty.
    devices: BTreeMap<DeviceKey, BTreeSet<LinkId>>,
}

impl Away {
    pub(super) fn link_up(&mut self, link: LinkId) {
        self.links.entry(link).or_default();
    }

    pub(super) fn link_down(&mut self, link: LinkId) {
        for device in self.links.remove(&link).unwrap_or_default() {
            if let Some(links) = self.devices.get_mut(&device) {
                links.remove(&link);
                if links.is_empty() {
                    self.devices.remove(&device);
                }
            }
        }
    }

    /// `link` is to be told when `device` comes.
    pub(super) fn remember(&mut self, link: LinkId, device: DeviceKey) {
        let Some(devices) = self.links.get_mut(&link) else { return };
        if devices.len() < AWAY_PER_LINK_MAX && devices.insert(device) {
            self.devices.entry(device).or_default().insert(link);
        }
    }

    /// The links that wait for `device`, each for the last time.
    pub(super) fn take(&mut self, device: DeviceKey) -> BTreeSet<LinkId> {
        let links = self.devices.remove(&device).unwrap_or_default();
        for link in &links {
            if let Some(devices) = self.links.get_mut(link) {
                devices.remove(&device);
            }
        }
        links
    }
}

#[cfg(test)]
mod tests {
    use tacite_model::{AccountId, DeviceId};

    use super::*;

    const ALICE_LINK: LinkId = LinkId(1);

    fn device(number: usize) -> DeviceKey {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        DeviceKey { account_id: AccountId::from_bytes(bytes), device_id: DeviceId::FIRST }
    }

    #[test]
    fn a_link_that_is_up_is_told_once() {
        let mut away = Away::default();
        away.remember(ALICE_LINK, device(1));
        assert!(away.take(device(1)).is_empty(), "nobody is there to be told");
        away.link_up(ALICE_LINK);
        away.remember(ALICE_LINK, device(1));
        away.remember(ALICE_LINK, device(1));
        assert_eq!(away.take(device(1)), BTreeSet::from([ALICE_LINK]));
        assert!(away.take(device(1)).is_empty());
    }

    #[test]
    fn a_link_that_is_gone_leaves_nothing_behind() {
        let mut away = Away::default();
        away.link_up(ALICE_LINK);
        away.remember(ALICE_LINK, device(1));
        away.link_down(ALICE_LINK);
        assert!(away.links.is_empty() && away.devices.is_empty());
    }

    #[test]
    fn a_link_waits_for_so_many_devices_and_not_one_more() {
        let mut away = Away::default();
        away.link_up(ALICE_LINK);
        for number in 0..=AWAY_PER_LINK_MAX {
            away.remember(ALICE_LINK, device(number));
        }
        assert_eq!(away.take(device(AWAY_PER_LINK_MAX - 1)).len(), 1);
        assert!(away.take(device(AWAY_PER_LINK_MAX)).is_empty());
        away.remember(ALICE_LINK, device(AWAY_PER_LINK_MAX));
        assert_eq!(away.take(device(AWAY_PER_LINK_MAX)).len(), 1, "one was told: there is room again");
    }
}
