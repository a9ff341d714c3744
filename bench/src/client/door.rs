//! The stand-in for a server behind a real door: TLS and WebSocket on this machine.
//!
//! Invariants: one device at a time; the door runs on a thread of its own, in another process than the client that is measured.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use futures_util::{SinkExt as _, StreamExt as _};
use rcgen::{PublicKeyData as _, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, version};
use sha2::{Digest as _, Sha256};
use tacite_client::clock::now;
use tacite_model::{AccountId, KeyPin};
use tacite_wire::{Frame, SUB_PROTOCOL};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_websockets::{Message, ServerBuilder, WebSocketStream};

use super::stand_in::StandIn;

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// A door that is open.
pub(super) struct Door {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    pin: KeyPin,
}

impl Door {
    /// Opens a door on this machine.
    pub(super) async fn open() -> Result<Self> {
        let identity = generate_simple_self_signed(vec!["localhost".to_owned()])?;
        let pin = KeyPin(Sha256::digest(identity.signing_key.subject_public_key_info()).into());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(vec![identity.cert.der().clone()], key)?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a door on this machine")?;
        Ok(Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)), pin })
    }

    /// Where it is, and what it shows.
    pub(super) fn place(&self) -> Result<(SocketAddr, KeyPin)> {
        Ok((self.listener.local_addr()?, self.pin))
    }

    /// Serves the device of one account for one link, until that ends.
    pub(super) async fn serve(&self, server: &mut StandIn, account_id: AccountId) -> Result<()> {
        let (tcp, _) = self.listener.accept().await?;
        tcp.set_nodelay(true)?;
        let tls = self.acceptor.accept(tcp).await.context("a handshake")?;
        let builder =
            ServerBuilder::new().add_header("sec-websocket-protocol".parse()?, SUB_PROTOCOL.parse()?)?;
        let (_request, mut socket) = builder.accept(tls).await.context("an upgrade")?;
        server.connect(account_id, now())?;
        send(&mut socket, server).await?;
        while let Some(Ok(message)) = socket.next().await {
            if message.is_binary() {
                let frame = Frame::decode(message.into_payload().into())?;
                server.receive(account_id, &frame, now())?;
                send(&mut socket, server).await?;
            }
        }
        server.disconnect(account_id);
        Ok(())
    }
}

async fn send(socket: &mut Socket, server: &mut StandIn) -> Result<()> {
    while let Some((_, frame)) = server.next() {
        socket.feed(Message::binary(frame.into_bytes())).await?;
    }
    Ok(socket.flush().await?)
}
