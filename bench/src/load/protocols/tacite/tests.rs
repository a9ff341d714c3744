//! People of the bench on a real server in this process.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tacite_server::settings::{DeliveryConfig, DeliveryModeConfig, SecurityConfig, ServerConfig};
use tacite_server::{Config, Running, Settings, TlsFlags};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::*;
use crate::load::connection::{FailedLinks, Handle, Tls};
use crate::load::payload::{Head, read_payload};
use crate::load::target::Protocol;
use crate::peers::tacite::seed::seed;

/// What a person was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Ready,
    Message { source: u32, number: u32 },
    Accepted(u64),
    Received(u64),
}

struct World {
    place: TempDir,
    running: Running,
    target: Target,
    failed: FailedLinks,
}

struct Player {
    handle: Handle,
    told: mpsc::UnboundedReceiver<Told>,
}

impl World {
    async fn start(mode: DeliveryModeConfig) -> Self {
        let place = tempfile::tempdir().unwrap();
        seed(&place.path().join("data"), place.path(), 11).await.unwrap();
        let (running, target) = serve(&place, mode).await;
        Self { place, running, target, failed: FailedLinks::default() }
    }

    /// Logs a person in, and has her online.
    async fn online(&self, person: u32) -> Player {
        let mut player = self.log_in(person).await;
        player.handle.order(Order::Online);
        assert_eq!(player.told.recv().await, Some(Told::Ready));
        player
    }

    async fn log_in(&self, person: u32) -> Player {
        let (tell, told) = mpsc::unbounded_channel();
        let connection = self.target.log_in(person).await.unwrap();
        let handle = connection.start(self.failed.clone(), move |event| {
            // Who is gone needs no news.
            let _ = tell.send(match event {
                Event::Ready => Told::Ready,
                Event::Message(body) => {
                    let Head { source, number, .. } = read_payload(body).unwrap();
                    Told::Message { source, number }
                }
                Event::Accepted(count) => Told::Accepted(count),
                Event::Received(count) => Told::Received(count),
            });
        });
        Player { handle, told }
    }
}

/// A server over the data directory of a place, and the way to it.
async fn serve(place: &TempDir, mode: DeliveryModeConfig) -> (Running, Target) {
    let data_dir: PathBuf = place.path().join("data");
    let config = Config {
        server: ServerConfig { port: Some(0), ..ServerConfig::default() },
        security: SecurityConfig { max_messages_per_sec: Some(1000), ..SecurityConfig::default() },
        delivery: DeliveryConfig { mode: Some(mode), ..DeliveryConfig::default() },
        ..Config::default()
    };
    let settings = Settings::new(config, TlsFlags::default(), Some(data_dir.clone())).unwrap();
    let running = tacite_server::start(settings).await.unwrap();
    let target = Target {
        protocol: Protocol::Tacite(Tacite::load(place.path()).unwrap()),
        address: running.address.to_string(),
        tls: Tls::new(&data_dir.join("keys/tls.cert.pem")).unwrap(),
    };
    (running, target)
}

fn text(to: u32, source: u32, number: u32) -> Order {
    Order::Send { to: Destination::Person(to), source, number, due_ns: None }
}

/// The next so many things that a player is told, by kind.
async fn count(player: &mut Player, things: usize) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for _ in 0..things {
        let (kind, count) = match player.told.recv().await.unwrap() {
            Told::Accepted(count) => ("accepted", count),
            Told::Received(count) => ("received", count),
            Told::Ready => ("ready", 1),
            Told::Message { .. } => ("message", 1),
        };
        *counts.entry(kind).or_default() += count;
    }
    counts
}

async fn texts_between_those_online(mode: DeliveryModeConfig) {
    let world = World::start(mode).await;
    let (mut alice, mut bob) = (world.online(0).await, world.online(1).await);
    for number in 0..100 {
        alice.handle.order(text(1, 0, number));
    }
    for number in 0..100 {
        assert_eq!(bob.told.recv().await, Some(Told::Message { source: 0, number }));
    }
    assert_eq!(count(&mut alice, 200).await, BTreeMap::from([("accepted", 100), ("received", 100)]));
    assert_eq!(world.failed.count(), 0);
    world.running.stop().await;
}

