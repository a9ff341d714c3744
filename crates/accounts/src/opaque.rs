//! The server's half of OPAQUE (RFC 9807), over bytes.
//!
//! Invariants: every message has exactly its one length; a log-in for an unknown name runs the same steps with a fake
//! record; a stored record begins with a version byte.

use opaque_ke::rand::{CryptoRng as CryptoRng06, Error as Error06, RngCore as RngCore06};
use opaque_ke::{
    CredentialFinalization, CredentialRequest, RegistrationRequest, RegistrationUpload, ServerLogin,
    ServerLoginParameters, ServerRegistration, ServerSetup,
};
use rand_core::CryptoRng;
use tacite_model::Secret;
use tacite_store::StoreError;
use tacite_wire::password::Suite;

use crate::AccountsError;

const RECORD_VERSION: u8 = 1;
const REGISTRATION_REQUEST_BYTES: usize = 32;
const RECORD_BYTES: usize = 192;
const KE1_BYTES: usize = 96;
const KE3_BYTES: usize = 64;

/// An OPAQUE record as it is stored.
pub type Record = Secret<Vec<u8>>;

/// Answers a registration request.
pub(crate) fn answer_registration(
    setup: &ServerSetup<Suite>,
    request: &[u8],
    identifier: &[u8],
) -> Result<Vec<u8>, AccountsError> {
    const FIELD: AccountsError = AccountsError::Unreadable("registration request");
    let request = exactly::<REGISTRATION_REQUEST_BYTES>(request, FIELD)?;
    let request = RegistrationRequest::deserialize(request).map_err(|_| FIELD)?;
    let started = ServerRegistration::start(setup, request, identifier).map_err(|_| FIELD)?;
    Ok(started.message.serialize().to_vec())
}

/// Checks an uploaded record and makes it what is stored.
pub(crate) fn accept_record(upload: &[u8]) -> Result<Record, AccountsError> {
    const FIELD: AccountsError = AccountsError::Unreadable("registration record");
    let upload = exactly::<RECORD_BYTES>(upload, FIELD)?;
    let upload = RegistrationUpload::<Suite>::deserialize(upload).map_err(|_| FIELD)?;
    let record = ServerRegistration::finish(upload).serialize();
    Ok(Secret::new([&[RECORD_VERSION], record.as_slice()].concat()))
}

/// Begins a log-in: KE1 in, KE2 and the state for [`finish`] out. `record` is `None` for an unknown name.
pub(crate) fn start(
    setup: &ServerSetup<Suite>,
    record: Option<&Record>,
    request: &[u8],
    identifier: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<(Vec<u8>, ServerLogin<Suite>), AccountsError> {
    const FIELD: AccountsError = AccountsError::Unreadable("credential request");
    let request = exactly::<KE1_BYTES>(request, FIELD)?;
    let request = CredentialRequest::deserialize(request).map_err(|_| FIELD)?;
    let record = record.map(read_record).transpose()?;
    let parameters = ServerLoginParameters::default();
    let rng = &mut OpaqueRng(rng);
    let started =
        ServerLogin::start(rng, setup, record, request, identifier, parameters).map_err(|_| FIELD)?;
    Ok((started.message.serialize().to_vec(), started.state))
}

/// Ends a log-in: KE3 in. Fails with [`AccountsError::CredentialsWrong`] unless the secret was right.
pub(crate) fn finish(login: ServerLogin<Suite>, finalization: &[u8]) -> Result<(), AccountsError> {
    const FIELD: AccountsError = AccountsError::Unreadable("credential finalization");
    let finalization = exactly::<KE3_BYTES>(finalization, FIELD)?;
    let finalization = CredentialFinalization::deserialize(finalization).map_err(|_| FIELD)?;
    let finished = login.finish(finalization, ServerLoginParameters::default());
    finished.map(drop).map_err(|_| AccountsError::CredentialsWrong)
}

fn read_record(record: &Record) -> Result<ServerRegistration<Suite>, AccountsError> {
    let bytes = record.expose().strip_prefix(&[RECORD_VERSION]);
    let record = bytes.and_then(|bytes| ServerRegistration::deserialize(bytes).ok());
    let broken = StoreError::Inconsistent { table: "accounts", column: "password_record or words_record" };
    record.ok_or_else(|| broken.into())
}

fn exactly<const N: usize>(bytes: &[u8], error: AccountsError) -> Result<&[u8; N], AccountsError> {
    bytes.try_into().map_err(|_| error)
}

/// Gives randomness of today's trait to `opaque_ke`, which still asks for an older one.
pub(crate) struct OpaqueRng<'a>(pub(crate) &'a mut dyn CryptoRng);

impl RngCore06 for OpaqueRng<'_> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error06> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng06 for OpaqueRng<'_> {}
