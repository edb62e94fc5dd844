//! Who may ask for what.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use thermocline::layer::TenantShardId;

use super::Api;
use super::error::ApiError;
use super::routes::HEALTHZ;
use super::who::Subject;
use crate::serve::auth::{Grant, Wanted};

/// Lets through what the token allows; everything where no key is configured, which only a loopback address may be.
///
/// `/healthz` is open, because whoever restarts what is ill has no token; `/metrics` names tenants, and is not.
pub(super) async fn guard(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    match allowed(&api, &request) {
        Ok(subject) => {
            if let Some(subject) = subject {
                request.extensions_mut().insert(subject);
            }
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

/// The token's `sub`, where there is one.
fn allowed(api: &Api, request: &Request) -> Result<Option<Subject>, ApiError> {
    let live = api.live();
    let Some(key) = &live.key else { return Ok(None) };
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if route == Some(HEALTHZ) {
        return Ok(None);
    }
    let unauthorized = |msg: String| ApiError::new(StatusCode::UNAUTHORIZED, msg);
    let Some(token) = bearer(request) else {
        return Err(unauthorized("a token is needed: Authorization: Bearer TOKEN".to_owned()));
    };
    let Grant { scope, sub } =
        key.check(token, api.clock.unix_s()).map_err(|why| unauthorized(format!("the token is refused: {why}")))?;
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let wanted = Wanted { reads, shard: shard(request.uri().path()) };
    if scope.allows(wanted) {
        return Ok(sub.map(Subject));
    }
    let msg = format!("the token's scope does not allow this: {scope}");
    Err(ApiError::new(StatusCode::FORBIDDEN, msg))
}

/// The token, where there is exactly one.
fn bearer(request: &Request) -> Option<&str> {
    let mut all = request.headers().get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The shard that a path is about. An id in another spelling, percent-encoded say, is none here: it is refused rather
/// than judged by one reading and served by another.
fn shard(path: &str) -> Option<TenantShardId> {
    path.strip_prefix("/v1/tenant/")?.split('/').next()?.parse().ok()
}
