//! What the router remembers, as values.
//!
//! Invariant: ids, states and times only; there is no field in which content could stand.

use tacite_model::{AccountId, ConversationId, DeviceId, MessageId, Timestamp};
use tacite_wire::proto;

/// One device of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceKey {
    /// Whose.
    pub account_id: AccountId,
    /// Which.
    pub device_id: DeviceId,
}

/// What names a message: its id is chosen by the sender, so it means something only together with the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageKey {
    /// Who sent it.
    pub sender_id: AccountId,
    /// The sender's id for it.
    pub message_id: MessageId,
}

/// How two accounts stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConversationState {
    /// The initiator asked; the peer has not answered.
    Requested,
    /// They may write to each other.
    Accepted,
    /// The peer refused. The initiator is not told.
    Refused,
}

/// Two accounts, one of which asked the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// Who asked.
    pub initiator_id: AccountId,
    /// Who was asked.
    pub peer_id: AccountId,
    /// How they stand.
    pub state: ConversationState,
    /// When the initiator asked.
    pub requested_at: Timestamp,
    /// When the state last changed.
    pub updated_at: Timestamp,
}

impl Conversation {
    /// The other side, seen from `account`.
    #[must_use]
    pub fn other(&self, account: AccountId) -> AccountId {
        if account == self.initiator_id { self.peer_id } else { self.initiator_id }
    }

    /// When the state changed, as `account` may know it: the initiator of a refused request sees no change.
    #[must_use]
    pub fn updated_at_for(&self, account: AccountId) -> Timestamp {
        let is_hidden = self.state == ConversationState::Refused && account == self.initiator_id;
        if is_hidden { self.requested_at } else { self.updated_at }
    }

    /// The state as `account` may know it: a refusal looks to the initiator like no answer.
    #[must_use]
    pub fn state_for(&self, account: AccountId) -> proto::ContactState {
        match (self.state, account == self.initiator_id) {
            (ConversationState::Accepted, _) => proto::ContactState::Accepted,
            (_, true) => proto::ContactState::Asked,
            (ConversationState::Requested, false) => proto::ContactState::Asking,
            (ConversationState::Refused, false) => proto::ContactState::Refused,
        }
    }
}

/// What became of a contact request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requested {
    /// The conversation was created or accepted by this request: the other side must hear of it.
    Changed(Conversation),
    /// It stands as it stood.
    Unchanged(Conversation),
    /// The asker has too many open requests or conversations.
    TooMany,
}

/// A message to put into a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Sender and id.
    pub key: MessageKey,
    /// The sender's device.
    pub sender_device: DeviceId,
    /// The device that it goes to.
    pub recipient: DeviceKey,
    /// Between whom.
    pub conversation_id: ConversationId,
    /// Kind of envelope; 1 is a direct message.
    pub message_type: u32,
    /// The sender's log-in session.
    pub session_id: [u8; 16],
    /// When the router took it.
    pub taken_at: Timestamp,
}

/// What became of an [`Entry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It waits.
    Waiting,
    /// It had waited before and was received; it does not wait again.
    Received,
    /// It had waited before, for too long; it does not wait again.
    Expired,
    /// Too many messages wait for the device.
    Full,
    /// Another message has this id.
    IdInUse,
}

/// A message that waits for a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Its place in the queue, ascending from 1.
    pub position: u64,
    /// Sender and id.
    pub key: MessageKey,
    /// The sender's device.
    pub sender_device: DeviceId,
    /// When the router took it.
    pub taken_at: Timestamp,
}

/// How far a message has come on its way to one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageStatusState {
    /// Waits on the server.
    Sent,
    /// The device has it.
    Received,
    /// A person has read it.
    Read,
    /// Waited too long.
    Expired,
}

/// The state of a message on its way to one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageStatus {
    /// Sender and id.
    pub key: MessageKey,
    /// To which device.
    pub recipient: DeviceKey,
    /// How far.
    pub state: MessageStatusState,
    /// Since when.
    pub updated_at: Timestamp,
}

impl From<MessageStatus> for proto::MessageState {
    fn from(status: MessageStatus) -> Self {
        let state = match status.state {
            MessageStatusState::Sent => proto::DeliveryState::Sent,
            MessageStatusState::Received => proto::DeliveryState::Received,
            MessageStatusState::Read => proto::DeliveryState::Read,
            MessageStatusState::Expired => proto::DeliveryState::Expired,
        };
        Self {
            message_id: status.key.message_id.as_bytes().to_vec().into(),
            recipient_id: status.recipient.account_id.as_bytes().to_vec().into(),
            recipient_device: status.recipient.device_id.into(),
            state: state.into(),
            at_ms: status.updated_at.as_ms(),
            proof: Vec::new().into(),
        }
    }
}

/// A place in the order of changes: after all rows up to this (time, id).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cursor {
    /// Time of the row.
    pub updated_at: Timestamp,
    /// Id of the row: of a conversation or a message.
    pub id: [u8; 16],
}

/// Something that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// How this account stands with another.
    Conversation(Conversation),
    /// How far a message that this account sent has come.
    Status(MessageStatus),
}

impl Change {
    /// The place of this change in what `account` sees.
    #[must_use]
    pub fn cursor(&self, account: AccountId) -> Cursor {
        match self {
            Self::Conversation(row) => {
                Cursor { updated_at: row.updated_at_for(account), id: *row.id.as_bytes() }
            }
            Self::Status(row) => Cursor { updated_at: row.updated_at, id: *row.key.message_id.as_bytes() },
        }
    }
}
