//! A client without a socket: the engine and a vault, driven as the contract of `tacite_core` demands.
//!
//! Invariant: an effect is looked at only after its transaction was committed.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tacite_client::clock::{now, random_source};
use tacite_core::{
    AccountStanding, Core, Effect, Event, Input, Intent, LinkStatus, RequestId, Standing, Vault,
};
use tacite_model::{AccountId, DeviceId, Handle, KeyPin, Secret, Timestamp};
use tacite_signal::IdentityKeyPair;
use tacite_vault::{Account, Contact, Server};

use super::meter::Watch;
use super::stand_in::{SERVER_NAME, StandIn};

/// The key of every vault of the bench. There is nothing in them.
pub(super) const VAULT_KEY: [u8; 32] = [7; 32];
/// Every device's number of its registration.
pub(super) const REGISTRATION_ID: u32 = 7;

/// A client.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) account_id: AccountId,
    pub(super) identity_key: [u8; 33],
    pub(super) vault: Vault,
    core: Core,
    requests: u64,
}

/// What came of one input.
#[derive(Debug)]
pub(super) struct Handled {
    pub(super) effects: Vec<Effect>,
    /// From before the transaction began until it was durable.
    pub(super) time: Duration,
}

impl Person {
    /// The person of a vault that has an account.
    pub(super) fn new(mut vault: Vault) -> Result<Self> {
        let account = vault.transaction()?.account()?.context("a vault without an account")?;
        let identity = IdentityKeyPair::from_bytes(account.identity_key_pair.expose())?;
        let identity_key = identity.public().encode();
        Ok(Self { account_id: account.account_id, identity_key, vault, core: Core::new(), requests: 0 })
    }

    /// Hands one input in.
    pub(super) fn input(&mut self, input: Input) -> Result<Handled> {
        let watch = Watch::start()?;
        let mut tx = self.vault.transaction()?;
        let effects = self.core.handle(&mut tx, input, now(), &mut random_source())?;
        tx.commit()?;
        Ok(Handled { effects, time: watch.time() })
    }

    /// Hands an intent in.
    pub(super) fn intend(&mut self, intent: Intent) -> Result<Handled> {
        self.requests += 1;
        self.input(Input::Intent(RequestId(self.requests), intent))
    }

    /// How the link stands.
    pub(super) fn link(&self) -> LinkStatus {
        self.core.link()
    }

    /// Does what the engine wants of a link; says what it told meanwhile.
    pub(super) fn perform(&mut self, effects: Vec<Effect>, server: &mut StandIn) -> Result<Vec<Event>> {
        let mut told = Vec::new();
        for effect in effects {
            match effect {
                Effect::OpenLink { .. } => {
                    server.connect(self.account_id, now())?;
                    let opened = self.input(Input::LinkOpened)?;
                    told.extend(self.perform(opened.effects, server)?);
                }
                Effect::Send(frame) => server.receive(self.account_id, &frame, now())?,
                Effect::Tell(event) => told.push(event),
                Effect::CloseLink | Effect::WakeAt(_) | Effect::PutBody { .. } | Effect::FetchBody { .. } => {
                }
            }
        }
        Ok(told)
    }
}

/// A text to somebody.
pub(super) fn text_to(handle: &Handle, text: String) -> Intent {
    Intent::SendText { to: handle.clone(), text, reply_to: None }
}

/// The id of account number `number`, and what it is called.
pub(super) fn account_of(number: u32) -> Result<(AccountId, Handle)> {
    let mut bytes = [0x40; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Ok((AccountId::from_bytes(bytes), format!("person{number}").parse()?))
}

/// Opens a vault of the bench.
pub(super) fn open(path: &Path) -> Result<Vault> {
    Vault::open(path, &Secret::new(VAULT_KEY)).with_context(|| format!("the vault {}", path.display()))
}

/// Puts account number `number` into an empty vault.
pub(super) fn sign_up(vault: &mut Vault, number: u32) -> Result<()> {
    let (account_id, handle) = account_of(number)?;
    let identity = IdentityKeyPair::generate(&mut random_source());
    let tx = vault.transaction()?;
    tx.save_account(&Account {
        account_id,
        handle,
        device_id: DeviceId::FIRST,
        registration_id: REGISTRATION_ID,
        identity_key_pair: Secret::new(identity.to_bytes().to_vec()),
        login_key: Secret::new([3; 32]),
        administrator: false,
        standing: AccountStanding::SignedIn,
    })?;
    // Nobody listens there.
    tx.save_server(&server("127.0.0.1:1", None))?;
    Ok(tx.commit()?)
}

/// A row about the server.
pub(super) fn server(address: &str, pin: Option<KeyPin>) -> Server {
    Server {
        address: address.to_owned(),
        name: Some(SERVER_NAME.to_owned()),
        pin,
        tls_disabled: pin.is_none(),
        certificate_unchecked: false,
        delivery_mode: 1,
    }
}

/// Account number `number` as an accepted contact.
pub(super) fn contact(number: u32) -> Result<Contact> {
    let (account_id, handle) = account_of(number)?;
    Ok(Contact {
        account_id,
        handle,
        standing: Standing::Accepted,
        consented: true,
        conversation_id: None,
        identity_key: None,
        own_name: String::new(),
        verified: false,
        notes: String::new(),
        blocked: false,
        updated_at: Timestamp::default(),
    })
}
