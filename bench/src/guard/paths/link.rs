//! `link`: the whole server for one message between two who are there, without TLS and WebSocket: sent, taken, pushed,
//! acknowledged, told to have been received.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use ed25519_dalek::{Signer as _, SigningKey};
use futures_util::{Sink, Stream};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use tacite_accounts::store::{MemoryStore, NewAccount, NewDevice, NewSession, TokenHash};
use tacite_accounts::{Accounts, Keys, Registration, SessionId, Settings, Store as _};
use tacite_depot::PermitKey;
use tacite_model::{AccountId, ConversationId, DeviceId, MessageId, Secret};
use tacite_router::{DeviceKey, NamingKey, Store as _};
use tacite_server::settings::{Delivery, Policy};
use tacite_server::{Chance, Clock, LinkMessage, Memory, Node};
use tacite_wire::signing::sign_in_text;
use tacite_wire::{Frame, Opcode, Status, proto};
use tokio::sync::mpsc;

use super::material::{ALICE, NOW, PROOF, message_ids, recipient, sent_frame};

const SERVER_NAME: &str = "club";

/// As many at a time as are company enough for the server's answers: otherwise each would wait for the clock, and its ticks count.
pub(super) const TOGETHER: u32 = 16;

/// See the module.
pub(super) fn relay(count: u32) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
        let bob = recipient(1);
        let accounts = MemoryStore::default();
        for (name, account_id) in [("alice", ALICE), ("bob", bob.account_id)] {
            accounts.register(account(name, account_id)?).await?;
        }
        let router = tacite_router::store::MemoryStore::default();
        router.request(ALICE, bob.account_id, ConversationId::from_bytes([6; 16]), NOW).await?;
        router.answer(bob.account_id, ALICE, true, NOW).await?;

        let settings = Settings { server_name: SERVER_NAME.to_owned(), registration: Registration::Open };
        let keys = Keys::generate(&mut ChaCha20Rng::from_seed([1; 32]));
        let accounts = Accounts::new(settings, keys, accounts);
        let tokens = [access_token(&accounts, ALICE).await?, access_token(&accounts, bob.account_id).await?];
        let node = node(accounts, router);
        let [alices, bobs] = tokens.map(|token| Link::open(&node, token));
        let (mut alices, mut bobs) = (alices, bobs);
        alices.come_in().await?;
        bobs.come_in().await?;
        let ids: Vec<MessageId> = message_ids().take(count as usize).collect();
        for together in ids.chunks(TOGETHER as usize) {
            send(&mut alices, &mut bobs, bob, together).await?;
        }
        Ok(())
    })
}

async fn send(alices: &mut Link, bobs: &mut Link, bob: DeviceKey, ids: &[MessageId]) -> Result<()> {
    for id in ids {
        alices.send(sent_frame(bob, *id)?)?;
    }
    for _ in ids {
        let pushed = bobs.next(|frame| frame.header.opcode == Opcode::DIRECT_RECEIVED).await?;
        let message = proto::MessageRef {
            sender_id: ALICE.as_bytes().to_vec().into(),
            message_id: pushed.header.message_id.as_bytes().to_vec().into(),
            proof: PROOF.to_vec().into(),
            silent: false,
        };
        bobs.command(Opcode::ACKNOWLEDGE, &proto::Acknowledge { messages: vec![message] })?;
    }
    for _ in ids {
        bobs.next(|frame| frame.header.status == Status::FINISHED).await?;
    }
    for _ in ids {
        let told = alices.next(|frame| frame.header.status == Status::FINISHED).await?;
        let state: proto::MessageState = told.read()?;
        match state.state() {
            proto::DeliveryState::Received => {}
            other => bail!("a message came to {other:?} only"),
        }
    }
    Ok(())
}

/// An account whose device has a known key.
fn account(name: &str, account_id: AccountId) -> Result<NewAccount> {
    let device_id = DeviceId::FIRST;
    Ok(NewAccount {
        account_id,
        handle: name.parse()?,
        identity_key: [5; 33],
        password_record: Secret::new(vec![1]),
        words_record: Secret::new(vec![1]),
        device: NewDevice {
            device_id,
            login_key: login_key(account_id).verifying_key().to_bytes(),
            registration_id: 1,
        },
        session: NewSession {
            session_id: SessionId(*account_id.as_bytes()),
            account_id,
            device_id,
            refresh: TokenHash([account_id.as_bytes()[0]; 32]),
            now: NOW,
            expires_at: NOW.plus_ms(u64::from(u32::MAX)),
        },
        invitation: None,
    })
}

