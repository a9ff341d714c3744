//! From opcode to handler.
//!
//! Invariants: the tables are built at compile time; unknown pushes and answers that nobody waits for change nothing.

use tacite_model::limits::UNACKNOWLEDGED_MAX;
use tacite_wire::{Code, Frame, Opcode};

use super::commands::{Answer, Reply};
use super::{Engine, Turn};
use crate::{CoreError, Problem};

type PushHandler = fn(&mut Engine, &mut Turn<'_, '_>, &Frame) -> Result<(), CoreError>;
type AnswerHandler = fn(&mut Engine, &mut Turn<'_, '_>, Answer<'_>) -> Result<(), CoreError>;

/// What a push needs of the link to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    CaughtUp,
}

/// Pushes held back until the device has caught up: more than a server may push unacknowledged.
const HELD_MAX: usize = 4 * UNACKNOWLEDGED_MAX;

const PUSHES: &[(Opcode, (Needs, PushHandler))] = &[
    (Opcode::CONNECTED, (Needs::Nothing, Engine::connected)),
    (Opcode::DIRECT_RECEIVED, (Needs::CaughtUp, Engine::direct_received)),
    (Opcode::STATE_CHANGED, (Needs::CaughtUp, Engine::state_changed)),
    (Opcode::CONTACT_CHANGED, (Needs::CaughtUp, Engine::contact_changed)),
    (Opcode::KEYS_LOW, (Needs::CaughtUp, Engine::keys_low)),
    (Opcode::LEVEL, (Needs::CaughtUp, Engine::level)),
    (Opcode::LINK_ERROR, (Needs::Nothing, Engine::link_error)),
    (Opcode::PRESENCE_CHANGED, (Needs::CaughtUp, Engine::presence_changed)),
    (Opcode::TYPING_CHANGED, (Needs::CaughtUp, Engine::typing_changed)),
    (Opcode::PEER_HERE, (Needs::CaughtUp, Engine::peer_here)),
];

const ANSWERS: &[(Opcode, AnswerHandler)] = &[
    (Opcode::REGISTER, Engine::register_answered),
    (Opcode::LOG_IN, Engine::log_in_answered),
    (Opcode::WORDS, Engine::words_answered),
    (Opcode::REQUEST_CONTACT, Engine::errand_answered),
    (Opcode::ACCEPT_CONTACT, Engine::errand_answered),
    (Opcode::SEND_DIRECT, Engine::message_answered),
    (Opcode::HELLO, Engine::hello_answered),
    (Opcode::SIGN_IN, Engine::sign_in_answered),
    (Opcode::REFRESH, Engine::refresh_answered),
    (Opcode::LOG_OUT, Engine::errand_answered),
    (Opcode::PUBLISH_KEYS, Engine::publish_keys_answered),
    (Opcode::FETCH_KEYS, Engine::fetch_keys_answered),
    (Opcode::REFUSE_CONTACT, Engine::errand_answered),
    (Opcode::ACKNOWLEDGE, Engine::acknowledge_answered),
    (Opcode::SYNC, Engine::sync_answered),
    (Opcode::MARK_READ, Engine::mark_read_answered),
    (Opcode::BLOCK_CONTACT, Engine::errand_answered),
    (Opcode::UNBLOCK_CONTACT, Engine::errand_answered),
    (Opcode::SET_PRESENCE, Engine::passing_answered),
    (Opcode::SET_TYPING, Engine::passing_answered),
    (Opcode::REQUEST_UPLOADS, Engine::upload_answered),
];

impl Engine {
    pub(super) fn receive(&mut self, turn: &mut Turn<'_, '_>, frame: &Frame) -> Result<(), CoreError> {
        if !self.link.is_open() {
            return Ok(());
        }
        let header = &frame.header;
        if header.opcode.resolve(header.mnemonic) != Some(header.opcode) {
            self.distrust_link(turn);
            return Ok(());
        }
        if header.opcode.is_push() {
            return self.receive_push(turn, frame);
        }
        self.receive_answer(turn, frame)
    }

    /// Looks again at the pushes that came too early.
    pub(super) fn receive_held(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        for frame in std::mem::take(&mut self.held) {
            if self.link.is_online() {
                self.receive_push(turn, &frame)?;
            }
        }
        Ok(())
    }

    fn receive_push(&mut self, turn: &mut Turn<'_, '_>, frame: &Frame) -> Result<(), CoreError> {
        let opcode = frame.header.opcode;
        let Some((needs, handle)) = handler(PUSHES, opcode) else { return Ok(()) };
        if needs == Needs::Nothing || self.link.is_online() {
            return handle(self, turn, frame);
        }
        // Pushes may overtake the last page of the record of changes, without which they make no sense.
        if self.link.is_signed_in() {
            self.hold(turn, frame);
        }
        Ok(())
    }

    fn hold(&mut self, turn: &mut Turn<'_, '_>, frame: &Frame) {
        if self.held.len() < HELD_MAX {
            self.held.push(frame.clone());
        } else {
            // None may be passed over in silence: the next synchronisation brings what they told.
            self.drop_link(turn, None);
        }
    }

    fn receive_answer(&mut self, turn: &mut Turn<'_, '_>, frame: &Frame) -> Result<(), CoreError> {
        let header = &frame.header;
        let fits = self
            .link
            .waiting
            .get(&header.message_id)
            .is_some_and(|waiting| waiting.opcode() == header.opcode);
        let Some(handle) = handler(ANSWERS, header.opcode).filter(|_| fits) else { return Ok(()) };
        let Some(waiting) = self.link.waiting.remove(&header.message_id) else { return Ok(()) };
        let Some(reply) = Reply::of(frame) else {
            self.distrust_link(turn);
            return Ok(());
        };
        if let Reply::Refused(problem) = &reply
            && self.link.is_signed_in()
        {
            match problem.code {
                Code::SESSION_ENDED => return self.sign_in_again(turn),
                // The server has forgotten what this link is; a new one begins in order.
                Code::LOG_IN_FIRST | Code::STEP_OUT_OF_ORDER => {
                    self.drop_link(turn, None);
                    return Ok(());
                }
                _ => {}
            }
        }
        handle(self, turn, Answer { frame, waiting, reply })
    }

    /// An error that belongs to no command.
    fn link_error(&mut self, turn: &mut Turn<'_, '_>, frame: &Frame) -> Result<(), CoreError> {
        let problem = Problem::of_frame(frame);
        match problem.code {
            Code::SESSION_ENDED if self.link.is_signed_in() => return self.sign_in_again(turn),
            Code::INCOMPATIBLE | Code::DEPLOYMENT_KEY_WRONG => return self.stop_link(turn, &problem),
            // The server closes the link itself, and the link is tried again.
            Code::UNAVAILABLE => {}
            _ => turn.notice(problem),
        }
        Ok(())
    }
}

fn handler<H: Copy>(table: &[(Opcode, H)], opcode: Opcode) -> Option<H> {
    let at = table.binary_search_by_key(&opcode, |(opcode, _)| *opcode).ok()?;
    Some(table[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_ascend_as_binary_search_demands() {
        assert!(PUSHES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(ANSWERS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
