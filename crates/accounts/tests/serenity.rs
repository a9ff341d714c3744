//! Other languages can come in: the npm package `@serenity-kit/opaque` 1.1 registers and logs in (design: OPAQUE parameters).
//!
//! Needs `node` and `npm`; the package is installed from the committed lockfile into cargo's target directory.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use ed25519_dalek::{Signer as _, SigningKey};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::{Value, json};
use tacite_accounts::store::MemoryStore;
use tacite_accounts::{Accounts, Keys, Registration, Settings};
use tacite_model::{AccountId, DeviceId, Timestamp};
use tacite_wire::{proto, signing};

const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);
const CLUB: &str = "club.example";
const CHALLENGE: [u8; 32] = [0xC4; 32];
const JULES: AccountId = AccountId::from_bytes([0x15; 16]);

#[tokio::test]
async fn a_client_in_javascript_registers_and_logs_in() {
    let settings = Settings { server_name: CLUB.to_owned(), registration: Registration::Open };
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let server = Accounts::new(settings, Keys::generate(&mut rng), MemoryStore::default());
    let mut jules = Client::spawn();

    let start = proto::RegisterStart {
        handle: String::from("jules"),
        invitation: Vec::new().into(),
        password_request: jules.expect("password_request"),
        words_request: jules.also("words_request"),
    };
    let (started, pending) = server.register_start(&start, NOW).await.unwrap();
    jules.answer(&json!({
        "password_response": URL_SAFE_NO_PAD.encode(started.password_response),
        "words_response": URL_SAFE_NO_PAD.encode(started.words_response),
    }));
    let finish = proto::RegisterFinish {
        account_id: JULES.as_bytes().to_vec().into(),
        password_record: jules.expect("password_record"),
        words_record: jules.also("words_record"),
        device: Some(device()),
        identity_key: [&[5], [9; 32].as_slice()].concat().into(),
    };
    server.register_finish(pending, &finish, &CHALLENGE, NOW, &mut rng).await.unwrap();
    jules.answer(&json!({}));

    let credential_request = jules.expect("credential_request");
    let start = proto::LogInStart { handle: String::from("jules"), credential_request };
    let (started, pending) = server.log_in_start(&start, NOW, &mut rng).await.unwrap();
    jules.answer_credential(&started);
    let credential_finalization = jules.expect("credential_finalization");
    let finish = proto::CredentialFinish { credential_finalization };
    let proven = server.log_in_finish(pending, &finish).unwrap();
    jules.answer(&json!({}));

    let start = proto::WordsStart { credential_request: jules.expect("credential_request") };
    let (started, pending) = server.words_start(proven, &start, &mut rng).unwrap();
    jules.answer_credential(&started);
    let credential_finalization = jules.expect("credential_finalization");
    let finish = proto::WordsFinish { credential_finalization, device: Some(sign_in()) };
    let granted = server.words_finish(pending, &finish, &CHALLENGE, NOW, &mut rng).await.unwrap();
    jules.answer(&json!({}));
    assert_eq!(granted.identity.account_id, JULES);
    assert!(jules.process.wait().unwrap().success());
}

/// The script, running in node.
struct Client {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    message: Value,
}

impl Client {
    fn spawn() -> Self {
        let mut process = Command::new("node")
            .arg(install().join("client.js"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs node");
        let input = process.stdin.take().expect("piped");
        let output = BufReader::new(process.stdout.take().expect("piped")).lines();
        Self { process, input, output, message: Value::Null }
    }

    /// A field of the next message.
    fn expect(&mut self, field: &str) -> Bytes {
        let line = self.output.next().expect("the script ended early; see its error above").expect("text");
        self.message = serde_json::from_str(&line).expect("JSON");
        self.also(field)
    }

    /// A field of the same message.
    fn also(&self, field: &str) -> Bytes {
        let text = self.message[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", self.message));
        URL_SAFE_NO_PAD.decode(text).expect("base64url").into()
    }

    fn answer_credential(&mut self, started: &proto::CredentialStarted) {
        let response = URL_SAFE_NO_PAD.encode(&started.credential_response);
        self.answer(&json!({ "credential_response": response }));
    }

    fn answer(&mut self, answer: &Value) {
        writeln!(self.input, "{answer}").expect("the script reads");
    }
}

/// Installs the package beside a copy of the script; says where.
fn install() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serenity");
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("serenity");
    std::fs::create_dir_all(&place).expect("a directory to install to");
    for file in ["package.json", "package-lock.json", "client.js"] {
        std::fs::copy(source.join(file), place.join(file)).expect("a file to copy");
    }
    let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
    let status = Command::new("npm").args(arguments).current_dir(&place).stdout(Stdio::null()).status();
    assert!(status.expect("this test needs npm").success(), "npm ci failed");
    place
}

fn sign_in() -> proto::SignIn {
    let key = SigningKey::from_bytes(&[0x77; 32]);
    let text = signing::sign_in_text(CLUB, &CHALLENGE, JULES, DeviceId::FIRST);
    proto::SignIn {
        account_id: JULES.as_bytes().to_vec().into(),
        device_id: 1,
        signature: key.sign(&text).to_bytes().to_vec().into(),
    }
}

fn device() -> proto::Device {
    proto::Device {
        device_id: 1,
        login_key: SigningKey::from_bytes(&[0x77; 32]).verifying_key().as_bytes().to_vec().into(),
        registration_id: 4711,
        signature: sign_in().signature,
    }
}
