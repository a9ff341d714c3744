//! The program as a person or a script meets it: help, errors, exit statuses, the lock, the passphrase.
//!
//! Invariant: no test needs a server; each has a directory of profiles of its own and an empty environment.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tacite_client::Profile;

/// Exit status 4: not registered.
const LOG_IN_FIRST: i32 = 4;

struct Machine {
    home: tempfile::TempDir,
}

struct Answer {
    status: i32,
    out: String,
    err: String,
}

impl Machine {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tacite"));
        command.env_clear().env("TACITE_HOME", self.home.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        let Output { status, stdout, stderr } = self.command().args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Answer { status: status.code().unwrap(), out: text(stdout), err: text(stderr) }
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path: PathBuf = self.home.path().join(name);
        fs::write(&path, content).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    /// A profile with a vault, whose registration found no server.
    fn vault(&self, passphrase: &str) -> Answer {
        let passphrase = self.file("passphrase", passphrase);
        let password = self.file("password", "alice's password\n");
        let words = self.file("words", "abacus abdomen abide\n");
        self.run(&[
            "--passphrase-file",
            &passphrase,
            "--server",
            "127.0.0.1",
            "--port",
            "1",
            "--timeout",
            "0",
            "--json",
            "register",
            "@alice",
            "--password-file",
            &password,
            "--words-file",
            &words,
        ])
    }
}

impl Answer {
    fn error(&self) -> Value {
        let object: Value =
            serde_json::from_str(&self.err).unwrap_or_else(|_| panic!("no JSON: {}", self.err));
        object["error"].clone()
    }

    #[track_caller]
    fn failed_with(&self, status: i32, word: &str) {
        assert_eq!((self.status, self.error()["word"].as_str()), (status, Some(word)), "{}", self.err);
        assert_eq!(self.out, "");
    }
}

#[test]
fn help_names_every_command_and_every_exit_status() {
    let help = Machine::new().run(&["--help"]);
    assert_eq!(help.status, 0);
    for command in ["register", "login", "logout", "contacts", "send", "listen", "history", "status", "man"] {
        assert!(help.out.contains(&format!("\n  {command} ")), "{command}");
    }
    for status in ["0", "1", "2", "3", "4", "5", "6", "7", "130"] {
        assert!(help.out.contains(&format!("\n  {status:<5}")), "{status}");
    }
}

#[test]
fn no_secret_can_be_an_argument() {
    for command in ["register", "login"] {
        let help = Machine::new().run(&[command, "--help"]).out;
        for secret in ["--password", "--words", "--passphrase"] {
            let options = help.matches(secret).count();
            let sources = ["file", "fd"].map(|source| help.matches(&format!("{secret}-{source}")).count());
            assert_eq!(options, sources.iter().sum::<usize>(), "{command} {secret}");
        }
    }
}

#[test]
fn wrong_usage_has_status_2_in_both_forms() {
    let machine = Machine::new();
    assert_eq!(machine.run(&[]).status, 2);
    assert_eq!(machine.run(&["sing"]).status, 2);
    assert_eq!(machine.run(&["send", "not a name", "hello"]).status, 2);
    assert_eq!(machine.run(&["--profile", "../alice", "status"]).status, 2);
    machine.run(&["--json", "sing"]).failed_with(2, "usage");
    machine.run(&["--json", "send", "@bob", ""]).failed_with(2, "usage");
    machine.run(&["--json", "register", "@alice"]).failed_with(2, "usage");
}

#[test]
fn what_needs_an_account_says_that_there_is_none() {
    let machine = Machine::new();
    for command in [
        &["status"][..],
        &["listen"],
        &["logout"],
        &["history", "@bob"],
        &["contacts", "list"],
        &["contacts", "accept", "@bob"],
        &["send", "@bob", "hello"],
    ] {
        let answer = machine.run(&[&["--json"], command].concat());
        answer.failed_with(LOG_IN_FIRST, "not-registered");
    }
    assert_eq!(fs::read_dir(machine.home.path()).unwrap().count(), 0, "a question makes no profile");
}

#[test]
fn an_error_is_a_sentence_a_next_step_and_a_word() {
    let answer = Machine::new().run(&["status"]);
    let expected = "error: This profile has no account yet.\n\
        Register with `tacite register @NAME --invite LINK`. (not-registered)\n";
    assert_eq!(answer.err, expected);
}

#[test]
fn for_scripts_an_error_is_one_object() {
    let error = Machine::new().run(&["--json", "status"]).error();
    for field in ["code", "word", "sentence", "next_step", "retryable"] {
        assert!(!error[field].is_null(), "{field}");
    }
}

#[test]
fn a_damaged_invitation_is_refused_and_not_repeated() {
    let refused =
        Machine::new().run(&["register", "@alice", "--invite", "tacite://127.0.0.1:1/club#c2VjcmV0"]);
    assert_eq!(refused.status, 2);
    assert!(refused.err.contains("damaged") && !refused.err.contains("c2VjcmV0"), "{}", refused.err);
}

// B9, T19
#[test]
fn a_second_process_is_told_who_holds_the_profile() {
    let machine = Machine::new();
    let held = Profile::create(machine.home.path(), &"alice".parse().unwrap(), "tacite listen").unwrap();
    let refused = machine.run(&["--json", "--profile", "alice", "status"]);
    refused.failed_with(6, "profile-in-use");
    let holder = format!("tacite listen (process {})", std::process::id());
    assert!(refused.error()["sentence"].as_str().unwrap().contains(&holder), "{}", refused.err);
    drop(held);
    machine.run(&["--json", "--profile", "alice", "status"]).failed_with(LOG_IN_FIRST, "not-registered");
}

// G4
#[test]
fn the_passphrase_opens_the_vault_and_another_does_not() {
    let machine = Machine::new();
    assert_eq!(machine.vault("alice's passphrase").status, 5, "there is no server");
    let right = machine.file("passphrase", "alice's passphrase\n");
    let wrong = machine.file("wrong", "bob's passphrase\n");
    let status = |file: &str| machine.run(&["--json", "--passphrase-file", file, "status", "--offline"]);
    status(&right).failed_with(LOG_IN_FIRST, "not-registered");
    status(&wrong).failed_with(7, "passphrase-wrong");
    // A flag stands above an environment variable.
    let mut both = machine.command();
    both.env("TACITE_PASSPHRASE_FILE", &wrong).stdin(fs::File::open(&right).unwrap());
    let both = both.args(["--passphrase-fd", "0", "status", "--offline"]).output().unwrap();
    assert_eq!(both.status.code(), Some(LOG_IN_FIRST));
    machine.run(&["--json", "status", "--offline"]).failed_with(7, "vault-closed");
}

// G4, T63
#[test]
fn neither_passphrase_nor_password_nor_words_are_written_down() {
    let machine = Machine::new();
    machine.vault("alice's passphrase");
    let written = files_below(&machine.home.path().join("profiles"));
    assert!(written.len() >= 3, "lock, vault.toml, vault.db");
    for (path, content) in written {
        for secret in ["alice's pass", "abacus", "SQLite format"] {
            let found = content.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} in {}", path.display());
        }
    }
}

