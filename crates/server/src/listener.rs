//! Accepting connections: TCP, TLS, HTTP.
//!
//! Invariants: a connection that does not finish its handshakes in time is dropped (T55, T68); one that becomes no link is
//! ended after a while, and so many of them are served at once, whatever they do; an error of one connection
//! ends only that connection; no address is logged.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tacite_model::limits::{HANDSHAKE_MS_MAX, HTTP_CONNECTION_MS_MAX, STRANGERS_MAX, UPLOAD_MS_MAX};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const HANDSHAKE: Duration = Duration::from_millis(HANDSHAKE_MS_MAX);

/// Accepts connections until told to stop.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    routes: Router,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let acceptor = tls.map(TlsAcceptor::from);
    let places = Arc::new(Semaphore::new(STRANGERS_MAX));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, _) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors: wait for some to be closed instead of spinning.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (acceptor, routes) = (acceptor.clone(), routes.clone());
        let stop = stop.clone();
        tasks.spawn(async move {
            connection(stream, acceptor, routes, stop).await;
            drop(place);
        });
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    routes: Router,
    stop: CancellationToken,
) {
    // Frames are small and should leave at once.
    let _ = stream.set_nodelay(true);
    match acceptor {
        None => http(stream, routes, stop).await,
        Some(acceptor) => match timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => http(stream, routes, stop).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        },
    }
}

/// Serves one connection that is ready for HTTP.
pub(crate) async fn http(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    routes: Router,
    stop: CancellationToken,
) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE)
        .max_headers(32)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes))
        .with_upgrades();
    let mut served = std::pin::pin!(served);
    // A link has left this future by its upgrade and is told to end by itself.
    let served = tokio::select! {
        () = stop.cancelled() => return,
        served = &mut served => served,
        () = tokio::time::sleep(Duration::from_millis(HTTP_CONNECTION_MS_MAX)) => {
            // What is under way may still end.
            served.as_mut().graceful_shutdown();
            let Ok(served) = timeout(Duration::from_millis(UPLOAD_MS_MAX), served).await else { return };
            served
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "HTTP connection failed");
    }
}
