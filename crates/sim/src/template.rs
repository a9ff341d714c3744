//! Where every world begins: four people who have registered, three of them contacts of each other.
//!
//! Invariant: prepared once a process by the real clients and the real server (passwords cost time), and the same in every
//! process.

use std::sync::OnceLock;

use tacite_core::{Intent, LinkStatus, Server as ServerAddress, Vault};
use tacite_depot::StoreError;
use tacite_model::Secret;

use crate::dice::Dice;
use crate::person::NAMES;
use crate::plan::{Act, Plan};
use crate::server::{SERVER_NAME, Stores};
use crate::store::Written;
use crate::trace::Trace;
use crate::world::World;

/// See the module.
pub(crate) struct Template {
    written: Vec<Written>,
    vaults: Vec<Vec<u8>>,
}

impl Template {
    /// The one of this process.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Template> = OnceLock::new();
        SHARED.get_or_init(|| crate::runtime().block_on(Self::prepare()))
    }

    /// Stores and vaults for a new world.
    pub(crate) async fn begin(&self, people: usize) -> Result<(Stores, Vec<Vault>), StoreError> {
        let stores = Stores::empty(&mut dice());
        for written in &self.written {
            written.clone().repeat(&stores).await?;
        }
        let vaults = self.vaults.iter().take(people).map(|bytes| Vault::from_snapshot(bytes));
        let vaults: Result<Vec<Vault>, _> = vaults.collect();
        Ok((stores, vaults.map_err(|error| StoreError::Misuse(error.to_string()))?))
    }

    async fn prepare() -> Self {
        let vaults = NAMES.map(|_| Vault::open_in_memory().expect("SQLite has memory"));
        let stores = Stores::empty(&mut dice());
        let plan = Plan::calm(NAMES.len());
        let mut world = World::new(0, &plan, (stores, vaults.into()), None, Trace::new(None));
        world.server.disk.record();
        for (index, name) in NAMES.into_iter().enumerate() {
            world.act(Act::Come(index));
            world.intend(index, register(name));
            world.until(|world| world.people[index].core.link() == LinkStatus::Level).await;
        }
        for (asker, asked) in [(0, 1), (0, 2), (1, 2)] {
            world.meet(asker, asked);
            world.until_at_rest().await;
        }
        for index in 0..NAMES.len() {
            world.act(Act::Go(index));
        }
        let written = world.server.disk.take_written();
        let snapshot = |person: &mut crate::person::Person| person.vault.snapshot();
        let vaults: Result<Vec<Vec<u8>>, _> = world.people.iter_mut().map(snapshot).collect();
        Self { written, vaults: vaults.expect("a vault in memory can be copied") }
    }
}

fn dice() -> Dice {
    Dice::new(0, "template")
}

fn register(name: &str) -> Intent {
    Intent::Register {
        server: ServerAddress {
            address: String::from("127.0.0.1:7878"),
            name: Some(SERVER_NAME.to_owned()),
            pin: None,
            tls_disabled: true,
            certificate_unchecked: false,
        },
        invitation: None,
        handle: name.parse().expect("a valid handle"),
        password: Secret::new(format!("the password of {name}")),
        words: Secret::new(String::from("one two three")),
    }
}
