//! Every bound of the system, in one place. Each is tested at the bound and one past it where it is enforced.
//!
//! Invariant: whatever a stranger can send is bounded by a constant of this file.

use crate::rate::Quota;

/// Fewest characters of a handle.
pub const HANDLE_CHARS_MIN: usize = 2;
/// Most characters of a handle.
pub const HANDLE_CHARS_MAX: usize = 32;

/// Sizes to which the body of a frame is padded, in bytes. The last is the most that a body may hold.
pub const FRAME_BODY_BYTES: [usize; 5] = [256, 1024, 4096, 16_384, 65_536];
/// Most bytes of a frame's body.
pub const FRAME_BODY_BYTES_MAX: usize = FRAME_BODY_BYTES[FRAME_BODY_BYTES.len() - 1];
/// Most bytes of a text that a person writes in one message, UTF-8.
pub const TEXT_BYTES_MAX: usize = 32_768;
/// Most bytes of a sealed body within an envelope; with routing fields it fits the largest frame.
pub const SEALED_BYTES_MAX: usize = 65_000;
/// Most bytes of bodies that a server holds in memory before it is known whether they must wait: with more, new ones go to
/// the disk at once. Counted are sealed bytes, not what it takes to find them.
pub const HELD_BODIES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Sizes to which a sealed body is padded that travels outside frames, in bytes.
pub const BODY_BYTES: [usize; 5] = [256, 1024, 4096, 16_384, SEALED_BYTES_MAX];
/// Most bytes of a server's name.
pub const SERVER_NAME_BYTES_MAX: usize = 255;
/// Most bytes of a client's or server's software name.
pub const SOFTWARE_BYTES_MAX: usize = 64;
/// Most bytes of one OPAQUE message.
pub const OPAQUE_MESSAGE_BYTES_MAX: usize = 512;
/// Most bytes of an access or refresh token.
pub const TOKEN_BYTES_MAX: usize = 1024;

/// Frames that cannot be decoded on one link before it is closed.
pub const LINK_BAD_FRAMES_MAX: u32 = 16;
/// Milliseconds in which a new link must have said hello and logged in.
pub const LINK_LOGIN_MS_MAX: u64 = 120_000;
/// Milliseconds without any frame after which a link counts as dead.
pub const LINK_SILENCE_MS_MAX: u64 = 75_000;
/// Milliseconds between the pings that keep a link alive.
pub const LINK_PING_MS: u64 = 30_000;
/// Frames that may wait for one slow link before it is closed.
pub const LINK_QUEUE_FRAMES_MAX: usize = 1024;
/// Links open at once on one server.
pub const LINKS_MAX: usize = 100_000;
/// Links on which nobody has signed in, and connections that are no links (yet), at once on one server: of each so many.
pub const STRANGERS_MAX: usize = 10_000;
/// Milliseconds after which a connection that became no link takes no further request.
pub const HTTP_CONNECTION_MS_MAX: u64 = 120_000;
/// Milliseconds for a TLS handshake and the HTTP request that follows it.
pub const HANDSHAKE_MS_MAX: u64 = 10_000;
/// Bytes of a call, or of its answer, between two parts of one server that are processes of their own: room for the bodies of
/// all messages that may be pushed and not yet acknowledged.
pub const PART_FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Milliseconds after which a part that has not answered a call counts as away; it is noticed within twice the time.
pub const PART_ANSWER_MS_MAX: u64 = 20_000;

/// Devices of one account.
pub const DEVICES_PER_ACCOUNT_MAX: usize = 16;
/// One-time prekeys of one kind that a device may keep at the depot.
pub const ONE_TIME_PREKEYS_MAX: usize = 200;
/// One-time prekeys of one kind in a single upload.
pub const ONE_TIME_PREKEYS_PER_UPLOAD_MAX: usize = 100;
/// One-time Kyber prekeys in a single upload: each has 1.6 kB, and an upload is one frame.
pub const KYBER_PREKEYS_PER_UPLOAD_MAX: usize = 30;
/// Conversations of one account, requested ones included.
pub const CONVERSATIONS_PER_ACCOUNT_MAX: usize = 10_000;
/// Contact requests of one account that wait for an answer.
pub const CONTACT_REQUESTS_OPEN_MAX: usize = 100;

/// Messages that may wait for one device.
pub const QUEUE_MESSAGES_MAX: usize = 10_000;
/// Messages pushed to a device and not yet acknowledged.
pub const UNACKNOWLEDGED_MAX: usize = 64;
/// Milliseconds a relayed message may stay unacknowledged before it is made durable instead.
pub const ACKNOWLEDGE_MS_MAX: u64 = 3000;
/// Milliseconds a relayed message may stay unacknowledged, where nothing is stored, before its sender is told that the recipient is
/// away: a slow connection is not an absent person, and giving up early would send everything again and again.
pub const ACKNOWLEDGE_DIRECT_MS_MAX: u64 = 20_000;
/// Message ids in one acknowledgement.
pub const ACKNOWLEDGEMENTS_PER_FRAME_MAX: usize = 64;
/// Rows in one page of a synchronisation.
pub const SYNC_PAGE_ROWS_MAX: usize = 100;
/// Milliseconds for which an undelivered message waits: 30 days.
pub const MESSAGE_WAIT_MS_MAX: u64 = 30 * DAY_MS;

