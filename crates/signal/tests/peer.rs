//! The example `peer`, spoken to as an outsider would.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

const ALICE: &str = "9d0652a3-dcc3-4d11-975f-74d61598733f";
const BOB: &str = "796abedb-ca4e-4f18-8803-1fde5b921f9f";

struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    requests: u64,
}

impl Peer {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO"))
            .args(["run", "-q", "-p", "tacite-signal", "--example", "peer"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("cargo starts");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, input, output, requests: 0 }
    }

    fn ask(&mut self, command: &str, mut request: Value) -> Value {
        self.requests += 1;
        request["id"] = json!(self.requests);
        request["command"] = json!(command);
        writeln!(self.input, "{request}").expect("the peer reads");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the peer answers");
        let answer: Value = serde_json::from_str(&line).expect("in JSON");
        assert_eq!(answer["id"], request["id"]);
        answer
    }

    /// One message, which must arrive; returns its type.
    fn deliver(&mut self, from: (&str, &str, u8), to: (&str, &str, u8)) -> Value {
        let mut message = self.ask(
            "encrypt",
            json!({ "user": from.0, "name": to.1, "device": to.2, "plaintext": "68656c6c6f" }),
        );
        let kind = message["type"].clone();
        (message["user"], message["name"], message["device"]) = (json!(to.0), json!(from.1), json!(from.2));
        assert_eq!(self.ask("decrypt", message)["plaintext"], "68656c6c6f");
        kind
    }
}

#[test]
fn every_command_of_the_peer() {
    let mut peer = Peer::start();
    let (alice, bob) = (("alice", ALICE, 1), ("bob", BOB, 2));
    let keys = [alice, bob].map(|(user, name, device)| {
        peer.ask("new", json!({ "user": user, "name": name, "device": device }))["identityKey"].clone()
    });
    let bundle = peer.ask("publish", json!({ "user": "bob", "oneTime": true }));
    assert_eq!(bundle["preKeyId"], 1);
    assert!(peer.ask("publish", json!({ "user": "bob", "oneTime": false })).get("preKey").is_none());
    assert!(peer.ask("process", json!({ "user": "alice", "bundle": bundle })).get("error").is_none());
    assert_eq!(peer.deliver(alice, bob), 3);
    assert_eq!(peer.deliver(bob, alice), 2);
    assert_eq!(peer.deliver(alice, bob), 2);
    let named = json!({ "user": "alice", "name": BOB, "device": 2, "bundle": bundle });
    assert!(peer.ask("process", named).get("error").is_none());
    assert!(peer.ask("session", json!({ "user": "alice", "name": BOB, "device": 2 }))["record"].is_string());

    let signature = peer.ask("sign", json!({ "user": "alice", "message": "00ff" }))["signature"].clone();
    for (message, valid) in [("00ff", true), ("00fe", false)] {
        let request = json!({ "publicKey": keys[0], "message": message, "signature": signature });
        assert_eq!(peer.ask("verify", request)["valid"], valid);
    }
    let shared = peer.ask("agree", json!({ "priv": "07".repeat(32), "pub": keys[1] }))["shared"].clone();
    assert_eq!(shared.as_str().map(str::len), Some(64));
    let request = json!({ "localName": "a", "localKey": keys[0], "remoteName": "b", "remoteKey": keys[1] });
    assert_eq!(peer.ask("fingerprint", request)["displayable"].as_str().map(str::len), Some(60));

    for bad in
        [json!({}), json!({ "user": "nobody", "message": "" }), json!({ "user": "alice", "message": "xyz" })]
    {
        assert!(peer.ask("sign", bad)["error"].is_string());
    }
    assert!(peer.ask("dance", json!({}))["error"].is_string());
    drop(peer.input);
    assert!(peer.child.wait().expect("the peer ends").success());
}
