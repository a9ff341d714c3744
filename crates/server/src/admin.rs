//! What an administrator does from the command line, beside a running server or without one.
//!
//! Invariant: works on the stores directly; SQLite lets a second process write beside the server, and a part that is apart
//! serves several callers.

use std::net::SocketAddr;

use tacite_accounts::{Accounts, AccountsError};
use tacite_depot::StoreError;
use tacite_model::limits::INVITATION_USES_MAX;
use tacite_model::{Invitation, InvitationError};
use thiserror::Error;

use crate::clock::{Chance, Clock};
use crate::data_dir::{DataDir, DataDirError};
use crate::running::{accounts_store, public_address, server_name};
use crate::settings::Settings;
use crate::tls::{Tls, TlsError};

/// Why a command of the administration failed.
#[derive(Debug, Error)]
pub enum AdminError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The certificate cannot be read.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The database cannot be opened.
    #[error("the database cannot be opened: {0}")]
    Store(#[from] StoreError),
    /// The accounts part refused.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// The address for invitations is not valid.
    #[error(transparent)]
    Invitation(#[from] InvitationError),
    /// Zero or too many uses.
    #[error("an invitation is good for 1 to {INVITATION_USES_MAX} people")]
    Uses,
    /// The port is not known.
    #[error("the server takes any free port: say with --public-address HOST:PORT where it is")]
    Port,
}

/// Makes an invitation that `uses` people can register with. Must be called within a tokio runtime.
pub async fn invite(settings: &Settings, uses: u32) -> Result<Invitation, AdminError> {
    if !(1..=INVITATION_USES_MAX).contains(&uses) {
        return Err(AdminError::Uses);
    }
    if settings.port == 0 && settings.public_address.is_none() {
        return Err(AdminError::Port);
    }
    let (clock, chance) = (Clock::start(), Chance::from_system());
    let directory = DataDir::open(&settings.data_dir)?;
    let tls = if settings.tls.disabled { None } else { Some(Tls::load(settings, &directory)?) };
    let name = server_name(settings, tls.as_ref().map(|tls| tls.pin));
    let accounts_settings =
        tacite_accounts::Settings { server_name: name.clone(), registration: settings.registration };
    let store = accounts_store::<AdminError>(settings)?;
    let accounts = Accounts::new(accounts_settings, directory.account_keys(&chance)?, store);
    let secret = accounts.invite(uses, None, clock.now(), &mut chance.fork()).await?;
    let address = public_address(settings, SocketAddr::new(settings.address, settings.port));
    let pin = tls.filter(|tls| tls.self_made).map(|tls| tls.pin);
    Ok(Invitation::new(&address, &name, *secret.expose(), pin)?)
}