#[tokio::test]
async fn texts_come_in_order_and_their_sender_hears_it() {
    texts_between_those_online(DeliveryModeConfig::Inline).await;
}

#[tokio::test]
async fn in_split_mode_bodies_go_beside_the_link() {
    texts_between_those_online(DeliveryModeConfig::Split).await;
}

#[tokio::test]
async fn who_is_away_gets_it_all_from_the_next_server_process() {
    let world = World::start(DeliveryModeConfig::Inline).await;
    let mut alice = world.online(0).await;
    for number in 0..100 {
        alice.handle.order(text(1, 0, number));
    }
    assert_eq!(count(&mut alice, 100).await, BTreeMap::from([("accepted", 100)]));
    let World { place, running, .. } = world;
    running.stop().await;
    let (running, target) = serve(&place, DeliveryModeConfig::Inline).await;
    let world = World { place, running, target, failed: FailedLinks::default() };
    let mut bob = world.log_in(1).await;
    bob.handle.order(Order::Online);
    for number in 0..100 {
        assert_eq!(bob.told.recv().await, Some(Told::Message { source: 0, number }));
    }
    assert_eq!(bob.told.recv().await, Some(Told::Ready));
    world.running.stop().await;
    drop(world.place);
}

#[tokio::test]
async fn what_is_written_to_a_room_comes_to_each_member_once_and_the_writer_too() {
    let world = World::start(DeliveryModeConfig::Inline).await;
    let mut members = Vec::new();
    for number in 0..5 {
        let mut member = world.online(number).await;
        member.handle.order(Order::Join(1));
        assert_eq!(member.told.recv().await, Some(Told::Ready));
        members.push(member);
    }
    // All at once: none is swallowed by the next.
    for number in 0..20 {
        let source = number % 2;
        let message = Order::Send { to: Destination::Room(1), source, number, due_ns: None };
        members[source as usize].handle.order(message);
    }
    for member in &mut members {
        let mut numbers = [Vec::new(), Vec::new()];
        for _ in 0..20 {
            let Some(Told::Message { source, number }) = member.told.recv().await else {
                panic!("no message")
            };
            numbers[source as usize].push(number);
        }
        let expected = [0, 1].map(|source| (source..20).step_by(2).collect::<Vec<u32>>());
        assert_eq!(numbers, expected);
    }
    assert_eq!(world.failed.count(), 0);
    world.running.stop().await;
}

#[tokio::test]
async fn whoever_sends_without_being_told_to_come_catches_up_all_the_same() {
    let world = World::start(DeliveryModeConfig::Inline).await;
    let mut alice = world.log_in(0).await;
    alice.handle.order(text(1, 0, 0));
    assert_eq!(alice.told.recv().await, Some(Told::Accepted(1)));
    alice.handle.order(Order::Online);
    assert_eq!(alice.told.recv().await, Some(Told::Ready));
    world.running.stop().await;
}

#[tokio::test]
async fn a_token_is_fetched_before_it_is_needed() {
    let world = World::start(DeliveryModeConfig::Inline).await;
    let Protocol::Tacite(tacite) = &world.target.protocol else { panic!("another protocol") };
    world.target.prepare(3).await.unwrap();
    assert!(tacite.token(3).is_some());
    world.online(3).await;
    world.running.stop().await;
}

#[tokio::test]
async fn a_second_log_in_shows_the_token_of_the_first() {
    let world = World::start(DeliveryModeConfig::Inline).await;
    let Protocol::Tacite(tacite) = &world.target.protocol else { panic!("another protocol") };
    assert!(tacite.token(2).is_none());
    world.online(2).await.handle.order(Order::Close);
    let token = tacite.token(2).expect("kept");
    world.online(2).await;
    // A signature would have begun another session, with other tokens.
    assert_eq!(tacite.token(2).unwrap().text.expose(), token.text.expose());
    assert_eq!(world.failed.count(), 0);
    world.running.stop().await;
}

#[tokio::test]
async fn a_refusal_ends_the_link() {
    let world = World::start(DeliveryModeConfig::Inline).await;
    // Neither a pair nor one of those who write to all.
    let mut alice = world.online(8).await;
    alice.handle.order(text(10, 8, 0));
    assert_eq!(alice.told.recv().await, None);
    assert_eq!(world.failed.count(), 1);
    world.running.stop().await;
}
