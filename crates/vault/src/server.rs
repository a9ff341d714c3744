//! Where this vault's server is.
//!
//! Invariant: at most one server per vault.

use tacite_model::KeyPin;

use crate::{Transaction, VaultError, column};

/// The vault's server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `host:port`.
    pub address: String,
    /// The name that it gives itself; `None` until first contact.
    pub name: Option<String>,
    /// The key that it must show; `None`: a public certificate.
    pub pin: Option<KeyPin>,
    /// Plain TCP instead of TLS.
    pub tls_disabled: bool,
    /// Any certificate will do.
    pub certificate_unchecked: bool,
    /// Number of the delivery mode that it last announced; 0: not known.
    pub delivery_mode: i32,
}

impl Transaction<'_> {
    /// The vault's server.
    pub fn server(&self) -> Result<Option<Server>, VaultError> {
        let sql = "SELECT address, name, pin, tls_disabled, certificate_unchecked, delivery_mode FROM server";
        self.first(sql, &[], |row| {
            let name: String = row.get("name")?;
            Ok(Server {
                address: row.get("address")?,
                name: (!name.is_empty()).then_some(name),
                pin: column::optional_array(row, "pin")?.map(KeyPin),
                tls_disabled: row.get("tls_disabled")?,
                certificate_unchecked: row.get("certificate_unchecked")?,
                delivery_mode: row.get("delivery_mode")?,
            })
        })
    }

    /// Sets or replaces the vault's server.
    pub fn save_server(&self, server: &Server) -> Result<(), VaultError> {
        let sql = "INSERT OR REPLACE INTO server \
            (only_row, address, name, pin, tls_disabled, certificate_unchecked, delivery_mode) \
            VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)";
        let name = server.name.as_deref().unwrap_or_default();
        let pin: &[u8] = server.pin.as_ref().map_or(&[], |pin| &pin.0);
        self.execute(
            sql,
            &[
                &server.address,
                &name,
                &pin,
                &server.tls_disabled,
                &server.certificate_unchecked,
                &server.delivery_mode,
            ],
        )?;
        Ok(())
    }

    /// Forgets the server.
    pub fn remove_server(&self) -> Result<(), VaultError> {
        self.execute("DELETE FROM server", &[])?;
        Ok(())
    }
}
