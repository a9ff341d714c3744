//! The HTTP form of [`super`]: `PUT`, `GET`, `DELETE` of `/v1/bodies/{name}`.
//!
//! | answer | to | means |
//! |---|---|---|
//! | 200 | GET | the body |
//! | 201, 204 | PUT | it is there now; the same bytes were there before |
//! | 204 | DELETE | it is not there any more |
//! | 400 | all | the name is not spelt as one, or the body is not padded |
//! | 403 | PUT | no permit for this name, or not any more |
//! | 404 | GET | nothing is there |
//! | 408, 413 | PUT | the body came too slowly; it is too long |
//! | 409 | PUT | other bytes are there under this name, and stay |
//! | 429, 507, 503 | all | too often, with `Retry-After`; the disk is full; the depot cannot be reached |
//!
//! Invariants: nothing of a body is read before its permit is found good, and no byte behind the bound; answers have no
//! content but bodies, set no cookie and are not to be kept by anybody between (`no-store`).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse as _, Response};
use axum::routing::put;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use tacite_depot::{BodyName, Holding, PermitKey, Put, Store, StoreError};
use tacite_model::Timestamp;
use tacite_model::limits::{SEALED_BYTES_MAX, UPLOAD_MS_MAX};
use tacite_wire::Code;
use tacite_wire::body::{PATH, PERMIT_HEADER, from_text};
use tokio::time::timeout;

use super::{PutError, Uploads};
use crate::hub::{Hub, Parts};
use crate::refusal::store_code;

/// What stands behind the door.
pub(crate) trait Desk: Send + Sync + 'static {
    /// The store.
    type Depot: Store;
    /// Where the bodies are.
    fn depot(&self) -> &Holding<Self::Depot>;
    /// The key that permits are made with.
    fn permits(&self) -> &PermitKey;
    /// How often permits were used.
    fn uploads(&self) -> &Uploads;
    /// The time.
    fn now(&self) -> Timestamp;
}

impl<P: Parts> Desk for Hub<P> {
    type Depot = P::Depot;

    fn depot(&self) -> &Holding<P::Depot> {
        &self.depot
    }

    fn permits(&self) -> &PermitKey {
        &self.permits
    }

    fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// The routes, for a router that has others as well.
pub(crate) fn routes<D: Desk>(desk: Arc<D>) -> Router {
    let body = put(put_body::<D>).get(get_body::<D>).delete(delete_body::<D>);
    let routes = Router::new().route(&format!("{PATH}{{name}}"), body);
    routes.layer(map_response(without_traces)).with_state(desk)
}

async fn put_body<D: Desk>(
    State(desk): State<Arc<D>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(name) = parse(&name) else { return StatusCode::BAD_REQUEST.into_response() };
    let permit =
        headers.get(PERMIT_HEADER).and_then(|text| from_text(text.to_str().ok()?)).unwrap_or_default();
    if let Err(error) = desk.uploads().admit(desk.permits(), name, &permit, desk.now()) {
        return refusal(&error);
    }
    let body = match timeout(Duration::from_millis(UPLOAD_MS_MAX), read(&headers, body)).await {
        Ok(Ok(body)) => body,
        Ok(Err(status)) => return status.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    match super::put(desk.depot(), name, body, desk.now()).await {
        Ok(Put::Created) => StatusCode::CREATED.into_response(),
        Ok(Put::Same) => StatusCode::NO_CONTENT.into_response(),
        Ok(Put::Other) => StatusCode::CONFLICT.into_response(),
        Err(error) => refusal(&error),
    }
}

async fn get_body<D: Desk>(State(desk): State<Arc<D>>, Path(name): Path<String>) -> Response {
    let Some(name) = parse(&name) else { return StatusCode::BAD_REQUEST.into_response() };
    match super::fetch(desk.depot(), name).await {
        Ok(Some(body)) => ([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => failure(&error).into_response(),
    }
}

async fn delete_body<D: Desk>(State(desk): State<Arc<D>>, Path(name): Path<String>) -> Response {
    let Some(name) = parse(&name) else { return StatusCode::BAD_REQUEST.into_response() };
    match super::delete(desk.depot(), name).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => failure(&error).into_response(),
    }
}

fn parse(name: &str) -> Option<BodyName> {
    Some(BodyName(from_text(name)?.try_into().ok()?))
}

/// The whole body, unless it is longer than any may be.
async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, StatusCode> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > SEALED_BYTES_MAX as u64) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let (mut chunks, mut bytes) = (body.into_data_stream(), BytesMut::new());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| StatusCode::BAD_REQUEST)?;
        if bytes.len() + chunk.len() > SEALED_BYTES_MAX {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

fn refusal(error: &PutError) -> Response {
    match error {
        PutError::Permit(_) => StatusCode::FORBIDDEN.into_response(),
        PutError::Size(_) => StatusCode::BAD_REQUEST.into_response(),
        PutError::TooFast { retry_after_ms } => {
            let after = HeaderValue::from(retry_after_ms.div_ceil(1000));
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, after)]).into_response()
        }
        PutError::Store(error) => failure(error).into_response(),
    }
}

fn failure(error: &StoreError) -> StatusCode {
    match store_code(error) {
        Code::STORAGE_FULL => StatusCode::INSUFFICIENT_STORAGE,
        Code::UNAVAILABLE => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Nobody between client and depot is to keep anything.
async fn without_traces(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
