//! The vault's account, its secret keys, and the tokens of its session.
//!
//! Invariants: at most one account per vault; secret keys leave only as [`Secret`]; a refresh token can be taken once.

use core::fmt;

use rusqlite::Row;
use tacite_model::{AccountId, DeviceId, Handle, Secret, Timestamp};
use zeroize::Zeroizing;

use crate::{Transaction, VaultError, column};

/// First byte of a stored log-in key.
const LOGIN_KEY_VERSION: u8 = 1;

/// The account of this device.
#[derive(Debug, Clone)]
pub struct Account {
    /// Chosen at random by the device that registered.
    pub account_id: AccountId,
    /// Its name.
    pub handle: Handle,
    /// Which of the account's devices this is.
    pub device_id: DeviceId,
    /// Signal registration id, 1 to 16,380.
    pub registration_id: u32,
    /// Stored form of the identity key pair; begins with its own version byte.
    pub identity_key_pair: Secret<Vec<u8>>,
    /// Seed of the Ed25519 key with which the device logs in.
    pub login_key: Secret<[u8; 32]>,
    /// Whether it administers the server.
    pub administrator: bool,
    /// Whether it has a session.
    pub standing: AccountStanding,
}

/// Whether the account has a session on its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountStanding {
    /// The last step of a registration was sent and not answered yet.
    Registering,
    /// It has; the device may sign itself in.
    SignedIn,
    /// It has not; password and words are wanted.
    SignedOut,
}

column::words!(
    AccountStanding,
    "standing",
    Registering = "registering",
    SignedIn = "signed-in",
    SignedOut = "signed-out",
);

/// The tokens of a session.
#[derive(Clone)]
pub struct Tokens {
    /// For the upgrade of a link.
    pub access_token: Secret<String>,
    /// Until when the access token is good.
    pub access_expires_at: Timestamp,
    /// Good for one use; `None` once taken.
    pub refresh_token: Option<Secret<String>>,
    /// Until when the refresh token is good.
    pub refresh_expires_at: Timestamp,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens(until {})", self.access_expires_at)
    }
}

impl Transaction<'_> {
    /// The vault's account.
    pub fn account(&self) -> Result<Option<Account>, VaultError> {
        let sql = "SELECT account_id, handle, device_id, registration_id, identity_key_pair, login_key, \
            administrator, standing FROM account";
        self.first(sql, &[], read_account)
    }

    /// Sets or replaces the vault's account.
    pub fn save_account(&self, account: &Account) -> Result<(), VaultError> {
        let sql = "INSERT OR REPLACE INTO account (only_row, account_id, handle, device_id, registration_id, \
            identity_key_pair, login_key, administrator, standing) VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let mut login_key = Zeroizing::new([LOGIN_KEY_VERSION; 33]);
        login_key[1..].copy_from_slice(account.login_key.expose());
        self.execute(
            sql,
            &[
                account.account_id.as_bytes(),
                &account.handle.as_str(),
                &account.device_id.value(),
                &account.registration_id,
                account.identity_key_pair.expose(),
                &login_key.as_slice(),
                &account.administrator,
                &account.standing.as_str(),
            ],
        )?;
        Ok(())
    }

    /// Notes whether the account has a session.
    pub fn set_account_standing(&self, standing: AccountStanding) -> Result<(), VaultError> {
        self.execute("UPDATE account SET standing = ?1", &[&standing.as_str()])?;
        Ok(())
    }

    /// Notes whether the account administers the server.
    pub fn set_administrator(&self, administrator: bool) -> Result<(), VaultError> {
        self.execute("UPDATE account SET administrator = ?1", &[&administrator])?;
        Ok(())
    }

    /// Forgets the account and its keys: a registration that came to nothing.
    pub fn remove_account(&self) -> Result<(), VaultError> {
        self.execute("DELETE FROM account", &[])?;
        self.execute("DELETE FROM prekeys", &[])?;
        self.remove_tokens()
    }

    /// The session's tokens.
    pub fn tokens(&self) -> Result<Option<Tokens>, VaultError> {
        let sql =
            "SELECT access_token, access_expires_at_ms, refresh_token, refresh_expires_at_ms FROM tokens";
        self.first(sql, &[], |row| {
            let refresh_token: String = row.get("refresh_token")?;
            Ok(Tokens {
                access_token: Secret::new(row.get("access_token")?),
                access_expires_at: column::time(row, "access_expires_at_ms")?,
                refresh_token: (!refresh_token.is_empty()).then(|| Secret::new(refresh_token)),
                refresh_expires_at: column::time(row, "refresh_expires_at_ms")?,
            })
        })
    }

    /// Sets or replaces the session's tokens.
    pub fn save_tokens(&self, tokens: &Tokens) -> Result<(), VaultError> {
        let sql = "INSERT OR REPLACE INTO tokens \
            (only_row, access_token, access_expires_at_ms, refresh_token, refresh_expires_at_ms) \
            VALUES (1, ?1, ?2, ?3, ?4)";
        let refresh_token = tokens.refresh_token.as_ref().map_or("", |token| token.expose().as_str());
        self.execute(
            sql,
            &[
                tokens.access_token.expose(),
                &column::time_value(tokens.access_expires_at),
                &refresh_token,
                &column::time_value(tokens.refresh_expires_at),
            ],
        )?;
        Ok(())
    }

    /// Takes the refresh token out of the vault: a token whose use was answered into the void must not be used again,
    /// because the server takes that for theft.
    pub fn take_refresh_token(&self) -> Result<Option<Secret<String>>, VaultError> {
        let token = self.tokens()?.and_then(|tokens| tokens.refresh_token);
        self.execute("UPDATE tokens SET refresh_token = ''", &[])?;
        Ok(token)
    }

    /// Forgets the tokens.
    pub fn remove_tokens(&self) -> Result<(), VaultError> {
        self.execute("DELETE FROM tokens", &[])?;
        Ok(())
    }
}

fn read_account(row: &Row<'_>) -> Result<Account, VaultError> {
    let login_key = Zeroizing::new(column::array::<33>(row, "login_key")?);
    let (&version, seed) = login_key.split_first().ok_or(VaultError::Damaged("login_key"))?;
    if version != LOGIN_KEY_VERSION {
        return Err(VaultError::Newer);
    }
    let seed: [u8; 32] = seed.try_into().map_err(|_| VaultError::Damaged("login_key"))?;
    Ok(Account {
        account_id: AccountId::from_bytes(column::array(row, "account_id")?),
        handle: column::handle(row, "handle")?,
        device_id: column::device(row, "device_id")?,
        registration_id: row.get("registration_id")?,
        identity_key_pair: Secret::new(row.get("identity_key_pair")?),
        login_key: Secret::new(seed),
        administrator: row.get("administrator")?,
        standing: AccountStanding::from_column(row)?,
    })
}
