//! A person with a client's half of the protocol, and a server to come to.
//!
//! Passwords are stretched with the least that Argon2 allows: the server takes no part in stretching. The real parameters
//! are run by `log_in.rs` once and by `tests/serenity.rs`.

use ed25519_dalek::{Signer as _, SigningKey};
use opaque_ke::argon2::{Algorithm, Argon2, Params, Version};
use opaque_ke::rand::{CryptoRng as CryptoRng06, Error as Error06, RngCore as RngCore06};
use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialResponse, Identifiers, RegistrationResponse,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use tacite_accounts::store::MemoryStore;
use tacite_accounts::{Accounts, AccountsError, Granted, Keys, Registration, Settings, Store};
use tacite_model::{AccountId, DeviceId, Timestamp};
use tacite_wire::password::Suite;
use tacite_wire::{proto, signing};

pub(crate) const CLUB: &str = "club.example";
pub(crate) const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);
/// The challenge of the link on which a test plays.
pub(crate) const CHALLENGE: [u8; 32] = [0xC4; 32];

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A server that takes everybody.
pub(crate) fn open_server() -> Accounts<MemoryStore> {
    server(Registration::Open)
}

pub(crate) fn server(registration: Registration) -> Accounts<MemoryStore> {
    server_over(MemoryStore::default(), registration)
}

pub(crate) fn server_over<S: Store>(store: S, registration: Registration) -> Accounts<S> {
    let settings = Settings { server_name: CLUB.to_owned(), registration };
    Accounts::new(settings, Keys::generate(&mut rng(1)), store)
}

/// Somebody with a client.
pub(crate) struct Person {
    pub(crate) handle: &'static str,
    pub(crate) account_id: AccountId,
    pub(crate) login_key: SigningKey,
    pub(crate) stretching: Argon2<'static>,
    pub(crate) rng: ChaCha20Rng,
}

impl Person {
    pub(crate) fn new(handle: &'static str) -> Self {
        let mut rng = rng(handle.bytes().fold(7, |seed, byte| seed * 31 + u64::from(byte)));
        let account_id = AccountId::random(&mut rng);
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let least = Params::new(8, 1, 1, None).unwrap();
        let stretching = Argon2::new(Algorithm::Argon2id, Version::V0x13, least);
        Self { handle, account_id, login_key: SigningKey::from_bytes(&seed), stretching, rng }
    }

    fn secret(&self, kind: &str) -> String {
        format!("{}'s {kind}", self.handle)
    }

    pub(crate) fn password(&self) -> String {
        self.secret("password")
    }

    pub(crate) fn words(&self) -> String {
        self.secret("three words")
    }

    pub(crate) fn sign_in(&self, challenge: &[u8; 32]) -> proto::SignIn {
        let text = signing::sign_in_text(CLUB, challenge, self.account_id, DeviceId::FIRST);
        self.sign_in_over(&text)
    }

    /// A sign-in whose signature is over another text.
    pub(crate) fn sign_in_over(&self, text: &[u8]) -> proto::SignIn {
        proto::SignIn {
            account_id: self.account_id.as_bytes().to_vec().into(),
            device_id: 1,
            signature: self.login_key.sign(text).to_bytes().to_vec().into(),
        }
    }

    /// First step of a registration, with the state for the second.
    pub(crate) fn register_start(&mut self, invitation: &[u8]) -> (proto::RegisterStart, Registering) {
        let (password, words) = (self.password(), self.words());
        let mut begin =
            |secret: &str| ClientRegistration::<Suite>::start(&mut Rng06(&mut self.rng), secret.as_bytes());
        let (password, words) = (begin(&password).unwrap(), begin(&words).unwrap());
        let start = proto::RegisterStart {
            handle: self.handle.to_owned(),
            invitation: invitation.to_vec().into(),
            password_request: password.message.serialize().to_vec().into(),
            words_request: words.message.serialize().to_vec().into(),
        };
        (start, Registering { password: password.state, words: words.state })
    }

    /// Second step.
    pub(crate) fn register_finish(
        &mut self,
        state: Registering,
        started: &proto::RegisterStarted,
    ) -> proto::RegisterFinish {
        let (password, words) = (self.password(), self.words());
        let mut record = |state: ClientRegistration<Suite>, secret: &str, response: &[u8]| {
            let response = RegistrationResponse::deserialize(response).unwrap();
            let parameters =
                ClientRegistrationFinishParameters::new(Identifiers::default(), Some(&self.stretching));
            let finished =
                state.finish(&mut Rng06(&mut self.rng), secret.as_bytes(), response, parameters).unwrap();
            finished.message.serialize().to_vec().into()
        };
        let password_record = record(state.password, &password, &started.password_response);
        let words_record = record(state.words, &words, &started.words_response);
        proto::RegisterFinish {
            account_id: self.account_id.as_bytes().to_vec().into(),
            password_record,
            words_record,
            device: Some(proto::Device {
                device_id: 1,
                login_key: self.login_key.verifying_key().as_bytes().to_vec().into(),
                registration_id: 4711,
                signature: self.sign_in(&CHALLENGE).signature,
            }),
            identity_key: [&[5], [9; 32].as_slice()].concat().into(),
        }
    }

    pub(crate) async fn register<S: Store>(
        &mut self,
        server: &Accounts<S>,
        invitation: &[u8],
    ) -> Result<Granted, AccountsError> {
        let (start, state) = self.register_start(invitation);
        let (started, pending) = may_move(server.register_start(&start, NOW)).await?;
        let finish = self.register_finish(state, &started);
        may_move(server.register_finish(pending, &finish, &CHALLENGE, NOW, &mut self.rng)).await
    }

    /// KE1, with the state for KE3.
    pub(crate) fn credential_start(&mut self, secret: &str) -> (Vec<u8>, ClientLogin<Suite>) {
        let started = ClientLogin::start(&mut Rng06(&mut self.rng), secret.as_bytes()).unwrap();
        (started.message.serialize().to_vec(), started.state)
    }

    /// KE3; `None` if the client notices that the secret is wrong.
    pub(crate) fn credential_finish(
        &mut self,
        state: ClientLogin<Suite>,
        secret: &str,
        response: &[u8],
    ) -> Option<Vec<u8>> {
        let response = CredentialResponse::deserialize(response).unwrap();
        let parameters =
            ClientLoginFinishParameters::new(None, Identifiers::default(), Some(&self.stretching));
        let finished =
            state.finish(&mut Rng06(&mut self.rng), secret.as_bytes(), response, parameters).ok()?;
        Some(finished.message.serialize().to_vec())
    }

    pub(crate) async fn sign<S: Store>(&mut self, server: &Accounts<S>) -> Result<Granted, AccountsError> {
        may_move(server.sign_in(&self.sign_in(&CHALLENGE), &CHALLENGE, NOW, &mut self.rng)).await
    }
}

/// What a client keeps between the steps of a registration.
pub(crate) struct Registering {
    password: ClientRegistration<Suite>,
    words: ClientRegistration<Suite>,
}

/// Compiles only if a server may run this on any of its threads.
pub(crate) fn may_move<T: Send>(future: T) -> T {
    future
}

pub(crate) fn refresh(token: &str) -> proto::Refresh {
    proto::Refresh { refresh_token: token.to_owned() }
}

struct Rng06<'a>(&'a mut ChaCha20Rng);

impl RngCore06 for Rng06<'_> {
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

impl CryptoRng06 for Rng06<'_> {}