#[test]
fn a_short_passphrase_or_password_is_refused() {
    let machine = Machine::new();
    assert_eq!(machine.vault("7 chars").status, 2);
    let passphrase = machine.file("passphrase", "8 chars!");
    let (password, words) = (machine.file("password", "7 chars"), machine.file("words", "a b c"));
    let refused = machine.run(&[
        "--passphrase-file",
        &passphrase,
        "--server",
        "127.0.0.1",
        "--port",
        "1",
        "--json",
        "register",
        "@alice",
        "--password-file",
        &password,
        "--words-file",
        &words,
    ]);
    refused.failed_with(2, "usage");
}

// I2
#[test]
fn unknown_keys_of_the_configuration_are_reported() {
    let machine = Machine::new();
    machine.file("config.toml", "[server]\nadress = \"127.0.0.1\"\n");
    let answer = machine.run(&["register", "@alice"]);
    assert!(answer.err.contains("server.adress"), "{}", answer.err);
    let answer = machine.run(&["--json", "register", "@alice"]);
    assert!(answer.err.lines().next().unwrap().contains("\"notice\""), "{}", answer.err);
    machine.file("config.toml", "[server]\nport = 0\n");
    assert_eq!(machine.run(&["register", "@alice"]).status, 2);
}

#[test]
fn completions_and_manual_come_from_the_command_line() {
    let machine = Machine::new();
    assert!(machine.run(&["completions", "bash"]).out.contains("_tacite"));
    assert!(machine.run(&["man"]).out.contains(".TH tacite"));
    let pages = machine.home.path().join("man");
    assert_eq!(machine.run(&["man", pages.to_str().unwrap()]).status, 0);
    assert!(pages.join("tacite-send.1").exists());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = Machine::new().command().args(["completions", "bash"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

fn files_below(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            let content = fs::read(&path).unwrap();
            found.push((path, content));
        }
    }
    found
}
