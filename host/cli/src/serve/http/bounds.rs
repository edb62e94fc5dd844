//! What a request may cost.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use thermocline::remote::DEFAULT_OPERATION_TIMEOUT;
use thermocline::upload::MAX_ATTEMPTS;

use super::Api;
use super::error::ApiError;
use super::policies::POLICIES;
use super::routes::HEATMAP_UPLOAD;
use super::turn::Turn;

/// How long an upload by command may take: the one that it may have to wait for, then its own. Each try reads an
/// object and writes one. Whoever asks has less patience, and hangs up: that ends the wait and not the upload.
pub(super) const UPLOAD_TIMEOUT: Duration = DEFAULT_OPERATION_TIMEOUT.saturating_mul(2 * 2 * MAX_ATTEMPTS);

/// How long a change of policies may take: those before it, then its own. A component of the largest size compiles for a
/// quarter of a minute. Whoever asks and hangs up ends the wait and not the change.
pub(super) const CHANGE_TIMEOUT: Duration = Duration::from_mins(5);

/// What a request asks for, as far as its cost goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// To upload a heatmap now.
    Upload,
    /// To install a component, which is the body.
    Install,
    /// To change something else about policies.
    Change,
    /// Anything else.
    Other,
}

impl Asked {
    fn of(parts: &axum::http::request::Parts) -> Self {
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        match parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str) {
            Some(HEATMAP_UPLOAD) => Asked::Upload,
            Some(POLICIES) if parts.method == Method::POST => Asked::Install,
            Some(path) if path.starts_with(POLICIES) && !reads => Asked::Change,
            _ => Asked::Other,
        }
    }

    fn body_limit(self, api: &Api) -> Limit {
        match self {
            Asked::Install => Limit { what: "a policy", bytes: api.service.policies().component_bytes(), setting: "" },
            _ => {
                Limit { what: "a request's body", bytes: api.live().max_body_bytes, setting: " (http.max_body_bytes)" }
            }
        }
    }
}

/// How large a body may be.
#[derive(Clone, Copy, Debug)]
struct Limit {
    what: &'static str,
    bytes: usize,
    setting: &'static str,
}

impl Limit {
    fn exceeded(self) -> ApiError {
        let Limit { what, bytes, setting } = self;
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, format!("{what} has at most {bytes} bytes{setting}"))
    }
}

/// The body is read whole before a handler sees it, so that what is too large is never kept, and what comes too slowly
/// is given up.
pub(super) async fn bound(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let live = api.live();
    let (mut parts, body) = request.into_parts();
    let asked = Asked::of(&parts);
    let limit = asked.body_limit(&api);
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced > limit.bytes as u64) {
        return limit.exceeded().into_response();
    }
    // Before the body is read: bodies that are components are large.
    if matches!(asked, Asked::Install | Asked::Change) {
        match Turn::take(&api) {
            Ok(turn) => drop(parts.extensions.insert(turn)),
            Err(error) => return error.into_response(),
        }
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
    let (timeout, name) = match asked {
        Asked::Upload => (UPLOAD_TIMEOUT, ""),
        Asked::Install | Asked::Change => (CHANGE_TIMEOUT, "; it goes on: `thermocline policy log` says how it ended"),
        Asked::Other => (live.request_timeout, " (http.request_timeout)"),
    };
    let answer = next.run(Request::from_parts(parts, Body::from(body)));
    tokio::time::timeout(timeout, answer).await.unwrap_or_else(|_| {
        let msg = format!("it took longer than {}{name}", humantime::format_duration(timeout));
        ApiError::new(StatusCode::GATEWAY_TIMEOUT, msg).into_response()
    })
}

async fn read(body: Body, limit: Limit) -> Result<Bytes, ApiError> {
    let mut chunks = body.into_data_stream();
    let mut read = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| ApiError::bad_request(format!("the body broke off: {error}")))?;
        if read.len() + chunk.len() > limit.bytes {
            return Err(limit.exceeded());
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read.into())
}
