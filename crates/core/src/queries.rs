//! What views may ask of a vault.
//!
//! Invariant: nothing here changes anything; a transaction used for queries need not be committed.

use tacite_model::{AccountId, Expiry, Handle, MessageId};
use tacite_vault::{AccountStanding, Message, Settings, Standing, Transaction, VaultError};
use tacite_wire::proto;

use crate::{MessageRef, MessageView, ReactionView, Server};

/// Somebody in the contact book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactView {
    /// Who.
    pub account_id: AccountId,
    /// Their name on the server.
    pub handle: Handle,
    /// How we stand.
    pub standing: Standing,
    /// The person's own name for them; empty: none.
    pub own_name: String,
    /// Whether the person has compared safety numbers.
    pub verified: bool,
    /// What the person has noted about them; empty: nothing.
    pub notes: String,
    /// Whether the person has blocked them.
    pub blocked: bool,
}

/// The account of a vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountView {
    /// Who.
    pub account_id: AccountId,
    /// The name.
    pub handle: Handle,
    /// Whether it administers the server.
    pub administrator: bool,
    /// Whether it has a session.
    pub standing: AccountStanding,
}

/// What the server does with messages to people who are away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryMode {
    /// Not known: there was no contact yet, or the server is newer.
    Unknown,
    /// They wait sealed on the server.
    Inline,
    /// Bodies always travel apart from metadata.
    Split,
    /// Nothing is stored; the sender's outbox keeps them.
    Direct,
}

/// Where a vault stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The server; `None`: nothing registered.
    pub server: Option<Server>,
    /// The account; `None`: nothing registered.
    pub account: Option<AccountView>,
    /// Messages in the outbox.
    pub queued: u64,
    /// What the server last said.
    pub delivery_mode: DeliveryMode,
}

impl DeliveryMode {
    /// The stable lower-case word for this.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Inline => "inline",
            Self::Split => "split",
            Self::Direct => "direct",
        }
    }
}

/// All contacts, by name.
pub fn contacts(tx: &Transaction<'_>) -> Result<Vec<ContactView>, VaultError> {
    let view = |contact: tacite_vault::Contact| ContactView {
        account_id: contact.account_id,
        handle: contact.handle,
        standing: contact.standing,
        own_name: contact.own_name,
        verified: contact.verified,
        notes: contact.notes,
        blocked: contact.blocked,
    };
    Ok(tx.contacts()?.into_iter().map(view).collect())
}

/// The newest `limit` messages with `peer`, oldest of them first; `None` if there is no such contact.
pub fn history(
    tx: &Transaction<'_>,
    peer: &Handle,
    limit: u32,
) -> Result<Option<Vec<MessageView>>, VaultError> {
    let Some(contact) = tx.contact_by_handle(peer)? else { return Ok(None) };
    let messages = tx.history(contact.account_id, limit)?.into_iter();
    messages
        .map(|message| message_view(tx, message, contact.handle.clone()))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// The message of this id with `peer`, whoever wrote it; `None` if there is no such contact or message (any more).
pub fn message(
    tx: &Transaction<'_>,
    peer: &Handle,
    message_id: MessageId,
) -> Result<Option<MessageView>, VaultError> {
    let (Some(contact), Some(own)) = (tx.contact_by_handle(peer)?, tx.account()?) else { return Ok(None) };
    for author_id in [own.account_id, contact.account_id] {
        let found = tx.message(author_id, message_id)?;
        if let Some(message) = found.filter(|message| message.peer_id == contact.account_id) {
            return message_view(tx, message, contact.handle).map(Some);
        }
    }
    Ok(None)
}

/// How new messages with `peer` disappear (`None`: not by themselves); `None` if there is no such contact.
pub fn timer(tx: &Transaction<'_>, peer: &Handle) -> Result<Option<Option<Expiry>>, VaultError> {
    match tx.contact_by_handle(peer)? {
        Some(contact) => tx.timer(contact.account_id).map(Some),
        None => Ok(None),
    }
}

/// What the person lets others know.
pub fn settings(tx: &Transaction<'_>) -> Result<Settings, VaultError> {
    tx.settings()
}

/// Where the vault stands. How the link stands, [`crate::Core::link`] knows.
pub fn status(tx: &Transaction<'_>) -> Result<Status, VaultError> {
    let server = tx.server()?;
    let account = tx.account()?.map(|account| AccountView {
        account_id: account.account_id,
        handle: account.handle,
        administrator: account.administrator,
        standing: account.standing,
    });
    let delivery_mode = server.as_ref().map_or(DeliveryMode::Unknown, |server| mode(server.delivery_mode));
    Ok(Status { server: server.map(Server::from), account, queued: tx.outbox_count()?, delivery_mode })
}

/// A message as views show it.
pub(crate) fn message_view(
    tx: &Transaction<'_>,
    message: Message,
    peer: Handle,
) -> Result<MessageView, VaultError> {
    let marks = tx.marks(message.name())?;
    let reactions = tx.reactions(message.name())?.into_iter();
    let reply_to = message.reply_to.map(|name| MessageRef {
        peer: peer.clone(),
        outgoing: name.author_id != message.peer_id,
        message_id: name.message_id,
    });
    Ok(MessageView {
        message_id: message.message_id,
        peer,
        outgoing: message.outgoing,
        text: message.text,
        sent_at: message.sent_at,
        state: message.state,
        kind: message.kind,
        reply_to,
        reactions: reactions
            .map(|reaction| ReactionView {
                own: reaction.reactor_id != message.peer_id,
                emoji: reaction.emoji,
            })
            .collect(),
        edits: message.edits,
        deleted: message.deleted,
        expiry: message.expiry,
        expires_at: message.expires_at.map(|at| tx.clock_at(at)).transpose()?,
        marks,
    })
}

fn mode(number: i32) -> DeliveryMode {
    match proto::DeliveryMode::try_from(number) {
        Ok(proto::DeliveryMode::Inline) => DeliveryMode::Inline,
        Ok(proto::DeliveryMode::Split) => DeliveryMode::Split,
        Ok(proto::DeliveryMode::Direct) => DeliveryMode::Direct,
        Ok(proto::DeliveryMode::Unspecified) | Err(_) => DeliveryMode::Unknown,
    }
}

impl From<tacite_vault::Server> for Server {
    fn from(server: tacite_vault::Server) -> Self {
        Self {
            address: server.address,
            name: server.name,
            pin: server.pin,
            tls_disabled: server.tls_disabled,
            certificate_unchecked: server.certificate_unchecked,
        }
    }
}
