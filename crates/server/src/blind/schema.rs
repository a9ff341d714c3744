//! What the databases may hold: every table, every column, and what a value may be.
//!
//! These lists are written by hand and not derived from the migrations, on purpose: whoever adds a column changes a list
//! that says "this is all that the server knows", in the same commit, in front of a reviewer.
//!
//! Invariant: no column has room for content but those of the depot that are there for sealed bytes and public keys.

use tacite_model::limits::{HANDLE_CHARS_MAX, SEALED_BYTES_MAX};

/// A database: its file without ending, and its tables.
pub(super) struct Database {
    pub(super) name: &'static str,
    pub(super) tables: &'static [Table],
}

/// A table and its columns.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Shape)],
}

/// What a value of a column may be; bounds are included.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// Bytes of so many lengths.
    Bytes(usize, usize),
    /// Nothing, or exactly so many bytes.
    BytesOrEmpty(usize),
    /// A number of this range.
    Number(i64, i64),
    /// So many bytes of printable ASCII.
    Text(usize, usize),
}

use Shape::{Bytes, BytesOrEmpty, Number, Text};

const ID: Shape = Bytes(16, 16);
const HASH: Shape = Bytes(32, 32);
const FLAG: Shape = Number(0, 1);
const DEVICE: Shape = Number(1, 127);
/// Milliseconds since 1970, up to the year 2248.
const TIME: Shape = Number(0, 1 << 43);
const COUNTER: Shape = Number(0, i64::MAX);
const KEY_NUMBER: Shape = Number(0, u32::MAX as i64);

/// Of the library that brings tables up to date.
const HISTORY: Table = Table {
    name: "refinery_schema_history",
    columns: &[
        ("version", Number(1, 1000)),
        ("name", Text(1, 64)),
        ("applied_on", Text(1, 40)),
        ("checksum", Text(1, 20)),
    ],
};

/// All of them.
pub(super) const DATABASES: &[Database] = &[
    Database { name: "accounts", tables: ACCOUNTS },
    Database { name: "depot", tables: DEPOT },
    Database { name: "router", tables: ROUTER },
];

const ACCOUNTS: &[Table] = &[
    Table {
        name: "accounts",
        columns: &[
            ("account_id", ID),
            ("handle", Text(1, HANDLE_CHARS_MAX)),
            ("identity_key", Bytes(33, 33)),
            ("password_record", Bytes(193, 193)),
            ("words_record", Bytes(193, 193)),
            ("administrator", FLAG),
            ("created_at_ms", TIME),
        ],
    },
    Table {
        name: "devices",
        columns: &[
            ("account_id", ID),
            ("device_id", DEVICE),
            ("login_key", Bytes(32, 32)),
            ("registration_id", Number(1, 0x3FFF)),
            ("logged_out", FLAG),
            ("created_at_ms", TIME),
            ("generation", COUNTER),
        ],
    },
    Table {
        name: "sessions",
        columns: &[
            ("session_id", ID),
            ("account_id", ID),
            ("device_id", DEVICE),
            ("created_at_ms", TIME),
            ("expires_at_ms", TIME),
        ],
    },
    Table {
        name: "refresh_tokens",
        columns: &[
            ("token_hash", HASH),
            ("session_id", ID),
            ("account_id", ID),
            ("used", FLAG),
            ("expires_at_ms", TIME),
        ],
    },
    Table {
        name: "invitations",
        columns: &[
            ("secret_hash", HASH),
            ("uses_left", Number(0, 1000)),
            ("created_by", BytesOrEmpty(16)),
            ("first", FLAG),
            ("created_at_ms", TIME),
            ("expires_at_ms", TIME),
        ],
    },
    HISTORY,
];

const ROUTER: &[Table] = &[
    Table {
        name: "conversations",
        columns: &[
            ("id", ID),
            ("initiator_id", ID),
            ("peer_id", ID),
            ("state", Number(0, 2)),
            ("requested_at", TIME),
            ("updated_at", TIME),
            ("initiator_blocks", FLAG),
            ("initiator_blocks_at", TIME),
            ("peer_blocks", FLAG),
            ("peer_blocks_at", TIME),
        ],
    },
    // E2, T79: exactly these.
    Table {
        name: "messages",
        columns: &[
            ("id", ID),
            ("conversation_id", ID),
            ("sender_id", ID),
            ("recipient_id", ID),
            ("message_type", Number(0, 255)),
            ("timestamp", TIME),
            ("session_id", ID),
            ("is_read", FLAG),
            ("read_at", TIME),
        ],
    },
    Table {
        name: "message_statuses",
        columns: &[
            ("message_id", ID),
            ("recipient_id", ID),
            ("recipient_device", DEVICE),
            ("sender_id", ID),
            ("sender_device", Number(0, 127)),
            ("position", COUNTER),
            ("state", Number(1, 4)),
            ("updated_at", TIME),
            ("proof", BytesOrEmpty(16)),
            ("silent", FLAG),
        ],
    },
    Table {
        name: "calls",
        columns: &[
            ("id", ID),
            ("conversation_id", ID),
            ("caller_id", ID),
            ("state", Number(0, 255)),
            ("started_at", TIME),
            ("ended_at", TIME),
        ],
    },
    Table { name: "user_presence", columns: &[("account_id", ID), ("last_seen_at", TIME)] },
    HISTORY,
];

const DEPOT: &[Table] = &[
    Table {
        name: "bodies",
        columns: &[("name", HASH), ("body", Bytes(0, SEALED_BYTES_MAX)), ("expires_at", TIME)],
    },
    Table {
        name: "prekeys",
        columns: &[
            ("account_id", ID),
            ("device_id", DEVICE),
            ("kind", Number(0, 3)),
            ("key_id", KEY_NUMBER),
            ("key", Bytes(33, 1569)),
            ("signature", BytesOrEmpty(64)),
        ],
    },
    HISTORY,
];

impl Shape {
    /// What an allowed value is, for a sentence.
    pub(super) fn description(self) -> String {
        match self {
            Bytes(least, most) if least == most => format!("{least} bytes"),
            Bytes(least, most) => format!("{least} to {most} bytes"),
            BytesOrEmpty(length) => format!("{length} bytes or none"),
            Number(least, most) => format!("a number from {least} to {most}"),
            Text(least, most) => format!("{least} to {most} plain letters"),
        }
    }
}
