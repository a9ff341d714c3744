//! Opening a link: the upgrade, the greeting, and the proof of who it is, by token or by signature.

use anyhow::{Context as _, Result, bail, ensure};
use ed25519_dalek::Signer as _;
use prost::Message;
use tacite_model::DeviceId;
use tacite_wire::proto::{Connected, Hello, SessionGranted, SignIn};
use tacite_wire::{Frame, LINK_PATH, Opcode, SUB_PROTOCOL, Status, VERSIONS, signing};

use super::people::Person;
use super::wire::{Wire, refusal};
use crate::load::connection::Io;
use crate::load::protocols::websocket;
use crate::load::target::Target;

/// What the bench calls itself.
const SOFTWARE: &str = concat!("tacite-bench ", env!("CARGO_PKG_VERSION"));

/// A link on which nothing but the log-in goes on.
pub(super) struct Link {
    pub(super) io: Io,
    pub(super) wire: Wire,
    pub(super) connected: Connected,
}

impl Link {
    /// Connects, with a token if there is one, and greets.
    pub(super) async fn open(target: &Target, mut wire: Wire, bearer: Option<&str>) -> Result<Self> {
        let mut io = Io::connect(&target.address, &target.tls).await?;
        let bearer = bearer.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let headers = format!("Sec-WebSocket-Protocol: {SUB_PROTOCOL}\r\n{bearer}");
        websocket::upgrade(&mut io, LINK_PATH, &headers).await?;
        let greeting = next(&mut io, &mut wire).await?;
        ensure!(greeting.header.opcode == Opcode::CONNECTED, "the server did not greet");
        let connected = greeting.read()?;
        let mut link = Self { io, wire, connected };
        let hello = Hello {
            version: u32::from(*VERSIONS.end()),
            software: SOFTWARE.to_owned(),
            deployment_proof: Vec::new().into(),
        };
        link.ask(Opcode::HELLO, &hello).await?;
        Ok(link)
    }

    /// Proves by signature who it is; returns the tokens.
    pub(super) async fn sign_in(&mut self, person: &Person) -> Result<SessionGranted> {
        let challenge =
            <[u8; 32]>::try_from(&self.connected.challenge[..]).context("a challenge has 32 bytes")?;
        let server_name = &self.connected.server_name;
        let text = signing::sign_in_text(server_name, &challenge, person.account_id, DeviceId::FIRST);
        let body = SignIn {
            account_id: person.account_id.as_bytes().to_vec().into(),
            device_id: DeviceId::FIRST.into(),
            signature: person.login_key().sign(&text).to_bytes().to_vec().into(),
        };
        Ok(self.ask(Opcode::SIGN_IN, &body).await?.read()?)
    }

    /// Says farewell.
    pub(super) async fn close(mut self) -> Result<()> {
        let mut out = Vec::new();
        self.wire.put_close(&mut out);
        self.io.write(out).await
    }

    /// Sends a command and waits until it is answered well; pushes that come meanwhile are passed over.
    async fn ask(&mut self, opcode: Opcode, body: &impl Message) -> Result<Frame> {
        let mut out = Vec::new();
        let id = self.wire.put_command(opcode, body, &mut out)?;
        self.io.write(out).await?;
        loop {
            let frame = next(&mut self.io, &mut self.wire).await?;
            let header = &frame.header;
            match header.status {
                _ if header.opcode == Opcode::LINK_ERROR => return Err(refusal(&frame)),
                _ if header.message_id != id => {}
                Status::FINISHED => return Ok(frame),
                Status::ERROR => return Err(refusal(&frame)),
                status => bail!("an answer with the status {}", status.0),
            }
        }
    }
}

/// The next frame.
async fn next(io: &mut Io, wire: &mut Wire) -> Result<Frame> {
    loop {
        let mut input = io
            .read(|input| websocket::Frame::first_of(input).map_or(Some(0), |it| it.map(|it| it.end)))
            .await?;
        let mut out = Vec::new();
        let taken = wire.take_frame(&mut input, &mut out)?;
        if !out.is_empty() {
            io.write(out).await?;
        }
        if let Some(frame) = taken {
            return Ok(frame);
        }
        ensure!(input.is_empty(), "what is no frame of a WebSocket");
    }
}
