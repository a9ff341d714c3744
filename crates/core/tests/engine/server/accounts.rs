//! Accounts of the server of the tests: OPAQUE, signatures, tokens, public keys.

use ed25519_dalek::{Signature, VerifyingKey};
use opaque_ke::{
    CredentialFinalization, CredentialRequest, RegistrationRequest, RegistrationUpload, ServerLogin,
    ServerLoginParameters, ServerRegistration, rand as rand_08,
};
use rand_core::CryptoRng;
use tacite_model::{AccountId, DeviceId, Handle};
use tacite_wire::password::{Suite, password_identifier, words_identifier};
use tacite_wire::proto::{self, SessionGranted};
use tacite_wire::{Code, Frame, Opcode, Status, signing};

use super::{LinkId, Server};

/// An account.
pub(crate) struct Account {
    pub(crate) handle: Handle,
    pub(crate) login_key: [u8; 32],
    pub(crate) registration_id: u32,
    pub(crate) identity_key: Vec<u8>,
    pub(crate) password: Option<ServerRegistration<Suite>>,
    pub(crate) words: Option<ServerRegistration<Suite>>,
    pub(crate) signed_out: bool,
    /// All that were ever granted: this server never forgets one.
    pub(crate) access_tokens: Vec<String>,
    pub(crate) refresh_token: String,
    pub(crate) signed_prekey: Option<proto::SignedPrekey>,
    pub(crate) last_resort: Option<proto::SignedPrekey>,
    pub(crate) one_time: Vec<proto::OneTimePrekey>,
    pub(crate) kyber: Vec<proto::SignedPrekey>,
    /// The highest generation that the device has told.
    pub(crate) generation: u64,
}

/// How far a registration or log-in is on a link.
#[derive(Clone, Default)]
pub(crate) enum Step {
    #[default]
    None,
    Registering(Handle),
    LoggingIn(AccountId, Box<ServerLogin<Suite>>),
    PasswordProven(AccountId),
    GivingWords(AccountId, Box<ServerLogin<Suite>>),
}

impl core::fmt::Debug for Step {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Step(…)")
    }
}

impl Server {
    pub(crate) fn account_named(&self, handle: &str) -> Option<AccountId> {
        self.accounts.iter().find(|(_, account)| account.handle.as_str() == handle).map(|(id, _)| *id)
    }

    pub(super) fn account_of_token(&self, token: &str) -> Option<AccountId> {
        let live = |account: &Account| {
            !account.signed_out && account.access_tokens.iter().any(|granted| granted == token)
        };
        self.accounts.iter().find(|(_, account)| live(account)).map(|(id, _)| *id)
    }

    pub(super) fn register(&mut self, link_id: LinkId, frame: &Frame) {
        match frame.read::<proto::Register>().unwrap().step.unwrap() {
            proto::register::Step::Start(start) => self.register_start(link_id, frame, &start),
            proto::register::Step::Finish(finish) => self.register_finish(link_id, frame, &finish),
        }
    }

    fn register_start(&mut self, link_id: LinkId, frame: &Frame, start: &proto::RegisterStart) {
        let handle: Handle = start.handle.parse().unwrap();
        if self.account_named(handle.as_str()).is_some() {
            return self.refuse(link_id, frame, Code::NAME_TAKEN);
        }
        let respond = |request: &[u8], identifier: &[u8]| {
            let request = RegistrationRequest::deserialize(request).unwrap();
            let started = ServerRegistration::<Suite>::start(&self.setup, request, identifier).unwrap();
            started.message.serialize().to_vec().into()
        };
        let started = proto::RegisterStarted {
            password_response: respond(&start.password_request, &password_identifier(&handle)),
            words_response: respond(&start.words_request, &words_identifier(&handle)),
        };
        self.set_step(link_id, Step::Registering(handle));
        self.answer(link_id, frame, Status::IN_PROGRESS, Code::TAKEN, &started);
    }

    fn register_finish(&mut self, link_id: LinkId, frame: &Frame, finish: &proto::RegisterFinish) {
        let Step::Registering(handle) = self.take_step(link_id) else {
            return self.refuse(link_id, frame, Code::STEP_OUT_OF_ORDER);
        };
        let device = finish.device.clone().unwrap();
        let account_id = AccountId::try_from(finish.account_id.as_ref()).unwrap();
        let record =
            |bytes: &[u8]| Some(ServerRegistration::finish(RegistrationUpload::deserialize(bytes).unwrap()));
        let account = Account {
            login_key: device.login_key.as_ref().try_into().unwrap(),
            registration_id: device.registration_id,
            identity_key: finish.identity_key.to_vec(),
            password: record(&finish.password_record),
            words: record(&finish.words_record),
            ..Account::new(handle)
        };
        self.accounts.insert(account_id, account);
        if self.verify(link_id, account_id, &device.signature) {
            self.grant(link_id, account_id, frame);
        } else {
            self.accounts.remove(&account_id);
            self.refuse(link_id, frame, Code::CREDENTIALS_WRONG);
        }
    }

