//! Starting and stopping a depot in a process of its own.
//!
//! Invariant: it opens the depot's database and nothing else of a server: no accounts, no metadata, no key for names.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tacite_depot::store::SqliteStore;
use tacite_model::KeyPin;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bodies::{self, Uploads};
use crate::clock::{Chance, Clock};
use crate::data_dir::DataDir;
use crate::remote::{DepotPart, serve};
use crate::running::StartError;
use crate::settings::{DepotPlace, Settings, SettingsError};
use crate::tls::Tls;
use crate::{listener, machine};

/// A depot that serves clients and the rest of its server.
pub struct RunningDepot {
    /// Where clients put and fetch bodies.
    pub address: SocketAddr,
    /// Where the rest of the server calls it.
    pub part_address: SocketAddr,
    /// Its key.
    pub pin: KeyPin,
    /// The secret that the rest of the server needs.
    pub secret_file: PathBuf,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Starts a depot. `part_address`: where the rest of the server is to call it. Must be called within a tokio runtime.
pub async fn start_depot(settings: Settings, part_address: SocketAddr) -> Result<RunningDepot, StartError> {
    machine::raise_descriptor_limit();
    let (clock, chance) = (Clock::start(), Chance::from_system());
    let DepotPlace::Here(_) = &settings.places.depot else {
        return Err(SettingsError::Part(
            "this process is to be the depot, and its configuration says it is elsewhere",
        )
        .into());
    };
    let directory = DataDir::open(&settings.data_dir)?;
    let (secret_file, secret) = directory.part_secret(&chance)?;
    let tls = Tls::load(&settings, &directory)?;
    let store = SqliteStore::open(&settings.database("depot"))?;
    let (public, address) = listen(SocketAddr::new(settings.address, settings.port)).await?;
    let (private, part_address) = listen(part_address).await?;
    let part = DepotPart { store, permits: secret.permit_key(), uploads: Uploads::default(), clock };
    let (part, stop, tasks) = (Arc::new(part), CancellationToken::new(), TaskTracker::new());
    let routes = bodies::http::routes(Arc::clone(&part));
    tasks.spawn(listener::serve(public, Some(Arc::clone(&tls.config)), routes, tasks.clone(), stop.clone()));
    tasks.spawn(serve(private, tls.config, secret, Arc::clone(&part), stop.clone()));
    tasks.spawn(part.keep_up(stop.clone()));
    tracing::info!("listening");
    Ok(RunningDepot { address, part_address, pin: tls.pin, secret_file, stop, tasks })
}

impl RunningDepot {
    /// Ends all connections and waits until everything under way is on disk.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        tracing::info!("stopped");
    }
}

async fn listen(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |cause| StartError::Listen { address: wanted, cause };
    let listener = TcpListener::bind(wanted).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
