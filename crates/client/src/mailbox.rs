//! Events on their way to a view that may read them late, or never.
//!
//! Invariants: at most [`EVENTS_MAX`] wait; which messages have come is never lost, because the vault knows which ones were
//! not shown: those that had no room here are told again from there.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tacite_core::Event;
use tokio::sync::Notify;

/// Events that may wait for their reader.
const EVENTS_MAX: usize = 4096;

/// Events between the engine and one reader.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    queue: Mutex<Queue>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    /// Messages came that had no room.
    missed: bool,
    /// Nothing will come any more.
    ended: bool,
}

/// What a reader finds.
#[derive(Debug)]
pub(crate) enum Found {
    Event(Event),
    /// Everything that waited was read, and messages came that had no room.
    Missed,
    /// Nothing will come any more.
    End,
}

impl Mailbox {
    /// Puts an event in. If there is no room, a message makes room: the vault holds it.
    pub(crate) fn put(&self, event: Event) {
        let mut queue = self.queue();
        if queue.events.len() < EVENTS_MAX {
            queue.events.push_back(event);
        } else if is_message(&event) {
            queue.missed = true;
        } else {
            let oldest_message = queue.events.iter().position(is_message);
            queue.missed |= oldest_message.is_some();
            if queue.events.remove(oldest_message.unwrap_or(0)).is_some() && oldest_message.is_none() {
                tracing::warn!("a view that does not read its events misses some");
            }
            queue.events.push_back(event);
        }
        drop(queue);
        self.news.notify_one();
    }

    /// Puts messages in that had no room before.
    pub(crate) fn put_missed(&self, events: impl Iterator<Item = Event>) {
        events.for_each(|event| self.put(event));
    }

    /// Nothing will come any more.
    pub(crate) fn end(&self) {
        self.queue().ended = true;
        self.news.notify_one();
    }

    /// The next event. Cancelling loses nothing.
    pub(crate) async fn take(&self) -> Found {
        loop {
            if let Some(found) = self.queue().take() {
                return found;
            }
            self.news.notified().await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn take(&mut self) -> Option<Found> {
        if let Some(event) = self.events.pop_front() {
            return Some(Found::Event(event));
        }
        if self.ended {
            return Some(Found::End);
        }
        std::mem::take(&mut self.missed).then_some(Found::Missed)
    }
}

const fn is_message(event: &Event) -> bool {
    matches!(event, Event::MessageReceived(_))
}

#[cfg(test)]
mod tests {
    use tacite_core::LinkStatus;

    use super::*;

    const LINK: Event = Event::Link(LinkStatus::Online);

    fn full_of(event: &dyn Fn(u64) -> Event) -> Mailbox {
        let mailbox = Mailbox::default();
        for number in 0..EVENTS_MAX as u64 {
            mailbox.put(event(number));
        }
        mailbox
    }

    fn message(number: u64) -> Event {
        let mut vault = tacite_core::Vault::open_in_memory().unwrap();
        let tx = vault.transaction().unwrap();
        crate::shown::tests::befriend(&tx, 1, "bob");
        crate::shown::tests::add(&tx, 1, number, number, false);
        let mut unshown = crate::shown::unshown(&tx).unwrap();
        Event::MessageReceived(unshown.remove(0))
    }

    fn drain(mailbox: &Mailbox) -> (usize, bool) {
        let mut count = 0;
        loop {
            match mailbox.queue().take() {
                Some(Found::Event(_)) => count += 1,
                Some(Found::Missed) => return (count, true),
                Some(Found::End) | None => return (count, false),
            }
        }
    }

    #[test]
    fn as_many_as_allowed_wait_and_one_more_makes_room() {
        let mailbox = full_of(&|_| LINK);
        assert_eq!(drain(&mailbox), (EVENTS_MAX, false));
        let mailbox = full_of(&|_| LINK);
        mailbox.put(LINK);
        assert_eq!(drain(&mailbox), (EVENTS_MAX, false));
    }

    #[test]
    fn a_message_without_room_is_remembered_as_missed() {
        let (first, more) = (message(1), message(2));
        let mailbox = full_of(&|_| first.clone());
        mailbox.put(more);
        assert_eq!(drain(&mailbox), (EVENTS_MAX, true));
        let mailbox = full_of(&|_| first.clone());
        mailbox.put(LINK);
        assert_eq!(drain(&mailbox), (EVENTS_MAX, true));
    }

    #[tokio::test]
    async fn the_end_comes_last() {
        let mailbox = Mailbox::default();
        mailbox.put(LINK);
        mailbox.end();
        assert!(matches!(mailbox.take().await, Found::Event(Event::Link(LinkStatus::Online))));
        assert!(matches!(mailbox.take().await, Found::End));
    }
}
