//! A server on memory, and raw peers that speak to it over a real socket, well or badly.

mod bad_input;
mod blocks;
mod contacts;
pub(crate) mod delivery;
mod faulty;
mod faulty_depot;
mod limits;
mod logs;
mod modes;
pub(crate) mod peer;
mod receipts;
mod seen;
mod synchronising;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use tacite_accounts::{Accounts, Keys, Registration};
use tacite_depot::PermitKey;
use tacite_model::Timestamp;
use tacite_router::NamingKey;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::clock::{Chance, Clock};
use crate::hub::Hub;
use crate::settings::Policy;
use crate::{http, listener, upkeep};
use faulty::{Faulty, FaultyRouter};
use faulty_depot::FaultyDepot;

pub(crate) const SERVER_NAME: &str = "club";

/// A server whose parts are in memory, and where it listens.
pub(crate) struct World {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) hub: Arc<Hub<Faulty>>,
    /// A permit for each slow body that is to be written.
    slow_bodies: Arc<Semaphore>,
    stop: CancellationToken,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with_policy(policy()).await
    }

    pub(crate) async fn with_policy(policy: Policy) -> Self {
        let clock = Clock::start_at(Timestamp::from_ms(1_800_000_000_000));
        let chance = Chance::from_seed([7; 32]);
        let settings = tacite_accounts::Settings {
            server_name: SERVER_NAME.to_owned(),
            registration: Registration::Open,
        };
        let keys = chance.with(|rng| Keys::generate(rng));
        let accounts = Accounts::new(settings, keys, tacite_accounts::store::MemoryStore::default());
        let keys = (NamingKey::new(chance.bytes()), PermitKey::new(chance.bytes()));
        let slow_bodies = Arc::new(Semaphore::new(0));
        let (router, depot) = (FaultyRouter::default(), FaultyDepot::new(Arc::clone(&slow_bodies)));
        let hub = Hub::<Faulty>::new(accounts, router, depot, keys, policy, (clock, chance));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(listener::serve(
            listener,
            None,
            http::routes(Arc::clone(&hub)),
            hub.tasks.clone(),
            stop.clone(),
        ));
        tokio::spawn(upkeep::run(Arc::clone(&hub), stop.clone()));
        Self { address, hub, slow_bodies, stop }
    }
}

/// The clock stands still while this lives, and moves when told to.
pub(crate) struct StoppedClock {
    _release: mpsc::Sender<()>,
}

impl StoppedClock {
    pub(crate) fn stop() -> Self {
        tokio::time::pause();
        // A paused clock runs ahead when all tasks wait, even if they wait for a socket; not while a thread works.
        let (release, released) = mpsc::channel();
        drop(tokio::task::spawn_blocking(move || released.recv()));
        Self { _release: release }
    }

    pub(crate) async fn pass(&self, ms: u64) {
        tokio::time::advance(Duration::from_millis(ms)).await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn policy() -> Policy {
    Policy {
        server_name: SERVER_NAME.to_owned(),
        max_messages_per_sec: 100,
        depot_url: String::new(),
        deployment_key: None,
        delivery: crate::settings::Delivery::default(),
    }
}
