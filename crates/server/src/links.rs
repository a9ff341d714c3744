//! The open links of this process: who is behind each, and a way to push frames to it.
//!
//! Invariants: pushing never waits; a link whose queue is full is closed, because dropping single frames would break the
//! order that its device relies on, and what it had not acknowledged is parked when it ends; no account holds more than a
//! few links, so none can take the places of all; neither can those who never sign in.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tacite_accounts::{Identity, SessionId};
use tacite_model::limits::{DEVICES_PER_ACCOUNT_MAX, STRANGERS_MAX};
use tacite_model::{AccountId, DeviceId};
use tacite_router::DeviceKey;
use tacite_router::delivery::LinkId;
use tacite_wire::Frame;

use crate::company::Company;
use crate::queue::{Haste, Queue};

/// Links of one account at once; one more ends the oldest. A person's devices need one each, and one while they reconnect.
const LINKS_PER_ACCOUNT_MAX: usize = 2 * DEVICES_PER_ACCOUNT_MAX;

/// The registry.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// For frames that may wait a little.
    pub(crate) company: Arc<Company>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    last: u64,
    // Ordered, so that links of one session end in the same order in every run.
    links: BTreeMap<LinkId, Link>,
    by_account: HashMap<AccountId, Vec<(DeviceId, LinkId)>>,
    /// Links that nobody has signed in on. The oldest come first.
    strangers: BTreeSet<LinkId>,
}

#[derive(Debug)]
struct Link {
    queue: Queue,
    identity: Option<(DeviceKey, SessionId)>,
}

impl Link {
    fn device(&self) -> Option<DeviceKey> {
        self.identity.map(|(device, _)| device)
    }
}

impl Links {
    /// Adds a link; what its task is to do comes out of the queue. If too many links have not signed in, the oldest of them ends:
    /// it had the most time to do so.
    pub(crate) fn open(&self) -> (LinkId, Queue) {
        let queue = Queue::new(Arc::downgrade(&self.company));
        let mut table = self.lock();
        table.last += 1;
        let link = LinkId(table.last);
        table.links.insert(link, Link { queue: queue.clone(), identity: None });
        table.strangers.insert(link);
        let surplus = table.strangers.first().copied().filter(|_| table.strangers.len() > STRANGERS_MAX);
        drop(table);
        if let Some(oldest) = surplus {
            self.close(oldest);
        }
        (link, queue)
    }

    /// Says who is behind a link.
    pub(crate) fn sign_in(&self, link: LinkId, identity: &Identity) {
        let device = DeviceKey { account_id: identity.account_id, device_id: identity.device_id };
        let mut table = self.lock();
        let Some(entry) = table.links.get_mut(&link) else { return };
        let before = entry.identity.replace((device, identity.session_id)).map(|(device, _)| device);
        table.forget(link, before);
        let links = table.by_account.entry(device.account_id).or_default();
        links.push((device.device_id, link));
        let surplus = (links.len() > LINKS_PER_ACCOUNT_MAX).then(|| links[0].1);
        drop(table);
        if let Some(oldest) = surplus {
            self.close(oldest);
        }
    }

    /// Removes a link.
    pub(crate) fn remove(&self, link: LinkId) {
        let mut table = self.lock();
        let before = table.links.remove(&link).and_then(|entry| entry.device());
        table.forget(link, before);
    }

    /// Sends a frame over a link at once, if it is still there.
    pub(crate) fn push(&self, link: LinkId, frame: Frame) {
        self.push_with(link, frame, Haste::AtOnce);
    }

    /// Sends a frame over a link, if it is still there.
    pub(crate) fn push_with(&self, link: LinkId, frame: Frame, haste: Haste) {
        self.lock().push(link, frame, haste);
    }

    /// Sends the same frame over many.
    pub(crate) fn push_to_all(&self, links: impl IntoIterator<Item = LinkId>, frame: &Frame) {
        let mut table = self.lock();
        for link in links {
            table.push(link, frame.clone(), Haste::AtOnce);
        }
    }

    /// Ends a link; what was pushed before still goes out.
    pub(crate) fn close(&self, link: LinkId) {
        let mut table = self.lock();
        if let Some(entry) = table.links.remove(&link) {
            entry.queue.close();
            table.forget(link, entry.device());
        }
    }

    /// Ends every link of a device but one.
    pub(crate) fn close_device(&self, device: DeviceKey, except: LinkId) {
        for (device_id, link) in self.of_account(device.account_id) {
            if device_id == device.device_id && link != except {
                self.close(link);
            }
        }
    }

    /// Ends every link of a session.
    pub(crate) fn close_session(&self, session: SessionId) {
        let of_session = |link: &Link| link.identity.is_some_and(|(_, other)| other == session);
        let links: Vec<LinkId> =
            self.lock().links.iter().filter(|(_, link)| of_session(link)).map(|(id, _)| *id).collect();
        for link in links {
            self.close(link);
        }
    }

    /// The links of an account's devices.
    pub(crate) fn of_account(&self, account: AccountId) -> Vec<(DeviceId, LinkId)> {
        self.lock().by_account.get(&account).cloned().unwrap_or_default()
    }

