//! What waits to be sent over one link: the rest of the server pushes, the link's task takes.
//!
//! Invariants: pushing never waits; what was pushed comes out in its order and before the end, but for what is told by a later
//! frame too; at most
//! [`LINK_QUEUE_FRAMES_MAX`] frames wait; a queue in which nothing waits holds next to no memory, because most links are idle most
//! of the time (a channel would keep places for dozens of frames). What may wait for company ([`crate::company`]) wakes the
//! link's task when there is enough, or after a while; before, it wakes nobody.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use tacite_model::limits::LINK_QUEUE_FRAMES_MAX;
use tacite_wire::{Frame, Opcode, Status};

use crate::company::{COMPANY_FRAMES, Company};

/// When a frame is to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Haste {
    /// At once, and with it what waits before it.
    AtOnce,
    /// With others, or a little later.
    InCompany,
}

/// Why a link ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The server wants it so.
    Asked,
    /// It does not keep up.
    Overrun,
}

/// See the module. Clones are the same queue.
#[derive(Debug, Clone)]
pub(crate) struct Queue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// It holds the queues that it is to call.
    company: Weak<Company>,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Frame>,
    /// Something among the frames is to leave at once, or they are company enough.
    is_due: bool,
    /// [`Company`] will call.
    lingers: bool,
    end: Option<End>,
    /// Of the link's task, while it waits.
    waker: Option<Waker>,
}

impl Queue {
    /// An empty queue whose frames may wait for this company.
    pub(crate) fn new(company: Weak<Company>) -> Self {
        Self(Arc::new(Shared { waiting: Mutex::default(), company }))
    }

    /// Adds a frame; false if there is no room, which ends the queue.
    pub(crate) fn push(&self, frame: Frame, haste: Haste) -> bool {
        let mut waiting = self.lock();
        let has_room = waiting.frames.len() < LINK_QUEUE_FRAMES_MAX;
        if has_room {
            waiting.add(frame, haste);
        } else {
            waiting.end.get_or_insert(End::Overrun);
        }
        if waiting.is_called() {
            wake(waiting);
        } else if !std::mem::replace(&mut waiting.lingers, true) {
            drop(waiting);
            if let Some(company) = self.0.company.upgrade() {
                company.add(self.clone());
            }
        }
        has_room
    }

    /// What waits for company has waited long enough.
    pub(crate) fn hurry(&self) {
        let mut waiting = self.lock();
        waiting.lingers = false;
        waiting.is_due |= !waiting.frames.is_empty();
        if waiting.is_due {
            wake(waiting);
        }
    }

    /// Ends the queue after what was pushed.
    pub(crate) fn close(&self) {
        let mut waiting = self.lock();
        waiting.end.get_or_insert(End::Asked);
        wake(waiting);
    }

    /// Comes when something is to be sent now, or the link is to end. May be dropped while it waits; nothing is lost.
    pub(crate) async fn called(&self) {
        poll_fn(|context| self.poll(context)).await;
    }

    /// The next frame, whether or not it may wait.
    pub(crate) fn take(&self) -> Option<Frame> {
        self.lock().take()
    }

