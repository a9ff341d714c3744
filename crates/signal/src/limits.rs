//! Every bound of the protocol in one place.
//!
//! Invariant: whatever a peer sends, the memory of a session and the work for one message stay below what follows from these numbers.

/// How far beyond the next expected counter a message may be, in messages (Double Ratchet and post-quantum chains).
pub const FORWARD_JUMP_MAX: u32 = 25_000;

/// The same for a session with ourselves (same identity key, same account). Signal's library has no limit there; a bound on the work
/// that unauthenticated bytes can cause is worth more than jumps that never happen.
pub const SELF_FORWARD_JUMP_MAX: u32 = 1_000_000;

/// Stored keys of skipped messages, per receiving chain.
pub const SKIPPED_KEYS_MAX: u32 = 2_000;

/// Receiving chains that a session keeps, newest first.
pub const RECEIVING_CHAINS_MAX: usize = 5;

/// Sessions that a record keeps besides the current one.
pub const ARCHIVED_SESSIONS_MAX: usize = 40;

/// Age at which a session whose first message was never answered is not used for sending any more, in milliseconds (30 days).
pub const UNACKNOWLEDGED_AGE_MAX_MS: u64 = 30 * 24 * 60 * 60 * 1_000;

/// Bytes of a protocol message (either kind) that we decode. Content is bounded far below by its carrier.
pub const MESSAGE_LENGTH_MAX: usize = 16 * 1024 * 1024;

/// Bytes of an address's name.
pub const NAME_LENGTH_MAX: usize = 256;

/// Device numbers are 1 to this, as in Signal.
pub const DEVICE_MAX: u8 = 127;
