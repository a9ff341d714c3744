//! Starting and stopping a server.
//!
//! Invariants: when [`start`] returns, the server accepts connections; when [`Running::stop`] returns, every link has ended
//! and everything that was under way to the disk is there.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tacite_accounts::{Accounts, AccountsError};
use tacite_depot::{PermitKey, StoreError};
use tacite_model::limits::{INVITATION_MS, INVITATION_USES_MAX};
use tacite_model::{Invitation, InvitationError, KeyPin};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::clock::{Chance, Clock};
use crate::data_dir::{DataDir, DataDirError, read_part_secret};
use crate::hub::Hub;
use crate::parts::{AccountsStore, DepotStore, Placed, Sqlite};
use crate::refusal::Refusal;
use crate::remote::{PartAddress, RemoteAccounts, RemoteDepot};
use crate::settings::{Place, Policy, Settings, SettingsError};
use crate::tls::{Tls, TlsError};
use crate::{http, listener, machine, shedding, upkeep};

/// How long a stop waits for links to end.
const STOP: Duration = Duration::from_secs(10);
/// How many people the first invitation is good for.
pub const FIRST_INVITATION_USES: u32 = 10;
const _: () = assert!(FIRST_INVITATION_USES <= INVITATION_USES_MAX && INVITATION_MS > 0);

/// A server that accepts connections.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its name.
    pub name: String,
    /// The pin of its TLS key; `None` without TLS.
    pub pin: Option<KeyPin>,
    /// For the first people, while there is no account and the accounts can be asked.
    pub first_invitation: Option<Invitation>,
    hub: Arc<Hub<Sqlite>>,
    stop: CancellationToken,
}

