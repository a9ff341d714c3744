//! The contact book: it exists only here.
//!
//! Invariants: an identity key, once known, is only replaced by the person's decision; an account is a contact only if
//! the person of this vault asked or accepted it (`consented`), whatever a server says.

use rusqlite::Row;
use tacite_model::{AccountId, ConversationId, Handle, Timestamp};

use crate::{Transaction, VaultError, column};

/// How this account and another stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// This account asked and waits.
    Asked,
    /// The other account asked; the person may accept or refuse.
    Asking,
    /// Contacts.
    Accepted,
    /// This account refused the other.
    Refused,
}

column::words!(
    Standing,
    "standing",
    Asked = "asked",
    Asking = "asking",
    Accepted = "accepted",
    Refused = "refused",
);

/// Somebody else's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Who.
    pub account_id: AccountId,
    /// Their name, by the server's word.
    pub handle: Handle,
    /// How we stand.
    pub standing: Standing,
    /// Whether the person of this vault ever asked or accepted them.
    pub consented: bool,
    /// The conversation's id at the router.
    pub conversation_id: Option<ConversationId>,
    /// Their identity key in Signal's encoding, once known.
    pub identity_key: Option<[u8; 33]>,
    /// The person's own name for them; empty: none.
    pub own_name: String,
    /// Whether the person has compared safety numbers.
    pub verified: bool,
    /// What the person has noted about them; empty: nothing.
    pub notes: String,
    /// Whether the person has blocked them.
    pub blocked: bool,
    /// When the server says that it last changed.
    pub updated_at: Timestamp,
}

const COLUMNS: &str = "account_id, handle, standing, consented, conversation_id, identity_key, own_name, verified, \
    notes, blocked, updated_at_ms";

impl Transaction<'_> {
    /// The contact with this account.
    pub fn contact(&self, account_id: AccountId) -> Result<Option<Contact>, VaultError> {
        let sql = format!("SELECT {COLUMNS} FROM contacts WHERE account_id = ?1");
        self.first(&sql, &[account_id.as_bytes()], read_contact)
    }

    /// The contact of this name; if several accounts had it, the one that changed last.
    pub fn contact_by_handle(&self, handle: &Handle) -> Result<Option<Contact>, VaultError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM contacts WHERE handle = ?1 ORDER BY updated_at_ms DESC, rowid DESC LIMIT 1"
        );
        self.first(&sql, &[&handle.as_str()], read_contact)
    }

    /// All contacts, by name.
    pub fn contacts(&self) -> Result<Vec<Contact>, VaultError> {
        let sql = format!("SELECT {COLUMNS} FROM contacts ORDER BY handle, updated_at_ms");
        self.all(&sql, &[], read_contact)
    }

    /// Stores a contact, new or changed.
    pub fn save_contact(&self, contact: &Contact) -> Result<(), VaultError> {
        let sql = "INSERT OR REPLACE INTO contacts (account_id, handle, standing, consented, conversation_id, \
            identity_key, own_name, verified, notes, blocked, updated_at_ms) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        let conversation_id: &[u8] = contact.conversation_id.as_ref().map_or(&[], |id| id.as_bytes());
        let identity_key: &[u8] = contact.identity_key.as_ref().map_or(&[], |key| key);
        self.execute(
            sql,
            &[
                contact.account_id.as_bytes(),
                &contact.handle.as_str(),
                &contact.standing.as_str(),
                &contact.consented,
                &conversation_id,
                &identity_key,
                &contact.own_name,
                &contact.verified,
                &contact.notes,
                &contact.blocked,
                &column::time_value(contact.updated_at),
            ],
        )?;
        Ok(())
    }

    /// Notes that the person wants somebody of this name as a contact, whose account is not known yet.
    pub fn give_consent(&self, handle: &Handle) -> Result<(), VaultError> {
        self.execute("INSERT OR IGNORE INTO consents (handle) VALUES (?1)", &[&handle.as_str()])?;
        Ok(())
    }

    /// Whether there is such a note.
    pub fn has_consent(&self, handle: &Handle) -> Result<bool, VaultError> {
        self.exists("SELECT 1 FROM consents WHERE handle = ?1", &[&handle.as_str()])
    }

    /// Takes the note back; true if there was one.
    pub fn take_consent(&self, handle: &Handle) -> Result<bool, VaultError> {
        Ok(self.execute("DELETE FROM consents WHERE handle = ?1", &[&handle.as_str()])? == 1)
    }
}

fn read_contact(row: &Row<'_>) -> Result<Contact, VaultError> {
    Ok(Contact {
        account_id: AccountId::from_bytes(column::array(row, "account_id")?),
        handle: column::handle(row, "handle")?,
        standing: Standing::from_column(row)?,
        consented: row.get("consented")?,
        conversation_id: column::optional_array(row, "conversation_id")?.map(ConversationId::from_bytes),
        identity_key: column::optional_array(row, "identity_key")?,
        own_name: row.get("own_name")?,
        verified: row.get("verified")?,
        notes: row.get("notes")?,
        blocked: row.get("blocked")?,
        updated_at: column::time(row, "updated_at_ms")?,
    })
}
