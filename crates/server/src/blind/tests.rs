//! Audits of a data directory that a real server has written, as it is and with one violation of each kind.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use rusqlite::Connection;
use tacite_accounts::Registration;
use tacite_wire::proto::DeliveryState;
use tempfile::TempDir;

use super::{Audit, Findings, verify};
use crate::settings::{Config, Settings, TlsFlags};
use crate::tests::World;
use crate::tests::delivery::{send, state_of};
use crate::tests::peer::{Peer, alice_and_bob};
use crate::{Chance, Running};

/// A server's data directory and log, and the bodies that wait in it.
struct Installation {
    place: TempDir,
    bodies: Vec<Vec<u8>>,
    delivered: Vec<u8>,
    /// Some tests look at it while it runs: the write-ahead logs are there then.
    running: Option<Running>,
}

impl Installation {
    /// Alice writes to bob, who reads one message and leaves; the others wait.
    async fn make() -> Self {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("log"), "INFO listening\n").unwrap();
        fs::write(place.path().join("tacited"), program("tokio 1.0.0\ntacite-server 0.1.0\n")).unwrap();
        let config: Config = toml::from_str("[server]\nport = 0\nname = \"club\"\n").unwrap();
        let tls = TlsFlags { disabled: true, ..TlsFlags::default() };
        let settings = Settings::new(config, tls, Some(place.path().join("data"))).unwrap();
        let running = crate::start(Settings { registration: Registration::Open, ..settings }).await.unwrap();
        let mut world = World::start().await;
        world.address = running.address;

        let (mut alice, mut bob) = alice_and_bob(&world).await;
        let chance = Chance::from_seed([1; 32]);
        let delivered = chance.bytes::<1000>().to_vec();
        let id = send(&mut alice, bob.account_id, &delivered).await;
        let pushed = bob.pushed(tacite_wire::Opcode::DIRECT_RECEIVED).await;
        bob.acknowledge(alice.account_id, pushed.header.message_id).await;
        alice.outcome(id).await;
        bob.leave().await;
        let mut bodies = Vec::new();
        for length in [250, 1000, 30_000] {
            let mut body = chance.bytes::<30_000>().to_vec();
            body.truncate(length);
            wait(&mut alice, &bob, &body).await;
            bodies.push(body);
        }
        Self { place, bodies, delivered, running: Some(running) }
    }

    async fn stopped() -> Self {
        let mut installation = Self::make().await;
        installation.running.take().unwrap().stop().await;
        installation
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn database(&self, name: &str) -> Connection {
        Connection::open(self.path("data").join(name)).unwrap()
    }

    fn audit(&self) -> Audit {
        Audit {
            data_dir: self.path("data"),
            databases: ["accounts", "router", "depot"]
                .map(|name| (name, self.path("data").join(name).with_extension("db")))
                .to_vec(),
            binary: self.path("tacited"),
            logs: Some(vec![self.path("log")]),
            needles: Vec::new(),
        }
    }

    /// The one thing that is wrong.
    fn violation(&self) -> (String, String) {
        let findings = verify(&self.audit());
        assert_eq!(findings.exit_code(), 1, "{findings}");
        assert_eq!(findings.violations.len(), 1, "{findings}");
        self.expect_no_bytes(&findings);
        let finding = &findings.violations[0];
        let file = finding.file.strip_prefix(self.place.path()).unwrap().display().to_string();
        (file, format!("{}: {}", finding.place, finding.what))
    }

    fn expect_no_bytes(&self, findings: &Findings) {
        let text = format!("{findings} {findings:?} {}", toml::to_string(findings).unwrap());
        for body in &self.bodies {
            for spelling in super::spellings::spellings(&body[200..224]) {
                assert!(!text.contains(&*String::from_utf8_lossy(&spelling)), "{text}");
            }
        }
    }
}

async fn wait(alice: &mut Peer, bob: &Peer, body: &[u8]) {
    let id = send(alice, bob.account_id, body).await;
    assert_eq!(state_of(alice, id).await, DeliveryState::Sent);
}

/// A file with a list of dependencies, as a program has it.
fn program(list: &str) -> String {
    format!(
        "machine code\n[tacite dependencies {}]\n{list}\n[tacite dependencies {}]\nmore code",
        "begin", "end"
    )
}

// E4, T79, T80: also while the server runs.
#[tokio::test]
async fn what_a_server_writes_holds() {
    let mut installation = Installation::make().await;
    assert!(installation.path("data/router.db-wal").is_file());
    let findings = verify(&installation.audit());
    assert_eq!(findings.exit_code(), 0, "{findings}");
    installation.running.take().unwrap().stop().await;
    let findings = verify(&installation.audit());
    assert_eq!(findings.exit_code(), 0, "{findings}");
    // Three databases, the files, the unused pages, the program.
    assert_eq!(findings.checked.len(), 6, "{findings}");
}

