//! From opcode to handler: a table built at compile time.
//!
//! Invariants: every frame that can be read is answered, unknown opcodes too; what a command needs is checked here, in one
//! place, before its handler runs.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tacite_accounts::Scope;
use tacite_model::Timestamp;
use tacite_wire::{Code, Frame, Opcode, VERSIONS};

use crate::handlers::{accounts, contacts, hello, keys, messages, presence, sync, uploads};
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
    /// A signed-in link whose token has this scope.
    Scope(Scope),
    SignedIn,
}

struct Command<P: Parts> {
    opcode: Opcode,
    needs: Needs,
    handler: Handler<P>,
}

macro_rules! commands {
    ($($opcode:ident needs $needs:expr => $handler:path,)*) => {
        &[$(Command {
            opcode: Opcode::$opcode,
            needs: $needs,
            handler: |hub, session, frame, now| Box::pin($handler(hub, session, frame, now)),
        },)*]
    };
}

/// The table's place: generic constants need a type to belong to.
struct Table<P>(std::marker::PhantomData<P>);

impl<P: Parts> Table<P> {
    /// Ascending by opcode.
    const COMMANDS: &'static [Command<P>] = commands![
        REGISTER needs Needs::Hello => accounts::register,
        LOG_IN needs Needs::Hello => accounts::log_in,
        WORDS needs Needs::Hello => accounts::words,
        REQUEST_CONTACT needs Needs::Scope(Scope::WriteProfile) => contacts::request,
        ACCEPT_CONTACT needs Needs::Scope(Scope::WriteProfile) => contacts::accept,
        SEND_DIRECT needs Needs::Scope(Scope::WriteMessages) => messages::send,
        HELLO needs Needs::Nothing => hello::hello,
        SIGN_IN needs Needs::Hello => accounts::sign_in,
        REFRESH needs Needs::Hello => accounts::refresh,
        LOG_OUT needs Needs::SignedIn => accounts::log_out,
        PUBLISH_KEYS needs Needs::Scope(Scope::WriteKeys) => keys::publish,
        FETCH_KEYS needs Needs::Scope(Scope::ReadKeys) => keys::fetch,
        REFUSE_CONTACT needs Needs::Scope(Scope::WriteProfile) => contacts::refuse,
        ACKNOWLEDGE needs Needs::Scope(Scope::ReadMessages) => messages::acknowledge,
        SYNC needs Needs::Scope(Scope::ReadMessages) => sync::sync,
        MARK_READ needs Needs::Scope(Scope::ReadMessages) => messages::mark_read,
        BLOCK_CONTACT needs Needs::Scope(Scope::WriteProfile) => contacts::block,
        UNBLOCK_CONTACT needs Needs::Scope(Scope::WriteProfile) => contacts::unblock,
        SET_PRESENCE needs Needs::Scope(Scope::WriteProfile) => presence::set,
        SET_TYPING needs Needs::Scope(Scope::WriteMessages) => presence::typing,
        REQUEST_UPLOADS needs Needs::Scope(Scope::WriteMessages) => uploads::request,
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
    if command.needs != Needs::Nothing && !session.said_hello {
        return Err(Code::STEP_OUT_OF_ORDER.into());
    }
    match command.needs {
        Needs::Nothing | Needs::Hello => {}
        Needs::SignedIn => drop(session.identity()?),
        Needs::Scope(scope) if session.identity()?.scopes.allows(scope) => {}
        Needs::Scope(_) => return Err(Code::FORBIDDEN.into()),
    }
    if let Err(refusal) = hub.shedding.admit(opcode) {
        hub.count_refused(session, &frame);
        return Err(refusal);
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
