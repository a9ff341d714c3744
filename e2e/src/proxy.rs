//! Bad weather between clients and a server: a TCP proxy that delays, cuts, and holds connections back.
//!
//! What each connection suffers follows from a seed and its number. Bytes are never changed: that would only test TLS.
//! Invariants: after [`Weather::cuts`] connections no more are cut, so every story comes to its end.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

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
}

impl Weather {
    /// Nothing happens to anybody.
    pub const CALM: Self = Self { seed: 0, delay_ms_max: 0, cuts: 0, cut_bytes_max: 0 };
}

/// A proxy in front of one server, until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    closed: Arc<AtomicBool>,
    cut: Arc<AtomicUsize>,
}

impl Proxy {
    /// Listens on a free port of the loopback interface and carries every connection to `server`.
    pub fn start(server: SocketAddr, weather: Weather) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("the proxy's port")?;
        let address = listener.local_addr()?;
        let (closed, cut) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stop, cuts) = (Arc::clone(&closed), Arc::clone(&cut));
        thread::spawn(move || {
            for (number, client) in listener.incoming().enumerate() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(client) = client else { continue };
                let cuts = Arc::clone(&cuts);
                thread::spawn(move || carry(&client, server, weather, number, &cuts));
            }
        });
        Ok(Self { address, closed, cut })
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were cut so far.
    #[must_use]
    pub fn cut(&self) -> usize {
        self.cut.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; if it is gone already there is nobody to wake.
        let _woken = TcpStream::connect(self.address);
    }
}

/// Both directions of one connection, until one end closes or its bytes are used up.
fn carry(client: &TcpStream, server: SocketAddr, weather: Weather, number: usize, cut: &AtomicUsize) {
    let mut chance = Chance::of(weather.seed, number);
    chance.sleep_up_to(weather.delay_ms_max.saturating_mul(8));
    // A server that is down looks to the client like a connection that closes at once.
    let Ok(server) = TcpStream::connect(server) else { return };
    let budget = (number < weather.cuts).then(|| chance.up_to(weather.cut_bytes_max));
    let (up, down) = (Chance::of(!weather.seed, number), chance);
    let carried = AtomicU64::new(0);
    let ends = thread::scope(|scope| {
        let up = scope.spawn(|| pump(client, &server, weather.delay_ms_max, up, budget, &carried));
        let down = pump(&server, client, weather.delay_ms_max, down, budget, &carried);
        [up.join().unwrap_or(End::Closed), down]
    });
    if ends.contains(&End::Cut) {
        cut.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(PartialEq, Eq)]
enum End {
    Closed,
    Cut,
}

fn pump(
    mut from: &TcpStream,
    mut to: &TcpStream,
    delay_ms_max: u64,
    mut chance: Chance,
    budget: Option<u64>,
    carried: &AtomicU64,
) -> End {
    let mut piece = [0; 2048];
    let end = loop {
        let Ok(length @ 1..) = from.read(&mut piece) else { break End::Closed };
        chance.sleep_up_to(delay_ms_max);
        let total = carried.fetch_add(length as u64, Ordering::SeqCst) + length as u64;
        if budget.is_some_and(|budget| total > budget) {
            break End::Cut;
        }
        if to.write_all(&piece[..length]).is_err() {
            break End::Closed;
        }
    };
    // Either end may be closed already.
    let _closed = from.shutdown(Shutdown::Both);
    let _closed = to.shutdown(Shutdown::Both);
    end
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
        let weather = Weather { seed: 7, delay_ms_max: 1, cuts: 2, cut_bytes_max: 3000 };
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
