//! Columns to domain types and back.
//!
//! Invariant: what a column cannot hold by this crate's own writing is [`VaultError::Damaged`], never a panic.

use rusqlite::Row;
use tacite_model::{AccountId, DeviceId, Expiry, ExpiryStart, Handle, MessageId, MessageName, Timestamp};

use crate::VaultError;

/// The bytes of an id column (16) or key column (`N`).
pub(crate) fn array<const N: usize>(row: &Row<'_>, name: &'static str) -> Result<[u8; N], VaultError> {
    let bytes = row.get_ref(name)?.as_blob().map_err(|_| VaultError::Damaged(name))?;
    bytes.try_into().map_err(|_| VaultError::Damaged(name))
}

/// The bytes of a key or id column, where empty means absent.
pub(crate) fn optional_array<const N: usize>(
    row: &Row<'_>,
    name: &'static str,
) -> Result<Option<[u8; N]>, VaultError> {
    let bytes = row.get_ref(name)?.as_blob().map_err(|_| VaultError::Damaged(name))?;
    if bytes.is_empty() {
        return Ok(None);
    }
    bytes.try_into().map(Some).map_err(|_| VaultError::Damaged(name))
}

/// A time column.
pub(crate) fn time(row: &Row<'_>, name: &'static str) -> Result<Timestamp, VaultError> {
    let ms: i64 = row.get(name)?;
    u64::try_from(ms).map(Timestamp::from_ms).map_err(|_| VaultError::Damaged(name))
}

/// The value of a time column. Times beyond the year 292,277,026 are stored as that.
pub(crate) fn time_value(time: Timestamp) -> i64 {
    i64::try_from(time.as_ms()).unwrap_or(i64::MAX)
}

/// A handle column.
pub(crate) fn handle(row: &Row<'_>, name: &'static str) -> Result<Handle, VaultError> {
    let text = row.get_ref(name)?.as_str().map_err(|_| VaultError::Damaged(name))?;
    text.parse().map_err(|_| VaultError::Damaged(name))
}

/// A device column.
pub(crate) fn device(row: &Row<'_>, name: &'static str) -> Result<DeviceId, VaultError> {
    let value: u32 = row.get(name)?;
    DeviceId::try_from(value).map_err(|_| VaultError::Damaged(name))
}

/// A message id column, where empty means absent.
pub(crate) fn optional_message_id(
    row: &Row<'_>,
    name: &'static str,
) -> Result<Option<MessageId>, VaultError> {
    Ok(optional_array(row, name)?.map(MessageId::from_bytes))
}

/// The value of a message id column, where empty means absent.
pub(crate) fn optional_id_value(id: Option<&MessageId>) -> &[u8] {
    id.map_or(&[], |id| id.as_bytes())
}

/// A pair of columns that name a message, where empty means absent.
pub(crate) fn optional_name(
    row: &Row<'_>,
    author: &'static str,
    message: &'static str,
) -> Result<Option<MessageName>, VaultError> {
    let author_id = optional_array(row, author)?.map(AccountId::from_bytes);
    let message_id = optional_message_id(row, message)?;
    Ok(author_id.zip(message_id).map(|(author_id, message_id)| MessageName { author_id, message_id }))
}

/// The columns `expiry_after_ms` and `expiry_start`.
pub(crate) fn expiry(row: &Row<'_>) -> Result<Option<Expiry>, VaultError> {
    let word = row.get_ref("expiry_start")?.as_str().map_err(|_| VaultError::Damaged("expiry_start"))?;
    let start = match word {
        "off" => return Ok(None),
        "read" => ExpiryStart::Read,
        "receipt" => ExpiryStart::Receipt,
        _ => return Err(VaultError::Damaged("expiry_start")),
    };
    let after_ms = time(row, "expiry_after_ms")?.as_ms();
    Expiry::new(after_ms, start).map(Some).ok_or(VaultError::Damaged("expiry_after_ms"))
}

/// The values of the columns `expiry_after_ms` and `expiry_start`.
pub(crate) fn expiry_values(expiry: Option<Expiry>) -> (i64, &'static str) {
    let Some(Expiry { after_ms, start }) = expiry else { return (0, "off") };
    let word = match start {
        ExpiryStart::Read => "read",
        ExpiryStart::Receipt => "receipt",
    };
    (time_value(Timestamp::from_ms(after_ms)), word)
}

/// Implements `as_str` and `from_word` of an enum whose words stand in the database and in JSON.
macro_rules! words {
    ($name:ident, $column:literal, $($variant:ident = $word:literal),+ $(,)?) => {
        impl $name {
            /// The stable lower-case word for this.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            pub(crate) fn from_word(word: &str) -> Result<Self, crate::VaultError> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(crate::VaultError::Damaged($column)),
                }
            }

            fn from_column(row: &rusqlite::Row<'_>) -> Result<Self, crate::VaultError> {
                let word = row.get_ref($column)?.as_str().map_err(|_| crate::VaultError::Damaged($column))?;
                Self::from_word(word)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;
