//! The server of a world: the real one, again and again, over stores that survive it.
//!
//! Invariant: a server that has crashed changes nothing any more and is heard by nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tacite_accounts::store::MemoryStore as AccountsStore;
use tacite_accounts::{Accounts, Keys, Registration, Settings};
use tacite_depot::PermitKey;
use tacite_depot::store::MemoryStore as DepotStore;
use tacite_model::Timestamp;
use tacite_router::NamingKey;
use tacite_router::store::MemoryStore as RouterStore;
use tacite_server::settings::{Delivery, Policy};
use tacite_server::{Chance, Clock, Node};
use tacite_wire::proto::DeliveryMode;

use crate::dice::Dice;
use crate::plan::Plan;
use crate::store::{Disk, SimParts, Slow};

/// What the server calls itself.
pub(crate) const SERVER_NAME: &str = "club";

/// What outlives a server's process.
pub(crate) struct Stores {
    pub(crate) accounts: Arc<AccountsStore>,
    pub(crate) router: Arc<RouterStore>,
    pub(crate) depot: Arc<DepotStore>,
    /// The bytes of its key file.
    pub(crate) keys: Vec<u8>,
}

impl Stores {
    /// Of a server that nobody knows yet.
    pub(crate) fn empty(dice: &mut Dice) -> Self {
        let keys = Chance::from_seed(dice.bytes()).with(|rng| Keys::generate(rng).to_bytes().to_vec());
        Self { accounts: Arc::default(), router: Arc::default(), depot: Arc::default(), keys }
    }
}

/// See the module.
pub(crate) struct Server {
    stores: Stores,
    pub(crate) disk: Arc<Disk>,
    dice: Dice,
    messages_per_second: u32,
    mode: DeliveryMode,
    life: Option<Life>,
}

/// One process of the server.
struct Life {
    node: Node<SimParts>,
    alive: Arc<AtomicBool>,
}

impl Server {
    /// A server that does not run yet.
    pub(crate) fn new(stores: Stores, disk: Arc<Disk>, dice: Dice, plan: &Plan) -> Self {
        let Plan { messages_per_second, mode, .. } = *plan;
        Self { stores, disk, dice, messages_per_second, mode, life: None }
    }

    /// Begins a process whose clock shows `at`.
    pub(crate) fn start(&mut self, at: Timestamp) {
        let alive = Arc::new(AtomicBool::new(true));
        let settings = Settings { server_name: SERVER_NAME.to_owned(), registration: Registration::Open };
        let keys = Keys::from_bytes(&self.stores.keys).expect("the bytes are those of keys");
        let accounts = Slow::new(&self.stores.accounts, &self.disk, &alive);
        let router = Slow::new(&self.stores.router, &self.disk, &alive);
        let depot = Slow::new(&self.stores.depot, &self.disk, &alive);
        let policy = Policy {
            server_name: SERVER_NAME.to_owned(),
            max_messages_per_sec: self.messages_per_second,
            deployment_key: None,
            delivery: Delivery { mode: self.mode, ..Delivery::default() },
            depot_url: String::new(),
        };
        let node = Node::start(
            Accounts::new(settings, keys, accounts),
            router,
            depot,
            (NamingKey::new([7; 32]), PermitKey::new([8; 32])),
            policy,
            (Clock::start_at(at), Chance::from_seed(self.dice.bytes())),
        );
        self.life = Some(Life { node, alive });
    }

    /// The process ends at once, wherever it is. Its links have to be cut by the caller.
    pub(crate) fn crash(&mut self) {
        if let Some(life) = self.life.take() {
            life.alive.store(false, Ordering::Relaxed);
        }
    }

    /// The running process.
    pub(crate) fn node(&self) -> Option<&Node<SimParts>> {
        self.life.as_ref().map(|life| &life.node)
    }
}
