//! Opening a link: TCP, TLS, WebSocket.
//!
//! Invariants: each step is bounded in time; without TLS not a byte is sent to another machine unless that was allowed;
//! the access token travels in a header only, never in an address.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tacite_core::{Problem, Server};
use tacite_model::Secret;
use tacite_model::limits::{FRAME_BODY_BYTES_MAX, HANDSHAKE_MS_MAX};
use tacite_wire::{HEADER_BYTES, LINK_PATH, SUB_PROTOCOL};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::problem;
use crate::session::Permissions;
use crate::tls::{self, Trust};

const CONNECT_MAX: Duration = Duration::from_secs(10);
const HANDSHAKE_MAX: Duration = Duration::from_millis(HANDSHAKE_MS_MAX);
const MESSAGE_BYTES_MAX: usize = HEADER_BYTES + FRAME_BODY_BYTES_MAX;
const BUFFER_BYTES: usize = 16 * 1024;

/// Where a link is to go.
#[derive(Debug)]
pub(crate) struct LinkTarget {
    /// The server, with the address that is really to be used.
    pub(crate) server: Server,
    /// The access token for the upgrade.
    pub(crate) bearer: Option<Secret<String>>,
    /// What is allowed although it is dangerous.
    pub(crate) permissions: Permissions,
}

/// A connection, with TLS or without.
pub(super) type Socket = Box<dyn Connection>;

/// What both kinds of connection can do.
pub(super) trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// Opens a link.
pub(super) async fn open(target: &LinkTarget) -> Result<WebSocketStream<Socket>, Problem> {
    let (host, port) = host_and_port(&target.server.address).ok_or_else(problem::address_invalid)?;
    let tcp = within(CONNECT_MAX, TcpStream::connect((host, port))).await?;
    let tcp = tcp.and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp));
    let tcp = tcp.map_err(|error| problem::unreachable(&error))?;
    let socket = within(HANDSHAKE_MAX, secure(target, host, tcp)).await??;
    within(HANDSHAKE_MAX, upgrade(target, socket)).await?
}

/// Host and port of `host:port` or `[v6]:port`.
fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some((host, port.parse().ok()?))
}

async fn within<T>(time: Duration, step: impl Future<Output = T>) -> Result<T, Problem> {
    timeout(time, step).await.map_err(|_| problem::too_slow())
}

async fn secure(target: &LinkTarget, host: &str, tcp: TcpStream) -> Result<Socket, Problem> {
    if target.server.tls_disabled {
        let near = tcp.peer_addr().is_ok_and(|peer| peer.ip().is_loopback());
        if !near && !target.permissions.plain_anywhere {
            return Err(problem::plain_not_allowed());
        }
        return Ok(Box::new(tcp));
    }
    let config = tls::configuration(trust(target)?).map_err(handshake_failed)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| problem::address_invalid())?;
    let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
    Ok(Box::new(tls.map_err(|error| problem::handshake_failed(&error))?))
}

fn handshake_failed(error: rustls::Error) -> Problem {
    problem::handshake_failed(&io::Error::other(error))
}

/// What makes the server's certificate acceptable.
pub(crate) fn trust(target: &LinkTarget) -> Result<Trust, Problem> {
    match target.server.pin {
        Some(pin) => Ok(Trust::Pin(pin)),
        None if !target.server.certificate_unchecked => Ok(Trust::PublicAuthorities),
        None if target.permissions.certificate_unchecked => Ok(Trust::Unchecked),
        None => Err(problem::unchecked_not_allowed()),
    }
}

async fn upgrade(target: &LinkTarget, socket: Socket) -> Result<WebSocketStream<Socket>, Problem> {
    let scheme = if target.server.tls_disabled { "ws" } else { "wss" };
    let uri = format!("{scheme}://{}{LINK_PATH}", target.server.address);
    let uri: Uri = uri.parse().map_err(|_| problem::address_invalid())?;
    let mut request = ClientRequestBuilder::new(uri).with_sub_protocol(SUB_PROTOCOL);
    if let Some(bearer) = &target.bearer {
        request = request.with_header("Authorization", format!("Bearer {}", bearer.expose()));
    }
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MESSAGE_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let (socket, _answer) = client_async_with_config(request, socket, Some(config))
        .await
        .map_err(|error| problem::upgrade_failed(&error))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_families_are_taken_apart() {
        assert_eq!(host_and_port("club.example:7878"), Some(("club.example", 7878)));
        assert_eq!(host_and_port("127.0.0.1:1"), Some(("127.0.0.1", 1)));
        assert_eq!(host_and_port("[::1]:7878"), Some(("::1", 7878)));
        assert_eq!(host_and_port("club.example"), None);
        assert_eq!(host_and_port("club.example:70000"), None);
    }
}
