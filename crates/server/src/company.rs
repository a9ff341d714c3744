//! Frames that wait for company: which may ([`haste`]), how many are enough, and their clock. There is one for all links: each
//! link's own timer would have to be earlier than the one before, and each of those wakes the thread that sleeps for timers.
//!
//! Invariant: a queue that was added is called 40 to 45 ms later, by a clock of milliseconds, as long as [`Company::run`] runs.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tacite_wire::{Code, Header, Opcode};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::queue::{Haste, Queue};

/// Short, so that few links have their frames written at the same tick: what is pushed just then waits for them.
const TICK: Duration = Duration::from_millis(5);
/// A frame that waits for company leaves after so many ticks, 40 to 45 ms: writing is the dearest part of a frame's way. Nobody
/// sees so little of what only tells how far a message is, and a sender has others to send meanwhile.
const COMPANY_TICKS: usize = 9;
/// So many frames are company enough: who sends many at once waits for answers.
pub(crate) const COMPANY_FRAMES: usize = 16;

/// Whether somebody waits for an answer. Nobody does if it says of a command that it was taken, or how far a message is; but in
/// split mode the next message goes only when the one before is taken.
pub(crate) fn haste(answer: &Header, is_split: bool) -> Haste {
    match (answer.opcode, answer.code) {
        (Opcode::SEND_DIRECT, Code::TAKEN) if !is_split => Haste::InCompany,
        (Opcode::SEND_DIRECT | Opcode::ACKNOWLEDGE | Opcode::MARK_READ | Opcode::SET_TYPING, Code::DONE) => {
            Haste::InCompany
        }
        _ => Haste::AtOnce,
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Company {
    queues: Mutex<Queues>,
    /// A queue was added when there was none.
    began: Notify,
}

#[derive(Debug, Default)]
struct Queues {
    /// What is to be called at each of the next ticks: the next one is at `next`, the others follow and go round.
    ticks: [Vec<Queue>; COMPANY_TICKS],
    next: usize,
    count: usize,
}

impl Company {
    /// Calls a queue later.
    pub(crate) fn add(&self, queue: Queue) {
        let mut queues = self.lock();
        let last = (queues.next + COMPANY_TICKS - 1) % COMPANY_TICKS;
        queues.ticks[last].push(queue);
        queues.count += 1;
        if queues.count == 1 {
            drop(queues);
            self.began.notify_one();
        }
    }

    /// Ticks while some queue waits, until told to stop.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        let mut clock = interval(TICK);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ticking = async {
            loop {
                clock.reset();
                while self.lock().count > 0 {
                    clock.tick().await;
                    let due = self.lock().tick();
                    for queue in due {
                        queue.hurry();
                    }
                }
                self.began.notified().await;
            }
        };
        let _: Option<()> = stop.run_until_cancelled(ticking).await;
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    fn tick(&mut self) -> Vec<Queue> {
        let due = std::mem::take(&mut self.ticks[self.next]);
        self.next = (self.next + 1) % COMPANY_TICKS;
        self.count -= due.len();
        due
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tacite_model::{MessageId, Timestamp};
    use tacite_wire::{Frame, Status, proto};
    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    fn answer(opcode: Opcode, code: Code) -> Frame {
        let (id, now) = (MessageId::from_bytes([1; 16]), Timestamp::from_ms(1));
        let command = Frame::command(opcode, id, now, &proto::Empty {}).unwrap();
        Frame::answer(&command.header, Status::FINISHED, code, now, &proto::Empty {}).unwrap()
    }

    #[test]
    fn what_somebody_waits_for_leaves_at_once() {
        let hastes =
            |opcode, code| [false, true].map(|is_split| haste(&answer(opcode, code).header, is_split));
        assert_eq!(hastes(Opcode::SEND_DIRECT, Code::TAKEN), [Haste::InCompany, Haste::AtOnce]);
        assert_eq!(hastes(Opcode::SEND_DIRECT, Code::DONE), [Haste::InCompany; 2]);
        assert_eq!(hastes(Opcode::ACKNOWLEDGE, Code::DONE), [Haste::InCompany; 2]);
        assert_eq!(hastes(Opcode::SEND_DIRECT, Code::BODY_MISSING), [Haste::AtOnce; 2]);
        assert_eq!(hastes(Opcode::REQUEST_UPLOADS, Code::DONE), [Haste::AtOnce; 2]);
    }

    #[test]
    fn a_company_that_ends_is_not_held_by_whom_it_was_to_call() {
        let company = Arc::new(Company::default());
        let queue = Queue::new(Arc::downgrade(&company));
        queue.push(answer(Opcode::ACKNOWLEDGE, Code::DONE), Haste::InCompany);
        assert_eq!(company.lock().count, 1);
        let held = Arc::downgrade(&company);
        drop((company, queue));
        assert!(held.upgrade().is_none());
    }

    // The clock is paused: it moves to the next thing that somebody waits for.
    #[tokio::test(start_paused = true)]
    async fn what_waits_for_company_is_called_in_time_and_for_nobody_it_ticks() {
        let company = Arc::new(Company::default());
        let stop = CancellationToken::new();
        let running = tokio::spawn({
            let (company, stop) = (Arc::clone(&company), stop.clone());
            async move { company.run(&stop).await }
        });
        let wait = TICK * u32::try_from(COMPANY_TICKS).unwrap();
        let push = |queue: &Queue| queue.push(answer(Opcode::ACKNOWLEDGE, Code::DONE), Haste::InCompany);
        for _again in 0..3 {
            let started = Instant::now();
            let [first, second] = [(); 2].map(|()| Queue::new(Arc::downgrade(&company)));
            push(&first);
            sleep(TICK + Duration::from_millis(1)).await;
            push(&second);
            first.called().await;
            assert_eq!(started.elapsed(), wait);
            assert!(timeout(Duration::ZERO, second.called()).await.is_err());
            second.called().await;
            assert_eq!(started.elapsed(), wait + TICK);
        }
        // Nobody waits any more.
        let place = || {
            let queues = company.lock();
            (queues.next, queues.count)
        };
        let (next, _) = place();
        sleep(10 * TICK).await;
        assert_eq!(place(), (next, 0));
        stop.cancel();
        running.await.unwrap();
    }
}
