//! Sends at a fixed rate, from a thread of its own, so that the generator's other work does not delay it.
//!
//! Invariant: a message is stamped with the time it was due, so that a stall counts in full.

use std::time::Duration;

use nix::sys::prctl::set_timerslack;

use super::pairs::message;
use crate::load::connection::Handle;
use crate::load::counter::Counter;
use crate::load::figures::number;
use crate::load::payload::now_ns;

/// Sends `per_second` for `seconds`, to each sender in turn; gives how late each message left, in nanoseconds.
pub(super) fn pace(senders: &[Handle], per_second: f64, seconds: f64, sent: &Counter) -> Vec<u64> {
    // Sleep to the microsecond, not to the usual 50. Where the kernel does not know this, the lag tells.
    let _ = set_timerslack(1);
    let start_ns = now_ns();
    let mut lags_ns = Vec::new();
    for number in 0_u32.. {
        for (sender, source) in senders.iter().zip((0..).step_by(2)) {
            let after = lags_ns.len() as u64;
            let Some(due_ns) = due_ns(after, per_second, seconds) else { return lags_ns };
            let due_ns = start_ns + due_ns;
            if let Some(wait_ns) = due_ns.checked_sub(now_ns()) {
                std::thread::sleep(Duration::from_nanos(wait_ns));
            }
            lags_ns.push(now_ns().saturating_sub(due_ns));
            sent.add(1);
            sender.order(message(source, number, Some(due_ns)));
        }
    }
    lags_ns
}

/// When the message after `after` others is due, in nanoseconds from the start; `None` when the time is over.
fn due_ns(after: u64, per_second: f64, seconds: f64) -> Option<u64> {
    let due = number(after) / per_second;
    (due < seconds).then(|| Duration::from_secs_f64(due)).and_then(|due| u64::try_from(due.as_nanos()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_evenly_until_the_time_is_over() {
        assert_eq!(due_ns(0, 2000.0, 1.0), Some(0));
        assert_eq!(due_ns(1, 2000.0, 1.0), Some(500_000));
        assert_eq!(due_ns(1999, 2000.0, 1.0), Some(999_500_000));
        assert_eq!(due_ns(2000, 2000.0, 1.0), None);
    }
}
