//! The command line.
//!
//! Invariant: no password, word or passphrase is ever an argument; only the files and descriptors that hold them are.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tacite_client::ProfileName;
use tacite_client::model::{Handle, KeyPin, MessageId};

use crate::failure::EXIT_STATUS_HELP;

/// Talk to people end-to-end encrypted, over a server that cannot read it.
#[derive(Debug, Parser)]
#[command(name = "tacite", version, after_long_help = EXIT_STATUS_HELP, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct Common {
    /// Which account on this machine
    #[arg(long, global = true, value_name = "NAME", default_value = "default", env = "TACITE_PROFILE")]
    pub(crate) profile: ProfileName,
    /// Write results as one JSON object a line, and errors too
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Where profiles are kept, instead of the place that the system has for it
    #[arg(long, global = true, value_name = "DIR", env = "TACITE_HOME")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Configuration file, instead of config.toml in the place that the system has for it
    #[arg(long, global = true, value_name = "FILE", env = "TACITE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// File whose first line is the passphrase of the vault
    #[arg(long, global = true, value_name = "FILE", env = "TACITE_PASSPHRASE_FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Open file descriptor from which the passphrase of the vault is read; stands above the file
    #[arg(long, global = true, value_name = "N")]
    pub(crate) passphrase_fd: Option<u32>,
    /// Host of the server, instead of the one in the invitation or profile
    #[arg(long, global = true, value_name = "HOST", env = "TACITE_SERVER")]
    pub(crate) server: Option<String>,
    /// Port of the server
    #[arg(long, global = true, value_name = "N", env = "TACITE_PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// Seconds that the command may take: 30 if not said, except for listen, which goes on
    #[arg(long, global = true, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
    /// Take any certificate of the server: for tests only
    #[arg(long, global = true)]
    pub(crate) allow_invalid_cert: bool,
    /// No TLS: for a server on this machine; `--disable-tls=force` for any
    #[arg(
        long, global = true, value_enum, value_name = "WHERE", require_equals = true,
        num_args = 0..=1, default_missing_value = "loopback"
    )]
    pub(crate) disable_tls: Option<DisableTls>,
    /// Say on standard error what happens, without contents and secrets
    #[arg(long, global = true)]
    pub(crate) debug: bool,
}

/// Where TLS may be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DisableTls {
    /// For a server on this machine
    Loopback,
    /// For any server
    Force,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Register an account on a server
    Register(Register),
    /// Begin a new session of the profile's account: password, then words
    Login(Secrets),
    /// End the session on the server; messages and contacts stay on this device
    Logout,
    /// Ask, accept, refuse and list contacts
    #[command(subcommand)]
    Contacts(Contacts),
    /// Send a message to a contact
    Send(Send),
    /// React to a message, or take the reaction back
    React(React),
    /// Change the text of a message that you wrote, for both sides
    Edit(Edit),
    /// Delete a message that you wrote, for both sides
    Delete(Delete),
    /// Say after what time messages with a contact disappear, or print it
    Timer(Timer),
    /// Print messages as they come, beginning with those that were not shown yet
    Listen(Listen),
    /// Print the messages with a contact, oldest first
    History(History),
    /// Say what others are let know, or print it
    Settings(Settings),
    /// Tell how the profile, its server and its outbox stand
    Status(Status),
    /// Print the completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual, or write its pages into a directory
    Man {
        /// Where to write one page for each command
        directory: Option<PathBuf>,
    },
}

/// `tacite register`
#[derive(Debug, Args)]
pub(crate) struct Register {
    /// The wanted name, such as @alice
    pub(crate) handle: Handle,
    // Parsed later: an error of the parser here would repeat the secret.
    /// The invitation, tacite://…; without one the server must be open and its address given
    #[arg(long, value_name = "LINK", env = "TACITE_INVITE", hide_env_values = true)]
    pub(crate) invite: Option<String>,
    /// The key that the server must show, if there is no invitation that says it
    #[arg(long, value_name = "PIN", env = "TACITE_PIN")]
    pub(crate) pin: Option<KeyPin>,
    /// Let the program choose the three words, and print them once
    #[arg(long, conflicts_with_all = ["words_file", "words_fd"])]
    pub(crate) suggest_words: bool,
    #[command(flatten)]
    pub(crate) secrets: Secrets,
}

/// Where password and words come from; a terminal is asked for what is missing.
#[derive(Debug, Args)]
pub(crate) struct Secrets {
    /// File whose first line is the password
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Open file descriptor from which the password is read
    #[arg(long, value_name = "N", conflicts_with = "password_file")]
    pub(crate) password_fd: Option<u32>,
    /// File whose first line is the three words
    #[arg(long, value_name = "FILE")]
    pub(crate) words_file: Option<PathBuf>,
    /// Open file descriptor from which the three words are read
    #[arg(long, value_name = "N", conflicts_with = "words_file")]
    pub(crate) words_fd: Option<u32>,
}

