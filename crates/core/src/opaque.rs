//! OPAQUE (RFC 9807), client side, with the parameters of `tacite_wire::password`.
//!
//! Invariants: identifiers are left to their default (the public keys); states and secrets are wiped on drop; failing
//! says only whether the secret or the server's message is to blame.

use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialResponse, Identifiers, RegistrationResponse, errors::ProtocolError, rand as rand_08,
};
use rand_core::CryptoRng;
use tacite_wire::password::{Suite, stretching};

/// A registration under way, of one secret.
#[derive(Clone)]
pub(crate) struct Enrolment(ClientRegistration<Suite>);

/// A log-in under way, with one secret.
#[derive(Clone)]
pub(crate) struct Proof(ClientLogin<Suite>);

/// Why a step failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpaqueError {
    /// The secret is not the registered one (or nothing is registered under this name).
    SecretWrong,
    /// The server's message cannot be read or is forged.
    Peer,
}

impl Enrolment {
    /// Begins; the bytes are the `RegistrationRequest`.
    pub(crate) fn start(secret: &[u8], rng: &mut dyn CryptoRng) -> Result<(Self, Vec<u8>), OpaqueError> {
        let started = ClientRegistration::start(&mut Rng08(rng), secret)?;
        Ok((Self(started.state), started.message.serialize().to_vec()))
    }

    /// Ends; `response` is the server's `RegistrationResponse`, the bytes are the `RegistrationRecord`.
    pub(crate) fn finish(
        self,
        secret: &[u8],
        response: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, OpaqueError> {
        let response = RegistrationResponse::deserialize(response)?;
        let stretching = stretching();
        let parameters = ClientRegistrationFinishParameters::new(Identifiers::default(), Some(&stretching));
        let finished = self.0.finish(&mut Rng08(rng), secret, response, parameters)?;
        Ok(finished.message.serialize().to_vec())
    }
}

impl Proof {
    /// Begins; the bytes are the `CredentialRequest` (KE1).
    pub(crate) fn start(secret: &[u8], rng: &mut dyn CryptoRng) -> Result<(Self, Vec<u8>), OpaqueError> {
        let started = ClientLogin::start(&mut Rng08(rng), secret)?;
        Ok((Self(started.state), started.message.serialize().to_vec()))
    }

    /// Ends; `response` is the server's `CredentialResponse` (KE2), the bytes are the `CredentialFinalization` (KE3).
    pub(crate) fn finish(
        self,
        secret: &[u8],
        response: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, OpaqueError> {
        let response = CredentialResponse::deserialize(response)?;
        let stretching = stretching();
        let parameters = ClientLoginFinishParameters::new(None, Identifiers::default(), Some(&stretching));
        let finished = self.0.finish(&mut Rng08(rng), secret, response, parameters)?;
        Ok(finished.message.serialize().to_vec())
    }
}

impl From<ProtocolError> for OpaqueError {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::InvalidLoginError => Self::SecretWrong,
            _ => Self::Peer,
        }
    }
}

impl core::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Enrolment(…)")
    }
}

impl core::fmt::Debug for Proof {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Proof(…)")
    }
}

/// Lends our random source to a library that wants the older trait.
struct Rng08<'a>(&'a mut dyn CryptoRng);

impl rand_08::RngCore for Rng08<'_> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_08::Error> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl rand_08::CryptoRng for Rng08<'_> {}
