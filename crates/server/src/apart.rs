//! Starting and stopping one part of a server in a process of its own.
//!
//! Invariant: it opens the part's database and nothing else of a server. A depot has no accounts, no metadata and no key for
//! names; accounts have no metadata, no bodies, and neither the OPAQUE set-up nor the key that signs tokens.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tacite_depot::{Holding, PermitKey, Store};
use tacite_model::{KeyPin, Timestamp};
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bodies::http::Desk;
use crate::bodies::{self, Uploads};
use crate::clock::{Chance, Clock};
use crate::data_dir::DataDir;
use crate::refusal::store_code;
use crate::remote::{AccountsPart, Part, PartSecret, serve};
use crate::running::StartError;
use crate::settings::{Place, Settings, SettingsError};
use crate::tls::Tls;
use crate::{listener, machine};

const UPKEEP: Duration = Duration::from_mins(1);

/// A part that serves the rest of its server, and a depot its clients too.
pub struct RunningPart {
    /// Where clients put and fetch bodies; `None` if the part is not the depot.
    pub address: Option<SocketAddr>,
    /// Where the rest of the server calls it.
    pub part_address: SocketAddr,
    /// Its key.
    pub pin: KeyPin,
    /// The secret that the rest of the server needs.
    pub secret_file: PathBuf,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Starts the accounts' store. `part_address`: where the rest of the server is to call it. Must be called within a tokio
/// runtime.
pub async fn start_accounts(settings: Settings, part_address: SocketAddr) -> Result<RunningPart, StartError> {
    let door = Door::open(&settings, &settings.places.accounts, part_address).await?;
    let store = tacite_accounts::store::SqliteStore::open(&settings.database("accounts"))?;
    Ok(door.serve(Arc::new(AccountsPart(store)), None))
}

/// Starts a depot. `part_address`: where the rest of the server is to call it. Must be called within a tokio runtime.
pub async fn start_depot(settings: Settings, part_address: SocketAddr) -> Result<RunningPart, StartError> {
    let door = Door::open(&settings, &settings.places.depot, part_address).await?;
    let store = Holding::new(tacite_depot::store::SqliteStore::open(&settings.database("depot"))?);
    let (public, address) = listen(SocketAddr::new(settings.address, settings.port)).await?;
    let permits = door.secret.permit_key();
    let part = Arc::new(DepotPart { store, permits, uploads: Uploads::default(), clock: Clock::start() });
    let routes = bodies::http::routes(Arc::clone(&part));
    let config = Some(Arc::clone(&door.tls.config));
    door.tasks.spawn(listener::serve(public, config, routes, door.tasks.clone(), door.stop.clone()));
    door.tasks.spawn(Arc::clone(&part).keep_up(door.stop.clone()));
    Ok(door.serve(part, Some(address)))
}

impl RunningPart {
    /// Ends all connections and waits until everything under way is on disk.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        tracing::info!("stopped");
    }
}

/// What the rest of the server comes in by.
struct Door {
    listener: TcpListener,
    part_address: SocketAddr,
    tls: Tls,
    secret_file: PathBuf,
    secret: PartSecret,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Door {
    async fn open(settings: &Settings, place: &Place, wanted: SocketAddr) -> Result<Self, StartError> {
        machine::raise_descriptor_limit();
        if let Place::Apart { .. } = place {
            let error = "this process is to be the part that its configuration says is elsewhere";
            return Err(SettingsError::Part(error).into());
        }
        let directory = DataDir::open(&settings.data_dir)?;
        let (secret_file, secret) = directory.part_secret(&Chance::from_system())?;
        let tls = Tls::load(settings, &directory)?;
        let (listener, part_address) = listen(wanted).await?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        Ok(Self { listener, part_address, tls, secret_file, secret, stop, tasks })
    }

    fn serve(self, part: Arc<impl Part>, address: Option<SocketAddr>) -> RunningPart {
        let Self { listener, part_address, tls, secret_file, secret, stop, tasks } = self;
        tasks.spawn(serve(listener, tls.config, secret, part, stop.clone()));
        tracing::info!("listening");
        RunningPart { address, part_address, pin: tls.pin, secret_file, stop, tasks }
    }
}

/// A depot in a process of its own: its store, and what its door for clients needs.
pub(crate) struct DepotPart<S> {
    pub(crate) store: Holding<S>,
    pub(crate) permits: PermitKey,
    pub(crate) uploads: Uploads,
    pub(crate) clock: Clock,
}

impl<S: Store> Desk for DepotPart<S> {
    type Depot = S;

    fn depot(&self) -> &Holding<S> {
        &self.store
    }

    fn permits(&self) -> &PermitKey {
        &self.permits
    }

    fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl<S: Store> DepotPart<S> {
    /// Lets bodies expire and wipes what was deleted, also while the rest of the server is down.
    pub(crate) async fn keep_up(self: Arc<Self>, stop: CancellationToken) {
        let mut tick = interval(UPKEEP);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            let expired = self.store.expire_bodies(self.clock.now()).await;
            if let Err(error) = expired.map(drop).and(self.store.wipe_deleted().await) {
                store_code(&error);
            }
        }
    }
}

async fn listen(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |cause| StartError::Listen { address: wanted, cause };
    let listener = TcpListener::bind(wanted).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
