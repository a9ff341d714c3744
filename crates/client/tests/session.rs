//! A session alone, against a server in the same process, over real TLS.
//!
//! Invariant: no test waits for a time to pass; what comes first is decided by the server of the test, which answers when it is
//! told to.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};

use rcgen::{PublicKeyData as _, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, version};
use sha2::{Digest as _, Sha256};
use tacite_client::clock::{now, random_source};
use tacite_client::core::{AccountStanding, Event, LinkStatus, Standing, Vault};
use tacite_client::model::{AccountId, DeviceId, KeyPin, MessageId, Secret, Timestamp};
use tacite_client::{Session, SessionOptions};
use tacite_signal::IdentityKeyPair;
use tacite_wire::proto::{
    Connected, Cursor, DeliveryMode, Empty, Envelope, Failure, KeyCount, SessionGranted, SyncPage,
};
use tacite_wire::{Code, Frame, Opcode, SUB_PROTOCOL, Status};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

const ALICE: AccountId = AccountId::from_bytes([1; 16]);
const BOB: AccountId = AccountId::from_bytes([2; 16]);

/// The server's end of a link.
struct Link {
    socket: WebSocketStream<TlsStream<TcpStream>>,
    /// Every command that came.
    commands: Vec<Opcode>,
    synchronised: usize,
}

impl Link {
    async fn accept(listener: &TcpListener, acceptor: &TlsAcceptor) -> Self {
        let (tcp, _) = listener.accept().await.unwrap();
        let tls = acceptor.accept(tcp).await.unwrap();
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let accept = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            response.headers_mut().insert("sec-websocket-protocol", SUB_PROTOCOL.parse().unwrap());
            Ok(response)
        };
        let socket = accept_hdr_async(tls, accept).await.unwrap();
        let mut link = Self { socket, commands: Vec::new(), synchronised: 0 };
        let connected = Connected {
            version_min: 1,
            version_max: 1,
            software: "server of the tests".to_owned(),
            server_name: "club.example".to_owned(),
            challenge: vec![7; 32].into(),
            delivery_mode: DeliveryMode::Inline.into(),
            messages_per_second_max: 5,
            ..Connected::default()
        };
        link.push(Opcode::CONNECTED, 0, &connected).await;
        link
    }

    /// Answers as a server does, up to a command of this opcode, which is returned; `None`: the client ended the link.
    async fn serve_until(&mut self, wanted: Opcode) -> Option<Frame> {
        loop {
            let frame = match self.socket.next().await?.ok()? {
                Message::Binary(bytes) => Frame::decode(bytes).unwrap(),
                Message::Close(_) => return None,
                _ => continue,
            };
            self.commands.push(frame.header.opcode);
            if frame.header.opcode == wanted {
                return Some(frame);
            }
            self.answer(&frame).await;
        }
    }

    async fn answer(&mut self, to: &Frame) {
        match to.header.opcode {
            Opcode::HELLO | Opcode::ACKNOWLEDGE => self.finish(to, &Empty {}).await,
            Opcode::SIGN_IN => {
                let granted = SessionGranted {
                    account_id: ALICE.as_bytes().to_vec().into(),
                    access_token: "access".to_owned(),
                    access_expires_at_ms: now().plus_ms(900_000).as_ms(),
                    refresh_token: "refresh".to_owned(),
                    refresh_expires_at_ms: now().plus_ms(9_000_000).as_ms(),
                    administrator: false,
                };
                self.finish(to, &granted).await;
            }
            Opcode::SYNC => {
                let next = Some(Cursor { updated_at_ms: 1, id: vec![1; 16].into() });
                self.finish(to, &SyncPage { next, ..SyncPage::default() }).await;
                self.synchronised += 1;
                if self.synchronised == 2 {
                    self.push(Opcode::LEVEL, 0, &Empty {}).await;
                }
            }
            Opcode::PUBLISH_KEYS => {
                self.finish(to, &KeyCount { one_time_prekeys: 100, kyber_prekeys: 30 }).await;
            }
            _ => {
                let failure = Failure::default();
                self.send(Frame::answer(&to.header, Status::ERROR, Code::NOT_OFFERED, now(), &failure)).await;
            }
        }
    }

    async fn finish(&mut self, to: &Frame, body: &impl prost::Message) {
        self.send(Frame::answer(&to.header, Status::FINISHED, Code::DONE, now(), body)).await;
    }

    async fn push(&mut self, opcode: Opcode, id: u8, body: &impl prost::Message) {
        self.send(Frame::command(opcode, MessageId::from_bytes([id; 16]), now(), body)).await;
    }

    async fn send<E: std::fmt::Debug>(&mut self, frame: Result<Frame, E>) {
        self.socket.send(Message::Binary(frame.unwrap().into_bytes())).await.unwrap();
    }

    /// A message of bob's that alice's device cannot open; it is acknowledged all the same.
    async fn push_message(&mut self, id: u8) {
        let envelope = Envelope {
            sender_id: BOB.as_bytes().to_vec().into(),
            sender_device: 1,
            recipient_id: ALICE.as_bytes().to_vec().into(),
            recipient_device: 1,
            message_type: 1,
            sealed: vec![1, 2, 3].into(),
            ..Envelope::default()
        };
        self.push(Opcode::DIRECT_RECEIVED, id, &envelope).await;
    }
}