    pub(super) fn log_in(&mut self, link_id: LinkId, frame: &Frame) {
        match frame.read::<proto::LogIn>().unwrap().step.unwrap() {
            proto::log_in::Step::Start(start) => {
                let account_id = self.account_named(&start.handle).unwrap();
                let request = start.credential_request;
                let state = self.start_proof(link_id, frame, account_id, &request, false);
                self.set_step(link_id, Step::LoggingIn(account_id, Box::new(state)));
            }
            proto::log_in::Step::Finish(finish) => {
                let Step::LoggingIn(account_id, state) = self.take_step(link_id) else {
                    return self.refuse(link_id, frame, Code::STEP_OUT_OF_ORDER);
                };
                if !is_proven(*state, &finish.credential_finalization) {
                    return self.refuse(link_id, frame, Code::CREDENTIALS_WRONG);
                }
                self.set_step(link_id, Step::PasswordProven(account_id));
                self.answer(link_id, frame, Status::IN_PROGRESS, Code::TAKEN, &proto::Empty {});
            }
        }
    }

    pub(super) fn words(&mut self, link_id: LinkId, frame: &Frame) {
        match frame.read::<proto::Words>().unwrap().step.unwrap() {
            proto::words::Step::Start(start) => {
                let Step::PasswordProven(account_id) = self.take_step(link_id) else {
                    return self.refuse(link_id, frame, Code::STEP_OUT_OF_ORDER);
                };
                let state = self.start_proof(link_id, frame, account_id, &start.credential_request, true);
                self.set_step(link_id, Step::GivingWords(account_id, Box::new(state)));
            }
            proto::words::Step::Finish(finish) => {
                let Step::GivingWords(account_id, state) = self.take_step(link_id) else {
                    return self.refuse(link_id, frame, Code::STEP_OUT_OF_ORDER);
                };
                let signature = finish.device.unwrap().signature;
                if is_proven(*state, &finish.credential_finalization)
                    && self.verify(link_id, account_id, &signature)
                {
                    self.grant(link_id, account_id, frame);
                } else {
                    self.refuse(link_id, frame, Code::CREDENTIALS_WRONG);
                }
            }
        }
    }

    pub(super) fn sign_in(&mut self, link_id: LinkId, frame: &Frame) {
        let sign_in: proto::SignIn = frame.read().unwrap();
        let account_id = AccountId::try_from(sign_in.account_id.as_ref()).unwrap();
        let Some(account) = self.accounts.get(&account_id) else {
            return self.refuse(link_id, frame, Code::CREDENTIALS_WRONG);
        };
        if account.signed_out {
            self.refuse(link_id, frame, Code::SESSION_ENDED);
        } else if self.verify(link_id, account_id, &sign_in.signature) {
            self.grant(link_id, account_id, frame);
        } else {
            self.refuse(link_id, frame, Code::CREDENTIALS_WRONG);
        }
    }

    /// A token that was used before ends the session, as theft would.
    pub(super) fn refresh(&mut self, link_id: LinkId, account_id: AccountId, frame: &Frame) {
        let refresh: proto::Refresh = frame.read().unwrap();
        let account = self.accounts.get_mut(&account_id).unwrap();
        if account.refresh_token == refresh.refresh_token {
            self.grant(link_id, account_id, frame);
        } else {
            account.signed_out = true;
            self.refuse(link_id, frame, Code::TOKEN_INVALID);
        }
    }

    pub(super) fn log_out(&mut self, link_id: LinkId, account_id: AccountId, frame: &Frame) {
        self.accounts.get_mut(&account_id).unwrap().signed_out = true;
        self.answer(link_id, frame, Status::FINISHED, Code::DONE, &proto::Empty {});
    }

    pub(super) fn publish_keys(&mut self, link_id: LinkId, account_id: AccountId, frame: &Frame) {
        let keys: proto::PublishKeys = frame.read().unwrap();
        let account = self.accounts.get_mut(&account_id).unwrap();
        account.signed_prekey = keys.signed_prekey.or(account.signed_prekey.take());
        account.last_resort = keys.last_resort_kyber_prekey.or(account.last_resort.take());
        if keys.replace {
            account.one_time.clear();
            account.kyber.clear();
        }
        account.one_time.extend(keys.one_time_prekeys);
        account.kyber.extend(keys.kyber_prekeys);
        let count = account.key_count();
        self.answer(link_id, frame, Status::FINISHED, Code::DONE, &count);
    }

