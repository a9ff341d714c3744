//! Split mode: sealed bodies are put and fetched over HTTPS, beside the link.
//!
//! Invariants: as in the client, connections are kept alive for the next body, few of them and not for long; each request has a
//! connection for itself while it lasts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use tacite_wire::body::{self, PATH, PERMIT_HEADER, to_text};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::locked;
use crate::load::connection::{Io, Tls};
use crate::load::target::Target;

/// Connections that are kept without a request.
const IDLE_CONNECTIONS_MAX: usize = 4;
/// For how long.
const IDLE_MAX: Duration = Duration::from_secs(5);
/// What ends the head of an answer.
const END_OF_HEAD: &str = "\r\n\r\n";

/// The name of a body.
pub(super) type Name = [u8; 32];

/// What was done.
#[derive(Debug)]
pub(super) enum Done {
    /// A body was put.
    Put(Name),
    /// A sealed body was fetched.
    Fetched(Name, Bytes),
}

/// One person's way to the depot.
pub(super) struct Bodies {
    door: Arc<Door>,
    tell: mpsc::UnboundedSender<Result<Done>>,
    told: mpsc::UnboundedReceiver<Result<Done>>,
    waker: Arc<Notify>,
}

struct Door {
    address: String,
    tls: Tls,
    idle: Mutex<Vec<(Io, Instant)>>,
}

impl Bodies {
    /// At the address of the link.
    pub(super) fn new(target: &Target) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        let door = Door { address: target.address.clone(), tls: target.tls.clone(), idle: Mutex::default() };
        Self { door: Arc::new(door), tell, told, waker: Arc::default() }
    }

    /// Is notified whenever [`Bodies::next`] has something.
    pub(super) fn waker(&self) -> Arc<Notify> {
        Arc::clone(&self.waker)
    }

    /// What was done meanwhile.
    pub(super) fn next(&mut self) -> Result<Option<Done>> {
        self.told.try_recv().ok().transpose()
    }

    /// Puts a sealed body, padded.
    pub(super) fn put(&self, name: Name, permit: &[u8], sealed: &[u8]) -> Result<()> {
        let padded = body::pad(sealed).context("a sealed body that is too long")?;
        let head = format!(
            "PUT {PATH}{} HTTP/1.1\r\n{PERMIT_HEADER}: {}\r\ncontent-type: application/octet-stream\r\n\
             host: {}\r\ncontent-length: {}{END_OF_HEAD}",
            to_text(&name),
            to_text(permit),
            self.door.address,
            padded.len()
        );
        let request = [head.as_bytes(), &padded].concat();
        self.begin(request, move |status, _| match status {
            201 | 204 | 409 => Ok(Done::Put(name)),
            _ => bail!("a body was not put: HTTP {status}"),
        });
        Ok(())
    }

    /// Fetches a sealed body.
    pub(super) fn fetch(&self, name: Name) {
        let head =
            format!("GET {PATH}{} HTTP/1.1\r\nhost: {}{END_OF_HEAD}", to_text(&name), self.door.address);
        self.begin(head.into_bytes(), move |status, padded| {
            ensure!(status == 200, "a body was not fetched: HTTP {status}");
            Ok(Done::Fetched(name, body::unpad(&padded).context("a body that is not padded")?))
        });
    }

    fn begin(&self, request: Vec<u8>, done: impl FnOnce(u16, Bytes) -> Result<Done> + Send + 'static) {
        let (door, tell, waker) = (Arc::clone(&self.door), self.tell.clone(), Arc::clone(&self.waker));
        tokio::spawn(async move {
            let outcome = door.ask(&request).await.and_then(|(status, body)| done(status, body));
            // The link may have ended meanwhile.
            let _ = tell.send(outcome);
            waker.notify_one();
        });
    }
}

impl Door {
    /// Status and body of the answer. A connection that the depot has closed meanwhile is no failure.
    async fn ask(&self, request: &[u8]) -> Result<(u16, Bytes)> {
        let kept = self.kept();
        if let Some(io) = kept
            && let Ok(answer) = self.ask_over(io, request).await
        {
            return Ok(answer);
        }
        let io = Io::connect(&self.address, &self.tls).await?;
        self.ask_over(io, request).await
    }

    async fn ask_over(&self, mut io: Io, request: &[u8]) -> Result<(u16, Bytes)> {
        io.write(request).await?;
        let head = io.read_through(END_OF_HEAD).await?;
        let (status, length) = parse(&head)?;
        let body = io.read(|input| (input.len() >= length).then_some(length)).await?;
        let mut idle = locked(&self.idle);
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push((io, Instant::now()));
        }
        Ok((status, body.freeze()))
    }

    fn kept(&self) -> Option<Io> {
        let mut idle = locked(&self.idle);
        idle.retain(|(_, since)| since.elapsed() < IDLE_MAX);
        idle.pop().map(|(io, _)| io)
    }
}

/// Status and length of the body, from the head of an answer.
fn parse(head: &[u8]) -> Result<(u16, usize)> {
    let head = std::str::from_utf8(head)?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no answer of HTTP")?;
    let length = lines.filter_map(|line| line.split_once(": ")).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>())
    });
    Ok((status.parse()?, length.transpose()?.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_length_are_read_from_the_head() {
        assert_eq!(parse(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").unwrap(), (201, 0));
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 1024\r\n\r\n").unwrap(), (200, 1024));
        assert_eq!(parse(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap(), (204, 0));
        assert!(parse(b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n").is_err());
        assert!(parse(b"tacite\r\n\r\n").is_err());
    }
}