    /// How many links are open.
    pub(crate) fn count(&self) -> usize {
        self.lock().links.len()
    }

    /// All links, to end them.
    pub(crate) fn all(&self) -> Vec<LinkId> {
        self.lock().links.keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn push(&mut self, link: LinkId, frame: Frame, haste: Haste) {
        let Some(entry) = self.links.get(&link) else { return };
        if !entry.queue.push(frame, haste) {
            let before = self.links.remove(&link).and_then(|entry| entry.device());
            self.forget(link, before);
        }
    }

    fn forget(&mut self, link: LinkId, device: Option<DeviceKey>) {
        self.strangers.remove(&link);
        let Some(device) = device else { return };
        if let Some(links) = self.by_account.get_mut(&device.account_id) {
            links.retain(|(_, other)| *other != link);
            if links.is_empty() {
                self.by_account.remove(&device.account_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tacite_model::limits::LINK_QUEUE_FRAMES_MAX;
    use tacite_model::{MessageId, Timestamp};
    use tacite_wire::{Opcode, proto};

    use super::*;
    use crate::queue::End;

    fn frame() -> Frame {
        let id = MessageId::from_bytes([1; 16]);
        Frame::command(Opcode::LEVEL, id, Timestamp::from_ms(1), &proto::Empty {}).unwrap()
    }

    fn bob() -> Identity {
        Identity {
            account_id: AccountId::from_bytes([0xB0; 16]),
            device_id: DeviceId::FIRST,
            session_id: SessionId([1; 16]),
            scopes: tacite_accounts::Scopes::DEVICE,
            expires_at: Timestamp::from_ms(1),
        }
    }

    #[test]
    fn a_link_is_found_by_account_until_it_is_removed() {
        let links = Links::default();
        let (link, _orders) = links.open();
        links.sign_in(link, &bob());
        assert_eq!(links.of_account(bob().account_id), [(DeviceId::FIRST, link)]);
        links.remove(link);
        assert_eq!(links.of_account(bob().account_id), []);
        assert_eq!(links.count(), 0);
    }

    #[test]
    fn the_links_of_an_ended_session_are_closed_and_no_others() {
        let links = Links::default();
        let ((one, _orders), (other, _other_orders)) = (links.open(), links.open());
        links.sign_in(one, &bob());
        links.sign_in(other, &Identity { session_id: SessionId([2; 16]), ..bob() });
        links.close_session(SessionId([1; 16]));
        assert_eq!(links.all(), [other]);
    }

    // T68: whoever has one account cannot take the places of all.
    #[test]
    fn an_account_has_so_many_links_and_one_more_ends_the_oldest() {
        let links = Links::default();
        let open = || {
            let (link, _orders) = links.open();
            links.sign_in(link, &bob());
            link
        };
        let oldest = open();
        let others: Vec<_> = (1..LINKS_PER_ACCOUNT_MAX).map(|_| open()).collect();
        assert_eq!(links.count(), LINKS_PER_ACCOUNT_MAX);
        let newest = open();
        assert_eq!(links.count(), LINKS_PER_ACCOUNT_MAX);
        assert!(!links.all().contains(&oldest));
        assert!(links.all().contains(&newest) && others.iter().all(|link| links.all().contains(link)));
    }

    // T68: half-open links cannot take the places of those who sign in.
    #[test]
    fn t68_so_many_strangers_wait_and_one_more_ends_the_oldest() {
        let links = Links::default();
        let (signed_in, _orders) = links.open();
        links.sign_in(signed_in, &bob());
        let strangers: Vec<_> = (0..STRANGERS_MAX).map(|_| links.open()).collect();
        assert_eq!(links.count(), STRANGERS_MAX + 1);
        assert_eq!(strangers[0].1.end(), None);
        let (newest, _newest_orders) = links.open();
        assert_eq!(links.count(), STRANGERS_MAX + 1);
        assert_eq!(strangers[0].1.end(), Some(End::Asked));
        let left = links.all();
        assert!(left.contains(&newest) && left.contains(&signed_in) && !left.contains(&strangers[0].0));
        // Whoever signs in or leaves makes room.
        links.sign_in(strangers[1].0, &bob());
        links.remove(strangers[2].0);
        let _more = (links.open(), links.open());
        assert_eq!(links.count(), STRANGERS_MAX + 2);
        assert!(links.all().contains(&strangers[3].0));
    }

    #[test]
    fn a_link_that_does_not_keep_up_is_closed() {
        let links = Links::default();
        let (link, queue) = links.open();
        for _ in 0..LINK_QUEUE_FRAMES_MAX {
            links.push(link, frame());
        }
        assert_eq!(links.count(), 1);
        links.push(link, frame());
        assert_eq!(links.count(), 0);
        for _ in 0..LINK_QUEUE_FRAMES_MAX {
            assert!(queue.take().is_some());
        }
        assert_eq!((queue.take(), queue.end()), (None, Some(End::Overrun)));
    }
}