    pub(super) fn fetch_keys(&mut self, link_id: LinkId, account_id: AccountId, frame: &Frame) {
        let fetch: proto::FetchKeys = frame.read().unwrap();
        let other = AccountId::try_from(fetch.account_id.as_ref()).unwrap();
        if !self.are_contacts(account_id, other) {
            return self.refuse(link_id, frame, Code::NOT_A_CONTACT);
        }
        let account = self.accounts.get_mut(&other).unwrap();
        if account.signed_prekey.is_none() {
            return self.refuse(link_id, frame, Code::DEVICE_UNKNOWN);
        }
        let bundle = proto::DeviceBundle {
            device_id: 1,
            registration_id: account.registration_id,
            signed_prekey: account.signed_prekey.clone(),
            kyber_prekey: account.kyber.pop().or(account.last_resort.clone()),
            one_time_prekey: account.one_time.pop(),
        };
        let bundles = proto::KeyBundles {
            account_id: fetch.account_id,
            identity_key: account.identity_key.clone().into(),
            devices: vec![bundle],
        };
        let count = account.key_count();
        self.answer(link_id, frame, Status::FINISHED, Code::DONE, &bundles);
        if count.one_time_prekeys < 10 {
            for online in self.links_of(other) {
                self.push(online, Opcode::KEYS_LOW, frame.header.message_id, &count);
            }
        }
    }

    /// Signs a link in and answers with new tokens, good for 15 minutes and 30 days from the command's time.
    fn grant(&mut self, link_id: LinkId, account_id: AccountId, frame: &Frame) {
        let number = self.tick();
        let account = self.accounts.get_mut(&account_id).unwrap();
        account.signed_out = false;
        let access_token = format!("access-{number}");
        account.access_tokens.push(access_token.clone());
        account.refresh_token = format!("refresh-{number}");
        let granted = SessionGranted {
            account_id: account_id.as_bytes().to_vec().into(),
            access_token,
            access_expires_at_ms: frame.header.timestamp.as_ms() + 15 * 60_000,
            refresh_token: account.refresh_token.clone(),
            refresh_expires_at_ms: frame.header.timestamp.as_ms() + 30 * 24 * 3_600_000,
            administrator: false,
        };
        self.links.get_mut(&link_id).unwrap().account_id = Some(account_id);
        self.answer(link_id, frame, Status::FINISHED, Code::DONE, &granted);
    }

    fn verify(&self, link_id: LinkId, account_id: AccountId, signature: &[u8]) -> bool {
        let challenge = &self.links[&link_id].challenge;
        let text = signing::sign_in_text(&self.name, challenge, account_id, DeviceId::FIRST);
        let key = VerifyingKey::from_bytes(&self.accounts[&account_id].login_key).unwrap();
        Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(&text, &signature).is_ok())
    }

    fn start_proof(
        &mut self,
        link_id: LinkId,
        frame: &Frame,
        account_id: AccountId,
        request: &[u8],
        is_words: bool,
    ) -> ServerLogin<Suite> {
        let account = &self.accounts[&account_id];
        let (record, identifier) = if is_words {
            (account.words.clone(), words_identifier(&account.handle))
        } else {
            (account.password.clone(), password_identifier(&account.handle))
        };
        let request = CredentialRequest::deserialize(request).unwrap();
        let started = ServerLogin::start(
            &mut Rng08(&mut self.rng),
            &self.setup,
            record,
            request,
            &identifier,
            ServerLoginParameters::default(),
        )
        .unwrap();
        let body =
            proto::CredentialStarted { credential_response: started.message.serialize().to_vec().into() };
        self.answer(link_id, frame, Status::IN_PROGRESS, Code::TAKEN, &body);
        started.state
    }

    fn set_step(&mut self, link_id: LinkId, step: Step) {
        self.links.get_mut(&link_id).unwrap().step = step;
    }

    fn take_step(&mut self, link_id: LinkId) -> Step {
        std::mem::take(&mut self.links.get_mut(&link_id).unwrap().step)
    }
}

impl Account {
    pub(crate) fn new(handle: Handle) -> Self {
        Self {
            handle,
            login_key: [0; 32],
            registration_id: 1,
            identity_key: Vec::new(),
            password: None,
            words: None,
            signed_out: false,
            access_tokens: Vec::new(),
            refresh_token: "none yet".to_owned(),
            signed_prekey: None,
            last_resort: None,
            one_time: Vec::new(),
            kyber: Vec::new(),
            generation: 0,
        }
    }

    fn key_count(&self) -> proto::KeyCount {
        proto::KeyCount {
            one_time_prekeys: u32::try_from(self.one_time.len()).unwrap(),
            kyber_prekeys: u32::try_from(self.kyber.len()).unwrap(),
        }
    }
}

fn is_proven(state: ServerLogin<Suite>, finalization: &[u8]) -> bool {
    CredentialFinalization::deserialize(finalization)
        .is_ok_and(|finalization| state.finish(finalization, ServerLoginParameters::default()).is_ok())
}

/// Lends a random source to a library that wants the older trait.
pub(crate) struct Rng08<'a>(pub(crate) &'a mut dyn CryptoRng);

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
