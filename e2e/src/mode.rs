//! The ways in which a server can deliver, and what differs between them for a story.
//!
//! Invariant: a test that is made by [`crate::in_each_mode`] runs once in every mode.

/// How a server delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Bodies travel in frames.
    Inline,
    /// Bodies travel over HTTPS, frames hold metadata only.
    Split,
    /// Nothing is ever stored on the server.
    Direct,
}

impl Mode {
    /// The word of `tacited --delivery-mode` and `tacite status`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Split => "split",
            Self::Direct => "direct",
        }
    }

    /// How far a message comes while its recipient is away.
    #[must_use]
    pub const fn reach_while_away(self) -> &'static str {
        match self {
            Self::Inline | Self::Split => "sent",
            Self::Direct => "queued",
        }
    }
}

/// Makes three tests, `name::inline`, `name::split` and `name::direct`, of each `fn name(Mode) -> anyhow::Result<()>`.
#[macro_export]
macro_rules! in_each_mode {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            use $crate::Mode;

            #[test]
            fn inline() -> anyhow::Result<()> {
                super::$name(Mode::Inline)
            }

            #[test]
            fn split() -> anyhow::Result<()> {
                super::$name(Mode::Split)
            }

            #[test]
            fn direct() -> anyhow::Result<()> {
                super::$name(Mode::Direct)
            }
        }
    )*};
}
