//! Bad weather between clients and a server: a TCP proxy that delays, cuts, freezes, and holds connections back.
//!
//! What each connection suffers follows from a seed and its number. Bytes are never changed: that would only test TLS.
//! Invariants: after [`Weather::cuts`] connections no more are cut, so every story comes to its end.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// Most bytes of one piece: what is carried, delayed or held at once. As much as TLS puts into one record.
const PIECE_BYTES_MAX: usize = 16_384;

/// What connections suffer.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// All chance comes from here.
    pub seed: u64,
    /// Each piece of data waits up to this long, and each connection up to eight times as long before it is made, so
    /// that connections overtake one another.
    pub delay_ms_max: u64,
    /// How many connections are cut, counted over all; later ones live.
    pub cuts: usize,
    /// Where a connection is cut: after at most so many bytes of both directions together.
    pub cut_bytes_max: u64,
    /// How many pieces are carried over all connections; the next one freezes everything as it is. `None`: no end.
    pub freeze_after_pieces: Option<usize>,
}

impl Weather {
    /// Nothing happens to anybody.
    pub const CALM: Self =
        Self { seed: 0, delay_ms_max: 0, cuts: 0, cut_bytes_max: 0, freeze_after_pieces: None };
}

/// A proxy in front of one server, until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    weather: Weather,
    /// How many connections were cut.
    cut: AtomicUsize,
    /// How many pieces came.
    pieces: AtomicUsize,
    frozen: AtomicBool,
    closed: Mutex<bool>,
    closing: Condvar,
}

impl Proxy {
    /// Listens on a free port of the loopback interface and carries every connection to `server`.
    pub fn start(server: SocketAddr, weather: Weather) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("the proxy's port")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            weather,
            cut: AtomicUsize::new(0),
            pieces: AtomicUsize::new(0),
            frozen: AtomicBool::new(false),
            closed: Mutex::new(false),
            closing: Condvar::new(),
        });
        let proxy = Self { address, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for (number, client) in listener.incoming().enumerate() {
                if shared.is_closed() {
                    break;
                }
                let Ok(client) = client else { continue };
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.carry(&client, number));
            }
        });
        Ok(proxy)
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were cut so far.
    #[must_use]
    pub fn cut(&self) -> usize {
        self.shared.cut.load(Ordering::SeqCst)
    }

    /// How many pieces came so far.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.shared.pieces.load(Ordering::SeqCst)
    }

    /// Whether the piece has come at which everything stands still.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.shared.frozen.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        *self.shared.closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.closing.notify_all();
        // Wakes the thread that accepts; if it is gone already there is nobody to wake.
        let _woken = TcpStream::connect(self.address);
    }
}

impl Shared {
    /// Both directions of one connection, until one end closes or its bytes are used up.
    fn carry(&self, client: &TcpStream, number: usize) {
        let weather = self.weather;
        let mut chance = Chance::of(weather.seed, number);
        chance.sleep_up_to(weather.delay_ms_max.saturating_mul(8));
        // A server that is down looks to the client like a connection that closes at once.
        let Ok(server) = TcpStream::connect(self.server) else { return };
        let budget = (number < weather.cuts).then(|| chance.up_to(weather.cut_bytes_max));
        let (up, down) = (Chance::of(!weather.seed, number), chance);
        let carried = AtomicU64::new(0);
        thread::scope(|scope| {
            scope.spawn(|| self.pump(client, &server, up, budget, &carried));
            self.pump(&server, client, down, budget, &carried);
        });
    }

    fn pump(
        &self,
        mut from: &TcpStream,
        mut to: &TcpStream,
        mut chance: Chance,
        budget: Option<u64>,
        carried: &AtomicU64,
    ) {
        let mut piece = [0; PIECE_BYTES_MAX];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            chance.sleep_up_to(self.weather.delay_ms_max);
            let before = carried.fetch_add(length as u64, Ordering::SeqCst);
            if let Some(budget) = budget
                && before + length as u64 > budget
            {
                // Counted before anybody sees it, by the direction that goes over the budget.
                if before <= budget {
                    self.cut.fetch_add(1, Ordering::SeqCst);
                }
                break;
            }
            let pieces = self.pieces.fetch_add(1, Ordering::SeqCst) + 1;
            if self.weather.freeze_after_pieces.is_some_and(|most| pieces > most) {
                self.freeze();
                break;
            }
            if to.write_all(&piece[..length]).is_err() {
                break;
            }
        }
        // Either end may be closed already.
        let _closed = from.shutdown(Shutdown::Both);
        let _closed = to.shutdown(Shutdown::Both);
    }

    /// Holds the calling connection as it is until the proxy is dropped.
    fn freeze(&self) {
        self.frozen.store(true, Ordering::SeqCst);
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        while !*closed {
            closed = self.closing.wait(closed).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn is_closed(&self) -> bool {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sequence of numbers from a seed (`SplitMix64`; Steele, Lea and Flood 2014).
struct Chance(u64);

impl Chance {
    fn of(seed: u64, number: usize) -> Self {
        Self(seed.wrapping_add((number as u64).wrapping_mul(0xd1b5_4a32_d192_ed03)))
    }

    /// A number from 0 to `most`, both included.
    fn up_to(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most.saturating_add(1)
    }

    fn sleep_up_to(&mut self, most_ms: u64) {
        let ms = self.up_to(most_ms);
        if ms > 0 {
            thread::sleep(Duration::from_millis(ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends back whatever it is sent.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                thread::spawn(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut stream));
            }
        });
        address
    }

    fn through(proxy: &Proxy, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        let mut back = Vec::new();
        // A cut may come while we write.
        if stream.write_all(bytes).is_ok() {
            let _ended = stream.shutdown(Shutdown::Write);
        }
        let _cut = stream.read_to_end(&mut back);
        back
    }

    #[test]
    fn cut_connections_come_first_and_then_all_is_carried() {
        let weather = Weather { seed: 7, delay_ms_max: 1, cuts: 2, cut_bytes_max: 3000, ..Weather::CALM };
        let proxy = Proxy::start(echo(), weather).unwrap();
        let sent = vec![7; 100_000];
        assert!(through(&proxy, &sent).len() <= 3000);
        assert!(through(&proxy, &sent).len() <= 3000);
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        stream.write_all(&sent[..5000]).unwrap();
        let mut back = vec![0; 5000];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(back, sent[..5000]);
        assert_eq!(proxy.cut(), 2);
        assert!(proxy.pieces() >= 2, "there and back");
    }

    #[test]
    fn a_frozen_connection_neither_carries_nor_closes() {
        let weather = Weather { freeze_after_pieces: Some(2), ..Weather::CALM };
        let proxy = Proxy::start(echo(), weather).unwrap();
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        let mut back = [0; 1];
        stream.write_all(&[1]).unwrap();
        stream.read_exact(&mut back).unwrap();
        assert!(!proxy.is_frozen());
        stream.write_all(&[2]).unwrap();
        while !proxy.is_frozen() {
            thread::yield_now();
        }
        stream.set_nonblocking(true).unwrap();
        assert_eq!(stream.read(&mut back).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        drop(proxy);
        stream.set_nonblocking(false).unwrap();
        assert!(matches!(stream.read(&mut back), Ok(0) | Err(_)));
    }

    #[test]
    fn chance_follows_from_the_seed() {
        let draw = |seed, number| {
            let mut chance = Chance::of(seed, number);
            [chance.up_to(1000), chance.up_to(1000), chance.up_to(1000)]
        };
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }
}
