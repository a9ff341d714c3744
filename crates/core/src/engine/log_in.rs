//! A new session by password and words, each proven by OPAQUE.
//!
//! Invariant: whichever of name, password and words is wrong, the person is told the same.

use rand_core::CryptoRng;
use tacite_model::Secret;
use tacite_wire::Code;
use tacite_wire::proto::{
    self, CredentialFinish, CredentialStarted, LogInStart, SignIn, WordsFinish, WordsStart,
};

use super::commands::{Answer, Reply, Waiting};
use super::intents::Credentials;
use super::link::{Phase, Then};
use super::{Engine, Turn, sign_in};
use crate::opaque::{OpaqueError, Proof};
use crate::{CoreError, Problem, RequestId};

/// A log-in under way.
#[derive(Debug, Clone)]
pub(crate) struct LogIn {
    pub(super) request: RequestId,
    password: Secret<String>,
    words: Secret<String>,
    /// State of the OPAQUE log-in of the present step.
    proof: Option<Proof>,
}

impl LogIn {
    pub(super) const fn new(request: RequestId, password: Secret<String>, words: Secret<String>) -> Self {
        Self { request, password, words, proof: None }
    }

    fn finish(
        &mut self,
        is_words: bool,
        response: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, OpaqueError> {
        let secret = if is_words { &self.words } else { &self.password };
        let proof = self.proof.take().ok_or(OpaqueError::Peer)?;
        proof.finish(secret.expose().as_bytes(), response, rng)
    }
}

impl Engine {
    /// `auth`, first step: the password.
    pub(super) fn log_in(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        let Some(credential_request) = self.start_proof(turn, false)? else { return Ok(()) };
        let handle = turn.account()?.handle.as_str().to_owned();
        let start = LogInStart { handle, credential_request: credential_request.into() };
        self.command(
            turn,
            Waiting::LogInStart,
            &proto::LogIn { step: Some(proto::log_in::Step::Start(start)) },
        )
    }

    /// Answers to `auth`.
    pub(super) fn log_in_answered(
        &mut self,
        turn: &mut Turn<'_, '_>,
        answer: Answer<'_>,
    ) -> Result<(), CoreError> {
        match (answer.waiting, answer.reply) {
            (Waiting::LogInStart, Reply::InProgress) => {
                let Some(credential_finalization) = self.finish_proof(turn, &answer.frame.clone(), false)
                else {
                    return Ok(());
                };
                let finish = CredentialFinish { credential_finalization: credential_finalization.into() };
                self.command(
                    turn,
                    Waiting::LogInFinish,
                    &proto::LogIn { step: Some(proto::log_in::Step::Finish(finish)) },
                )
            }
            (Waiting::LogInFinish, Reply::InProgress) => self.words(turn),
            (_, Reply::Refused(problem)) => {
                self.log_in_refused(turn, &problem);
                Ok(())
            }
            _ => {
                self.distrust_link(turn);
                Ok(())
            }
        }
    }

    /// `pass`, first step: the words.
    fn words(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        let Some(credential_request) = self.start_proof(turn, true)? else { return Ok(()) };
        let start = WordsStart { credential_request: credential_request.into() };
        self.command(
            turn,
            Waiting::WordsStart,
            &proto::Words { step: Some(proto::words::Step::Start(start)) },
        )
    }

    /// Answers to `pass`.
    pub(super) fn words_answered(
        &mut self,
        turn: &mut Turn<'_, '_>,
        answer: Answer<'_>,
    ) -> Result<(), CoreError> {
        match (answer.waiting, answer.reply) {
            (Waiting::WordsStart, Reply::InProgress) => self.words_finish(turn, &answer.frame.clone()),
            (Waiting::WordsFinish, Reply::Finished) => self.granted(turn, answer.frame),
            (_, Reply::Refused(problem)) => {
                self.log_in_refused(turn, &problem);
                Ok(())
            }
            _ => {
                self.distrust_link(turn);
                Ok(())
            }
        }
    }

    fn words_finish(&mut self, turn: &mut Turn<'_, '_>, frame: &tacite_wire::Frame) -> Result<(), CoreError> {
        let Phase::Greeted(greeting) = self.link.phase.clone() else { return Ok(()) };
        let Some(credential_finalization) = self.finish_proof(turn, frame, true) else { return Ok(()) };
        let account = turn.account()?;
        let finish = WordsFinish {
            credential_finalization: credential_finalization.into(),
            device: Some(SignIn {
                account_id: account.account_id.as_bytes().to_vec().into(),
                device_id: account.device_id.into(),
                signature: sign_in::signature(&account, &greeting).into(),
            }),
        };
        self.command(
            turn,
            Waiting::WordsFinish,
            &proto::Words { step: Some(proto::words::Step::Finish(finish)) },
        )
    }

    /// The KE1 of the present step.
    fn start_proof(&mut self, turn: &mut Turn<'_, '_>, is_words: bool) -> Result<Option<Vec<u8>>, CoreError> {
        let Some(Credentials::LogIn(log_in)) = &mut self.credentials else { return Ok(None) };
        let secret = if is_words { &log_in.words } else { &log_in.password };
        let (proof, request) = Proof::start(secret.expose().as_bytes(), turn.rng)
            .map_err(|_| CoreError::Internal("OPAQUE refused a secret"))?;
        log_in.proof = Some(proof);
        Ok(Some(request))
    }

    /// The KE3 of the present step; `None` if the log-in has failed.
    fn finish_proof(
        &mut self,
        turn: &mut Turn<'_, '_>,
        frame: &tacite_wire::Frame,
        is_words: bool,
    ) -> Option<Vec<u8>> {
        let started: CredentialStarted = self.read(turn, frame)?;
        let Some(Credentials::LogIn(log_in)) = &mut self.credentials else { return None };
        match log_in.finish(is_words, &started.credential_response, turn.rng) {
            Ok(finalization) => Some(finalization),
            Err(OpaqueError::SecretWrong) => {
                self.log_in_refused(turn, &Problem::of(Code::CREDENTIALS_WRONG));
                None
            }
            Err(OpaqueError::Peer) => {
                self.distrust_link(turn);
                None
            }
        }
    }

    fn log_in_refused(&mut self, turn: &mut Turn<'_, '_>, problem: &Problem) {
        self.fail_credentials(turn, problem);
        self.close_link(turn, Then::Anew);
    }
}