    /// Whether the link is to end once nothing waits, and why.
    pub(crate) fn end(&self) -> Option<End> {
        self.lock().end
    }

    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        let mut waiting = self.lock();
        if waiting.is_called() {
            return Poll::Ready(());
        }
        let is_known = waiting.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker()));
        if !is_known {
            waiting.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn add(&mut self, frame: Frame, haste: Haste) {
        if let Some(at) = self.superseded_by(&frame) {
            self.frames.remove(at);
        }
        self.frames.push_back(frame);
        self.is_due |= haste == Haste::AtOnce || self.frames.len() >= COMPANY_FRAMES;
    }

    /// Where it waits that a message was taken, when it is known what became of it: its sender need not hear both. (Of a message
    /// that was refused in the end she does: it keeps its place in the order. And she hears in time what was taken before another
    /// was refused.)
    fn superseded_by(&self, frame: &Frame) -> Option<usize> {
        let last = &frame.header;
        if (last.opcode, last.status) != (Opcode::SEND_DIRECT, Status::FINISHED) {
            return None;
        }
        let nearest = self.frames.len().saturating_sub(COMPANY_FRAMES);
        for at in (nearest..self.frames.len()).rev() {
            let before = &self.frames[at].header;
            match (before.opcode, before.status) {
                (Opcode::SEND_DIRECT, Status::ERROR) => break,
                (Opcode::SEND_DIRECT, Status::IN_PROGRESS) if before.message_id == last.message_id => {
                    return Some(at);
                }
                _ => {}
            }
        }
        None
    }

    fn is_called(&self) -> bool {
        self.is_due || self.end.is_some()
    }

    fn take(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front();
        if self.frames.is_empty() {
            self.frames = VecDeque::new();
            self.is_due = false;
        }
        frame
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
    use tacite_wire::{Code, proto};
    use tokio::time::timeout;

    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1);

    /// In a company that does not tick.
    fn queue() -> Queue {
        Queue::new(Weak::new())
    }

    fn id(number: u8) -> MessageId {
        MessageId::from_bytes([number; 16])
    }

    fn frame(number: u8) -> Frame {
        Frame::command(Opcode::LEVEL, id(number), NOW, &proto::Empty {}).unwrap()
    }

    /// What the sender of a message hears.
    fn answer(number: u8, status: Status, code: Code) -> Frame {
        let sent = Frame::command(Opcode::SEND_DIRECT, id(number), NOW, &proto::Empty {}).unwrap();
        Frame::answer(&sent.header, status, code, NOW, &proto::Empty {}).unwrap()
    }

    fn taken(number: u8) -> Frame {
        answer(number, Status::IN_PROGRESS, Code::TAKEN)
    }

    fn done(number: u8) -> Frame {
        answer(number, Status::FINISHED, Code::DONE)
    }

    fn number(frame: Option<Frame>) -> Option<u8> {
        frame.map(|frame| frame.header.message_id.as_bytes()[0])
    }

    fn rest(queue: &Queue) -> Vec<(u8, Code)> {
        let frames = std::iter::from_fn(|| queue.take());
        frames.map(|frame| (frame.header.message_id.as_bytes()[0], frame.header.code)).collect()
    }

    /// Whether the link's task would be called now.
    async fn is_called(queue: &Queue) -> bool {
        timeout(Duration::ZERO, queue.called()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_pushed_comes_in_order_and_before_the_end() {
        let queue = queue();
        assert!(queue.push(frame(1), Haste::AtOnce) && queue.push(frame(2), Haste::InCompany));
        queue.close();
        assert_eq!([number(queue.take()), number(queue.take())], [Some(1), Some(2)]);
        assert_eq!((queue.take(), queue.end()), (None, Some(End::Asked)));
        assert!(is_called(&queue).await, "the end stays");
    }

    #[test]
    fn so_many_wait_and_one_more_ends_the_queue_behind_them() {
        let queue = queue();
        assert!((0..LINK_QUEUE_FRAMES_MAX).all(|_| queue.push(frame(1), Haste::AtOnce)));
        assert_eq!(queue.end(), None);
        assert!(!queue.push(frame(2), Haste::AtOnce));
        assert!((0..LINK_QUEUE_FRAMES_MAX).all(|_| number(queue.take()) == Some(1)));
        assert_eq!((queue.take(), queue.end()), (None, Some(End::Overrun)));
    }

    #[test]
    fn an_empty_queue_keeps_no_places() {
        let queue = queue();
        for number in 0..100 {
            queue.push(frame(number), Haste::AtOnce);
        }
        assert!(queue.lock().frames.capacity() >= 100);
        while queue.take().is_some() {}
        assert_eq!(queue.lock().frames.capacity(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_wait_calls_when_there_is_enough_or_after_a_while() {
        let queue = queue();
        let push = || queue.push(frame(0), Haste::InCompany);
        for _again in 0..2 {
            for number in 1..COMPANY_FRAMES {
                push();
                assert!(!is_called(&queue).await, "{number}");
            }
            push();
            assert!(is_called(&queue).await);
            assert_eq!(rest(&queue).len(), COMPANY_FRAMES);
            queue.hurry();
            assert!(!is_called(&queue).await, "nothing waits");
            push();
            queue.hurry();
            assert!(is_called(&queue).await);
            assert_eq!(rest(&queue).len(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_not_wait_takes_along_what_does() {
        let queue = queue();
        queue.push(frame(1), Haste::InCompany);
        queue.push(frame(2), Haste::AtOnce);
        queue.push(frame(3), Haste::InCompany);
        assert!(is_called(&queue).await);
        assert_eq!(rest(&queue).len(), 3);
        assert!(!is_called(&queue).await);
    }

    #[test]
    fn who_hears_what_became_of_a_message_need_not_hear_that_it_was_taken() {
        let queue = queue();
        for frame in [taken(1), taken(2), frame(1), done(1)] {
            queue.push(frame, Haste::InCompany);
        }
        assert_eq!(rest(&queue), [(2, Code::TAKEN), (1, Code::NONE), (1, Code::DONE)]);
    }

    // Where it stood in the order decides what goes again first.
    #[test]
    fn of_a_refused_message_it_is_told_that_it_was_taken() {
        let queue = queue();
        let refused = answer(1, Status::ERROR, Code::STORAGE_FULL);
        queue.push(taken(1), Haste::InCompany);
        queue.push(refused, Haste::AtOnce);
        assert_eq!(rest(&queue), [(1, Code::TAKEN), (1, Code::STORAGE_FULL)]);
    }

    // What was taken before another was refused was not refused with that.
    #[test]
    fn it_is_told_what_was_taken_before_another_was_refused() {
        let queue = queue();
        queue.push(taken(1), Haste::InCompany);
        queue.push(taken(2), Haste::InCompany);
        queue.push(answer(1, Status::ERROR, Code::STORAGE_FULL), Haste::AtOnce);
        queue.push(taken(3), Haste::InCompany);
        queue.push(done(2), Haste::InCompany);
        queue.push(done(3), Haste::InCompany);
        let expected =
            [(1, Code::TAKEN), (2, Code::TAKEN), (1, Code::STORAGE_FULL), (2, Code::DONE), (3, Code::DONE)];
        assert_eq!(rest(&queue), expected);
    }

    // The clock is paused: whoever is not woken makes it jump.
    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_woken_also_after_it_gave_up_once() {
        let queue = queue();
        assert!(!is_called(&queue).await);
        let wait = || {
            let queue = queue.clone();
            timeout(Duration::from_secs(1), tokio::spawn(async move { queue.called().await }))
        };
        let waits = wait();
        tokio::task::yield_now().await;
        queue.push(frame(7), Haste::AtOnce);
        waits.await.unwrap().unwrap();
        assert_eq!(number(queue.take()), Some(7));
        let waits = wait();
        tokio::task::yield_now().await;
        queue.push(frame(8), Haste::InCompany);
        queue.hurry();
        waits.await.unwrap().unwrap();
        assert_eq!(number(queue.take()), Some(8));
        let waits = wait();
        tokio::task::yield_now().await;
        queue.close();
        waits.await.unwrap().unwrap();
    }
}
