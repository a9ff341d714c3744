//! The enums of the contract: what goes into the engine and what comes out.
//!
//! Invariants: one input enum, one effect enum, no other doors. Every [`Input::Intent`] is answered by exactly one
//! [`Event::Done`] or [`Event::Failed`] with its request id, unless the process ends before.

use tacite_model::{AccountId, Expiry, Handle, Invitation, KeyPin, MessageId, Secret, Timestamp};
use tacite_vault::{MessageKind, Settings};
use tacite_wire::{Code, Frame};

/// Names one intent, chosen by the driver; answers repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(pub u64);

/// What happens to the engine.
#[derive(Debug)]
pub enum Input {
    /// First input of a process: drive again what the vault holds, connect if there is an account.
    Start,
    /// The person (or a script) wants something.
    Intent(RequestId, Intent),
    /// The link that [`Effect::OpenLink`] asked for is open; the server's first frame follows.
    LinkOpened,
    /// The link could not be opened, or is gone. `code` and `sentence` if the cause is known (such as a wrong key).
    LinkClosed {
        /// For people; no addresses.
        cause: Option<Problem>,
    },
    /// A frame has arrived.
    Frame(Frame),
    /// The time of a [`Effect::WakeAt`] has come.
    Timer,
    /// What came of an [`Effect::PutBody`].
    BodyPut {
        /// Which body.
        name: BodyName,
        /// It is there; or not, and why.
        result: Result<(), Problem>,
    },
    /// What came of an [`Effect::FetchBody`].
    BodyFetched {
        /// Which body.
        name: BodyName,
        /// Its bytes, padded, cut off one byte behind `SEALED_BYTES_MAX`; `None`: there is no such body.
        result: Result<Option<Vec<u8>>, Problem>,
    },
}

/// The name of a sealed body in a depot. Not for logs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyName(pub [u8; 32]);

impl core::fmt::Debug for BodyName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("BodyName(…)")
    }
}

/// What a person may want.
#[derive(Debug)]
pub enum Intent {
    /// Register an account in an empty vault: OPAQUE, words, device keys, prekeys, tokens.
    Register {
        /// Where; kept in the vault.
        server: Server,
        /// From an invitation; `None` where registration is open.
        invitation: Option<Secret<[u8; 16]>>,
        /// The wanted name.
        handle: Handle,
        /// The password.
        password: Secret<String>,
        /// The three words, separated by single spaces.
        words: Secret<String>,
    },
    /// Begin a new session of the vault's account: password, then words.
    LogIn {
        /// The password.
        password: Secret<String>,
        /// The three words, separated by single spaces.
        words: Secret<String>,
    },
    /// End the session on the server; the vault stays.
    LogOut,
    /// Take the identity key that was last shown for a contact instead of the known one for theirs. What the person has
    /// compared before counts no longer.
    AcceptIdentity {
        /// Whose.
        handle: Handle,
    },
    /// Ask somebody to become a contact.
    RequestContact {
        /// Whom.
        handle: Handle,
    },
    /// Accept somebody's request.
    AcceptContact {
        /// Whose.
        handle: Handle,
    },
    /// Refuse somebody's request.
    RefuseContact {
        /// Whose.
        handle: Handle,
    },
    /// Put a text into the outbox for an accepted contact. Done as soon as it is in the vault; what becomes of it is told
    /// by [`Event::MessageChanged`].
    SendText {
        /// To whom.
        to: Handle,
        /// At most `TEXT_BYTES_MAX` bytes, not empty.
        text: String,
        /// The message of the same conversation that it answers.
        reply_to: Option<MessageRef>,
    },
    /// React to a message, in place of an earlier reaction.
    React {
        /// To which.
        message: MessageRef,
        /// At most `REACTION_BYTES_MAX` bytes; empty: take the reaction back.
        emoji: String,
    },
    /// Put another text into the place of one's own message, for both sides; at most `EDITS_MAX` times.
    Edit {
        /// To whom it went.
        to: Handle,
        /// Which message.
        message_id: MessageId,
        /// At most `TEXT_BYTES_MAX` bytes, not empty.
        text: String,
    },
    /// Wipe out one's own message, for both sides.
    Delete {
        /// To whom it went.
        to: Handle,
        /// Which message.
        message_id: MessageId,
    },
    /// Say how messages of a conversation disappear from now on, for both sides.
    SetTimer {
        /// With whom.
        with: Handle,
        /// `None`: they stay.
        timer: Option<Expiry>,
    },
    /// Note that messages, named by their senders and ids, were shown to the person. Their time begins to count, and their senders
    /// are told, unless that is switched off.
    MarkRead {
        /// Incoming ones; others are passed over.
        messages: Vec<(Handle, MessageId)>,
    },
    /// Let nothing of a contact come through any more; they are not told.
    BlockContact {
        /// Whom.
        handle: Handle,
    },
    /// Take that back.
    UnblockContact {
        /// Whom.
        handle: Handle,
    },
    /// Note something about a contact, on this device only.
    NoteContact {
        /// About whom.
        handle: Handle,
        /// What.
        note: ContactNote,
    },
    /// Say what contacts may see. Before it is said they see nothing; it lasts as long as the process.
    SetPresence {
        /// What.
        presence: Presence,
    },
    /// Tell a contact that the person is typing, or no longer; views may say so with every key.
    SetTyping {
        /// Whom.
        to: Handle,
        /// Whether.
        typing: bool,
    },
    /// Change what is let known to others.
    ChangeSettings {
        /// All of them.
        settings: Settings,
    },
}

