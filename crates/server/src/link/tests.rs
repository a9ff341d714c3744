//! What a link's task sends first.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::ws::Message;
use futures_util::{Sink, Stream};
use tacite_wire::{Frame, Opcode, proto};

use super::Driver;
use crate::queue::Haste;
use crate::session::Session;
use crate::tests::World;

/// A client that listens for a moment and leaves.
#[derive(Default)]
struct Client {
    heard: Vec<Message>,
    leaves: bool,
}

impl Stream for Client {
    type Item = Result<Message, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::replace(&mut self.leaves, true) { Poll::Ready(None) } else { Poll::Pending }
    }
}

impl Sink<Message> for Client {
    type Error = Infallible;

    fn poll_ready(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Infallible> {
        self.heard.push(message);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

// A link that is opened with a token can be pushed to before its task runs.
#[tokio::test]
async fn a_link_begins_with_cnnt_whatever_was_pushed_before() {
    let world = World::start().await;
    let (link, queue) = world.hub.links.open();
    queue.push(world.hub.push_frame(Opcode::LEVEL, &proto::Empty {}), Haste::AtOnce);
    let mut session = Session::new(link, world.hub.chance.bytes());
    let socket = Client::default();
    let mut driver = Driver { hub: &world.hub, socket, session: &mut session, queue: &queue };
    driver.run().await;
    let opcode = |message: Message| Frame::decode(message.into_data()).unwrap().header.opcode;
    let heard: Vec<Opcode> = driver.socket.heard.into_iter().map(opcode).collect();
    assert_eq!(heard, [Opcode::CONNECTED, Opcode::LEVEL]);
}
