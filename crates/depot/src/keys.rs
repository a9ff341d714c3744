//! Prekeys as the depot sees them: checked for form at the edge, otherwise opaque.
//!
//! Invariant: an [`Upload`] that exists has keys of the right length, distinct ids and no more of them than the limits
//! allow. Signatures are checked by those who use the keys; the server could not be trusted with it anyway.

use tacite_model::DeviceId;
use tacite_model::limits::{KYBER_PREKEYS_PER_UPLOAD_MAX, ONE_TIME_PREKEYS_PER_UPLOAD_MAX};
use tacite_wire::proto;
use thiserror::Error;

/// Bytes of an encoded Curve25519 public key (Signal: type byte 0x05 and 32 bytes).
pub(crate) const CURVE_KEY_BYTES: usize = 33;
/// Bytes of an encoded Kyber1024 public key (Signal: type byte 0x08 and 1568 bytes).
pub(crate) const KYBER_KEY_BYTES: usize = 1569;
const SIGNATURE_BYTES: usize = 64;

/// A device's upload, checked.
#[derive(Debug, Clone, Default)]
pub struct Upload {
    /// Replaces the signed prekey.
    pub signed_prekey: Option<proto::SignedPrekey>,
    /// Replaces the last-resort Kyber prekey.
    pub last_resort: Option<proto::SignedPrekey>,
    /// All one-time keys that were there before are forgotten, of both kinds.
    pub replaces_one_time: bool,
    /// Added, up to the limit per device.
    pub one_time_prekeys: Vec<proto::OneTimePrekey>,
    /// Added, up to the limit per device.
    pub kyber_prekeys: Vec<proto::SignedPrekey>,
}

/// What others need to begin a session with one device.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceKeys {
    /// Which device.
    pub device_id: DeviceId,
    /// Its signed prekey.
    pub signed_prekey: proto::SignedPrekey,
    /// A one-time Kyber prekey, or the last-resort one.
    pub kyber_prekey: proto::SignedPrekey,
    /// A one-time prekey, if one was left.
    pub one_time_prekey: Option<proto::OneTimePrekey>,
    /// How many of each kind are left now.
    pub left: proto::KeyCount,
}

/// Why an upload is refused. The device is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeysError {
    /// A key or signature has the wrong length or type byte.
    #[error("a key has the wrong form")]
    Form,
    /// More keys than one upload may hold, or an id twice.
    #[error("too many keys, or an id twice")]
    Count,
}

impl TryFrom<proto::PublishKeys> for Upload {
    type Error = KeysError;

    fn try_from(keys: proto::PublishKeys) -> Result<Self, KeysError> {
        let one_time_ids = keys.one_time_prekeys.iter().map(|key| key.id).collect();
        let kyber_ids = keys.kyber_prekeys.iter().map(|key| key.id).collect();
        if !distinct(one_time_ids, ONE_TIME_PREKEYS_PER_UPLOAD_MAX)
            || !distinct(kyber_ids, KYBER_PREKEYS_PER_UPLOAD_MAX)
        {
            return Err(KeysError::Count);
        }
        let one_time_is_well = keys.one_time_prekeys.iter().all(|key| is_curve_key(&key.key));
        let signed_is_well = keys
            .signed_prekey
            .iter()
            .all(|key| is_curve_key(&key.key) && key.signature.len() == SIGNATURE_BYTES);
        let mut kyber = keys.last_resort_kyber_prekey.iter().chain(&keys.kyber_prekeys);
        let kyber_is_well = kyber.all(|key| is_kyber_key(&key.key) && key.signature.len() == SIGNATURE_BYTES);
        if !one_time_is_well || !signed_is_well || !kyber_is_well {
            return Err(KeysError::Form);
        }
        Ok(Self {
            signed_prekey: keys.signed_prekey,
            last_resort: keys.last_resort_kyber_prekey,
            replaces_one_time: keys.replace,
            one_time_prekeys: keys.one_time_prekeys,
            kyber_prekeys: keys.kyber_prekeys,
        })
    }
}

fn distinct(mut ids: Vec<u32>, most: usize) -> bool {
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    ids.len() == count && count <= most
}

fn is_curve_key(key: &[u8]) -> bool {
    key.len() == CURVE_KEY_BYTES && key[0] == 0x05
}

fn is_kyber_key(key: &[u8]) -> bool {
    key.len() == KYBER_KEY_BYTES && key[0] == 0x08
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{curve_key, kyber_key};

    fn upload(one_time: u32, kyber: u32) -> Result<Upload, KeysError> {
        Upload::try_from(proto::PublishKeys {
            one_time_prekeys: (0..one_time).map(curve_key).collect(),
            kyber_prekeys: (0..kyber).map(kyber_key).collect(),
            ..Default::default()
        })
    }

    #[test]
    fn an_upload_holds_so_many_keys_and_not_one_more() {
        let (one_time, kyber) = (100, 30);
        assert_eq!(upload(one_time, kyber).unwrap().kyber_prekeys.len(), 30);
        assert_eq!(upload(one_time + 1, kyber).unwrap_err(), KeysError::Count);
        assert_eq!(upload(one_time, kyber + 1).unwrap_err(), KeysError::Count);
    }

    #[test]
    fn an_id_may_not_stand_twice() {
        let keys =
            proto::PublishKeys { one_time_prekeys: vec![curve_key(1), curve_key(1)], ..Default::default() };
        assert_eq!(Upload::try_from(keys).unwrap_err(), KeysError::Count);
    }

    // T2: lengths one off, and a type byte of another scheme.
    #[test]
    fn keys_of_wrong_form_are_refused() {
        let refused = |change: &dyn Fn(&mut proto::SignedPrekey)| {
            let mut key = kyber_key(1);
            change(&mut key);
            let keys = proto::PublishKeys { last_resort_kyber_prekey: Some(key), ..Default::default() };
            Upload::try_from(keys).err()
        };
        assert_eq!(refused(&|_| ()), None);
        assert_eq!(refused(&|key| key.key = vec![8; 1568].into()), Some(KeysError::Form));
        assert_eq!(refused(&|key| key.key = vec![7; 1569].into()), Some(KeysError::Form));
        assert_eq!(refused(&|key| key.signature = vec![0; 63].into()), Some(KeysError::Form));
    }
}
