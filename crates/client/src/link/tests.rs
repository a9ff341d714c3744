//! A link against a WebSocket server in the same process, without TLS (which `tests/tls.rs` covers).
//!
//! Invariant: no test waits for a time to pass; each ends with the link's own last event.

use std::sync::Arc;

use tacite_core::Server;
use tacite_model::limits::FRAME_BODY_BYTES_MAX;
use tacite_model::{MessageId, Secret, Timestamp};
use tacite_wire::proto::Failure;
use tacite_wire::{HEADER_BYTES, Opcode, SUB_PROTOCOL};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use super::*;
use crate::session::Permissions;

struct Told(mpsc::UnboundedSender<LinkEvent>);

impl LinkEvents for Told {
    async fn tell(&self, event: LinkEvent) -> bool {
        self.0.send(event).is_ok()
    }
}

/// An open link and the server's end of it.
struct Pair {
    frames: mpsc::UnboundedSender<Frame>,
    events: mpsc::UnboundedReceiver<LinkEvent>,
    server: WebSocketStream<TcpStream>,
    headers: Vec<(String, String)>,
}

async fn pair() -> Pair {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (frames, mut events) = link_to(&listener.local_addr().unwrap().to_string());
    let (tcp, _) = listener.accept().await.unwrap();
    let headers = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&headers);
    #[expect(clippy::result_large_err, reason = "the library's signature")]
    let accept = move |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
        *seen.try_lock().unwrap() = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
            .collect();
        response.headers_mut().insert("sec-websocket-protocol", SUB_PROTOCOL.parse().unwrap());
        Ok(response)
    };
    let server = accept_hdr_async(tcp, accept).await.unwrap();
    let headers = headers.lock().await.clone();
    assert!(matches!(events.recv().await, Some(LinkEvent::Opened)));
    Pair { frames, events, server, headers }
}

fn link_to(address: &str) -> (mpsc::UnboundedSender<Frame>, mpsc::UnboundedReceiver<LinkEvent>) {
    let (frames, frames_out) = mpsc::unbounded_channel();
    let (told, events) = mpsc::unbounded_channel();
    let server = Server {
        address: address.to_owned(),
        name: None,
        pin: None,
        tls_disabled: true,
        certificate_unchecked: false,
    };
    let bearer = Some(Secret::new("token".to_owned()));
    let target = LinkTarget { server, bearer, permissions: Permissions::default() };
    tokio::spawn(run(target, frames_out, Told(told)));
    (frames, events)
}

fn frame(detail: &str) -> Frame {
    let body = Failure { detail: detail.to_owned(), ..Failure::default() };
    Frame::command(Opcode::HELLO, MessageId::from_bytes([1; 16]), Timestamp::from_ms(1), &body).unwrap()
}

async fn ends_with(mut events: mpsc::UnboundedReceiver<LinkEvent>) -> Option<&'static str> {
    while let Some(event) = events.recv().await {
        if let LinkEvent::Closed(cause) = event {
            assert!(events.recv().await.is_none(), "nothing comes after the end");
            return cause.map(|problem| problem.word);
        }
    }
    panic!("the end was not told");
}

#[tokio::test]
async fn sub_protocol_and_token_travel_in_headers() {
    let pair = pair().await;
    let header = |name: &str| pair.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    assert_eq!(header("sec-websocket-protocol"), Some("tacite.v1"));
    assert_eq!(header("authorization"), Some("Bearer token"));
}

#[tokio::test]
async fn frames_pass_in_both_directions_in_order() {
    let mut pair = pair().await;
    for detail in ["first", "second"] {
        pair.frames.send(frame(detail)).unwrap();
        pair.server.send(Message::Binary(frame(detail).into_bytes())).await.unwrap();
    }
    for detail in ["first", "second"] {
        let sent = pair.server.next().await.unwrap().unwrap();
        assert_eq!(sent, Message::Binary(frame(detail).into_bytes()));
        let Some(LinkEvent::Arrived(arrived)) = pair.events.recv().await else { panic!("a frame") };
        assert_eq!(arrived, frame(detail));
    }
}

#[tokio::test]
async fn what_was_handed_over_is_sent_before_the_end() {
    let mut pair = pair().await;
    pair.frames.send(frame("last words")).unwrap();
    drop(pair.frames);
    assert_eq!(pair.server.next().await.unwrap().unwrap(), Message::Binary(frame("last words").into_bytes()));
    assert!(matches!(pair.server.next().await, Some(Ok(Message::Close(_)))));
    drop(pair.server);
    ends_with(pair.events).await;
}

#[tokio::test]
async fn the_servers_end_is_the_links_end() {
    let mut pair = pair().await;
    pair.server.close(None).await.unwrap();
    assert_eq!(ends_with(pair.events).await, None);
}

// A8: one bad frame does not end the link, a flood of them does.
#[tokio::test]
async fn only_a_flood_of_garbage_ends_the_link() {
    let mut pair = pair().await;
    for _ in 0..LINK_BAD_FRAMES_MAX {
        pair.server.send(Message::binary(vec![0; 41])).await.unwrap();
    }
    pair.server.send(Message::Binary(frame("still here").into_bytes())).await.unwrap();
    assert!(matches!(pair.events.recv().await, Some(LinkEvent::Arrived(_))));
    pair.server.send(Message::text("nonsense")).await.unwrap();
    assert_eq!(ends_with(pair.events).await, Some("server-garbage"));
}

#[tokio::test]
async fn the_largest_frame_passes_and_one_more_byte_ends_the_link() {
    let mut pair = pair().await;
    let largest = frame(&"x".repeat(FRAME_BODY_BYTES_MAX - 4)).into_bytes();
    assert_eq!(largest.len(), HEADER_BYTES + FRAME_BODY_BYTES_MAX);
    pair.server.send(Message::Binary(largest.clone())).await.unwrap();
    assert!(matches!(pair.events.recv().await, Some(LinkEvent::Arrived(_))));
    let mut larger = largest.to_vec();
    larger.push(0);
    pair.server.send(Message::binary(larger)).await.unwrap();
    assert_eq!(ends_with(pair.events).await, Some("link-lost"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_passing_problem() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let (_frames, events) = link_to(&address);
    assert_eq!(ends_with(events).await, Some("server-unreachable"));
}

#[tokio::test]
async fn another_kind_of_server_is_no_passing_problem() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_frames, mut events) = link_to(&listener.local_addr().unwrap().to_string());
    let (mut tcp, _) = listener.accept().await.unwrap();
    let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut tcp, answer).await.unwrap();
    let Some(LinkEvent::Closed(Some(problem))) = events.recv().await else { panic!("the end") };
    assert_eq!((problem.word, problem.retryable), ("not-a-server", false));
}

#[tokio::test]
async fn a_link_that_is_no_longer_wanted_ends_while_it_is_opened() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (frames, events) = link_to(&listener.local_addr().unwrap().to_string());
    let (_tcp, _) = listener.accept().await.unwrap();
    drop(frames);
    assert_eq!(ends_with(events).await, None);
}
