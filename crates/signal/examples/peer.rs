//! Our implementation behind JSON lines, so that anybody can set it against another.
//!
//! One request a line on standard input: `{"id": …, "command": …, …}`; one answer a line on standard output, with the same `id`; a failure
//! is `{"id": …, "error": …}`. Bytes are hexadecimal. Everything is kept in memory; every operation restores and stores its session.
//!
//! | command | fields | answer |
//! |---|---|---|
//! | `new` | user, name, device | identityKey |
//! | `publish` | user, oneTime | the bundle's fields |
//! | `process` | user, name, device, bundle | – |
//! | `encrypt` | user, name, device, plaintext | type, bytes |
//! | `decrypt` | user, name, device, type, bytes | plaintext |
//! | `sign` | user, message | signature |
//! | `verify` | publicKey, message, signature | valid |
//! | `agree` | priv, pub | shared |
//! | `fingerprint` | localName, localKey, remoteName, remoteKey | displayable, scannable |
//! | `session` | user, name, device | record |
//!
//! `name` and `device` of `process` may be left out: the session then belongs to the first name with the bundle's device number that the
//! user encrypts to. Names, also those of `fingerprint`, are text (UTF-8). `cmd`, `op` and `method` are understood for `command`.

#![expect(clippy::disallowed_methods, reason = "this is a driver: it has a clock and randomness")]

use std::{
    collections::BTreeMap,
    io::{BufRead, Write},
    time::SystemTime,
};

use anyhow::{Context, Result, anyhow, bail};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::{Value, json};
use tacite_signal::{
    Address, IdentityKeyPair, KyberPreKeyRecord, KyberPublicKey, LocalParty, MessageKind,
    OneTimePreKeyRecord, PreKeyBundle, PrekeySource, PrivateKey, PublicKey, SessionRecord,
    SignedPreKeyRecord, UsedPrekeys, fingerprint,
};

fn main() -> Result<()> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow!("no randomness: {error}"))?;
    let mut peer = Peer { users: BTreeMap::new(), rng: ChaCha20Rng::from_seed(seed) };
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?).unwrap_or_default();
        let mut answer =
            peer.answer(&request).unwrap_or_else(|error| json!({ "error": format!("{error:#}") }));
        answer["id"] = request["id"].clone();
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

struct Peer {
    users: BTreeMap<String, User>,
    rng: ChaCha20Rng,
}

struct User {
    address: Address,
    identity: IdentityKeyPair,
    registration_id: u32,
    prekeys: Prekeys,
    next_id: u32,
    sessions: BTreeMap<(String, u8), Vec<u8>>,
    /// Bundles processed without a name, by device number.
    unnamed: BTreeMap<u8, PreKeyBundle>,
}

#[derive(Default)]
struct Prekeys {
    signed: BTreeMap<u32, SignedPreKeyRecord>,
    kyber: BTreeMap<u32, KyberPreKeyRecord>,
    one_time: BTreeMap<u32, OneTimePreKeyRecord>,
}

impl PrekeySource for Prekeys {
    fn signed(&mut self, id: u32) -> Option<SignedPreKeyRecord> {
        self.signed.get(&id).cloned()
    }

    fn kyber(&mut self, id: u32) -> Option<KyberPreKeyRecord> {
        self.kyber.get(&id).cloned()
    }

    fn one_time(&mut self, id: u32) -> Option<OneTimePreKeyRecord> {
        self.one_time.get(&id).cloned()
    }

    /// All Kyber keys of this program are last-resort keys without memory; a program with accounts remembers their uses.
    fn permit_kyber_use(&mut self, _used: &UsedPrekeys) -> bool {
        true
    }
}

