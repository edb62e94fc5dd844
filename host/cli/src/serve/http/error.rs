//! Answers that are errors: JSON with a sentence in `msg`, as the pageserver's own API has them.

use axum::Json;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// When to try again what could not be done now.
pub(super) const RETRY_AFTER_S: u64 = 1;

/// An error's body.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Msg {
    /// What is wrong, and what to do.
    msg: String,
}

/// An error that is answered.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    msg: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, msg: impl Into<String>) -> Self {
        ApiError { status, msg: msg.into() }
    }

    pub(super) fn bad_request(msg: impl Into<String>) -> Self {
        ApiError::new(StatusCode::BAD_REQUEST, msg)
    }

    pub(super) fn not_found(msg: impl Into<String>) -> Self {
        ApiError::new(StatusCode::NOT_FOUND, msg)
    }

    pub(super) fn no_route() -> Self {
        ApiError::not_found("nothing is served here: /openapi.json says what is")
    }

    pub(super) fn method() -> Self {
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "not with this method: /openapi.json says with which")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(Msg { msg: self.msg })).into_response();
        with_headers(&mut response);
        response
    }
}

/// What a status asks for beside the body.
pub(super) fn with_headers(response: &mut Response) {
    match response.status() {
        StatusCode::SERVICE_UNAVAILABLE => {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
        }
        StatusCode::UNAUTHORIZED => {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        _ => {}
    }
}

/// An error that the framework answers with plain text becomes one of ours: what is told stays.
pub(super) async fn as_json(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    ApiError::new(status, status.canonical_reason().unwrap_or("it cannot be done")).into_response()
}