/// Messages of one sender that may wait for one device: nobody fills another's queue alone (T67).
pub const QUEUE_MESSAGES_PER_SENDER_MAX: usize = 2500;
/// Milliseconds for which a router refuses what a sender sends behind a message that it refused (order; see `router::delivery`).
pub const REFUSAL_MS_MAX: u64 = 60_000;
/// Senders of one device for whom that is remembered.
pub const REFUSALS_PER_DEVICE_MAX: usize = 1000;
/// Direct mode: devices that one link is told of when they come.
pub const AWAY_PER_LINK_MAX: usize = 1000;
/// Message ids in one `read`.
pub const READS_PER_FRAME_MAX: usize = 64;
/// Bytes of a proof of receipt.
pub const RECEIPT_PROOF_BYTES: usize = 16;
/// Uploads asked for in one frame.
pub const UPLOADS_PER_FRAME_MAX: usize = 16;
/// Milliseconds for which an upload permit is good: one hour.
pub const UPLOAD_PERMIT_MS: u64 = 60 * 60 * 1000;
/// Times that one permit may be used: a burst, then one in so many milliseconds.
pub const UPLOAD_QUOTA: Quota = Quota::new(1, 10_000, 10);
/// Permits whose use is counted at a time. Each is for ten seconds after it was used: with a quarter of that number, bodies
/// of 6,500 messages a second were the most that a server took.
pub const UPLOAD_METERS_MAX: usize = 262_144;
/// Milliseconds in which the body of an upload must have come.
pub const UPLOAD_MS_MAX: u64 = 60_000;
/// Accounts in one presence push.
pub const PRESENCES_PER_FRAME_MAX: usize = 100;
/// Bytes of a reaction: one emoji with its modifiers.
pub const REACTION_BYTES_MAX: usize = 64;
/// Times a message may be edited.
pub const EDITS_MAX: u32 = 50;
/// Milliseconds for which a sender keeps what it sent, to send it again when asked: as long as it may wait.
pub const RESEND_MS_MAX: u64 = MESSAGE_WAIT_MS_MAX;
/// Messages that one request may ask to be sent again.
pub const RESENDS_PER_REQUEST_MAX: usize = 64;
/// Requests to send again that one contact is answered: a burst, then one in so many milliseconds (T21).
pub const RESEND_QUOTA: Quota = Quota::new(1, 60_000, 10);
/// Decrypted messages of one contact that are held back until the one before them has come.
pub const HELD_MESSAGES_MAX: usize = 1000;
/// Longest time after which a message may be set to disappear: a year.
pub const DISAPPEAR_MS_MAX: u64 = 366 * DAY_MS;

/// Milliseconds for which an access token is good: 15 minutes.
pub const ACCESS_TOKEN_MS: u64 = 15 * 60 * 1000;
/// Milliseconds for which a refresh token is good: 30 days.
pub const REFRESH_TOKEN_MS: u64 = 30 * DAY_MS;
/// Milliseconds for which an invitation is good: 7 days.
pub const INVITATION_MS: u64 = 7 * DAY_MS;
/// Times an invitation may be used, at most.
pub const INVITATION_USES_MAX: u32 = 1000;

/// Log-ins by password that one name may begin, right or wrong, whether or not there is such an account.
pub const LOG_IN_QUOTA: Quota = Quota::new(1, 60_000, 5);
/// Registrations that one invitation may begin; where registration is open, all of them together.
pub const REGISTRATION_QUOTA: Quota = Quota::new(1, 1000, 100);
/// Names that one account may look up.
pub const LOOKUP_QUOTA: Quota = Quota::new(1, 2000, 30);
/// Sessions that one account may begin by signature or renew.
pub const SESSION_QUOTA: Quota = Quota::new(1, 1000, 60);
/// Meters of one kind that are kept; when all are in use, a newcomer has to wait.
pub const METERS_MAX: usize = 65_536;

/// Milliseconds of a day.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Bytes that the fields of an envelope around the sealed body may take.
const ENVELOPE_OVERHEAD_BYTES_MAX: usize = 256;
const _: () = assert!(SEALED_BYTES_MAX + ENVELOPE_OVERHEAD_BYTES_MAX <= FRAME_BODY_BYTES_MAX);
const _: () = assert!(UNACKNOWLEDGED_MAX * (SEALED_BYTES_MAX + 16) < PART_FRAME_BYTES_MAX);
