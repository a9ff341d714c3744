//! Identity keys that were shown instead of the known ones.
//!
//! Invariant: an offered key is only kept; it becomes the known one by the person's decision alone.

use tacite_model::AccountId;

use crate::{Transaction, VaultError, column};

impl Transaction<'_> {
    /// The key that was last shown for an account instead of the known one.
    pub fn offered_identity(&self, account_id: AccountId) -> Result<Option<[u8; 33]>, VaultError> {
        let sql = "SELECT identity_key FROM offered_identities WHERE account_id = ?1";
        self.first(sql, &[account_id.as_bytes()], |row| column::array(row, "identity_key"))
    }

    /// Keeps the key that was shown.
    pub fn offer_identity(&self, account_id: AccountId, identity_key: &[u8; 33]) -> Result<(), VaultError> {
        let sql = "INSERT OR REPLACE INTO offered_identities (account_id, identity_key) VALUES (?1, ?2)";
        self.execute(sql, &[account_id.as_bytes(), identity_key])?;
        Ok(())
    }

    /// Forgets it: it was accepted.
    pub fn forget_offered_identity(&self, account_id: AccountId) -> Result<(), VaultError> {
        self.execute("DELETE FROM offered_identities WHERE account_id = ?1", &[account_id.as_bytes()])?;
        Ok(())
    }
}
