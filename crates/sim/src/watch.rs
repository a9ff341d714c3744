//! Watches over a world from outside: panics and ERROR lines are faults of ours, wherever they happen.
//!
//! Invariant: worlds of other threads are not looked at.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::Report;

thread_local! {
    /// The panics of this thread's world; `None`: there is no world.
    static PANICS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Lets a world happen; what it did wrong besides is added to its report.
pub(crate) fn over(happen: impl FnOnce() -> Result<Report, String>) -> Report {
    note_panics();
    PANICS.set(Some(Vec::new()));
    let errors = Errors::default();
    let lines = Arc::clone(&errors.lines);
    let outcome = catch_unwind(AssertUnwindSafe(|| tracing::subscriber::with_default(errors, happen)));
    let mut report = match outcome {
        Ok(Ok(report)) => report,
        Ok(Err(what)) => broken(vec![what]),
        Err(_) => broken(Vec::new()),
    };
    report.wrong.extend(PANICS.take().unwrap_or_default());
    report.wrong.append(&mut lines.lock().unwrap_or_else(PoisonError::into_inner));
    report
}

fn broken(wrong: Vec<String>) -> Report {
    Report { messages: 0, faults: 0, wrong, trace_sum: 0, ms: 0 }
}

/// Panics of tasks are caught by the runtime: only the hook sees them all.
fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let noted = PANICS.with_borrow_mut(|panics| {
                panics.as_mut().map(|panics| panics.push(format!("panic: {panic}"))).is_some()
            });
            if !noted {
                before(panic);
            }
        }));
    });
}

/// Collects ERROR lines.
#[derive(Default)]
struct Errors {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Subscriber for Errors {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::from("ERROR line:"));
        event.record(&mut line);
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string does not fail.
        let _ = std::fmt::write(&mut self.0, format_args!(" {}={value:?}", field.name()));
    }
}
