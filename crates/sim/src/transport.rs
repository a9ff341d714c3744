//! The server's end of a simulated link: what it sends goes to the post, which the world empties.
//!
//! Invariants: nothing that was flushed is lost here: what the network does to messages, the world decides; what was not
//! flushed goes with the transport, as it does with a socket; when the server lets go of it, the world is told.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::{Sink, Stream};
use tacite_server::LinkMessage;
use tokio::sync::{Notify, mpsc};

/// What servers have sent and the world has not yet taken.
#[derive(Default)]
pub(crate) struct Post {
    /// By number of the link; `None`: the server has ended it.
    sent: Mutex<Vec<(u64, Option<LinkMessage>)>>,
    /// Rung for everything that is sent.
    pub(crate) bell: Notify,
}

/// See the module.
pub(crate) struct Transport {
    link: u64,
    incoming: mpsc::UnboundedReceiver<LinkMessage>,
    unflushed: Vec<LinkMessage>,
    post: Arc<Post>,
}

impl Post {
    /// Takes all.
    pub(crate) fn take(&self) -> Vec<(u64, Option<LinkMessage>)> {
        std::mem::take(&mut *self.sent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, link: u64, message: Option<LinkMessage>) {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push((link, message));
        self.bell.notify_one();
    }
}

impl Transport {
    /// The server's end of the link with this number, and a way to send to it.
    pub(crate) fn new(link: u64, post: &Arc<Post>) -> (Self, mpsc::UnboundedSender<LinkMessage>) {
        let (sender, incoming) = mpsc::unbounded_channel();
        (Self { link, incoming, unflushed: Vec::new(), post: Arc::clone(post) }, sender)
    }
}

impl Stream for Transport {
    type Item = Result<LinkMessage, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.incoming.poll_recv(cx).map(|message| message.map(Ok))
    }
}

impl Sink<LinkMessage> for Transport {
    type Error = Infallible;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, message: LinkMessage) -> Result<(), Infallible> {
        self.unflushed.push(message);
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        for message in std::mem::take(&mut self.unflushed) {
            self.post.put(self.link, Some(message));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.post.put(self.link, None);
    }
}
