//! What the router remembers, as values.
//!
//! Invariant: ids, states and times only; there is no field in which content could stand.

use tacite_model::limits::RECEIPT_PROOF_BYTES;
use tacite_model::{AccountId, ConversationId, DeviceId, MessageId, Timestamp};
use tacite_wire::proto;

/// What proves to a sender that a device has received or shown a message; handed on unchecked, the sender alone has the key.
pub type Proof = Option<[u8; RECEIPT_PROOF_BYTES]>;

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

/// What a device says of a message that it has stored, or shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Of which message.
    pub key: MessageKey,
    /// For the sender.
    pub proof: Proof,
    /// The sender is not to be told more than that the server took the message (T44).
    pub silent: bool,
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
    /// Whether the initiator has blocked the peer.
    pub initiator_block: Block,
    /// Whether the peer has blocked the initiator.
    pub peer_block: Block,
}

/// Whether one account has blocked another. Only the one who did is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Block {
    /// Nothing of the other's comes.
    pub is_set: bool,
    /// When that last changed; 0: never.
    pub changed_at: Timestamp,
}

impl Conversation {
    /// Whether the two may write to each other: accepted, and blocked by neither.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == ConversationState::Accepted && !self.initiator_block.is_set && !self.peer_block.is_set
    }

    /// What `account`, one of the two, has decided about the other.
    #[must_use]
    pub fn block_by(&self, account: AccountId) -> Block {
        if account == self.initiator_id { self.initiator_block } else { self.peer_block }
    }

    /// The other side, seen from `account`.
    #[must_use]
    pub fn other(&self, account: AccountId) -> AccountId {
        if account == self.initiator_id { self.peer_id } else { self.initiator_id }
    }

    /// When something changed that `account` may know: the initiator of a refused request sees no change, nor does who was
    /// blocked.
    #[must_use]
    pub fn updated_at_for(&self, account: AccountId) -> Timestamp {
        let is_hidden = self.state == ConversationState::Refused && account == self.initiator_id;
        let state_changed_at = if is_hidden { self.requested_at } else { self.updated_at };
        state_changed_at.max(self.block_by(account).changed_at)
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
    /// It stands as it stood: the other side may have heard of it, or not.
    Unchanged(Conversation),
    /// The asker has too many open requests or conversations, or too many wait for an answer of the one asked.
    TooMany,
}

/// What a block, or its end, came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// How the two stand now.
    pub conversation: Conversation,
    /// What waited of the one who is blocked now, and waits no more.
    pub dropped: Vec<(MessageKey, DeviceKey)>,
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
    /// It is known and does not wait again: how far it has come, as its sender may know it.
    Settled(MessageStatusState, Proof),
    /// Too many messages wait for the device, or too many of this sender.
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
    /// With `Received` and `Read`: what the device gave.
    pub proof: Proof,
}

impl From<MessageStatusState> for proto::DeliveryState {
    fn from(state: MessageStatusState) -> Self {
        match state {
            MessageStatusState::Sent => Self::Sent,
            MessageStatusState::Received => Self::Received,
            MessageStatusState::Read => Self::Read,
            MessageStatusState::Expired => Self::Expired,
        }
    }
}

impl From<MessageStatus> for proto::MessageState {
    fn from(status: MessageStatus) -> Self {
        Self {
            message_id: status.key.message_id.as_bytes().to_vec().into(),
            recipient_id: status.recipient.account_id.as_bytes().to_vec().into(),
            recipient_device: status.recipient.device_id.into(),
            state: proto::DeliveryState::from(status.state).into(),
            at_ms: status.updated_at.as_ms(),
            proof: status.proof.map(|proof| proof.to_vec()).unwrap_or_default().into(),
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
