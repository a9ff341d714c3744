//! The depot's door for clients (split mode): putting, fetching and deleting sealed bodies by name.
//!
//! The rules stand here as plain functions, which a simulation calls too; [`http`] gives them their HTTP form.
//!
//! Invariants: the name is all that it takes to fetch or delete a body, and a permit for that very name to put one; neither
//! tells the depot who it is that comes; nothing here logs a name, a permit or an address.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tacite_depot::{BodyName, Holding, PermitError, PermitKey, Put, Store, StoreError};
use tacite_model::Timestamp;
use tacite_model::limits::{BODY_BYTES, UPLOAD_METERS_MAX, UPLOAD_PERMIT_MS, UPLOAD_QUOTA};
use tacite_model::rate::Meter;
use thiserror::Error;

const SWEEP_INTERVAL_MS: u64 = 1000;

/// Why a body is not put.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PutError {
    /// No permit for this name, or not any more.
    #[error(transparent)]
    Permit(#[from] PermitError),
    /// The permit was used too often.
    #[error("this permit was used too often: wait {retry_after_ms} ms")]
    TooFast {
        /// How long to wait.
        retry_after_ms: u64,
    },
    /// Not one of the sizes to which bodies are padded.
    #[error("a body of {0} bytes is not padded as it should be")]
    Size(usize),
    /// The depot failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Counts how often each permit is used.
#[derive(Debug, Default)]
pub struct Uploads {
    meters: Mutex<Meters>,
}

#[derive(Debug, Default)]
struct Meters {
    of: HashMap<BodyName, Meter>,
    /// When those were last dropped that count nothing any more.
    swept_at: Option<Timestamp>,
}

impl Uploads {
    /// Whether an upload may begin: the permit is good and was not used too often. To be asked before the body is read.
    pub fn admit(
        &self,
        permits: &PermitKey,
        name: BodyName,
        permit: &[u8],
        now: Timestamp,
    ) -> Result<(), PutError> {
        permits.check(permit, name, now)?;
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        if meters.of.len() >= UPLOAD_METERS_MAX && !meters.of.contains_key(&name) {
            meters.sweep(now);
            if meters.of.len() >= UPLOAD_METERS_MAX {
                return Err(PutError::TooFast { retry_after_ms: UPLOAD_QUOTA.interval_ms });
            }
        }
        let meter = meters.of.entry(name).or_default();
        meter.admit(UPLOAD_QUOTA, now).map_err(|retry_after_ms| PutError::TooFast { retry_after_ms })
    }
}

impl Meters {
    /// Drops those that count nothing any more. Looking through all takes longer than an upload: not each is to do it.
    fn sweep(&mut self, now: Timestamp) {
        if self.swept_at.is_none_or(|swept_at| now >= swept_at.plus_ms(SWEEP_INTERVAL_MS)) {
            self.swept_at = Some(now);
            self.of.retain(|_, meter| !meter.is_idle(now));
        }
    }
}

/// Puts a body whose upload was admitted. It expires with the time for permits, unless it is announced before; until then
/// it may be lost with the process.
pub async fn put(
    depot: &Holding<impl Store>,
    name: BodyName,
    body: Bytes,
    now: Timestamp,
) -> Result<Put, PutError> {
    if !BODY_BYTES.contains(&body.len()) {
        return Err(PutError::Size(body.len()));
    }
    Ok(depot.hold(name, body, now.plus_ms(UPLOAD_PERMIT_MS)).await?)
}

/// The body of this name, if it is there.
pub async fn fetch(depot: &impl Store, name: BodyName) -> Result<Option<Bytes>, StoreError> {
    Ok(depot.bodies(vec![name]).await?.pop().flatten())
}

/// Deletes the body of this name, if it is there.
pub async fn delete(depot: &impl Store, name: BodyName) -> Result<(), StoreError> {
    depot.delete_bodies(vec![name]).await
}
