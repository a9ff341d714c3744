//! `relay-limit`: what a relay costs at least. TLS, WebSocket framing and a hash map, nothing else.
//!
//! A client connects to `/<32 hex digits of its id>`. A binary frame is a recipient's id of 16 bytes and a payload, and is
//! forwarded as it came. An id that begins with 0xff is a room: a frame without a payload joins it, any other goes to all its
//! members. No accounts, no storage, no back-pressure: it is a measure, not a server.

use std::collections::HashMap;
use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use clap::Parser;
use futures_util::{SinkExt as _, StreamExt as _};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tacite_bench::load::open_files::allow_many_open_files;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_websockets::{Message, ServerBuilder, WebSocketStream};

const ID_BYTES: usize = 16;
const ROOM: u8 = 0xff;
/// How many frames leave in one flush at most.
const MOST_FRAMES_AT_ONCE: usize = 64;

type Id = [u8; ID_BYTES];
type Outbox = UnboundedSender<Bytes>;
type SharedRoutes = Arc<Mutex<Routes>>;

#[derive(Debug, Parser)]
#[command(about = "What a relay costs at least: TLS, WebSocket, a hash map")]
struct Arguments {
    /// Where to listen, for instance 127.0.0.1:9443; what it came to be is printed.
    address: String,
    /// The certificate chain (PEM).
    certificate: PathBuf,
    /// Its key (PEM).
    key: PathBuf,
}

#[derive(Default)]
struct Routes {
    people: HashMap<Id, Outbox>,
    rooms: HashMap<Id, Vec<Outbox>>,
}

impl Routes {
    fn forward(&mut self, frame: Bytes, from: &Outbox) {
        let Some(to) = frame.first_chunk::<ID_BYTES>() else { return };
        if to[0] != ROOM {
            if let Some(person) = self.people.get(to) {
                // Who has just left gets nothing.
                let _ = person.send(frame);
            }
        } else if frame.len() == ID_BYTES {
            self.rooms.entry(*to).or_default().push(from.clone());
        } else if let Some(members) = self.rooms.get_mut(to) {
            members.retain(|member| member.send(frame.clone()).is_ok());
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    allow_many_open_files()?;
    let tls = TlsAcceptor::from(Arc::new(configuration(&arguments)?));
    let routes = SharedRoutes::default();
    let listener = TcpListener::bind(&arguments.address).await.context(arguments.address)?;
    writeln!(stdout(), "{}", listener.local_addr()?)?;
    loop {
        let (tcp, _) = listener.accept().await?;
        // Clients come and go; why one went is of no interest here.
        tokio::spawn(serve(tcp, tls.clone(), Arc::clone(&routes)));
    }
}

fn configuration(arguments: &Arguments) -> Result<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(&arguments.certificate)
        .and_then(Iterator::collect)
        .with_context(|| arguments.certificate.display().to_string())?;
    let key =
        PrivateKeyDer::from_pem_file(&arguments.key).with_context(|| arguments.key.display().to_string())?;
    let provider = CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384],
        ..aws_lc_rs::default_provider()
    };
    Ok(ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?)
}

async fn serve(tcp: TcpStream, tls: TlsAcceptor, routes: SharedRoutes) -> Result<()> {
    tcp.set_nodelay(true)?;
    let (request, socket) = ServerBuilder::new().accept(tls.accept(tcp).await?).await?;
    let path = request.uri().path().trim_start_matches('/');
    let id = u128::from_str_radix(path, 16).context("the path is no id")?.to_be_bytes();
    let (outbox, frames) = unbounded_channel();
    locked(&routes).people.insert(id, outbox.clone());
    let result = relay(socket, frames, outbox, &routes).await;
    locked(&routes).people.remove(&id);
    result
}

async fn relay(
    mut socket: WebSocketStream<TlsStream<TcpStream>>,
    mut frames: UnboundedReceiver<Bytes>,
    outbox: Outbox,
    routes: &SharedRoutes,
) -> Result<()> {
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            biased;
            _ = frames.recv_many(&mut batch, MOST_FRAMES_AT_ONCE) => {
                for frame in batch.drain(..) {
                    socket.feed(Message::binary(frame)).await?;
                }
                socket.flush().await?;
            }
            message = socket.next() => {
                let Some(message) = message else { return Ok(()) };
                let message = message?;
                if message.is_binary() {
                    locked(routes).forward(message.into_payload().into(), &outbox);
                }
            }
        }
    }
}

fn locked(routes: &SharedRoutes) -> MutexGuard<'_, Routes> {
    routes.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(first: u8, last: u8) -> Id {
        let mut id = [0; ID_BYTES];
        (id[0], id[ID_BYTES - 1]) = (first, last);
        id
    }

    #[test]
    fn frames_go_to_the_person_named_and_rooms_to_all_members() {
        let mut routes = Routes::default();
        let (alice, mut to_alice) = unbounded_channel();
        let (bob, mut to_bob) = unbounded_channel();
        routes.people.insert(id(0, 1), alice.clone());
        routes.people.insert(id(0, 2), bob.clone());
        let to_bob_only = Bytes::from([&id(0, 2)[..], b"hello"].concat());
        routes.forward(to_bob_only.clone(), &alice);
        assert_eq!(to_bob.try_recv().expect("came"), to_bob_only);
        assert!(to_alice.try_recv().is_err());

        let room = Bytes::copy_from_slice(&id(ROOM, 7));
        routes.forward(room.clone(), &alice);
        routes.forward(room.clone(), &bob);
        let to_all = Bytes::from([&room[..], b"hello"].concat());
        routes.forward(to_all.clone(), &alice);
        assert_eq!(to_alice.try_recv().expect("came"), to_all);
        assert_eq!(to_bob.try_recv().expect("came"), to_all);
        routes.forward(Bytes::from_static(b"short"), &alice);
        assert!(to_alice.try_recv().is_err() && to_bob.try_recv().is_err());
    }
}
