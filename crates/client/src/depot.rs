//! Split mode: sealed bodies are put into a depot and fetched from it over HTTPS.
//!
//! Invariants: a depot is trusted as the link's server is, by the same key or authorities; nothing is redirected or goes by a
//! proxy; every answer is bounded in size and time; names of bodies and addresses never reach a log.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::header::{CONTENT_TYPE, RETRY_AFTER};
use hyper::http::uri::Scheme;
use hyper::{Method, Request, Response, StatusCode, Uri, body::Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tacite_core::{BodyName, Problem};
use tacite_model::Secret;
use tacite_model::limits::SEALED_BYTES_MAX;
use tacite_wire::body::{PATH, PERMIT_HEADER, to_text};
use tokio::time::timeout;

use crate::link::{LinkTarget, trust};
use crate::{problem, tls};

const CONNECT_MAX: Duration = Duration::from_secs(10);
/// One request with its answer: the largest body over a slow line.
const REQUEST_MAX: Duration = Duration::from_mins(1);
/// Connections to a depot that are kept for the next body.
const IDLE_CONNECTIONS_MAX: usize = 4;
/// How long one is kept that has nothing to do: a depot closes it after ten seconds.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// The way to the depot of one link.
#[derive(Debug, Clone)]
pub(crate) struct Depot {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// `https://host:port` of the link.
    link_url: String,
    /// Whether bodies may go without TLS, and then to this machine only.
    plain: Plain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plain {
    Never,
    ToThisMachine,
    Anywhere,
}

impl Depot {
    /// The depot of the server to which a link goes.
    pub(crate) fn new(target: &LinkTarget) -> Result<Self, Problem> {
        let failed = |error| problem::handshake_failed(&io::Error::other(error));
        let server = &target.server;
        let (plain, trust) = match (server.tls_disabled, target.permissions.plain_anywhere) {
            (false, _) => (Plain::Never, trust(target)?),
            // Never used: all goes without TLS.
            (true, true) => (Plain::Anywhere, tls::Trust::PublicAuthorities),
            (true, false) => (Plain::ToThisMachine, tls::Trust::PublicAuthorities),
        };
        let config = tls::configuration(trust).map_err(failed)?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_MAX));
        let builder = HttpsConnectorBuilder::new().with_tls_config(config);
        let connector = builder.https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .pool_idle_timeout(IDLE_MAX)
            .http1_max_headers(32)
            .build(connector);
        let scheme = if plain == Plain::Never { "https" } else { "http" };
        Ok(Self { client, link_url: format!("{scheme}://{}", server.address), plain })
    }

    /// Puts a body. It is well if another one is there under this name already: only we are permitted to put one, so it is
    /// this message, sealed earlier.
    pub(crate) async fn put(
        &self,
        depot_url: &str,
        name: BodyName,
        permit: &Secret<Vec<u8>>,
        bytes: Vec<u8>,
    ) -> Result<(), Problem> {
        let request = Request::builder()
            .method(Method::PUT)
            .uri(self.uri(depot_url, name)?)
            .header(PERMIT_HEADER, to_text(permit.expose()))
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(Full::new(Bytes::from(bytes)))
            .map_err(|_| problem::depot_address_invalid())?;
        let answer = self.ask(request).await?;
        match answer.status() {
            StatusCode::CREATED | StatusCode::NO_CONTENT | StatusCode::CONFLICT => Ok(()),
            _ => Err(refusal(&answer)),
        }
    }

    /// Fetches a body, cut off one byte behind the longest that there may be; `None` if there is none.
    pub(crate) async fn fetch(&self, depot_url: &str, name: BodyName) -> Result<Option<Vec<u8>>, Problem> {
        let request = Request::get(self.uri(depot_url, name)?)
            .body(Full::default())
            .map_err(|_| problem::depot_address_invalid())?;
        let answer = self.ask(request).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(refusal(&answer)),
        }
        let body = Limited::new(answer.into_body(), SEALED_BYTES_MAX).collect();
        match timeout(REQUEST_MAX, body).await.map_err(|_| problem::too_slow())? {
            Ok(body) => Ok(Some(body.to_bytes().into())),
            Err(error) if error.is::<LengthLimitError>() => Ok(Some(vec![0; SEALED_BYTES_MAX + 1])),
            Err(_) => Err(problem::depot_unreachable()),
        }
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Problem> {
        let answer = timeout(REQUEST_MAX, self.client.request(request)).await;
        answer.map_err(|_| problem::too_slow())?.map_err(|_| problem::depot_unreachable())
    }

    fn uri(&self, depot_url: &str, name: BodyName) -> Result<Uri, Problem> {
        let base = if depot_url.is_empty() { &self.link_url } else { depot_url };
        let uri = format!("{}{PATH}{}", base.trim_end_matches('/'), to_text(&name.0));
        let uri: Uri = uri.parse().map_err(|_| problem::depot_address_invalid())?;
        let is_near = matches!(uri.host(), Some("127.0.0.1" | "[::1]" | "localhost"));
        let is_allowed = match self.plain {
            Plain::Never => false,
            Plain::ToThisMachine => is_near,
            Plain::Anywhere => true,
        };
        if uri.scheme() != Some(&Scheme::HTTPS) && !is_allowed {
            return Err(problem::depot_address_invalid());
        }
        Ok(uri)
    }
}

/// What a depot's status means.
fn refusal(answer: &Response<Incoming>) -> Problem {
    let seconds =
        answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let retry_after_ms = seconds.map(|seconds| seconds.saturating_mul(1000));
    Problem { retry_after_ms, ..problem::depot_refused(answer.status()) }
}

#[cfg(test)]
mod tests;
