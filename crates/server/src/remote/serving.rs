//! The called side: a part that serves its store.
//!
//! Invariants: nothing is read but the greeting before it is found right; calls of one connection are begun in their order
//! and answered as they are done; a caller that does not read its answers is waited for, not buffered for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tacite_model::limits::HANDSHAKE_MS_MAX;
use tokio::io::{AsyncReadExt as _, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::calls::{Part, begin};
use super::frames::Frame;
use super::secret::PartSecret;

/// Callers at once. A server needs one.
const CALLERS_MAX: usize = 64;
/// Answers that wait to be written to one caller.
const ANSWERS_MAX: usize = 1024;
const HANDSHAKE: Duration = Duration::from_millis(HANDSHAKE_MS_MAX);

/// Serves callers until told to stop.
pub(crate) async fn serve<P: Part>(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    secret: PartSecret,
    part: Arc<P>,
    stop: CancellationToken,
) {
    let (acceptor, places) = (TlsAcceptor::from(tls), Arc::new(Semaphore::new(CALLERS_MAX)));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (acceptor, secret, part, stop) =
            (acceptor.clone(), secret.clone(), Arc::clone(&part), stop.clone());
        tokio::spawn(async move {
            let served = stop.run_until_cancelled(caller(stream, &acceptor, &secret, part)).await;
            if let Some(Err(error)) = served {
                tracing::debug!(%error, "a caller is gone");
            }
            drop(place);
        });
    }
}

async fn caller<P: Part>(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    secret: &PartSecret,
    part: Arc<P>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let greeted = async {
        let mut stream = acceptor.accept(stream).await?;
        let mut greeting = [0; 32];
        stream.read_exact(&mut greeting).await?;
        io::Result::Ok((stream, greeting))
    };
    let (stream, greeting) = timeout(HANDSHAKE, greeted).await??;
    if !secret.is_greeting(&greeting) {
        tracing::warn!("a caller without the secret of the parts was refused");
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let (mut reading, mut writing) = split(stream);
    let (answers, mut to_write) = mpsc::channel::<Frame>(ANSWERS_MAX);
    let writer = tokio::spawn(async move {
        while let Some(frame) = to_write.recv().await {
            if frame.write(&mut writing).await.is_err() {
                break;
            }
        }
    });
    let ended = loop {
        let call = match Frame::read(&mut reading).await {
            Ok(call) => call,
            Err(error) => break error,
        };
        let Ok(place) = answers.clone().reserve_owned().await else { break io::ErrorKind::BrokenPipe.into() };
        let part = Arc::clone(&part);
        // The first poll, which queues the write, happens here: so calls are begun in their order.
        let mut answering = Box::pin(async move { begin(&*part, call).await });
        match futures_util::poll!(&mut answering) {
            std::task::Poll::Ready(answer) => drop(place.send(answer)),
            std::task::Poll::Pending => drop(tokio::spawn(async move { drop(place.send(answering.await)) })),
        }
    };
    drop(answers);
    let _ = writer.await;
    Err(ended)
}