fn login_key(account_id: AccountId) -> SigningKey {
    let mut seed = [0; 32];
    seed[..16].copy_from_slice(account_id.as_bytes());
    SigningKey::from_bytes(&seed)
}

async fn access_token(accounts: &Accounts<MemoryStore>, account_id: AccountId) -> Result<String> {
    let challenge = [9; 32];
    let text = sign_in_text(SERVER_NAME, &challenge, account_id, DeviceId::FIRST);
    let proof = proto::SignIn {
        account_id: account_id.as_bytes().to_vec().into(),
        device_id: 1,
        signature: login_key(account_id).sign(&text).to_bytes().to_vec().into(),
    };
    let mut rng = ChaCha20Rng::from_seed(challenge);
    Ok(accounts.sign_in(&proof, &challenge, NOW, &mut rng).await?.session.access_token)
}

fn node(accounts: Accounts<MemoryStore>, router: tacite_router::store::MemoryStore) -> Node<Memory> {
    let policy = Policy {
        server_name: SERVER_NAME.to_owned(),
        // More than anybody sends here.
        max_messages_per_sec: 1_000_000,
        deployment_key: None,
        delivery: Delivery { mode: proto::DeliveryMode::Inline, ..Delivery::default() },
        depot_url: String::new(),
    };
    let keys = (NamingKey::new([7; 32]), PermitKey::new([8; 32]));
    let depot = tacite_depot::store::MemoryStore::default();
    Node::start(accounts, router, depot, keys, policy, (Clock::start_at(NOW), Chance::from_seed([2; 32])))
}

/// The device's end of a link.
struct Link {
    up: mpsc::UnboundedSender<LinkMessage>,
    down: mpsc::UnboundedReceiver<LinkMessage>,
}

/// The server's end.
struct Transport {
    up: mpsc::UnboundedReceiver<LinkMessage>,
    down: mpsc::UnboundedSender<LinkMessage>,
}

impl Link {
    fn open(node: &Node<Memory>, token: String) -> Self {
        let ((up, from_device), (to_device, down)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        node.link(Some(token), Transport { up: from_device, down: to_device });
        Self { up, down }
    }

    /// Hello, then level.
    async fn come_in(&mut self) -> Result<()> {
        self.command(Opcode::HELLO, &proto::Hello { version: 1, ..proto::Hello::default() })?;
        self.next(|frame| frame.header.status == Status::FINISHED).await?;
        self.command(Opcode::SYNC, &proto::Sync::default())?;
        self.next(|frame| frame.header.opcode == Opcode::LEVEL).await?;
        Ok(())
    }

    fn command(&self, opcode: Opcode, body: &impl prost::Message) -> Result<()> {
        self.send(Frame::command(opcode, MessageId::from_bytes([3; 16]), NOW, body)?)
    }

    fn send(&self, frame: Frame) -> Result<()> {
        self.up.send(LinkMessage::Binary(frame.into_bytes())).context("the server has ended a link")
    }

    /// The next frame of that kind; others before it are passed over.
    async fn next(&mut self, is_wanted: impl Fn(&Frame) -> bool) -> Result<Frame> {
        loop {
            let message = self.down.recv().await.context("the server has ended a link")?;
            let LinkMessage::Binary(bytes) = message else { continue };
            let frame = Frame::decode(Bytes::clone(&bytes))?;
            if frame.header.status == Status::ERROR {
                bail!("{:?} was refused with {:?}", frame.header.opcode, frame.header.code);
            }
            if is_wanted(&frame) {
                return Ok(frame);
            }
        }
    }
}

impl Stream for Transport {
    type Item = Result<LinkMessage, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.up.poll_recv(cx).map(|message| message.map(Ok))
    }
}

impl Sink<LinkMessage> for Transport {
    type Error = Infallible;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: LinkMessage) -> Result<(), Infallible> {
        // The device may be gone; the server hears of that when it reads.
        let _ = self.down.send(message);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}
