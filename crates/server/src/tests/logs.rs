//! What the server's code says to the log at every level, with everything in it that must not be there.

use std::io;
use std::sync::{Arc, Mutex, Once, PoisonError};

use tacite_depot::BodyName;
use tacite_model::limits::UPLOAD_PERMIT_MS;
use tacite_wire::body::{pad, to_text};
use tacite_wire::{Opcode, proto};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tracing_subscriber::filter::LevelFilter;

use super::World;
use super::peer::{Peer, alice_and_bob};

/// Collects what is logged by the thread of this test, which is where all of its server runs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn begin(&self) -> tracing::subscriber::DefaultGuard {
        // Whether anybody wants a line is asked once for all threads and remembered: while another test's subscriber comes or goes the
        // answer may be no. This one stays, and wants everything.
        static EVERYTHING_IS_WANTED: Once = Once::new();
        EVERYTHING_IS_WANTED.call_once(|| {
            tracing::subscriber::set_global_default(tracing_subscriber::registry())
                .expect("nobody else sets one");
        });
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(move || log.clone());
        tracing::subscriber::set_default(subscriber.finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn expect_without(&self, canaries: &[String]) {
        let text = self.text();
        for canary in canaries {
            assert!(!text.contains(canary.as_str()), "{canary} stands in\n{text}");
        }
    }
}

/// As ids, keys and bodies may be spelt.
fn spellings(bytes: &[u8]) -> Vec<String> {
    let decimal = format!("{bytes:?}").trim_matches(['[', ']']).to_owned();
    vec![hex::encode(bytes), hex::encode_upper(bytes), to_text(bytes), decimal]
}

// T46, T49: names and permits of the depot's door.
#[tokio::test]
async fn t46_no_name_and_no_permit_is_logged_at_any_level() {
    let log = Log::default();
    let _logging = log.begin();
    let world = World::start().await;
    let name = BodyName([0xC5; 32]);
    let permit = world.hub.permits.issue(name, world.hub.clock.now().plus_ms(UPLOAD_PERMIT_MS));
    let body = pad(b"sealed canary").unwrap();
    let headers = format!("Tacite-Permit: {}\r\nContent-Length: {}\r\n", to_text(&permit), body.len());
    for (method, headers, body) in [
        ("PUT", headers.as_str(), &body[..]),
        ("GET", "", b""),
        ("DELETE", "", b""),
        ("PUT", "", b""),
        ("POST", "", b""),
    ] {
        let path = to_text(&name.0);
        let head = format!(
            "{method} /v1/bodies/{path} HTTP/1.1\r\nConnection: close\r\nHost: club\r\n{headers}\r\n"
        );
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 "));
    }
    tracing::info!("the log is read");
    let mut canaries = [spellings(&name.0), spellings(&permit[9..])].concat();
    canaries.extend([to_text(&permit), String::from("sealed canary"), String::from("127.0.0.1")]);
    log.expect_without(&canaries);
    assert!(log.text().contains("the log is read"));
}

// T49: a whole conversation, and a refusal.
#[tokio::test]
async fn t49_no_id_token_body_or_address_is_logged_at_any_level() {
    let log = Log::default();
    let _logging = log.begin();
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    let envelope = alice.envelope(bob.account_id, b"sealed canary");
    alice.ask(Opcode::SEND_DIRECT, &envelope).await;
    let pushed = loop {
        let frame = bob.receive().await;
        if frame.header.opcode == Opcode::DIRECT_RECEIVED {
            break frame;
        }
    };
    bob.acknowledge(alice.account_id, pushed.header.message_id).await;
    bob.ask(
        Opcode::SEND_DIRECT,
        &proto::Envelope { sender_device: 7, ..bob.envelope(alice.account_id, b"x") },
    )
    .await;
    let token = alice.access_token.clone();
    let again = Peer::connect(&world, Some(&token)).await;
    assert!(again.connected.signed_in);
    drop(again);
    let text = log.text();
    assert!(text.contains("link opened") && text.contains("refused"), "{text}");
    let mut canaries: Vec<String> = [alice.account_id, bob.account_id]
        .into_iter()
        .flat_map(|id| [spellings(id.as_bytes()), vec![id.to_string()]].concat())
        .collect();
    canaries.extend(spellings(pushed.header.message_id.as_bytes()));
    canaries.extend([token, alice.access_token.clone(), bob.access_token.clone()]);
    canaries.extend(["sealed canary", "127.0.0.1", "alice", "one two three"].map(str::to_owned));
    log.expect_without(&canaries);
}
