//! Signal's library as a separate process: installed from the lockfile next to this file, spoken to in JSON lines.
//!
//! Invariant: its code is only ever run, never linked, and only by this test.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{LazyLock, Mutex},
};

use serde_json::{Value, json};
use tacite_signal::{
    Address, CiphertextMessage, KyberPublicKey, MessageKind, PreKeyBundle, PrivateKey, PublicKey,
};

/// The process, shared by all tests; users have unique names.
static PROCESS: LazyLock<Mutex<Process>> = LazyLock::new(|| Mutex::new(Process::start()));

struct Process {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    requests: u64,
    _child: Child,
}

impl Process {
    fn start() -> Self {
        let mut child = Command::new("node")
            .arg("driver.mjs")
            .current_dir(installed())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { input, output, requests: 0, _child: child }
    }

    fn ask(&mut self, mut request: Value) -> Result<Value, String> {
        self.requests += 1;
        request["id"] = json!(self.requests);
        let answer = self.exchange(&request);
        assert_eq!(answer["id"], request["id"]);
        match answer.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(answer),
        }
    }

    fn exchange(&mut self, request: &Value) -> Value {
        writeln!(self.input, "{request}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect("the driver answers in JSON")
    }
}

/// The folder with the installed package, under the target directory.
fn installed() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("official");
    fs::create_dir_all(&folder).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/official");
    let lock = fs::read(source.join("package-lock.json")).unwrap();
    let installed = fs::read(folder.join("installed.json")).is_ok_and(|before| before == lock);
    for file in ["package.json", "package-lock.json", "driver.mjs"] {
        fs::copy(source.join(file), folder.join(file)).unwrap();
    }
    if !installed {
        let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        let status = Command::new("npm").args(arguments).current_dir(&folder).stdout(Stdio::null()).status();
        assert!(
            status.expect("npm starts").success(),
            "npm ci installs Signal's library; it needs node and the registry"
        );
        fs::write(folder.join("installed.json"), lock).unwrap();
    }
    folder
}

/// Asks the process; an error is the library's own sentence.
pub(crate) fn ask(request: Value) -> Result<Value, String> {
    PROCESS.lock().unwrap_or_else(std::sync::PoisonError::into_inner).ask(request)
}

/// A user of Signal's library.
pub(crate) struct Official {
    user: String,
    pub(crate) address: Address,
}

impl Official {
    /// `test` makes the user unique among the tests that run at once.
    pub(crate) fn new(test: &str, name: &str, device: u8) -> Self {
        let user = format!("{test} {name}.{device}");
        ask(json!({ "command": "new", "user": user, "name": name, "device": device })).unwrap();
        Self { user, address: Address::new(name, device).unwrap() }
    }

    /// A user with an identity of ours.
    pub(crate) fn with_identity(test: &str, name: &str, device: u8, identity: &PrivateKey) -> Self {
        let user = format!("{test} {name}.{device}");
        let identity = hex::encode(*identity.to_bytes());
        ask(json!({ "command": "new", "user": user, "name": name, "device": device, "identity": identity }))
            .unwrap();
        Self { user, address: Address::new(name, device).unwrap() }
    }

    /// One more command for this user.
    pub(crate) fn ask(&self, command: &str, peer: &Address, mut request: Value) -> Result<Value, String> {
        request["command"] = json!(command);
        request["user"] = json!(self.user());
        request["name"] = json!(peer.name());
        request["device"] = json!(peer.device());
        ask(request)
    }

    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    pub(crate) fn publish(&self, one_time: bool) -> PreKeyBundle {
        bundle_from(&self.ask("publish", &self.address, json!({ "oneTime": one_time })).unwrap())
    }

    pub(crate) fn process(&self, peer: &Address, bundle: &PreKeyBundle) {
        self.try_process(peer, &bundle_to(bundle)).unwrap();
    }

    pub(crate) fn try_process(&self, peer: &Address, bundle: &Value) -> Result<Value, String> {
        self.ask("process", peer, json!({ "bundle": bundle }))
    }

    pub(crate) fn encrypt(&self, peer: &Address, plaintext: &[u8]) -> CiphertextMessage {
        self.try_encrypt(peer, plaintext, &Value::Null).unwrap()
    }

    pub(crate) fn try_encrypt(
        &self,
        peer: &Address,
        plaintext: &[u8],
        now_ms: &Value,
    ) -> Result<CiphertextMessage, String> {
        let answer =
            self.ask("encrypt", peer, json!({ "plaintext": hex::encode(plaintext), "now": now_ms }))?;
        let kind = match answer["type"].as_u64() {
            Some(2) => MessageKind::Whisper,
            Some(3) => MessageKind::PreKey,
            other => panic!("message of type {other:?}"),
        };
        Ok(CiphertextMessage { kind, bytes: bytes(&answer["bytes"]) })
    }

    pub(crate) fn decrypt(&self, peer: &Address, message: &CiphertextMessage) -> Result<Vec<u8>, String> {
        let request = json!({ "type": message.kind as u8, "bytes": hex::encode(&message.bytes) });
        Ok(bytes(&self.ask("decrypt", peer, request)?["plaintext"]))
    }

    /// The stored session, to see whether something changed.
    pub(crate) fn record(&self, peer: &Address) -> Value {
        self.ask("session", peer, json!({})).unwrap()["record"].clone()
    }

    pub(crate) fn policy(&self, trusting: bool, permitting: bool) {
        self.ask("policy", &self.address, json!({ "trusting": trusting, "permitting": permitting })).unwrap();
    }
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

pub(crate) fn bundle_to(bundle: &PreKeyBundle) -> Value {
    let mut value = json!({
        "registrationId": bundle.registration_id,
        "deviceId": bundle.device_id,
        "identityKey": hex::encode(bundle.identity_key.encode()),
        "signedPreKeyId": bundle.signed_prekey_id,
        "signedPreKey": hex::encode(bundle.signed_prekey.encode()),
        "signedPreKeySig": hex::encode(bundle.signed_prekey_signature),
        "kyberPreKeyId": bundle.kyber_prekey_id,
        "kyberPreKey": hex::encode(bundle.kyber_prekey.encode()),
        "kyberPreKeySig": hex::encode(bundle.kyber_prekey_signature),
    });
    if let Some((id, key)) = bundle.one_time_prekey {
        value["preKeyId"] = json!(id);
        value["preKey"] = json!(hex::encode(key.encode()));
    }
    value
}

fn bundle_from(value: &Value) -> PreKeyBundle {
    let number = |field: &str| u32::try_from(value[field].as_u64().unwrap()).unwrap();
    let key = |field: &str| PublicKey::decode(&bytes(&value[field])).unwrap();
    let signature = |field: &str| bytes(&value[field]).try_into().unwrap();
    PreKeyBundle {
        registration_id: number("registrationId"),
        device_id: u8::try_from(number("deviceId")).unwrap(),
        identity_key: key("identityKey"),
        signed_prekey_id: number("signedPreKeyId"),
        signed_prekey: key("signedPreKey"),
        signed_prekey_signature: signature("signedPreKeySig"),
        kyber_prekey_id: number("kyberPreKeyId"),
        kyber_prekey: KyberPublicKey::decode(&bytes(&value["kyberPreKey"])).unwrap(),
        kyber_prekey_signature: signature("kyberPreKeySig"),
        one_time_prekey: value.get("preKeyId").map(|_| (number("preKeyId"), key("preKey"))),
    }
}
