//! From opcode to handler: a table built at compile time.
//!
//! Invariants: every frame that can be read is answered, unknown opcodes too; what a command needs is checked here, in one
//! place, before its handler runs.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tacite_model::Timestamp;
use tacite_wire::{Code, Frame, Opcode, VERSIONS};

use crate::handlers::{accounts, contacts, hello, keys, messages, sync};
use crate::hub::{Hub, Parts};
use crate::refusal::Refusal;
use crate::session::Session;

/// What a handler returns: the answer; `None` when the delivery machine answers; or why not.
pub(crate) type Handled = Result<Option<Frame>, Refusal>;
type Handler<P> = for<'a> fn(
    &'a Arc<Hub<P>>,
    &'a mut Session,
    Frame,
    Timestamp,
) -> Pin<Box<dyn Future<Output = Handled> + Send + 'a>>;

/// What must have happened on a link before a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    Hello,
    SignedIn,
}

struct Command<P: Parts> {
    opcode: Opcode,
    needs: Needs,
    handler: Handler<P>,
}

macro_rules! commands {
    ($($opcode:ident needs $needs:ident => $handler:path,)*) => {
        &[$(Command {
            opcode: Opcode::$opcode,
            needs: Needs::$needs,
            handler: |hub, session, frame, now| Box::pin($handler(hub, session, frame, now)),
        },)*]
    };
}

/// The table's place: generic constants need a type to belong to.
struct Table<P>(std::marker::PhantomData<P>);

impl<P: Parts> Table<P> {
    /// Ascending by opcode.
    const COMMANDS: &'static [Command<P>] = commands![
        REGISTER needs Hello => accounts::register,
        LOG_IN needs Hello => accounts::log_in,
        WORDS needs Hello => accounts::words,
        REQUEST_CONTACT needs SignedIn => contacts::request,
        ACCEPT_CONTACT needs SignedIn => contacts::accept,
        SEND_DIRECT needs SignedIn => messages::send,
        HELLO needs Nothing => hello::hello,
        SIGN_IN needs Hello => accounts::sign_in,
        REFRESH needs Hello => accounts::refresh,
        LOG_OUT needs SignedIn => accounts::log_out,
        PUBLISH_KEYS needs SignedIn => keys::publish,
        FETCH_KEYS needs SignedIn => keys::fetch,
        REFUSE_CONTACT needs SignedIn => contacts::refuse,
        ACKNOWLEDGE needs SignedIn => messages::acknowledge,
        SYNC needs SignedIn => sync::sync,
    ];
}

/// Handles one frame; returns the answer to send now, if any.
pub(crate) async fn dispatch<P: Parts>(
    hub: &Arc<Hub<P>>,
    session: &mut Session,
    frame: Frame,
    now: Timestamp,
) -> Option<Frame> {
    let header = frame.header;
    match handle(hub, session, frame, now).await {
        Ok(answer) => answer,
        Err(refusal) => {
            tracing::debug!(link = session.link.0, opcode = ?header.opcode, code = refusal.code.0, "refused");
            Some(refusal.answer(&header, now))
        }
    }
}

async fn handle<P: Parts>(hub: &Arc<Hub<P>>, session: &mut Session, frame: Frame, now: Timestamp) -> Handled {
    let header = &frame.header;
    if !VERSIONS.contains(&header.version) {
        return Err(hello::incompatible());
    }
    let opcode = header.opcode.resolve(header.mnemonic).ok_or(Code::MNEMONIC_MISMATCH)?;
    let at = Table::<P>::COMMANDS.binary_search_by_key(&opcode, |command| command.opcode);
    let command = &Table::<P>::COMMANDS[at.map_err(|_| Code::NOT_OFFERED)?];
    match command.needs {
        Needs::Hello | Needs::SignedIn if !session.said_hello => return Err(Code::STEP_OUT_OF_ORDER.into()),
        Needs::SignedIn => drop(session.identity()?),
        Needs::Hello | Needs::Nothing => {}
    }
    (command.handler)(hub, session, frame, now).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::Memory;

    // A2
    #[test]
    fn the_table_ascends_and_holds_only_known_commands() {
        let commands = Table::<Memory>::COMMANDS;
        assert!(commands.windows(2).all(|pair| pair[0].opcode < pair[1].opcode));
        assert!(
            commands.iter().all(|command| command.opcode.mnemonic().is_some() && !command.opcode.is_push())
        );
    }
}
