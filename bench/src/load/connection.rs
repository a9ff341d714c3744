//! One client connection: a TLS socket, driven by a codec.
//!
//! Invariants: TLS 1.3 with one cipher suite and no resumption, so that every server does the same work; what a batch of
//! orders makes leaves in one write.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::BytesMut;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Codec, Event, Order};

/// How many orders leave in one write at most.
const MOST_ORDERS_AT_ONCE: usize = 256;
const READ_BYTES: usize = 4096;
/// How many lost connections are told with their reason; the others are counted.
const MOST_REASONS_TOLD: u64 = 5;

/// How a connection is encrypted, and whose certificate is believed.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// Believes the certificates that the authority in this PEM file signed for `localhost`.
    pub fn new(authority: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        let file = || format!("reading {}", authority.display());
        for certificate in CertificateDer::pem_file_iter(authority).with_context(file)? {
            roots.add(certificate.with_context(file)?)?;
        }
        let provider = CryptoProvider {
            cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384],
            ..aws_lc_rs::default_provider()
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self { connector: Arc::new(config).into(), name: "localhost".try_into()? })
    }
}

/// A connected socket while its log-in is going on.
pub struct Io {
    stream: TlsStream<TcpStream>,
    input: BytesMut,
}

impl Io {
    /// Connects without TLS yet, for protocols that begin in the clear.
    pub async fn connect_tcp(address: &str) -> Result<TcpStream> {
        let tcp = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }

    /// Does the TLS handshake.
    pub async fn encrypt(tcp: TcpStream, tls: &Tls) -> Result<Self> {
        let stream = tls.connector.connect(tls.name.clone(), tcp).await.context("TLS handshake")?;
        Ok(Self { stream, input: BytesMut::new() })
    }

    /// Connects with TLS.
    pub async fn connect(address: &str, tls: &Tls) -> Result<Self> {
        Self::encrypt(Self::connect_tcp(address).await?, tls).await
    }

    /// Writes all of it and flushes.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        Ok(self.stream.flush().await?)
    }

    /// Reads until `end_of` finds where an answer ends in what has come so far, and takes it out.
    pub async fn read(&mut self, end_of: impl Fn(&[u8]) -> Option<usize>) -> Result<BytesMut> {
        loop {
            if let Some(end) = end_of(&self.input) {
                return Ok(self.input.split_to(end));
            }
            let count = self.stream.read_buf(&mut self.input).await?;
            ensure!(count > 0, "closed during log-in, after {:?}", String::from_utf8_lossy(&self.input));
        }
    }

    /// Reads up to and with `needle`.
    pub async fn read_through(&mut self, needle: &str) -> Result<BytesMut> {
        self.read(|input| memchr::memmem::find(input, needle.as_bytes()).map(|at| at + needle.len())).await
    }

    /// The log-in is over: from now on the codec speaks.
    pub fn into_connection(self, codec: impl Codec + 'static) -> Connection {
        Connection { io: self, codec: Box::new(codec) }
    }
}

/// Counts the connections that ended before they were closed.
#[derive(Debug, Clone, Default)]
pub struct FailedLinks(Arc<AtomicU64>);

impl FailedLinks {
    /// How many so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn note(&self, reason: &anyhow::Error) {
        if self.0.fetch_add(1, Ordering::Relaxed) < MOST_REASONS_TOLD {
            eprintln!("connection lost: {reason:#}");
        }
    }
}

/// A logged-in connection that does not run yet.
pub struct Connection {
    io: Io,
    codec: Box<dyn Codec>,
}

/// Gives orders to a running connection.
#[derive(Debug, Clone)]
pub struct Handle(mpsc::UnboundedSender<Order>);

impl Handle {
    /// Queues an order. One that comes after the end of the connection is dropped: the end itself has been counted.
    pub fn order(&self, order: Order) {
        let _ = self.0.send(order);
    }
}

impl Connection {
    /// Runs the connection as a task of its own; `sink` sees each event as it is decoded.
    pub fn start(self, failed: FailedLinks, mut sink: impl FnMut(Event<'_>) + Send + 'static) -> Handle {
        let (sender, orders) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            if let Err(reason) = self.drive(orders, &mut sink).await {
                failed.note(&reason);
            }
        });
        Handle(sender)
    }

    async fn drive(
        self,
        mut orders: mpsc::UnboundedReceiver<Order>,
        sink: &mut (dyn FnMut(Event<'_>) + Send),
    ) -> Result<()> {
        let Self { io: Io { mut stream, mut input }, mut codec } = self;
        let (mut out, mut batch) = (Vec::new(), Vec::new());
        let waker = codec.waker();
        let mut closing = false;
        loop {
            codec.decode(&mut input, &mut out, &mut |event| sink(event))?;
            if !out.is_empty() {
                stream.write_all(&out).await?;
                stream.flush().await?;
                out.clear();
            }
            if closing {
                // The server may be gone already: that is what closing is for.
                let _ = stream.shutdown().await;
                return Ok(());
            }
            input.reserve(READ_BYTES);
            tokio::select! {
                biased;
                count = stream.read_buf(&mut input) => if count? == 0 { bail!("the server closed the connection") },
                count = orders.recv_many(&mut batch, MOST_ORDERS_AT_ONCE) => {
                    if count == 0 {
                        return Ok(());
                    }
                    for order in batch.drain(..) {
                        closing |= order == Order::Close;
                        codec.encode(order, &mut out)?;
                    }
                    if !closing {
                        codec.end_batch(&mut out);
                    }
                }
                () = woken(waker.as_deref()) => {}
            }
        }
    }
}

/// Waits until a codec has something to do by itself.
async fn woken(waker: Option<&Notify>) {
    match waker {
        Some(waker) => waker.notified().await,
        None => std::future::pending().await,
    }
}