impl Peer {
    fn answer(&mut self, request: &Value) -> Result<Value> {
        let command = ["command", "cmd", "op", "method"].iter().find_map(|field| request[field].as_str());
        match command.context("command is a text")? {
            "new" => self.create(request),
            "publish" => self.publish(request),
            "process" => self.process(request),
            "encrypt" => self.encrypt(request),
            "decrypt" => self.decrypt(request),
            "sign" => {
                let (user, rng) = self.user(request)?;
                Ok(json!({ "signature": hex::encode(user.identity.sign(&bytes(request, "message")?, rng)) }))
            }
            "verify" => {
                let valid = key(request, "publicKey")?
                    .verify(&bytes(request, "message")?, &bytes(request, "signature")?);
                Ok(json!({ "valid": valid.is_ok() }))
            }
            "agree" => {
                let private =
                    bytes(request, "priv")?.try_into().map_err(|_| anyhow!("a private key has 32 bytes"))?;
                let shared = PrivateKey::from_bytes(&private).agree(&key(request, "pub")?)?;
                Ok(json!({ "shared": hex::encode(*shared) }))
            }
            "fingerprint" => {
                let (local, remote) = (text(request, "localName")?, text(request, "remoteName")?);
                let (local_key, remote_key) = (key(request, "localKey")?, key(request, "remoteKey")?);
                let made = fingerprint(local.as_bytes(), &local_key, remote.as_bytes(), &remote_key);
                Ok(json!({ "displayable": made.displayable, "scannable": hex::encode(made.scannable) }))
            }
            "session" => {
                let record = self.user(request)?.0.sessions.get(&peer_name(request)?).map(hex::encode);
                Ok(json!({ "record": record }))
            }
            other => bail!("no command {other}"),
        }
    }

    fn create(&mut self, request: &Value) -> Result<Value> {
        let user = User {
            address: address(request)?,
            identity: IdentityKeyPair::generate(&mut self.rng),
            registration_id: 4711,
            prekeys: Prekeys::default(),
            next_id: 1,
            sessions: BTreeMap::new(),
            unnamed: BTreeMap::new(),
        };
        let identity_key = hex::encode(user.identity.public().encode());
        self.users.insert(text(request, "user")?.to_owned(), user);
        Ok(json!({ "identityKey": identity_key }))
    }

    fn publish(&mut self, request: &Value) -> Result<Value> {
        let (user, rng) = self.user(request)?;
        let id = user.next_id;
        user.next_id += 1;
        let signed = SignedPreKeyRecord::generate(id, &user.identity, rng);
        let kyber = KyberPreKeyRecord::generate(id, &user.identity, rng);
        let mut bundle = json!({
            "registrationId": user.registration_id,
            "deviceId": user.address.device(),
            "identityKey": hex::encode(user.identity.public().encode()),
            "signedPreKeyId": id,
            "signedPreKey": hex::encode(signed.public().encode()),
            "signedPreKeySig": hex::encode(signed.signature()),
            "kyberPreKeyId": id,
            "kyberPreKey": hex::encode(kyber.public().encode()),
            "kyberPreKeySig": hex::encode(kyber.signature()),
        });
        if request["oneTime"].as_bool().unwrap_or(false) {
            let one_time = OneTimePreKeyRecord::generate(id, rng);
            bundle["preKeyId"] = json!(id);
            bundle["preKey"] = json!(hex::encode(one_time.public().encode()));
            user.prekeys.one_time.insert(id, one_time);
        }
        user.prekeys.signed.insert(id, signed);
        user.prekeys.kyber.insert(id, kyber);
        Ok(bundle)
    }

    fn process(&mut self, request: &Value) -> Result<Value> {
        let bundle = parse_bundle(&request["bundle"])?;
        if request.get("name").is_none() {
            bundle.verify()?;
            self.user(request)?.0.unnamed.insert(bundle.device_id, bundle);
            return Ok(json!({}));
        }
        let peer = address(request)?;
        self.with_session(request, &peer, |record, local, _, rng| {
            record.process_bundle(local, &peer, &bundle, now_ms(), rng)?;
            Ok(json!({}))
        })
    }

    fn encrypt(&mut self, request: &Value) -> Result<Value> {
        let (peer, plaintext) = (address(request)?, bytes(request, "plaintext")?);
        let unnamed = self.user(request)?.0.unnamed.remove(&peer.device());
        self.with_session(request, &peer, |record, local, _, rng| {
            if let Some(bundle) = unnamed {
                record.process_bundle(local, &peer, &bundle, now_ms(), rng)?;
            }
            let message = record.encrypt(local, &peer, &plaintext, now_ms(), rng)?;
            Ok(json!({ "type": message.kind as u8, "bytes": hex::encode(message.bytes) }))
        })
    }

