//! Copies of a vault in memory, for simulations: worlds begin with prepared vaults, and old ones come back.
//!
//! Invariants: compiled only with the feature `snapshot`, which no program that is shipped switches on; a snapshot holds
//! everything that was committed, unencrypted.

use rusqlite::{Connection, MAIN_DB};

use super::configure;
use crate::{Vault, VaultError};

impl Vault {
    /// Everything that is in this vault, as the bytes of an unencrypted database.
    pub fn snapshot(&mut self) -> Result<Vec<u8>, VaultError> {
        Ok(self.connection.serialize(MAIN_DB)?.to_vec())
    }

    /// A vault in memory that holds what [`Vault::snapshot`] gave.
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, VaultError> {
        let mut connection = Connection::open_in_memory()?;
        connection.deserialize_read_exact(MAIN_DB, bytes, bytes.len(), false)?;
        configure(&connection)?;
        Ok(Self { connection, begun: 0, last_claimed: 0 })
    }

    /// Forgets which messages were received: a fault that a simulation plants.
    pub fn forget_seen(&mut self) -> Result<(), VaultError> {
        self.connection.execute("DELETE FROM seen", [])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tacite_model::{AccountId, MessageId};

    use super::*;

    #[test]
    fn a_snapshot_holds_what_was_committed_and_goes_its_own_way() {
        let alice = AccountId::from_bytes([1; 16]);
        let (first, second) = (MessageId::from_bytes([1; 16]), MessageId::from_bytes([2; 16]));
        let mark = |vault: &mut Vault, id| {
            let tx = vault.transaction().unwrap();
            tx.mark_seen(alice, id).unwrap();
            tx.commit().unwrap();
        };
        let sees = |vault: &mut Vault, id| vault.transaction().unwrap().is_seen(alice, id).unwrap();
        let mut vault = Vault::open_in_memory().unwrap();
        mark(&mut vault, first);
        let mut copy = Vault::from_snapshot(&vault.snapshot().unwrap()).unwrap();
        mark(&mut vault, second);
        assert!(sees(&mut copy, first) && !sees(&mut copy, second));
        mark(&mut copy, second);
        copy.forget_seen().unwrap();
        assert!(!sees(&mut copy, first) && sees(&mut vault, first));
    }
}
