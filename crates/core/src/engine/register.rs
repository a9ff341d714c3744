//! Registering an account: two OPAQUE records, an identity, a device key.
//!
//! Invariants: keys are made here and are in the vault before their public halves leave; if the answer to the last step is
//! lost, the device finds out by signing in whether the account exists.

use ed25519_dalek::SigningKey;
use rand_core::CryptoRng;
use tacite_model::{AccountId, DeviceId, Handle, Secret};
use tacite_vault::{Account, AccountStanding};
use tacite_wire::proto::{self, Device, RegisterFinish, RegisterStart, RegisterStarted};

use super::commands::{Answer, Reply, Waiting};
use super::hello::Greeting;
use super::intents::Credentials;
use super::link::{Phase, Then};
use super::{Engine, Turn, sign_in};
use crate::opaque::Enrolment;
use crate::session::prekeys::new_identity;
use crate::{CoreError, Problem, RequestId, Server};

/// Signal registration ids are 1 to this.
const REGISTRATION_ID_MAX: u32 = 16_380;

/// A registration under way.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    pub(super) request: RequestId,
    pub(super) server: Server,
    invitation: Option<Secret<[u8; 16]>>,
    handle: Handle,
    pub(super) password: Secret<String>,
    pub(super) words: Secret<String>,
    /// States of the two OPAQUE registrations, once begun.
    enrolments: Option<(Enrolment, Enrolment)>,
}

impl Registration {
    pub(super) const fn new(
        request: RequestId,
        server: Server,
        invitation: Option<Secret<[u8; 16]>>,
        handle: Handle,
        password: Secret<String>,
        words: Secret<String>,
    ) -> Self {
        Self { request, server, invitation, handle, password, words, enrolments: None }
    }

    /// The first step's body.
    fn start(&mut self, rng: &mut dyn CryptoRng) -> Option<RegisterStart> {
        let (password, password_request) = Enrolment::start(self.password.expose().as_bytes(), rng).ok()?;
        let (words, words_request) = Enrolment::start(self.words.expose().as_bytes(), rng).ok()?;
        self.enrolments = Some((password, words));
        let invitation = self.invitation.as_ref().map_or_else(Vec::new, |secret| secret.expose().to_vec());
        Some(RegisterStart {
            handle: self.handle.as_str().to_owned(),
            invitation: invitation.into(),
            password_request: password_request.into(),
            words_request: words_request.into(),
        })
    }

    /// The two OPAQUE records: password, words.
    fn records(&mut self, started: &RegisterStarted, rng: &mut dyn CryptoRng) -> Option<(Vec<u8>, Vec<u8>)> {
        let (password, words) = self.enrolments.take()?;
        let password = password.finish(self.password.expose().as_bytes(), &started.password_response, rng);
        let words = words.finish(self.words.expose().as_bytes(), &started.words_response, rng);
        Some((password.ok()?, words.ok()?))
    }
}

impl Engine {
    /// First step.
    pub(super) fn register(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        let Some(Credentials::Register(registration)) = &mut self.credentials else { return Ok(()) };
        let Some(start) = registration.start(turn.rng) else {
            return Err(CoreError::Internal("OPAQUE refused a secret"));
        };
        self.command(
            turn,
            Waiting::RegisterStart,
            &proto::Register { step: Some(proto::register::Step::Start(start)) },
        )
    }

    /// Answers to `crea`.
    pub(super) fn register_answered(
        &mut self,
        turn: &mut Turn<'_, '_>,
        answer: Answer<'_>,
    ) -> Result<(), CoreError> {
        match (answer.waiting, answer.reply) {
            (Waiting::RegisterStart, Reply::InProgress) => {
                let Some(started) = self.read(turn, answer.frame) else { return Ok(()) };
                self.register_finish(turn, &started)
            }
            (Waiting::RegisterFinish, Reply::Finished) => self.granted(turn, answer.frame),
            (_, Reply::Refused(problem)) => self.register_refused(turn, &problem),
            _ => {
                self.distrust_link(turn);
                Ok(())
            }
        }
    }

    /// Second step: makes the account's keys and stores them.
    fn register_finish(
        &mut self,
        turn: &mut Turn<'_, '_>,
        started: &RegisterStarted,
    ) -> Result<(), CoreError> {
        let Phase::Greeted(greeting) = self.link.phase.clone() else { return Ok(()) };
        let Some(Credentials::Register(registration)) = &mut self.credentials else { return Ok(()) };
        let Some((password_record, words_record)) = registration.records(started, turn.rng) else {
            self.distrust_link(turn);
            return Ok(());
        };
        let (account, identity_key) = new_account(registration.handle.clone(), turn.rng);
        turn.tx.save_account(&account)?;
        turn.tx.save_server(&vault_server(&registration.server, &greeting))?;
        let login_key = SigningKey::from_bytes(account.login_key.expose());
        let finish = RegisterFinish {
            account_id: account.account_id.as_bytes().to_vec().into(),
            password_record: password_record.into(),
            words_record: words_record.into(),
            device: Some(Device {
                device_id: account.device_id.into(),
                login_key: login_key.verifying_key().to_bytes().to_vec().into(),
                registration_id: account.registration_id,
                signature: sign_in::signature(&account, &greeting).into(),
            }),
            identity_key: identity_key.to_vec().into(),
        };
        self.command(
            turn,
            Waiting::RegisterFinish,
            &proto::Register { step: Some(proto::register::Step::Finish(finish)) },
        )
    }

    /// Nothing of the registration remains.
    pub(super) fn register_refused(
        &mut self,
        turn: &mut Turn<'_, '_>,
        problem: &Problem,
    ) -> Result<(), CoreError> {
        turn.tx.remove_account()?;
        turn.tx.remove_server()?;
        self.fail_credentials(turn, problem);
        self.close_link(turn, Then::Anew);
        Ok(())
    }
}

fn new_account(handle: Handle, rng: &mut dyn CryptoRng) -> (Account, [u8; 33]) {
    let (identity_key_pair, identity_key) = new_identity(rng);
    let mut login_key = [0; 32];
    rng.fill_bytes(&mut login_key);
    let account = Account {
        account_id: AccountId::random(rng),
        handle,
        device_id: DeviceId::FIRST,
        registration_id: rng.next_u32() % REGISTRATION_ID_MAX + 1,
        identity_key_pair,
        login_key: Secret::new(login_key),
        administrator: false,
        standing: AccountStanding::Registering,
    };
    (account, identity_key)
}

fn vault_server(server: &Server, greeting: &Greeting) -> tacite_vault::Server {
    tacite_vault::Server {
        address: server.address.clone(),
        name: Some(greeting.server_name.clone()),
        pin: server.pin,
        tls_disabled: server.tls_disabled,
        certificate_unchecked: server.certificate_unchecked,
        delivery_mode: greeting.delivery_mode(),
    }
}
