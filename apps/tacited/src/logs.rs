//! Logs, to standard error: INFO connections and their ends, WARN failures, ERROR our own bugs. Plain text, also on a
//! terminal.
//!
//! Invariant: a log that cannot be written, on a full disk, stops nothing and nobody (T69).

use tracing_subscriber::filter::LevelFilter;

/// Begins to log. `RUST_LOG` is not asked: what a log may hold is decided here, not by the environment.
pub(crate) fn start(debug: bool, json: bool) {
    let level = if debug { LevelFilter::DEBUG } else { LevelFilter::INFO };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        // That would be told on standard error too, which panics if standard error is what cannot be written.
        .log_internal_errors(false);
    if json {
        subscriber.json().init();
    } else {
        subscriber.init();
    }
}