/// A message as a view names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRef {
    /// The other side of the conversation.
    pub peer: Handle,
    /// Whether this account wrote it.
    pub outgoing: bool,
    /// The message's id.
    pub message_id: MessageId,
}

/// What a person notes about a contact; nobody else learns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactNote {
    /// The person's own name for them, at most 256 bytes; empty: none.
    OwnName(String),
    /// Anything, at most 65,536 bytes; empty: nothing.
    Notes(String),
    /// Whether the person has compared safety numbers.
    Verified(bool),
}

/// What contacts see of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Not there, or not willing to be seen.
    Offline,
    /// There, but occupied.
    Busy,
    /// There.
    Online,
}

/// Where a server is and how it proves itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `host:port`.
    pub address: String,
    /// The name that it must give itself; `None`: take what it says at first contact.
    pub name: Option<String>,
    /// The key that it must show; `None`: a public certificate for the host.
    pub pin: Option<KeyPin>,
    /// Plain TCP instead of TLS: loopback and tests only.
    pub tls_disabled: bool,
    /// Any certificate will do: tests only, `--allow-invalid-cert`.
    pub certificate_unchecked: bool,
}

impl From<&Invitation> for Server {
    fn from(invitation: &Invitation) -> Self {
        Self {
            address: invitation.address().to_owned(),
            name: Some(invitation.server_name().to_owned()),
            pin: invitation.pin(),
            tls_disabled: false,
            certificate_unchecked: false,
        }
    }
}

/// What the driver is to do, after the commit, in order.
#[derive(Debug)]
pub enum Effect {
    /// Open a link to the server, with an access token for the upgrade if there is one that is still good.
    OpenLink {
        /// Where.
        server: Server,
        /// For the `Authorization: Bearer` header.
        bearer: Option<Secret<String>>,
    },
    /// Send a frame on the open link; drop it if the link is gone.
    Send(Frame),
    /// Close the link; [`Input::LinkClosed`] follows as for any other end.
    CloseLink,
    /// Tell the view.
    Tell(Event),
    /// Hand in [`Input::Timer`] at this time.
    WakeAt(Timestamp),
    /// Put a sealed body into the depot and hand in [`Input::BodyPut`], whatever comes of it.
    PutBody {
        /// Where the depot is, such as `https://depot.example:7879`, by the server's word; empty: where the link is.
        depot_url: String,
        /// Under which name.
        name: BodyName,
        /// What the depot wants to be shown.
        permit: Secret<Vec<u8>>,
        /// The body, padded.
        bytes: Vec<u8>,
    },
    /// Fetch a sealed body from the depot and hand in [`Input::BodyFetched`], whatever comes of it.
    FetchBody {
        /// As above.
        depot_url: String,
        /// Which body.
        name: BodyName,
    },
}

