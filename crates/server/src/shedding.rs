//! What a server refuses when its machine runs short: newcomers first, messages last (T69, T72).
//!
//! Invariants: taking over what was delivered (`ackm`), catching up (`sync`) and coming back with a key (`sign`) are never
//! refused, because they make room; the level is a function of what is free and of the level before, so that a server at a
//! threshold does not waver.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tacite_wire::{Code, Opcode};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::hub::{Hub, Parts};
use crate::refusal::Refusal;

/// Between two looks at the machine.
const LOOK: Duration = Duration::from_secs(5);
/// When whoever was refused may try again.
const RETRY_AFTER_MS: u64 = 30_000;

/// How short the machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Nothing is refused.
    Calm,
    /// No registrations.
    Tight,
    /// No log-ins by password, contact requests, prekeys or uploads either.
    Dire,
    /// No messages either.
    Last,
}

/// What is free, in bytes. `u64::MAX`: not known, or without a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Free {
    /// Memory that the process can still get.
    pub memory_bytes: u64,
    /// Room where the data directory is.
    pub disk_bytes: u64,
}

/// What must be free for nothing to be refused; at half of it more is refused, at a quarter messages too.
pub type Wanted = Free;

impl Level {
    /// The level for what is free, given the one before: it is left only once a quarter more is free than it begins with.
    fn next(self, free: Free, wanted: Wanted) -> Self {
        let with_margin = |bytes: u64| bytes.saturating_add(bytes / 4);
        let reserve = Free {
            memory_bytes: with_margin(wanted.memory_bytes),
            disk_bytes: with_margin(wanted.disk_bytes),
        };
        self.clamp(Self::of(free, wanted), Self::of(free, reserve))
    }

    fn of(free: Free, wanted: Wanted) -> Self {
        let is_below = |part: u64| {
            free.memory_bytes < wanted.memory_bytes / part || free.disk_bytes < wanted.disk_bytes / part
        };
        if is_below(4) {
            Self::Last
        } else if is_below(2) {
            Self::Dire
        } else if is_below(1) {
            Self::Tight
        } else {
            Self::Calm
        }
    }

    /// From which level on a command is refused.
    const fn that_refuses(opcode: Opcode) -> Option<Self> {
        match opcode {
            Opcode::REGISTER => Some(Self::Tight),
            Opcode::LOG_IN | Opcode::REQUEST_CONTACT | Opcode::FETCH_KEYS | Opcode::REQUEST_UPLOADS => {
                Some(Self::Dire)
            }
            Opcode::SEND_DIRECT => Some(Self::Last),
            _ => None,
        }
    }
}

/// The present level.
#[derive(Debug, Default)]
pub(crate) struct Shedding(AtomicU8);

impl Shedding {
    /// Whether a command may be served now; if not, it may be tried again later.
    pub(crate) fn admit(&self, opcode: Opcode) -> Result<(), Refusal> {
        match Level::that_refuses(opcode) {
            Some(level) if self.level() >= level => {
                Err(Refusal { retry_after_ms: RETRY_AFTER_MS, ..Refusal::new(Code::UNAVAILABLE) })
            }
            _ => Ok(()),
        }
    }

    /// Takes over what is free now.
    pub(crate) fn look(&self, free: Free, wanted: Wanted) {
        let before = self.level();
        let level = before.next(free, wanted);
        if level != before {
            let Free { memory_bytes, disk_bytes } = free;
            tracing::warn!(
                ?level,
                memory_bytes,
                disk_bytes,
                "what the machine has free asks for another level"
            );
            self.0.store(level as u8, Ordering::Relaxed);
        }
    }

    fn level(&self) -> Level {
        let levels = [Level::Calm, Level::Tight, Level::Dire, Level::Last];
        levels.get(usize::from(self.0.load(Ordering::Relaxed))).copied().unwrap_or(Level::Calm)
    }
}

