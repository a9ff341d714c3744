//! Where a writer's answers are given: in a task of the runtime in which the database was opened. The writer wakes that one,
//! instead of each task that waits for a job: from another thread every waking is a system call.
//!
//! Invariant: what is given is dropped, and so answered, whatever becomes of the runtime meanwhile. A channel of tokio does not
//! promise that: what is sent while its receiver ends may lie in it until the last sender goes.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::Notify;

/// Drops what it is given in the runtime in which it was made; where there is none, or no more, in the thread that gives.
pub(crate) struct Answers<G>(Option<Arc<Tray<G>>>);

impl<G: Send + 'static> Answers<G> {
    pub(crate) fn of_this_runtime() -> Self {
        let Ok(runtime) = Handle::try_current() else { return Self(None) };
        let tray = Arc::new(Tray { waiting: Mutex::new(Some(Vec::new())), filled: Notify::new() });
        runtime.spawn(Taker(Arc::clone(&tray)).run());
        Self(Some(tray))
    }

    pub(crate) fn give(&self, group: G) {
        let Some(tray) = &self.0 else { return };
        let mut waiting = tray.waiting();
        // Without a taker the group is dropped below, when nothing is locked any more.
        let Some(groups) = waiting.as_mut() else { return };
        groups.push(group);
        drop(waiting);
        tray.filled.notify_one();
    }
}

impl<G> Drop for Answers<G> {
    fn drop(&mut self) {
        if let Some(tray) = &self.0 {
            tray.end();
        }
    }
}

/// What waits to be dropped by the task; `None` once the writer or the task has ended.
struct Tray<G> {
    waiting: Mutex<Option<Vec<G>>>,
    filled: Notify,
}

impl<G> Tray<G> {
    fn waiting(&self) -> MutexGuard<'_, Option<Vec<G>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        let last = self.waiting().take();
        drop(last);
        self.filled.notify_one();
    }
}

/// The task's end of a tray. It is dropped with the task: at its end, and when its runtime ends before.
struct Taker<G>(Arc<Tray<G>>);

impl<G> Taker<G> {
    async fn run(self) {
        // The two lists change places, so that neither is allocated anew.
        let mut taken = Vec::new();
        loop {
            self.0.filled.notified().await;
            match self.0.waiting().as_mut() {
                Some(groups) => mem::swap(groups, &mut taken),
                None => return,
            }
            taken.clear();
        }
    }
}

impl<G> Drop for Taker<G> {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};

    use tokio::runtime::{Builder, Runtime};

    use super::Answers;

    /// Rounds in which the end of a runtime meets what is given.
    const MEETINGS: usize = 20_000;

    struct Group(Arc<AtomicUsize>);

    impl Drop for Group {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn runtime() -> Runtime {
        Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn what_is_given_while_the_runtime_ends_is_answered() {
        for meeting in 0..MEETINGS {
            let runtime = runtime();
            let answers = runtime.block_on(async { Answers::of_this_runtime() });
            let (answered, both) = (Arc::new(AtomicUsize::new(0)), Barrier::new(2));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    both.wait();
                    answers.give(Group(Arc::clone(&answered)));
                });
                both.wait();
                for _ in 0..meeting % 64 {
                    std::hint::spin_loop();
                }
                drop(runtime);
            });
            assert_eq!(answered.load(Ordering::SeqCst), 1, "meeting {meeting}");
        }
    }
}