#[tokio::test]
async fn t79_a_column_for_content_is_found() {
    let installation = Installation::stopped().await;
    let sql = "ALTER TABLE messages ADD COLUMN content BLOB";
    installation.database("router.db").execute_batch(sql).unwrap();
    let expected = "messages.content: a column that may not be";
    assert_eq!(installation.violation(), (String::from("data/router.db"), expected.to_owned()));
}

#[tokio::test]
async fn tables_views_and_triggers_of_no_list_are_found() {
    for (sql, expected) in [
        ("CREATE TABLE notes (text)", "notes: a table that may not be"),
        ("CREATE VIEW notes AS SELECT 1", "notes: a view, and there may be none"),
        (
            "CREATE TRIGGER notes AFTER INSERT ON messages BEGIN SELECT 1; END",
            "notes: a trigger, and there may be none",
        ),
    ] {
        let installation = Installation::stopped().await;
        installation.database("router.db").execute_batch(sql).unwrap();
        assert_eq!(installation.violation(), (String::from("data/router.db"), expected.to_owned()));
    }
}

#[tokio::test]
async fn t79_values_that_are_too_long_or_too_large_are_found() {
    for (database, sql, expected) in [
        (
            "router.db",
            "UPDATE messages SET session_id = zeroblob(17)",
            "messages.session_id: 3 values are not 16 bytes",
        ),
        (
            "router.db",
            "UPDATE messages SET message_type = 256",
            "messages.message_type: 3 values are not a number from 0 to 255",
        ),
        (
            "accounts.db",
            "UPDATE accounts SET handle = handle || char(10) WHERE handle = 'alice'",
            "accounts.handle: 1 values are not 1 to 32 plain letters",
        ),
        (
            "depot.db",
            "PRAGMA ignore_check_constraints = ON; PRAGMA secure_delete = ON; UPDATE bodies SET name = zeroblob(31) \
             WHERE length(body) = 250",
            "bodies.name: 1 values are not 32 bytes",
        ),
    ] {
        let installation = Installation::stopped().await;
        installation.database(database).execute_batch(sql).unwrap();
        assert_eq!(installation.violation(), (format!("data/{database}"), expected.to_owned()));
    }
}

// T80: in each spelling.
#[tokio::test]
async fn t80_message_bytes_in_a_log_are_found() {
    let installation = Installation::stopped().await;
    for body in &installation.bodies {
        for spelling in [
            body.clone(),
            hex::encode(body).into_bytes(),
            hex::encode_upper(body).into_bytes(),
            base64::engine::general_purpose::STANDARD.encode(body).into_bytes(),
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&body[1..]).into_bytes(),
            format!("{body:?}").into_bytes(),
            format!("{:?}", bytes::Bytes::from(body.clone())).into_bytes(),
        ] {
            fs::write(installation.path("log"), [b"DEBUG taken ", &spelling[..], b"\n"].concat()).unwrap();
            let (file, what) = installation.violation();
            assert_eq!(file, "log");
            assert!(what.starts_with("byte ") && what.ends_with("that waits in the depot"), "{what}");
        }
    }
}

// T46, T80
#[tokio::test]
async fn t80_the_name_of_a_body_in_a_log_is_found() {
    let installation = Installation::stopped().await;
    let name: Vec<u8> = installation
        .database("depot.db")
        .query_row("SELECT name FROM bodies LIMIT 1", [], |row| row.get(0))
        .unwrap();
    fs::write(installation.path("log"), format!("GET /v1/bodies/{} 200", tacite_wire::body::to_text(&name)))
        .unwrap();
    assert_eq!(installation.violation().1, "byte 15: the name of a body that waits in the depot");
}

#[tokio::test]
async fn t80_message_bytes_in_the_write_ahead_log_of_the_router_are_found() {
    let installation = Installation::stopped().await;
    let router = installation.database("router.db");
    router.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    router.pragma_update(None, "secure_delete", true).unwrap();
    // What stood in a row for a moment.
    let before: Vec<u8> =
        router.query_row("SELECT session_id FROM messages LIMIT 1", [], |row| row.get(0)).unwrap();
    router.execute("UPDATE messages SET session_id = ?1", [&installation.bodies[1]]).unwrap();
    router.execute("UPDATE messages SET session_id = ?1", [&before]).unwrap();
    assert_eq!(installation.violation().0, "data/router.db-wal");
}