/// Looks at what is free every few seconds, until told to stop. `gauge` may block.
pub(crate) async fn watch<P: Parts>(
    hub: Arc<Hub<P>>,
    wanted: Wanted,
    gauge: impl Fn() -> Free + Clone + Send + 'static,
    stop: CancellationToken,
) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(look.tick()).await.is_some() {
        if let Ok(free) = tokio::task::spawn_blocking(gauge.clone()).await {
            hub.shedding.look(free, wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use tacite_wire::proto;

    use super::*;
    use crate::tests::World;
    use crate::tests::peer::{Peer, alice_and_bob};

    const WANTED: Wanted = Free { memory_bytes: 4000, disk_bytes: 400 };

    fn free(memory_bytes: u64, disk_bytes: u64) -> Free {
        Free { memory_bytes, disk_bytes }
    }

    #[test]
    fn each_level_begins_one_byte_below_its_threshold() {
        let level = |free| Level::Calm.next(free, WANTED);
        assert_eq!(level(free(u64::MAX, u64::MAX)), Level::Calm);
        for (at, below) in
            [(free(4000, u64::MAX), free(3999, u64::MAX)), (free(u64::MAX, 400), free(u64::MAX, 399))]
        {
            assert_eq!((level(at), level(below)), (Level::Calm, Level::Tight));
        }
        assert_eq!((level(free(2000, 200)), level(free(1999, 200))), (Level::Tight, Level::Dire));
        assert_eq!((level(free(1000, 100)), level(free(1000, 99))), (Level::Dire, Level::Last));
        assert_eq!(level(free(0, 0)), Level::Last);
    }

    #[test]
    fn a_level_is_left_only_with_a_margin() {
        let from_tight = |memory| Level::Tight.next(free(memory, u64::MAX), WANTED);
        assert_eq!((from_tight(4999), from_tight(5000)), (Level::Tight, Level::Calm));
        let from_last = |memory| Level::Last.next(free(memory, u64::MAX), WANTED);
        assert_eq!(
            (from_last(1249), from_last(1250), from_last(9000)),
            (Level::Last, Level::Dire, Level::Calm)
        );
    }

    #[test]
    fn a_server_that_wants_nothing_free_refuses_nothing() {
        assert_eq!(Level::Calm.next(free(0, 0), free(0, 0)), Level::Calm);
    }

    // T72: registration first, delivery last; what makes room, never.
    #[test]
    fn t72_newcomers_are_refused_first_and_messages_last() {
        let shedding = Shedding::default();
        let all = [
            Opcode::REGISTER,
            Opcode::LOG_IN,
            Opcode::REQUEST_CONTACT,
            Opcode::FETCH_KEYS,
            Opcode::REQUEST_UPLOADS,
            Opcode::SEND_DIRECT,
            Opcode::ACKNOWLEDGE,
            Opcode::SYNC,
            Opcode::SIGN_IN,
        ];
        for (memory, refused) in [(4000, 0), (3999, 1), (1999, 5), (999, 6), (0, 6)] {
            shedding.look(free(memory, u64::MAX), WANTED);
            let count = all.iter().take_while(|opcode| shedding.admit(**opcode).is_err()).count();
            assert_eq!(count, refused, "{memory}");
            assert!(all[refused..].iter().all(|opcode| shedding.admit(*opcode).is_ok()), "{memory}");
        }
    }

    // T69, T72: over links, with the code that says when to try again; back to normal once there is room.
    #[tokio::test]
    async fn t72_a_short_server_says_when_to_try_again_and_takes_acknowledgements() {
        let world = World::start().await;
        let (mut alice, mut bob) = alice_and_bob(&world).await;
        world.hub.shedding.look(free(u64::MAX, 0), WANTED);
        let answer = alice.ask(Opcode::SEND_DIRECT, &alice.envelope(bob.account_id, b"sealed")).await;
        assert_eq!(answer.header.code, Code::UNAVAILABLE);
        assert_eq!(answer.read::<proto::Failure>().unwrap().retry_after_ms, RETRY_AFTER_MS);
        assert_eq!(bob.ask(Opcode::SYNC, &proto::Sync::default()).await.header.code, Code::DONE);
        let acknowledged = bob.ask(Opcode::ACKNOWLEDGE, &proto::Acknowledge::default()).await;
        assert_eq!(acknowledged.header.code, Code::DONE);
        let mut carol = Peer::greeted(&world).await;
        assert_eq!(carol.register("carol").await.header.code, Code::UNAVAILABLE);

        world.hub.shedding.look(free(u64::MAX, u64::MAX), WANTED);
        assert_eq!(carol.register("carol").await.header.code, Code::DONE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_watcher_looks_again_and_again() {
        let world = World::start().await;
        let stop = CancellationToken::new();
        let looks = Arc::new(AtomicU8::new(0));
        let gauge = {
            let looks = Arc::clone(&looks);
            move || {
                free(
                    if looks.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) { 0 } else { u64::MAX },
                    u64::MAX,
                )
            }
        };
        let watching = tokio::spawn(watch(Arc::clone(&world.hub), WANTED, gauge, stop.clone()));
        let mut levels = Vec::new();
        for _ in 0..4 {
            let seen = looks.load(Ordering::SeqCst);
            while looks.load(Ordering::SeqCst) == seen {
                tokio::time::sleep(LOOK / 10).await;
            }
            tokio::time::sleep(LOOK / 10).await;
            levels.push(world.hub.shedding.level());
        }
        assert!(levels.contains(&Level::Last) && levels.contains(&Level::Calm), "{levels:?}");
        stop.cancel();
        watching.await.unwrap();
    }
}