/// `tacite contacts`
#[derive(Debug, Subcommand)]
pub(crate) enum Contacts {
    /// Ask somebody to become a contact
    Request {
        /// Whom, such as @bob
        handle: Handle,
    },
    /// Accept somebody's request
    Accept {
        /// Whose
        handle: Handle,
    },
    /// Refuse somebody's request; they are not told
    Refuse {
        /// Whose
        handle: Handle,
    },
    /// Let nothing of a contact come through; they see that you are no contacts any more
    Block {
        /// Whom
        handle: Handle,
    },
    /// Take a block back
    Unblock {
        /// Whom
        handle: Handle,
    },
    /// Note something about a contact, on this device only
    Note {
        /// About whom
        handle: Handle,
        /// Your own name for them; empty for none
        #[arg(long)]
        name: Option<String>,
        /// What you want to remember; empty for nothing
        #[arg(long)]
        notes: Option<String>,
    },
    /// Print all contacts and open requests
    List {
        /// Do not ask the server for news first
        #[arg(long)]
        offline: bool,
    },
}

/// `tacite send`
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// To whom, such as @bob
    pub(crate) to: Handle,
    /// What to say; standard input if absent or `-`
    pub(crate) text: Option<String>,
    /// Send each line of standard input as a message of its own
    #[arg(long, conflicts_with = "text")]
    pub(crate) lines: bool,
    /// The message that this answers
    #[arg(long, value_name = "ID")]
    pub(crate) reply_to: Option<MessageId>,
    /// How far the message must have come before the command ends; if the time runs out it stays in the outbox
    #[arg(long, value_enum, default_value_t = Wait::Sent)]
    pub(crate) wait: Wait,
}

/// How far a message must have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wait {
    /// Stored in the outbox on this device
    Queued,
    /// Stored on the server
    Sent,
    /// Stored on the recipient's device
    Received,
    /// Shown to the recipient
    Read,
}

/// `tacite react`
#[derive(Debug, Args)]
pub(crate) struct React {
    /// With whom
    pub(crate) with: Handle,
    /// To which message: its id, as `tacite --json history` prints it
    pub(crate) message: MessageId,
    /// One emoji
    #[arg(required_unless_present = "remove")]
    pub(crate) emoji: Option<String>,
    /// Take the reaction back
    #[arg(long, conflicts_with = "emoji")]
    pub(crate) remove: bool,
}

/// `tacite edit`
#[derive(Debug, Args)]
pub(crate) struct Edit {
    /// With whom
    pub(crate) with: Handle,
    /// Which message: its id, as `tacite --json history` prints it
    pub(crate) message: MessageId,
    /// What it is to say
    pub(crate) text: String,
}

/// `tacite delete`
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// With whom
    pub(crate) with: Handle,
    /// Which message: its id, as `tacite --json history` prints it
    pub(crate) message: MessageId,
}

/// `tacite timer`
#[derive(Debug, Args)]
pub(crate) struct Timer {
    /// With whom
    pub(crate) with: Handle,
    /// `off`, or a time such as 30s, 5m, 1h or 7d; without it the present one is printed
    pub(crate) after: Option<String>,
    /// From when on the time of a message is counted
    #[arg(long, value_enum, default_value_t = TimerStart::Read)]
    pub(crate) from: TimerStart,
}

/// From when on the time of a message is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimerStart {
    /// When it is shown to its recipient
    Read,
    /// When it comes to its recipient
    Receipt,
}

/// `tacite settings`
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Whether authors hear that their messages were read
    #[arg(long, value_enum)]
    pub(crate) read_receipts: Option<Switch>,
    /// Whether contacts see that you are online, and you them
    #[arg(long, value_enum)]
    pub(crate) presence: Option<Switch>,
    /// Whether contacts see that you are typing
    #[arg(long, value_enum)]
    pub(crate) typing: Option<Switch>,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// Let them know
    On,
    /// Do not
    Off,
}

/// What contacts may see of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Presence {
    /// There
    Online,
    /// There, but occupied
    Busy,
}

/// `tacite listen`
#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// End after this many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End as soon as nothing waits any more, on the server or in the outbox: where the server stores nothing
    /// (direct mode), not before everybody in the outbox has been online
    #[arg(long)]
    pub(crate) until_level: bool,
    /// Print also what happens to messages and contacts: states, edits, reactions, presence, typing
    #[arg(long)]
    pub(crate) events: bool,
    /// Let contacts see that you are there while this runs
    #[arg(long, value_enum)]
    pub(crate) presence: Option<Presence>,
}

/// `tacite history`
#[derive(Debug, Args)]
pub(crate) struct History {
    /// With whom
    pub(crate) with: Handle,
    /// Most messages to print, the newest of all
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

/// `tacite status`
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Do not try to reach the server
    #[arg(long)]
    pub(crate) offline: bool,
}