#[tokio::test]
async fn t80_message_bytes_in_a_free_page_of_the_router_are_found() {
    let installation = Installation::stopped().await;
    let router = installation.database("router.db");
    router.pragma_update(None, "secure_delete", false).unwrap();
    router.execute_batch("CREATE TABLE notes (text BLOB)").unwrap();
    router.execute("INSERT INTO notes VALUES (?1)", [&installation.bodies[2]]).unwrap();
    router.execute_batch("DROP TABLE notes; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(router);
    assert_eq!(installation.violation().0, "data/router.db");
}

#[tokio::test]
async fn t80_message_bytes_in_any_other_file_are_found() {
    let installation = Installation::stopped().await;
    fs::create_dir(installation.path("data/old")).unwrap();
    fs::write(installation.path("data/old/backup.sql"), hex::encode(&installation.bodies[0])).unwrap();
    assert_eq!(installation.violation().0, "data/old/backup.sql");
}

// What was delivered must be gone from the depot's own file too.
#[tokio::test]
async fn deleted_bytes_that_were_not_overwritten_are_found() {
    let installation = Installation::stopped().await;
    let depot = installation.database("depot.db");
    depot.pragma_update(None, "secure_delete", false).unwrap();
    depot
        .execute_batch("DELETE FROM bodies WHERE length(body) = 30000; PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    drop(depot);
    let (file, what) = installation.violation();
    assert_eq!(file, "data/depot.db");
    assert!(what.ends_with("an unused page that was not overwritten"), "{what}");
}

#[tokio::test]
async fn what_the_operator_looks_for_is_found_unless_it_waits() {
    let installation = Installation::stopped().await;
    let with = |needle: &[u8]| verify(&Audit { needles: vec![needle.to_vec()], ..installation.audit() });
    for allowed in [&installation.bodies[1][..], &installation.bodies[1][300..320], &installation.delivered] {
        let findings = with(allowed);
        assert_eq!(findings.exit_code(), 0, "{findings}");
    }
    let depot = installation.database("depot.db");
    depot.pragma_update(None, "secure_delete", false).unwrap();
    depot
        .execute_batch("DELETE FROM bodies WHERE length(body) = 1000; PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    drop(depot);
    assert_eq!(verify(&installation.audit()).exit_code(), 0, "within a page nothing is free");
    let findings = with(&installation.bodies[1]);
    assert_eq!(findings.violations.len(), 1, "{findings}");
    assert_eq!(findings.violations[0].file, installation.path("data/depot.db"));
    for useless in [&b"short"[..], &[0; 100]] {
        assert_eq!(with(useless).exit_code(), 2);
    }
}

// T81
#[tokio::test]
async fn t81_a_program_that_can_decrypt_is_found() {
    let installation = Installation::stopped().await;
    let list = "tokio 1.0.0\n";
    for (bytes, place) in [
        (program(&format!("{list}tacite-signal 0.1.0\n")), "tacite-signal: a dependency that can decrypt"),
        (program(&format!("{list}tacite-vault 0.1.0\n")), "tacite-vault: a dependency that can decrypt"),
        (program(&format!("{list}openmls_traits 0.4.0\n")), "openmls_traits: a dependency that can decrypt"),
        (format!("_ZN13tacite_signal7decrypt{}", program(list)), "byte 3: code of tacite-signal"),
        (format!("crates/seal/src/lib.rs{}", program(list)), "byte 0: code of tacite-seal"),
    ] {
        fs::write(installation.path("tacited"), bytes).unwrap();
        assert_eq!(installation.violation(), (String::from("tacited"), place.to_owned()));
    }
}

#[tokio::test]
async fn what_cannot_be_checked_is_no_success() {
    let installation = Installation::stopped().await;
    let unchecked = |audit: &Audit| {
        let findings = verify(audit);
        assert_eq!(findings.exit_code(), 2, "{findings}");
        findings.unchecked.iter().map(|finding| finding.what.clone()).collect::<Vec<_>>().join("; ")
    };
    assert!(unchecked(&Audit { logs: None, ..installation.audit() }).starts_with("the logs"));
    let missing = Some(vec![installation.path("missing")]);
    assert!(unchecked(&Audit { logs: missing, ..installation.audit() }).starts_with("it cannot be read"));
    for list in ["", "\n"] {
        fs::write(installation.path("tacited"), program(list)).unwrap();
        assert!(unchecked(&installation.audit()).starts_with("it does not say"));
    }
    fs::write(installation.path("tacited"), program("tokio 1.0.0\n")).unwrap();
    let older = "ALTER TABLE devices DROP COLUMN generation";
    installation.database("accounts.db").execute_batch(older).unwrap();
    assert!(unchecked(&installation.audit()).contains("another release"));
    fs::remove_file(installation.path("data/accounts.db")).unwrap();
    assert!(unchecked(&installation.audit()).contains("the database is not there"));
    fs::write(installation.path("data/accounts.db"), "no database at all").unwrap();
    assert!(unchecked(&installation.audit()).contains("it cannot be read"));
    let empty = Audit {
        data_dir: installation.path("nowhere"),
        databases: vec![("depot", installation.path("nowhere/depot.db"))],
        ..installation.audit()
    };
    assert!(unchecked(&empty).contains("no body waits"));
    assert!(!Path::new(&installation.path("nowhere")).exists());
}
