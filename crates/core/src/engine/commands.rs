//! Commands sent and the answers that they wait for.
//!
//! Invariant: an answer counts only if a command of the same id and opcode waits for it.

use prost::Message;
use tacite_model::{AccountId, MessageId};
use tacite_wire::{Frame, Opcode, Status};

use super::outbox::DeviceCopy;
use super::{Engine, Turn};
use crate::{CoreError, Problem, RequestId};

/// A command that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Waiting {
    Hello,
    RegisterStart,
    RegisterFinish,
    LogInStart,
    LogInFinish,
    WordsStart,
    WordsFinish,
    SignIn,
    Refresh,
    Sync,
    Acknowledge,
    /// The ids of signed prekeys whose public halves are in the command.
    PublishKeys {
        signed: Vec<u32>,
        /// Whether the server is to forget the one-time keys that it has.
        replaces: bool,
    },
    FetchKeys {
        recipient_id: AccountId,
    },
    Errand {
        request: RequestId,
        opcode: Opcode,
    },
    MarkRead {
        sender_id: AccountId,
        position: i64,
    },
    /// Presence or typing.
    Passing {
        opcode: Opcode,
    },
    /// Where the body of a message for one device may be put.
    Upload(DeviceCopy),
    Message(DeviceCopy),
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    InProgress,
    Finished,
    Refused(Problem),
}

/// An answer with the command that it answers.
pub(crate) struct Answer<'f> {
    pub(super) frame: &'f Frame,
    pub(super) waiting: Waiting,
    pub(super) reply: Reply,
}

impl Waiting {
    pub(super) const fn opcode(&self) -> Opcode {
        match self {
            Self::Hello => Opcode::HELLO,
            Self::RegisterStart | Self::RegisterFinish => Opcode::REGISTER,
            Self::LogInStart | Self::LogInFinish => Opcode::LOG_IN,
            Self::WordsStart | Self::WordsFinish => Opcode::WORDS,
            Self::SignIn => Opcode::SIGN_IN,
            Self::Refresh => Opcode::REFRESH,
            Self::Sync => Opcode::SYNC,
            Self::Acknowledge => Opcode::ACKNOWLEDGE,
            Self::PublishKeys { .. } => Opcode::PUBLISH_KEYS,
            Self::FetchKeys { .. } => Opcode::FETCH_KEYS,
            Self::Errand { opcode, .. } | Self::Passing { opcode } => *opcode,
            Self::MarkRead { .. } => Opcode::MARK_READ,
            Self::Upload(_) => Opcode::REQUEST_UPLOADS,
            Self::Message(_) => Opcode::SEND_DIRECT,
        }
    }
}

impl Reply {
    /// `None`: a status that does not exist.
    pub(super) fn of(frame: &Frame) -> Option<Self> {
        match frame.header.status {
            Status::IN_PROGRESS => Some(Self::InProgress),
            Status::FINISHED => Some(Self::Finished),
            Status::ERROR => Some(Self::Refused(Problem::of_frame(frame))),
            _ => None,
        }
    }
}

impl Engine {
    /// Sends a command under a new id and waits for its answer.
    pub(super) fn command(
        &mut self,
        turn: &mut Turn<'_, '_>,
        waiting: Waiting,
        body: &impl Message,
    ) -> Result<(), CoreError> {
        let message_id = MessageId::random(turn.rng);
        self.command_with_id(turn, message_id, waiting, body)
    }

    /// Sends a command under a given id and waits for its answer.
    pub(super) fn command_with_id(
        &mut self,
        turn: &mut Turn<'_, '_>,
        message_id: MessageId,
        waiting: Waiting,
        body: &impl Message,
    ) -> Result<(), CoreError> {
        let frame = Frame::command(waiting.opcode(), message_id, turn.clock, body)
            .map_err(|_| CoreError::Internal("a command does not fit a frame"))?;
        turn.send(frame);
        self.link.waiting.insert(message_id, waiting);
        Ok(())
    }

    pub(super) fn is_waiting(&self, test: impl Fn(&Waiting) -> bool) -> bool {
        self.link.waiting.values().any(test)
    }

    /// The body of a frame; if it cannot be read, the link is dropped.
    pub(super) fn read<M: Message + Default>(&mut self, turn: &mut Turn<'_, '_>, frame: &Frame) -> Option<M> {
        let body = frame.read().ok();
        if body.is_none() {
            self.distrust_link(turn);
        }
        body
    }
}
