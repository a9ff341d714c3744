//! The HTTP side: the upgrade to a link, health and readiness, and the depot's door ([`crate::bodies`]).
//!
//! Invariants: a request of a web page from elsewhere is refused before the upgrade (T55); compression is off (T45, T55);
//! nothing here logs an address.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tacite_model::limits::{FRAME_BODY_BYTES_MAX, LINKS_MAX};
use tacite_wire::{LINK_PATH, SUB_PROTOCOL};

use crate::hub::{Hub, Parts};
use crate::{bodies, link};

/// A WebSocket message above this ends the link; one above a frame's size is merely refused.
const MESSAGE_BYTES_MAX: usize = 4 * FRAME_BODY_BYTES_MAX;

/// What is read at once, and what a link's buffer holds while it is idle: TLS has decrypted it already, so more reads cost little.
const READ_BYTES: usize = 384;

/// What is written at once: a TLS record. The buffer grows as it is needed, so an idle link has a small one.
const WRITE_BYTES_MAX: usize = 16 * 1024;

/// The routes.
pub(crate) fn routes<P: Parts>(hub: Arc<Hub<P>>) -> Router {
    // A depot that is apart has this door itself.
    let is_apart = !hub.policy.depot_url.is_empty();
    let bodies = if is_apart { Router::new() } else { bodies::http::routes(Arc::clone(&hub)) };
    Router::new()
        .route(LINK_PATH, get(upgrade::<P>))
        .route("/", get(upgrade::<P>))
        .route("/health", get(async || "ok\n"))
        .route("/ready", get(ready::<P>))
        .with_state(hub)
        .merge(bodies)
}

async fn upgrade<P: Parts>(
    State(hub): State<Arc<Hub<P>>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return (StatusCode::UPGRADE_REQUIRED, "This is a Tacite server; connect with a Tacite client.\n")
            .into_response();
    };
    if !is_same_origin(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    if hub.links.count() >= LINKS_MAX {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let mut identity = None;
    if let Some(token) = bearer(&headers) {
        identity = hub.accounts.verify_access(token, hub.clock.now()).await.ok();
    }
    upgrade
        .protocols([SUB_PROTOCOL])
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(WRITE_BYTES_MAX)
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .on_upgrade(async move |socket| {
            // A server that stops waits for its links.
            let _tracked = hub.tasks.token();
            // In a box, because a future keeps a place for each hand that a value goes through.
            link::run(hub, Box::new(socket), identity).await;
        })
}

/// Browsers say where a page comes from; other clients say nothing.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    match (headers.get(header::ORIGIN), text(header::HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => {
            let origin = origin.to_str().unwrap_or_default();
            origin.strip_prefix("https://").or(origin.strip_prefix("http://")) == Some(host)
        }
        (Some(_), None) => false,
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

async fn ready<P: Parts>(State(hub): State<Arc<Hub<P>>>) -> Response {
    match hub.accounts.account_count().await {
        Ok(_) => (StatusCode::OK, "ready\n").into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // T55: cross-site WebSocket hijacking.
    #[test]
    fn pages_from_elsewhere_are_refused() {
        let with = |origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "chat.example:7878".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            is_same_origin(&headers)
        };
        assert!(with(None));
        assert!(with(Some("https://chat.example:7878")));
        assert!(!with(Some("https://evil.example")));
        assert!(!with(Some("https://chat.example:7878.evil.example")));
        assert!(!with(Some("null")));
    }
}
