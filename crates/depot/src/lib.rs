//! The depot keeps two kinds of bytes that it cannot read: sealed bodies that wait for their recipient, under names that
//! nobody can guess, and the public prekeys of devices.
//!
//! Invariants: a body says nothing of sender or recipient, neither do its name and its row; what [`Store::put_body`] has
//! acknowledged survives a power cut ([`Holding::hold`] promises less); a one-time prekey is handed out once.
//!
//! To add a store: implement [`Store`] in a module of `store/` and run the suite of `conformance.rs` on it.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod holding;
mod keys;
mod permit;
pub mod store;

use std::fmt;
use std::future::Future;

use bytes::Bytes;
use futures_util::TryFutureExt as _;
use futures_util::future::try_join_all;
pub use holding::Holding;
pub use keys::{DeviceKeys, KeysError, Upload};
pub use permit::{PERMIT_BYTES, PermitError, PermitKey};
use tacite_model::{AccountId, DeviceId, Timestamp};
pub use tacite_store::{StoreError, inspect};
use tacite_wire::proto;

/// The name of a body: 32 bytes that only the router can compute.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BodyName(pub [u8; 32]);

impl fmt::Debug for BodyName {
    /// A name is a capability; it is not printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyName(…)")
    }
}

/// What came of putting a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is there now, and was not before.
    Created,
    /// The same bytes were there already.
    Same,
    /// Other bytes are there under this name, and stay.
    Other,
}

/// Where the depot keeps its bytes. One method is one intention and one transaction.
pub trait Store: Send + Sync + 'static {
    /// Keeps a body until `expires_at`, or longer if the same bytes are there and would be kept longer. What is there is
    /// never replaced.
    ///
    /// The order of calls is the order of writing, even before the futures are polled.
    fn put_body(
        &self,
        name: BodyName,
        body: Bytes,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send + 'static;

    /// The same with several, at once where the store can: after an error, some or none may be there.
    fn put_bodies(
        &self,
        bodies: Vec<(BodyName, Bytes, Timestamp)>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        let bodies = bodies.into_iter();
        try_join_all(bodies.map(|(name, body, expires_at)| self.put_body(name, body, expires_at)))
            .map_ok(drop)
    }

    /// Whether a body of this name is there; if so, it is kept until `expires_at` at least.
    fn keep_body(
        &self,
        name: BodyName,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send + 'static;

    /// The bodies of these names, in the same order; `None` for each that is not there.
    fn bodies(
        &self,
        names: Vec<BodyName>,
    ) -> impl Future<Output = Result<Vec<Option<Bytes>>, StoreError>> + Send;

    /// Deletes the bodies of these names, as far as they are there.
    fn delete_bodies(&self, names: Vec<BodyName>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Deletes the bodies that have expired at `now`; returns how many.
    fn expire_bodies(&self, now: Timestamp) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// Afterwards no file holds any byte of what was deleted before. Cheap if nothing was.
    fn wipe_deleted(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes a device's upload over; returns what is there now.
    fn publish(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
        upload: Upload,
    ) -> impl Future<Output = Result<proto::KeyCount, StoreError>> + Send;

    /// The keys of each device of an account that has published any, by ascending device id. Takes one one-time prekey of
    /// each kind per device; where none is left the last-resort Kyber prekey is given and no curve prekey.
    fn take_keys(
        &self,
        account_id: AccountId,
    ) -> impl Future<Output = Result<Vec<DeviceKeys>, StoreError>> + Send;
}
