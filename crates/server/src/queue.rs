//! What waits to be sent over one link: the rest of the server pushes, the link's task takes.
//!
//! Invariants: pushing never waits; what was pushed comes out in its order and before the end; at most
//! [`LINK_QUEUE_FRAMES_MAX`] frames wait; a queue in which nothing waits holds next to no memory, because most links are idle most
//! of the time (a channel would keep places for dozens of frames).

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tacite_model::limits::LINK_QUEUE_FRAMES_MAX;
use tacite_wire::Frame;

/// What a link's task is to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Send this.
    Push(Frame),
    /// End the link: the server wants it so.
    Close,
    /// End the link: it does not keep up.
    Overrun,
}

/// See the module. Clones are the same queue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Frame>,
    end: Option<End>,
    /// Of the link's task, while it waits.
    waker: Option<Waker>,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Asked,
    Overrun,
}

impl Queue {
    /// Adds a frame; false if there is no room, which ends the queue.
    pub(crate) fn push(&self, frame: Frame) -> bool {
        let mut waiting = self.lock();
        let has_room = waiting.frames.len() < LINK_QUEUE_FRAMES_MAX;
        if has_room {
            waiting.frames.push_back(frame);
        } else {
            waiting.end.get_or_insert(End::Overrun);
        }
        wake(waiting);
        has_room
    }

    /// Ends the queue after what was pushed.
    pub(crate) fn close(&self) {
        let mut waiting = self.lock();
        waiting.end.get_or_insert(End::Asked);
        wake(waiting);
    }

    /// The next order. May be dropped while it waits; nothing is lost.
    pub(crate) async fn next(&self) -> Order {
        poll_fn(|context| self.poll(context)).await
    }

    /// The next order, if there is one.
    pub(crate) fn try_next(&self) -> Option<Order> {
        self.lock().take()
    }

    fn poll(&self, context: &Context<'_>) -> Poll<Order> {
        let mut waiting = self.lock();
        if let Some(order) = waiting.take() {
            return Poll::Ready(order);
        }
        let is_known = waiting.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker()));
        if !is_known {
            waiting.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self) -> Option<Order> {
        let Some(frame) = self.frames.pop_front() else {
            return self.end.map(|end| match end {
                End::Asked => Order::Close,
                End::Overrun => Order::Overrun,
            });
        };
        if self.frames.is_empty() {
            self.frames = VecDeque::new();
        }
        Some(Order::Push(frame))
    }
}

/// Wakes the link's task, after the lock is given back.
fn wake(mut waiting: MutexGuard<'_, Waiting>) {
    let waker = waiting.waker.take();
    drop(waiting);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tacite_model::{MessageId, Timestamp};
    use tacite_wire::{Opcode, proto};
    use tokio::time::timeout;

    use super::*;

    fn frame(number: u8) -> Frame {
        let id = MessageId::from_bytes([number; 16]);
        Frame::command(Opcode::LEVEL, id, Timestamp::from_ms(1), &proto::Empty {}).unwrap()
    }

    fn number(order: Option<Order>) -> Option<u8> {
        match order {
            Some(Order::Push(frame)) => Some(frame.header.message_id.as_bytes()[0]),
            _ => None,
        }
    }

    #[test]
    fn what_was_pushed_comes_in_order_and_before_the_end() {
        let queue = Queue::default();
        assert!(queue.push(frame(1)) && queue.push(frame(2)));
        queue.close();
        assert_eq!([number(queue.try_next()), number(queue.try_next())], [Some(1), Some(2)]);
        assert!(matches!(queue.try_next(), Some(Order::Close)));
        assert!(matches!(queue.try_next(), Some(Order::Close)), "the end stays");
    }

    #[test]
    fn so_many_wait_and_one_more_ends_the_queue_behind_them() {
        let queue = Queue::default();
        assert!((0..LINK_QUEUE_FRAMES_MAX).all(|_| queue.push(frame(1))));
        assert!(!queue.push(frame(2)));
        assert!((0..LINK_QUEUE_FRAMES_MAX).all(|_| number(queue.try_next()) == Some(1)));
        assert!(matches!(queue.try_next(), Some(Order::Overrun)));
    }

    #[test]
    fn an_empty_queue_keeps_no_places() {
        let queue = Queue::default();
        for number in 0..100 {
            queue.push(frame(number));
        }
        assert!(queue.lock().frames.capacity() >= 100);
        while queue.try_next().is_some() {}
        assert_eq!(queue.lock().frames.capacity(), 0);
    }

    // The clock is paused: whoever is not woken makes it jump.
    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_woken_also_after_it_gave_up_once() {
        let queue = Queue::default();
        assert!(timeout(Duration::ZERO, queue.next()).await.is_err());
        let wait = || {
            let queue = queue.clone();
            timeout(Duration::from_secs(1), tokio::spawn(async move { queue.next().await }))
        };
        let waits = wait();
        tokio::task::yield_now().await;
        queue.push(frame(7));
        let first = waits.await.unwrap().unwrap();
        let waits = wait();
        tokio::task::yield_now().await;
        queue.close();
        let second = waits.await.unwrap().unwrap();
        assert_eq!(number(Some(first)), Some(7));
        assert!(matches!(second, Order::Close));
    }
}
