//! A peer without a core: it makes frames by hand and looks at what comes back.

use ed25519_dalek::{Signer as _, SigningKey};
use futures_util::{SinkExt as _, StreamExt as _};
use opaque_ke::argon2::{Algorithm, Argon2, Params, Version};
use opaque_ke::{ClientRegistration, ClientRegistrationFinishParameters, Identifiers, RegistrationResponse};
use rand_08::SeedableRng as _;
use rand_08::rngs::StdRng;
use tacite_model::{AccountId, DeviceId, MessageId, Timestamp};
use tacite_wire::password::Suite;
use tacite_wire::proto::{self, register};
use tacite_wire::signing::sign_in_text;
use tacite_wire::{Code, Frame, LINK_PATH, Opcode, SUB_PROTOCOL, Status};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::{SERVER_NAME, World};

pub(crate) struct Peer {
    socket: WebSocketStream<TcpStream>,
    pub(crate) connected: proto::Connected,
    pub(crate) account_id: AccountId,
    /// Once registered.
    pub(crate) access_token: String,
    next_id: u16,
    /// Heard before it was asked for.
    heard: Option<Frame>,
}

impl Peer {
    /// Connects and reads the first frame.
    pub(crate) async fn connect(world: &World, bearer: Option<&str>) -> Self {
        let mut request = format!("ws://{}{LINK_PATH}", world.address).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", SUB_PROTOCOL.parse().unwrap());
        if let Some(token) = bearer {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let stream = TcpStream::connect(world.address).await.unwrap();
        let (socket, _) = client_async(request, stream).await.unwrap();
        let account_id = AccountId::from_bytes([0; 16]);
        let mut peer = Self {
            socket,
            connected: proto::Connected::default(),
            account_id,
            access_token: String::new(),
            next_id: 0,
            heard: None,
        };
        let first = peer.receive().await;
        assert_eq!(first.header.opcode, Opcode::CONNECTED);
        peer.connected = first.read().unwrap();
        peer
    }

    /// Connects and says hello.
    pub(crate) async fn greeted(world: &World) -> Self {
        let mut peer = Self::connect(world, None).await;
        let hello = proto::Hello { version: 1, software: String::from("test"), ..Default::default() };
        let answer = peer.ask(Opcode::HELLO, &hello).await;
        assert_eq!(answer.header.code, Code::DONE);
        peer
    }

    /// A further link of somebody who is registered: signed in, not synchronised.
    pub(crate) async fn again(world: &World, somebody: &Self) -> Self {
        let mut peer = Self::connect(world, Some(&somebody.access_token)).await;
        assert!(peer.connected.signed_in);
        peer.account_id = somebody.account_id;
        peer.access_token.clone_from(&somebody.access_token);
        let hello = proto::Hello { version: 1, ..Default::default() };
        assert_eq!(peer.ask(Opcode::HELLO, &hello).await.header.code, Code::DONE);
        peer
    }

    /// A newer link of somebody, which receives.
    pub(crate) async fn back(world: &World, somebody: &Self) -> Self {
        let mut peer = Self::again(world, somebody).await;
        assert_eq!(peer.ask(Opcode::SYNC, &proto::Sync::default()).await.header.code, Code::DONE);
        peer
    }

    /// Ends the link and waits until the server has noticed.
    pub(crate) async fn leave(&mut self) {
        let _ = self.socket.close(None).await;
        while self.next().await.is_some() {}
    }

    /// The next frame with this opcode; others before it are lost.
    pub(crate) async fn pushed(&mut self, opcode: Opcode) -> Frame {
        loop {
            let frame = self.receive().await;
            if frame.header.opcode == opcode && frame.header.status == Status::VALID {
                return frame;
            }
        }
    }

    /// Registers and synchronises: a device that is level.
    pub(crate) async fn registered(world: &World, handle: &str) -> (Self, proto::SessionGranted) {
        let mut peer = Self::greeted(world).await;
        let answer = peer.register(handle).await;
        assert_eq!(answer.header.code, Code::DONE, "{handle}");
        let granted: proto::SessionGranted = answer.read().unwrap();
        peer.access_token.clone_from(&granted.access_token);
        peer.ask(Opcode::SYNC, &proto::Sync::default()).await;
        assert_eq!(peer.receive().await.header.opcode, Opcode::LEVEL);
        (peer, granted)
    }

    /// Both steps of a registration; the stretching is a light one, the server cannot tell.
    pub(crate) async fn register(&mut self, handle: &str) -> Frame {
        let mut rng = StdRng::seed_from_u64(1);
        let password = ClientRegistration::<Suite>::start(&mut rng, b"password").unwrap();
        let words = ClientRegistration::<Suite>::start(&mut rng, b"one two three").unwrap();
        let start = proto::RegisterStart {
            handle: handle.to_owned(),
            invitation: bytes::Bytes::new(),
            password_request: password.message.serialize().to_vec().into(),
            words_request: words.message.serialize().to_vec().into(),
        };
        let body = proto::Register { step: Some(register::Step::Start(start)) };
        let answer = self.ask(Opcode::REGISTER, &body).await;
        if answer.header.status == Status::ERROR {
            return answer;
        }
        let started: proto::RegisterStarted = answer.read().unwrap();
        let light = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let mut finish = |state: ClientRegistration<Suite>, secret: &[u8], response: &[u8]| {
            let response = RegistrationResponse::deserialize(response).unwrap();
            let parameters = ClientRegistrationFinishParameters::new(Identifiers::default(), Some(&light));
            state.finish(&mut rng, secret, response, parameters).unwrap().message.serialize().to_vec()
        };
        let password_record = finish(password.state, b"password", &started.password_response);
        let words_record = finish(words.state, b"one two three", &started.words_response);

        let mut id = [0; 16];
        id[..handle.len().min(16)].copy_from_slice(&handle.as_bytes()[..handle.len().min(16)]);
        self.account_id = AccountId::from_bytes(id);
        let key = SigningKey::from_bytes(&[handle.as_bytes()[0]; 32]);
        let finish = proto::RegisterFinish {
            account_id: self.id(),
            password_record: password_record.into(),
            words_record: words_record.into(),
            device: Some(proto::Device {
                device_id: 1,
                login_key: key.verifying_key().to_bytes().to_vec().into(),
                registration_id: 77,
                signature: self.sign(&key).into(),
            }),
            identity_key: [&[5][..], &[0x42; 32]].concat().into(),
        };
        let body = proto::Register { step: Some(register::Step::Finish(finish)) };
        self.ask(Opcode::REGISTER, &body).await
    }

    fn sign(&self, key: &SigningKey) -> Vec<u8> {
        let challenge: [u8; 32] = self.connected.challenge[..].try_into().unwrap();
        let text = sign_in_text(SERVER_NAME, &challenge, self.account_id, DeviceId::FIRST);
        key.sign(&text).to_bytes().to_vec()
    }

    pub(crate) fn id(&self) -> bytes::Bytes {
        self.account_id.as_bytes().to_vec().into()
    }

    pub(crate) fn fresh_id(&mut self) -> MessageId {
        self.next_id += 1;
        let mut bytes = *self.account_id.as_bytes();
        // Two links of one account draw different ids.
        bytes[13] = self.connected.challenge.first().copied().unwrap_or(0);
        bytes[14..].copy_from_slice(&self.next_id.to_be_bytes());
        MessageId::from_bytes(bytes)
    }

    /// Sends a command and waits for its first answer; anything pushed in between is lost.
    pub(crate) async fn ask(&mut self, opcode: Opcode, body: &impl prost::Message) -> Frame {
        let id = self.fresh_id();
        self.send(Frame::command(opcode, id, Timestamp::from_ms(1), body).unwrap()).await;
        self.answer_to(id).await
    }

    /// The same while the clock stands still: an answer that waits for company goes with one to what is asked behind.
    pub(crate) async fn ask_in_company(&mut self, opcode: Opcode, body: &impl prost::Message) -> Frame {
        let id = self.fresh_id();
        self.ask_in_company_as(id, opcode, body).await
    }

    /// The same under an id that may have been used before.
    pub(crate) async fn ask_in_company_as(
        &mut self,
        id: MessageId,
        opcode: Opcode,
        body: &impl prost::Message,
    ) -> Frame {
        self.send(Frame::command(opcode, id, Timestamp::from_ms(1), body).unwrap()).await;
        // The first of these may be heard before what the delivery machine says.
        for _ in 0..2 {
            let (next, hello) = (self.fresh_id(), proto::Hello { version: 1, ..Default::default() });
            self.send(Frame::command(Opcode::HELLO, next, Timestamp::from_ms(1), &hello).unwrap()).await;
        }
        self.answer_to(id).await
    }

    pub(crate) async fn answer_to(&mut self, id: MessageId) -> Frame {
        loop {
            let frame = self.receive().await;
            if frame.header.message_id == id {
                return frame;
            }
        }
    }

    /// Waits until the server has taken a message. It may say so together with what became of it, which is heard later then.
    pub(crate) async fn taken(&mut self, id: MessageId) {
        let first = self.answer_to(id).await;
        match first.header.code {
            Code::TAKEN => {}
            Code::DONE => self.heard = Some(first),
            code => panic!("a message was refused with {code:?}"),
        }
    }

    /// What became of a message.
    pub(crate) async fn outcome(&mut self, id: MessageId) -> Frame {
        loop {
            let answer = self.answer_to(id).await;
            if answer.header.status != Status::IN_PROGRESS {
                return answer;
            }
        }
    }

    pub(crate) async fn send(&mut self, frame: Frame) {
        self.send_bytes(frame.into_bytes().to_vec()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: Vec<u8>) {
        self.socket.send(Message::Binary(bytes.into())).await.unwrap();
    }

    pub(crate) async fn receive(&mut self) -> Frame {
        self.next().await.expect("the link is open")
    }

    /// The next frame, or `None` once the server has ended the link.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        if let Some(heard) = self.heard.take() {
            return Some(heard);
        }
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Binary(bytes))) => return Some(Frame::decode(bytes).unwrap()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return None,
            }
        }
    }

    /// An envelope to somebody's first device.
    pub(crate) fn envelope(&self, to: AccountId, sealed: &[u8]) -> proto::Envelope {
        proto::Envelope {
            sender_id: self.id(),
            sender_device: 1,
            recipient_id: to.as_bytes().to_vec().into(),
            recipient_device: 1,
            message_type: 1,
            sealed: sealed.to_vec().into(),
            ..proto::Envelope::default()
        }
    }

    pub(crate) async fn acknowledge(&mut self, sender: AccountId, message: MessageId) {
        self.acknowledge_as(reference(sender, message)).await;
    }

    pub(crate) async fn acknowledge_as(&mut self, message: proto::MessageRef) {
        let body = proto::Acknowledge { messages: vec![message] };
        let id = self.fresh_id();
        self.send(Frame::command(Opcode::ACKNOWLEDGE, id, Timestamp::from_ms(1), &body).unwrap()).await;
    }
}

/// Names a message, without a proof.
pub(crate) fn reference(sender: AccountId, message: MessageId) -> proto::MessageRef {
    proto::MessageRef {
        sender_id: sender.as_bytes().to_vec().into(),
        message_id: message.as_bytes().to_vec().into(),
        ..proto::MessageRef::default()
    }
}

/// Alice and bob, registered, level and contacts.
pub(crate) async fn alice_and_bob(world: &World) -> (Peer, Peer) {
    let (mut alice, _) = Peer::registered(world, "alice").await;
    let (mut bob, _) = Peer::registered(world, "bob").await;
    make_contacts(&mut alice, &mut bob, "bob").await;
    (alice, bob)
}

/// `one` asks `other`, who has this handle and accepts.
pub(crate) async fn make_contacts(one: &mut Peer, other: &mut Peer, handle: &str) {
    one.ask(Opcode::REQUEST_CONTACT, &proto::RequestContact { handle: handle.to_owned() }).await;
    let answer = other.ask(Opcode::ACCEPT_CONTACT, &proto::AnswerContact { account_id: one.id() }).await;
    assert_eq!(answer.header.code, Code::DONE);
}
