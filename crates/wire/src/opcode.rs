//! Commands and pushes: each has a number and a mnemonic of four letters.
//!
//! Invariants: numbers and mnemonics are never given to another meaning; unknown ones survive decoding. Both ends build
//! their dispatch tables over [`Opcode`] constants at compile time.

use core::fmt;

/// A command's number. Any `u32` decodes; [`Opcode::mnemonic`] tells the known ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Opcode(pub u32);

/// Four ASCII letters that go with an opcode.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mnemonic(pub [u8; 4]);

macro_rules! opcodes {
    ($($(#[$doc:meta])* $name:ident = $number:literal $mnemonic:literal;)*) => {
        impl Opcode {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// All known opcodes with their mnemonics, ascending.
            pub const ALL: &[(Self, Mnemonic)] = &[$((Self::$name, Mnemonic(*$mnemonic)),)*];
        }
    };
}

opcodes! {
    /// Pushed first on every link: who the server is, and a challenge.
    CONNECTED = 10001 b"cnnt";
    /// Pushed: a direct message.
    DIRECT_RECEIVED = 10002 b"rvum";
    /// Pushed: a message of a room.
    ROOM_RECEIVED = 10003 b"rvrm";
    /// Pushed: the state of a message that this account sent has advanced.
    STATE_CHANGED = 10004 b"stat";
    /// Pushed: a contact asked, or accepted.
    CONTACT_CHANGED = 10005 b"cntc";
    /// Pushed: few one-time prekeys are left.
    KEYS_LOW = 10006 b"fewk";
    /// Pushed: every message that waited has been pushed and acknowledged; from now on they come as they are sent.
    LEVEL = 10007 b"levl";
    /// Pushed: a frame could not be read, or the link is about to be closed.
    LINK_ERROR = 10008 b"erro";
    /// Pushed: contacts are online, busy or offline.
    PRESENCE_CHANGED = 10009 b"pres";
    /// Pushed: a contact is typing, or no longer.
    TYPING_CHANGED = 10010 b"typn";
    /// Pushed, direct mode: a device for which a message was refused because it was away is here now.
    PEER_HERE = 10011 b"here";

    /// Register an account.
    REGISTER = 100_001 b"crea";
    /// Log in by password.
    LOG_IN = 100_002 b"auth";
    /// Give the three words of a session.
    WORDS = 100_003 b"pass";
    /// Create a room.
    CREATE_ROOM = 100_004 b"crms";
    /// Join a room.
    JOIN_ROOM = 100_005 b"jrms";
    /// Send to a room.
    SEND_ROOM = 100_006 b"srms";
    /// Ask somebody to become a contact.
    REQUEST_CONTACT = 100_007 b"jmpu";
    /// Accept a contact.
    ACCEPT_CONTACT = 100_008 b"ampu";
    /// Send a direct message.
    SEND_DIRECT = 100_009 b"smpu";
    /// Say hello: version and software of the client.
    HELLO = 100_010 b"helo";
    /// Log in a known device by signature.
    SIGN_IN = 100_011 b"sign";
    /// Exchange a refresh token for new tokens.
    REFRESH = 100_012 b"refr";
    /// Log out: this session's tokens and signatures are worth nothing until the next password.
    LOG_OUT = 100_013 b"bye_";
    /// Publish prekeys.
    PUBLISH_KEYS = 100_014 b"pubk";
    /// Fetch a contact's keys.
    FETCH_KEYS = 100_015 b"getk";
    /// Refuse a contact request.
    REFUSE_CONTACT = 100_016 b"rfmu";
    /// Acknowledge messages as stored.
    ACKNOWLEDGE = 100_017 b"ackm";
    /// Ask for everything changed since a cursor.
    SYNC = 100_018 b"sync";
    /// Say that messages were shown to the person.
    MARK_READ = 100_019 b"read";
    /// Block a contact: nothing of theirs comes any more.
    BLOCK_CONTACT = 100_020 b"blok";
    /// Take a block back.
    UNBLOCK_CONTACT = 100_021 b"unbl";
    /// Say what contacts may see: online, busy, offline.
    SET_PRESENCE = 100_022 b"mood";
    /// Say that the person is typing to a contact, or no longer.
    SET_TYPING = 100_023 b"type";
    /// Split mode: ask where the bodies of messages may be put.
    REQUEST_UPLOADS = 100_024 b"upld";
}

impl Opcode {
    /// The mnemonic of a known opcode.
    #[must_use]
    pub fn mnemonic(self) -> Option<Mnemonic> {
        let at = Self::ALL.binary_search_by_key(&self, |(opcode, _)| *opcode).ok()?;
        Some(Self::ALL[at].1)
    }

    /// Whether a server pushes this by itself (as opposed to a client's command).
    #[must_use]
    pub const fn is_push(self) -> bool {
        self.0 < 100_000
    }

    /// The opcode that a pair of number and mnemonic means; `None` if they do not belong together.
    ///
    /// An unknown number passes through, so that it can be answered as unknown. The pair (100008, `smpu`) is a
    /// documented alias of 100009.
    #[must_use]
    pub fn resolve(self, mnemonic: Mnemonic) -> Option<Self> {
        if self == Self::ACCEPT_CONTACT && mnemonic == Mnemonic(*b"smpu") {
            return Some(Self::SEND_DIRECT);
        }
        match self.mnemonic() {
            Some(own) if own != mnemonic => None,
            _ => Some(self),
        }
    }
}

impl fmt::Display for Mnemonic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{}", byte.escape_ascii())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Mnemonic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(mnemonic) => write!(f, "{}({mnemonic})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A1: the numbers that older designs fixed.
    #[test]
    fn numbers_and_mnemonics_stand_as_required() {
        let required: [(u32, &[u8; 4]); 12] = [
            (100_001, b"crea"),
            (100_002, b"auth"),
            (100_003, b"pass"),
            (100_004, b"crms"),
            (100_005, b"jrms"),
            (100_006, b"srms"),
            (100_007, b"jmpu"),
            (100_008, b"ampu"),
            (100_009, b"smpu"),
            (10_001, b"cnnt"),
            (10_002, b"rvum"),
            (10_003, b"rvrm"),
        ];
        for (number, mnemonic) in required {
            assert_eq!(Opcode(number).mnemonic(), Some(Mnemonic(*mnemonic)), "{number}");
        }
    }

    #[test]
    fn the_table_ascends_and_no_mnemonic_stands_twice() {
        assert!(Opcode::ALL.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (at, (_, mnemonic)) in Opcode::ALL.iter().enumerate() {
            assert!(Opcode::ALL[at + 1..].iter().all(|(_, other)| other != mnemonic), "{mnemonic}");
        }
    }

    #[test]
    fn the_alias_is_accepted_and_every_other_mismatch_refused() {
        let resolve = |number: u32, mnemonic: &[u8; 4]| Opcode(number).resolve(Mnemonic(*mnemonic));
        assert_eq!(resolve(100_008, b"smpu"), Some(Opcode::SEND_DIRECT));
        assert_eq!(resolve(100_008, b"ampu"), Some(Opcode::ACCEPT_CONTACT));
        assert_eq!(resolve(100_009, b"ampu"), None);
        assert_eq!(resolve(4711, b"what"), Some(Opcode(4711)));
    }
}