/// What a view is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An intent was carried out.
    Done(RequestId, Outcome),
    /// An intent was refused or failed; nothing of it remains.
    Failed(RequestId, Problem),
    /// The link has changed.
    Link(LinkStatus),
    /// A message has arrived and is stored.
    MessageReceived(MessageView),
    /// A message has changed: one of ours has advanced (states never step back), or either side has shown, edited, deleted it or
    /// reacted to it.
    MessageChanged(MessageView),
    /// A message has disappeared.
    MessageErased {
        /// The other side of the conversation.
        peer: Handle,
        /// Whether this account wrote it.
        outgoing: bool,
        /// The message's id.
        message_id: MessageId,
    },
    /// Nothing is in the outbox any more, also nothing that no view shows. Comes once for each time.
    OutboxEmpty,
    /// Messages of a conversation disappear in another way from now on.
    TimerChanged {
        /// With whom.
        handle: Handle,
        /// `None`: they stay.
        timer: Option<Expiry>,
    },
    /// A contact has changed.
    ContactChanged {
        /// Who.
        handle: Handle,
        /// What they are now.
        standing: tacite_vault::Standing,
    },
    /// A contact was blocked, or is so no longer.
    ContactBlocked {
        /// Who.
        handle: Handle,
        /// Whether they are blocked now.
        blocked: bool,
    },
    /// A contact is there, or is not.
    PresenceChanged {
        /// Who.
        handle: Handle,
        /// What they are now.
        presence: Presence,
    },
    /// A contact is typing, or no longer.
    TypingChanged {
        /// Who.
        handle: Handle,
        /// Whether.
        typing: bool,
    },
    /// Something that the person should know and that belongs to no intent, such as a message that could not be decrypted.
    Notice(Problem),
}

/// What an intent came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Registered or logged in.
    SignedIn {
        /// The account.
        account_id: AccountId,
        /// Its name.
        handle: Handle,
        /// Whether it administers the server.
        administrator: bool,
    },
    /// Logged out.
    SignedOut,
    /// The contact now stands like this.
    Contact {
        /// Who.
        handle: Handle,
        /// What they are now.
        standing: tacite_vault::Standing,
    },
    /// The text is in the outbox under this id.
    Queued {
        /// The message's id.
        message_id: MessageId,
    },
    /// Done; there is nothing more to say.
    Done,
}

/// How the link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkStatus {
    /// No link; the next try comes at the given time (`None`: not by itself, a log-in is wanted or nothing registered).
    Offline {
        /// When.
        retry_at: Option<Timestamp>,
    },
    /// Being opened or logged in.
    Connecting,
    /// Logged in; catching up.
    Online,
    /// Logged in and level: nothing waits on the server any more.
    Level,
}

/// A message as a view shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// The message's id.
    pub message_id: MessageId,
    /// The other side of the conversation.
    pub peer: Handle,
    /// Whether this account wrote it.
    pub outgoing: bool,
    /// What was written.
    pub text: String,
    /// When the sender wrote it, by the sender's clock.
    pub sent_at: Timestamp,
    /// How far it has come.
    pub state: tacite_vault::MessageState,
    /// What it is.
    pub kind: MessageKind,
    /// The message that it answers, which may not be there any more.
    pub reply_to: Option<MessageRef>,
    /// At most one of each side.
    pub reactions: Vec<ReactionView>,
    /// How often its text was changed.
    pub edits: u32,
    /// Whether its author has deleted it for all.
    pub deleted: bool,
    /// How it disappears; of a timer: how messages disappear from then on. `None`: not by itself.
    pub expiry: Option<Expiry>,
    /// When the device's clock will show that it disappears; `None`: that is not counted yet.
    pub expires_at: Option<Timestamp>,
    /// How it came.
    pub marks: tacite_vault::Marks,
}

impl MessageView {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> MessageRef {
        MessageRef { peer: self.peer.clone(), outgoing: self.outgoing, message_id: self.message_id }
    }
}

/// A reaction as a view shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReactionView {
    /// Whether it is this account's.
    pub own: bool,
    /// Not empty, without control characters.
    pub emoji: String,
}

/// A code, a sentence, a next step; see `tacite_wire::code`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The wire's code, or one of its meanings for what happens on the device.
    pub code: Code,
    /// A stable word for scripts, such as `name-taken`.
    pub word: &'static str,
    /// What happened.
    pub sentence: String,
    /// What to do next.
    pub next_step: String,
    /// Whether the same may succeed later by itself.
    pub retryable: bool,
    /// Milliseconds after which to try again, if the server said so.
    pub retry_after_ms: Option<u64>,
}
