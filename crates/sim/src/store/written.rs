//! What a server has written, so that other servers can begin with it.
//!
//! Invariant: doing it again, in order, on empty stores gives the same accounts, keys and conversations.

use tacite_accounts::Store as _;
use tacite_accounts::store::NewAccount;
use tacite_depot::{Store as _, StoreError, Upload};
use tacite_model::{AccountId, ConversationId, DeviceId, Timestamp};
use tacite_router::Store as _;

use crate::server::Stores;

/// One write.
#[derive(Debug, Clone)]
pub(crate) enum Written {
    Account(Box<NewAccount>),
    Keys(AccountId, DeviceId, Box<Upload>),
    Request { from: AccountId, to: AccountId, id: ConversationId, now: Timestamp },
    Answer { answerer: AccountId, asker: AccountId, accept: bool, now: Timestamp },
}

impl Written {
    /// Does it again.
    pub(crate) async fn repeat(self, stores: &Stores) -> Result<(), StoreError> {
        match self {
            Self::Account(new) => drop(stores.accounts.register(*new).await?),
            Self::Keys(account_id, device_id, upload) => {
                stores.depot.publish(account_id, device_id, *upload).await?;
            }
            Self::Request { from, to, id, now } => drop(stores.router.request(from, to, id, now).await?),
            Self::Answer { answerer, asker, accept, now } => {
                stores.router.answer(answerer, asker, accept, now).await?;
            }
        }
        Ok(())
    }
}