/// Why a server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The configuration does not fit.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// There is no usable certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A database cannot be opened.
    #[error("a database cannot be opened: {0}")]
    Store(#[from] StoreError),
    /// The accounts part failed.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// The address for invitations is not valid.
    #[error(transparent)]
    Invitation(#[from] InvitationError),
}

/// Starts a server on SQLite. Must be called within a tokio runtime.
pub async fn start(settings: Settings) -> Result<Running, StartError> {
    machine::raise_descriptor_limit();
    let (clock, chance) = (Clock::start(), Chance::from_system());
    let directory = DataDir::open(&settings.data_dir)?;
    let tls = if settings.tls.disabled { None } else { Some(Tls::load(&settings, &directory)?) };
    let pin = tls.as_ref().map(|tls| tls.pin);
    let name = server_name(&settings, pin);
    let accounts_store = accounts_store::<StartError>(&settings)?;
    let accounts_settings =
        tacite_accounts::Settings { server_name: name.clone(), registration: settings.registration };
    let accounts = Accounts::new(accounts_settings, directory.account_keys(&chance)?, accounts_store);
    let router = tacite_router::store::SqliteStore::open(&settings.database("router"))?;
    let (depot, permits) = depot(&settings, &directory, &chance)?;
    let keys = (directory.naming_key(&chance)?, permits);
    let wanted = SocketAddr::new(settings.address, settings.port);
    let listening = async {
        let listener = TcpListener::bind(wanted).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    let (listener, address) =
        listening.await.map_err(|cause| StartError::Listen { address: wanted, cause })?;
    let policy = Policy { server_name: name.clone(), ..settings.policy.clone() };
    let hub = Hub::<Sqlite>::new(accounts, router, depot, keys, policy, (clock, chance));

    let first_invitation = first_invitation(&hub, &settings, address, &name, tls.as_ref()).await?;
    let stop = CancellationToken::new();
    let config = tls.map(|tls| tls.config);
    let tasks = &hub.tasks;
    tasks.spawn(listener::serve(
        listener,
        config,
        http::routes(Arc::clone(&hub)),
        tasks.clone(),
        stop.clone(),
    ));
    tasks.spawn(upkeep::run(Arc::clone(&hub), stop.clone()));
    let gauge = move || machine::free(&settings.data_dir);
    tasks.spawn(shedding::watch(Arc::clone(&hub), settings.shedding, gauge, stop.clone()));
    tracing::info!("listening");
    Ok(Running { address, name, pin, first_invitation, hub, stop })
}

impl Running {
    /// Ends all links and waits until everything under way is on disk.
    pub async fn stop(self) {
        tracing::info!("stopping");
        self.stop.cancel();
        for link in self.hub.links.all() {
            self.hub.links.close(link);
        }
        self.hub.tasks.close();
        if timeout(STOP, self.hub.tasks.wait()).await.is_ok() {
            tracing::info!("stopped");
        } else {
            // What a peer keeps from ending is not ours to wait for; senders still hold what was not answered.
            tracing::warn!("stopped with links that did not end");
        }
        // Links that ended last may have let them grow.
        if let Err(error) = self.hub.write_generations().await {
            let _ = Refusal::from(error);
        }
    }
}

/// The accounts' store. Must be called within a tokio runtime.
pub(crate) fn accounts_store<E>(settings: &Settings) -> Result<AccountsStore, E>
where
    E: From<DataDirError> + From<StoreError>,
{
    Ok(match part_address(&settings.places.accounts)? {
        None => Placed::Here(tacite_accounts::store::SqliteStore::open(&settings.database("accounts"))?),
        Some(part) => Placed::Apart(RemoteAccounts::new(part)),
    })
}

/// The depot's store, and the key that its permits are made with.
fn depot(
    settings: &Settings,
    directory: &DataDir,
    chance: &Chance,
) -> Result<(DepotStore, PermitKey), StartError> {
    Ok(match part_address(&settings.places.depot)? {
        None => {
            let store = tacite_depot::store::SqliteStore::open(&settings.database("depot"))?;
            (Placed::Here(store), directory.permit_key(chance)?)
        }
        Some(part) => {
            let permits = part.secret.permit_key();
            (Placed::Apart(RemoteDepot::new(part)), permits)
        }
    })
}

/// Where to call a part that is apart.
fn part_address(place: &Place) -> Result<Option<PartAddress>, DataDirError> {
    let Place::Apart { address, pin, secret_file } = place else { return Ok(None) };
    let secret = read_part_secret(secret_file)?;
    Ok(Some(PartAddress { address: address.clone(), pin: *pin, secret }))
}

/// The configured name, or one made of the key, so that no two servers have the same by accident.
pub(crate) fn server_name(settings: &Settings, pin: Option<KeyPin>) -> String {
    let from_key = |pin: KeyPin| {
        let digits = pin.0.first_chunk::<8>().map_or(0, |first| u64::from_be_bytes(*first));
        format!("tacite-{digits:016x}")
    };
    let without_key = || String::from("localhost");
    settings.name.clone().unwrap_or_else(|| pin.map_or_else(without_key, from_key))
}

/// `host:port` for invitations.
pub(crate) fn public_address(settings: &Settings, listening: SocketAddr) -> String {
    settings.public_address.clone().unwrap_or_else(|| listening.to_string())
}

async fn first_invitation(
    hub: &Hub<Sqlite>,
    settings: &Settings,
    address: SocketAddr,
    name: &str,
    tls: Option<&Tls>,
) -> Result<Option<Invitation>, StartError> {
    let mut rng = hub.chance.fork();
    let made = hub.accounts.first_invitation(FIRST_INVITATION_USES, hub.clock.now(), &mut rng).await;
    let secret = match made {
        // The parts of a server may start in any order; an invitation can be asked for later.
        Err(AccountsError::Store(error @ StoreError::Unavailable(_))) => {
            tracing::warn!(%error, "whether there is an account is not known yet");
            None
        }
        made => made?,
    };
    let Some(secret) = secret else { return Ok(None) };
    let pin = tls.filter(|tls| tls.self_made).map(|tls| tls.pin);
    Ok(Some(Invitation::new(&public_address(settings, address), name, *secret.expose(), pin)?))
}
