//! What a request may cost.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use thermocline::remote::DEFAULT_OPERATION_TIMEOUT;
use thermocline::upload::MAX_ATTEMPTS;

use super::Api;
use super::error::ApiError;
use super::routes::HEATMAP_UPLOAD;

/// How long an upload by command may take: the one that it may have to wait for, then its own. Each try reads an
/// object and writes one. Whoever asks has less patience, and hangs up: that ends the wait and not the upload.
pub(super) const UPLOAD_TIMEOUT: Duration = DEFAULT_OPERATION_TIMEOUT.saturating_mul(2 * 2 * MAX_ATTEMPTS);

/// The body is read whole before a handler sees it, so that what is too large is never kept, and what comes too slowly
/// is given up.
pub(super) async fn bound(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let live = api.live();
    let (parts, body) = request.into_parts();
    let limit = live.max_body_bytes;
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced > limit as u64) {
        return too_large(limit).into_response();
    }
    let body = match tokio::time::timeout(live.request_timeout, read(body, limit)).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => return error.into_response(),
        Err(_) => {
            let shown = humantime::format_duration(live.request_timeout);
            let msg = format!("the request's body did not arrive within {shown} (http.request_timeout)");
            return ApiError::new(StatusCode::REQUEST_TIMEOUT, msg).into_response();
        }
    };
    let is_upload = parts.extensions.get::<MatchedPath>().is_some_and(|path| path.as_str() == HEATMAP_UPLOAD);
    let (timeout, name) =
        if is_upload { (UPLOAD_TIMEOUT, "") } else { (live.request_timeout, " (http.request_timeout)") };
    let answer = next.run(Request::from_parts(parts, Body::from(body)));
    tokio::time::timeout(timeout, answer).await.unwrap_or_else(|_| {
        let msg = format!("it took longer than {}{name}", humantime::format_duration(timeout));
        ApiError::new(StatusCode::GATEWAY_TIMEOUT, msg).into_response()
    })
}

async fn read(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let mut chunks = body.into_data_stream();
    let mut read = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| ApiError::bad_request(format!("the body broke off: {error}")))?;
        if read.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read.into())
}

fn too_large(limit: usize) -> ApiError {
    let msg = format!("a request's body has at most {limit} bytes (http.max_body_bytes)");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, msg)
}