    fn decrypt(&mut self, request: &Value) -> Result<Value> {
        let (peer, message) = (address(request)?, bytes(request, "bytes")?);
        let kind = match request["type"].as_u64() {
            Some(2) => MessageKind::Whisper,
            Some(3) => MessageKind::PreKey,
            _ => bail!("a message has type 2 or 3"),
        };
        let trust = |_: &PublicKey| true;
        self.with_session(request, &peer, |record, local, prekeys, rng| {
            let plaintext = match kind {
                MessageKind::Whisper => record.decrypt_whisper(local, &peer, &message, rng, &trust)?,
                MessageKind::PreKey => {
                    let decrypted = record.decrypt_prekey(local, &peer, &message, prekeys, rng, &trust)?;
                    if let Some(id) = decrypted.used.and_then(|used| used.one_time) {
                        prekeys.one_time.remove(&id);
                    }
                    decrypted.plaintext
                }
            };
            Ok(json!({ "plaintext": hex::encode(plaintext) }))
        })
    }

    fn user(&mut self, request: &Value) -> Result<(&mut User, &mut ChaCha20Rng)> {
        let name = text(request, "user")?;
        let user = self.users.get_mut(name).with_context(|| format!("no user {name}"))?;
        Ok((user, &mut self.rng))
    }

    /// Restores the session with `peer`, and stores it again if `run` succeeds.
    fn with_session(
        &mut self,
        request: &Value,
        peer: &Address,
        run: impl FnOnce(&mut SessionRecord, &LocalParty<'_>, &mut Prekeys, &mut ChaCha20Rng) -> Result<Value>,
    ) -> Result<Value> {
        let (user, rng) = self.user(request)?;
        let name = (peer.name().to_owned(), peer.device());
        let mut record = match user.sessions.get(&name) {
            Some(stored) => SessionRecord::from_bytes(stored)?,
            None => SessionRecord::empty(),
        };
        let local = LocalParty {
            address: &user.address,
            identity: &user.identity,
            registration_id: user.registration_id,
        };
        let answer = run(&mut record, &local, &mut user.prekeys, rng)?;
        user.sessions.insert(name, record.to_bytes().to_vec());
        Ok(answer)
    }
}

fn parse_bundle(value: &Value) -> Result<PreKeyBundle> {
    let signature = |field| bytes(value, field)?.try_into().map_err(|_| anyhow!("{field} has 64 bytes"));
    Ok(PreKeyBundle {
        registration_id: number(value, "registrationId")?,
        device_id: u8::try_from(number(value, "deviceId")?)?,
        identity_key: key(value, "identityKey")?,
        signed_prekey_id: number(value, "signedPreKeyId")?,
        signed_prekey: key(value, "signedPreKey")?,
        signed_prekey_signature: signature("signedPreKeySig")?,
        kyber_prekey_id: number(value, "kyberPreKeyId")?,
        kyber_prekey: KyberPublicKey::decode(&bytes(value, "kyberPreKey")?)?,
        kyber_prekey_signature: signature("kyberPreKeySig")?,
        one_time_prekey: match value["preKey"].as_str() {
            Some(_) => Some((number(value, "preKeyId")?, key(value, "preKey")?)),
            None => None,
        },
    })
}

fn address(request: &Value) -> Result<Address> {
    let (name, device) = peer_name(request)?;
    Ok(Address::new(name, device)?)
}

fn peer_name(request: &Value) -> Result<(String, u8)> {
    Ok((text(request, "name")?.to_owned(), u8::try_from(number(request, "device")?)?))
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value[field].as_str().with_context(|| format!("{field} is a text"))
}

fn number(value: &Value, field: &str) -> Result<u32> {
    let number = value[field].as_u64().with_context(|| format!("{field} is a number"))?;
    Ok(u32::try_from(number)?)
}

fn bytes(value: &Value, field: &str) -> Result<Vec<u8>> {
    hex::decode(text(value, field)?).with_context(|| format!("{field} is hexadecimal"))
}

fn key(value: &Value, field: &str) -> Result<PublicKey> {
    PublicKey::decode(&bytes(value, field)?).with_context(|| field.to_owned())
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
