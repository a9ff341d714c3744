//! A server without sockets: the hub, its links and its upkeep over stores and transports that the caller gives. What
//! [`crate::start`] puts around it is a listener; what a simulation puts around it is a network of its own.
//!
//! Invariants: links run the same task as those of the listener; nothing here reads a clock or draws by itself.

use std::sync::Arc;

use bytes::Bytes;
use tacite_accounts::Accounts;
use tacite_depot::{BodyName, PermitKey, Put, StoreError};
use tacite_router::NamingKey;
use tokio_util::sync::CancellationToken;

use crate::bodies::{self, PutError};
use crate::clock::{Chance, Clock};
use crate::hub::{Hub, Parts};
use crate::link::{self, Transport};
use crate::settings::Policy;
use crate::upkeep;

/// A running server. Dropping it ends its upkeep; its links end with their transports.
pub struct Node<P: Parts> {
    hub: Arc<Hub<P>>,
    stop: CancellationToken,
}

impl<P: Parts> Node<P> {
    /// Puts a server together and begins its upkeep. Must be called within a tokio runtime.
    pub fn start(
        accounts: Accounts<P::Accounts>,
        router: P::Router,
        depot: P::Depot,
        keys: (NamingKey, PermitKey),
        policy: Policy,
        (clock, chance): (Clock, Chance),
    ) -> Self {
        let hub = Hub::new(accounts, router, depot, keys, policy, (clock, chance));
        let stop = CancellationToken::new();
        hub.tasks.spawn(upkeep::run(Arc::clone(&hub), stop.clone()));
        Self { hub, stop }
    }

    /// Begins a link, as an upgrade with this bearer token would. It runs until its transport or the server ends it.
    pub fn link(&self, bearer: Option<String>, transport: impl Transport + 'static) {
        let hub = Arc::clone(&self.hub);
        self.hub.tasks.spawn(async move {
            let identity = match bearer {
                Some(token) => hub.accounts.verify_access(&token, hub.clock.now()).await.ok(),
                None => None,
            };
            link::run(hub, transport, identity).await;
        });
    }

    /// Puts a body with a permit, as a request at the depot's door would.
    pub fn put_body(
        &self,
        name: BodyName,
        permit: Vec<u8>,
        body: Bytes,
    ) -> impl Future<Output = Result<Put, PutError>> + Send + 'static {
        let hub = Arc::clone(&self.hub);
        async move {
            let now = hub.clock.now();
            hub.uploads.admit(&hub.permits, name, &permit, now)?;
            bodies::put(&hub.depot, name, body, now).await
        }
    }

    /// Fetches a body, as a request at the depot's door would.
    pub fn fetch_body(
        &self,
        name: BodyName,
    ) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send + 'static {
        let hub = Arc::clone(&self.hub);
        async move { bodies::fetch(&hub.depot, name).await }
    }
}

impl<P: Parts> Drop for Node<P> {
    fn drop(&mut self) {
        self.stop.cancel();
        for link in self.hub.links.all() {
            self.hub.links.close(link);
        }
    }
}
