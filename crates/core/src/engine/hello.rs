//! The first words on a link: who the server is, and that versions fit.
//!
//! Invariants: nothing is said to a server that gives itself another name than the known one; the challenge is used once,
//! on the link that it came on.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tacite_model::invitation::check_server_name;
use tacite_vault::AccountStanding;
use tacite_wire::proto::{Connected, Hello};
use tacite_wire::{Code, Frame, VERSIONS, signing};

use super::commands::{Answer, Reply, Waiting};
use super::intents::Credentials;
use super::link::Phase;
use super::{Engine, Turn};
use crate::{CoreError, Problem, SOFTWARE};

/// Longest name of a depot that is looked at.
const DEPOT_URL_BYTES_MAX: usize = 512;

/// What the server said first.
#[derive(Debug, Clone)]
pub(crate) struct Greeting {
    pub(super) server_name: String,
    pub(super) challenge: [u8; 32],
    delivery_mode: i32,
    /// Whether the token at the upgrade was accepted.
    signed_in: bool,
}

impl Engine {
    /// `cnnt`: answered with a hello.
    pub(super) fn connected(&mut self, turn: &mut Turn<'_, '_>, frame: &Frame) -> Result<(), CoreError> {
        if !matches!(self.link.phase, Phase::Opened) {
            return Ok(());
        }
        let Some(connected) = self.read::<Connected>(turn, frame) else { return Ok(()) };
        let Ok(challenge) = <[u8; 32]>::try_from(connected.challenge.as_ref()) else {
            self.distrust_link(turn);
            return Ok(());
        };
        if check_server_name(&connected.server_name).is_err() {
            self.distrust_link(turn);
            return Ok(());
        }
        let Some(version) = common_version(&connected) else {
            return self.stop_link(turn, &Problem::of(Code::INCOMPATIBLE));
        };
        if self.known_server_name(turn)?.is_some_and(|name| name != connected.server_name) {
            return self.stop_link(turn, &Problem::other_server());
        }
        let deployment_proof = match &self.deployment_key {
            Some(key) if connected.deployment_key_required => deployment_proof(key.expose(), &challenge)?,
            None if connected.deployment_key_required => {
                return self.stop_link(turn, &Problem::of(Code::DEPLOYMENT_KEY_WRONG));
            }
            _ => Vec::new(),
        };
        if connected.depot_url.len() > DEPOT_URL_BYTES_MAX {
            self.distrust_link(turn);
            return Ok(());
        }
        self.link.depot_url = connected.depot_url;
        self.link.phase = Phase::Greeted(Greeting {
            server_name: connected.server_name,
            challenge,
            delivery_mode: connected.delivery_mode,
            signed_in: connected.signed_in,
        });
        let hello = Hello {
            version: u32::from(version),
            software: SOFTWARE.to_owned(),
            deployment_proof: deployment_proof.into(),
        };
        self.command(turn, Waiting::Hello, &hello)
    }

    /// Answer to `helo`: the link may be used; now to prove who we are.
    pub(super) fn hello_answered(
        &mut self,
        turn: &mut Turn<'_, '_>,
        answer: Answer<'_>,
    ) -> Result<(), CoreError> {
        let Phase::Greeted(greeting) = &self.link.phase else { return Ok(()) };
        let greeting = greeting.clone();
        match answer.reply {
            Reply::Refused(problem) if problem.retryable => {
                self.drop_link(turn, Some(&problem));
                return Ok(());
            }
            Reply::Refused(problem) => {
                return self.stop_link(turn, &problem);
            }
            Reply::InProgress | Reply::Finished => {}
        }
        remember_server(turn, &greeting)?;
        let standing = turn.tx.account()?.map(|account| account.standing);
        match &self.credentials {
            _ if standing == Some(AccountStanding::Registering) => self.sign_in(turn, &greeting),
            Some(Credentials::Register(_)) => self.register(turn),
            Some(Credentials::LogIn(_)) => self.log_in(turn),
            None if standing != Some(AccountStanding::SignedIn) => {
                self.close_link(turn, super::link::Then::Anew);
                Ok(())
            }
            None if greeting.signed_in => self.signed_in_by_token(turn, answer.frame.header.timestamp),
            None => self.sign_in(turn, &greeting),
        }
    }

    /// The name that the server must give itself.
    fn known_server_name(&self, turn: &Turn<'_, '_>) -> Result<Option<String>, CoreError> {
        match &self.credentials {
            Some(credentials) => Ok(credentials.server(turn)?.and_then(|server| server.name)),
            None => Ok(turn.tx.server()?.and_then(|server| server.name)),
        }
    }
}

/// Keeps what the server said about itself, if there is an account there already.
fn remember_server(turn: &Turn<'_, '_>, greeting: &Greeting) -> Result<(), CoreError> {
    if let Some(mut server) = turn.tx.server()? {
        server.name = Some(greeting.server_name.clone());
        server.delivery_mode = greeting.delivery_mode;
        turn.tx.save_server(&server)?;
    }
    Ok(())
}

/// The highest version that both speak.
fn common_version(connected: &Connected) -> Option<u8> {
    let highest = connected.version_max.min(u32::from(*VERSIONS.end()));
    let lowest = connected.version_min.max(u32::from(*VERSIONS.start()));
    (lowest <= highest).then(|| u8::try_from(highest).ok()).flatten()
}

fn deployment_proof(key: &[u8], challenge: &[u8; 32]) -> Result<Vec<u8>, CoreError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .map_err(|_| CoreError::Internal("HMAC takes a key of any length"))?;
    mac.update(&signing::deployment_text(challenge));
    Ok(mac.finalize().into_bytes().to_vec())
}

impl Greeting {
    pub(super) const fn delivery_mode(&self) -> i32 {
        self.delivery_mode
    }
}