/// A server's door, and a vault with alice's account there.
async fn door() -> (TcpListener, TlsAcceptor, Vault) {
    let identity = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let pin = KeyPin(Sha256::digest(identity.signing_key.subject_public_key_info()).into());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let vault = vault(&listener.local_addr().unwrap().to_string(), pin);
    (listener, TlsAcceptor::from(Arc::new(config)), vault)
}

fn vault(address: &str, pin: KeyPin) -> Vault {
    let mut vault = Vault::open_in_memory().unwrap();
    let tx = vault.transaction().unwrap();
    let keys = IdentityKeyPair::generate(&mut random_source());
    tx.save_account(&tacite_vault::Account {
        account_id: ALICE,
        handle: "alice".parse().unwrap(),
        device_id: DeviceId::FIRST,
        registration_id: 7,
        identity_key_pair: Secret::new(keys.to_bytes().to_vec()),
        login_key: Secret::new([3; 32]),
        administrator: false,
        standing: AccountStanding::SignedIn,
    })
    .unwrap();
    tx.save_server(&tacite_vault::Server {
        address: address.to_owned(),
        name: Some("club.example".to_owned()),
        pin: Some(pin),
        tls_disabled: false,
        certificate_unchecked: false,
        delivery_mode: 1,
    })
    .unwrap();
    tx.save_contact(&tacite_vault::Contact {
        account_id: BOB,
        handle: "bob".parse().unwrap(),
        standing: Standing::Accepted,
        consented: true,
        conversation_id: None,
        identity_key: None,
        own_name: String::new(),
        verified: false,
        notes: String::new(),
        blocked: false,
        updated_at: Timestamp::default(),
    })
    .unwrap();
    tx.commit().unwrap();
    vault
}

async fn until_level(session: &mut Session) {
    while session.next_event().await.unwrap() != Event::Link(LinkStatus::Level) {}
}

// B6, T9: what a link begins with, and nothing more: no command is repeated, none waits for a timer.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_signs_in_and_catches_up_with_each_command_said_once() {
    let (listener, acceptor, vault) = door().await;
    let served = tokio::spawn(async move {
        let mut link = Link::accept(&listener, &acceptor).await;
        assert!(link.serve_until(Opcode::LOG_OUT).await.is_none(), "the client ends the link itself");
        link.commands
    });
    let mut session = Session::start(vault, SessionOptions::default()).unwrap();
    until_level(&mut session).await;
    session.close().await.unwrap();
    let mut commands = served.await.unwrap();
    commands.retain(|opcode| !matches!(*opcode, Opcode::SET_PRESENCE));
    let expected = [Opcode::HELLO, Opcode::SIGN_IN, Opcode::SYNC, Opcode::SYNC, Opcode::PUBLISH_KEYS];
    assert_eq!(commands, expected);
}

// C5: the end of a session waits until its last acknowledgement is answered: what was shown does not come again.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_session_waits_for_the_answer_to_its_acknowledgements() {
    let (listener, acceptor, vault) = door().await;
    let (told, mut acknowledged) = mpsc::unbounded_channel();
    let (go_on, mut may_answer) = mpsc::unbounded_channel();
    let served = tokio::spawn(async move {
        let mut link = Link::accept(&listener, &acceptor).await;
        let published = link.serve_until(Opcode::PUBLISH_KEYS).await.unwrap();
        link.answer(&published).await;
        link.push_message(1).await;
        let mut ids = Vec::new();
        while let Some(frame) = link.serve_until(Opcode::ACKNOWLEDGE).await {
            let acknowledge: tacite_wire::proto::Acknowledge = frame.read().unwrap();
            ids.extend(acknowledge.messages.iter().map(|message| message.message_id[0]));
            if ids == [1] {
                // Its acknowledgement waits for the answer to the first.
                link.push_message(2).await;
            }
            told.send(()).unwrap();
            may_answer.recv().await.unwrap();
            link.answer(&frame).await;
        }
        ids
    });
    let session = Session::start(vault, SessionOptions::default()).unwrap();
    acknowledged.recv().await.unwrap();
    let closing = tokio::spawn(session.close());
    go_on.send(()).unwrap();
    acknowledged.recv().await.unwrap();
    assert!(!closing.is_finished(), "an acknowledgement is not answered yet");
    go_on.send(()).unwrap();
    closing.await.unwrap().unwrap();
    assert_eq!(served.await.unwrap(), [1, 2]);
}
