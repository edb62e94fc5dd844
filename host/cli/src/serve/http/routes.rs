//! What is served.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use thermocline::jobs::CommandError;
use thermocline::keys;
use thermocline::layer::TenantShardId;
use thermocline::pageserver::PageserverError;
use thermocline::remote::Got;
use thermocline::upload::{GenerateError, Outcome, Skip, UploadError};

use super::Api;
use super::answers::{Overrides, Page, Status, Tenant, Tenants, UploadAnswer};
use super::error::{ApiError, Msg, with_headers};
use crate::row::Row;
use crate::serve::exposition;

pub(super) const HEATMAP_UPLOAD: &str = "/v1/tenant/{shard}/heatmap_upload";
pub(super) const HEALTHZ: &str = "/healthz";

/// Upload a shard's heatmap now
///
/// Past its period, the queue and the limit on uploads at once. Behind an upload of the same shard that runs, it waits.
/// Who hangs up does not end the upload.
#[utoipa::path(
    post,
    path = "/v1/tenant/{shard}/heatmap_upload",
    tag = "tenants",
    params(("shard" = String, Path, description = "32 hex digits, and -NNCC where it is sharded")),
    responses(
        (status = 200, description = "The bucket has it: uploaded, or it was there already", body = UploadAnswer),
        (status = 400, description = "No id of a shard", body = Msg),
        (status = 401, description = "No token, or none that is valid", body = Msg),
        (status = 403, description = "The token's scope does not allow it", body = Msg),
        (status = 404, description = "Not attached here", body = UploadAnswer),
        (status = 409, description = "The bucket has a heatmap of a higher generation; it was not replaced", body = UploadAnswer),
        (status = 500, description = "It did not work", body = UploadAnswer),
        (status = 503, description = "Not now: not active, not ready, too many commands, or shutting down", body = UploadAnswer),
        (status = 504, description = "It takes longer than an upload may", body = Msg),
    ),
    security(("token" = []))
)]
pub(super) async fn heatmap_upload(
    State(api): State<Arc<Api>>,
    shard: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let shard = shard_id(shard)?;
    // On its own task, so that a caller who hangs up does not end it.
    let service = Arc::clone(&api.service);
    let uploaded = tokio::spawn(async move { service.upload_now(shard).await }).await;
    let uploaded = uploaded.map_err(|error| {
        let msg = format!("tenant {shard}: a bug ended the upload: {error}");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, msg)
    })?;
    let (status, row) = match &uploaded {
        Ok(attempt) => (status_of(&attempt.outcome), Row::from_attempt(attempt, false)),
        Err(error) => (status_of_refusal(error), Row::failed(shard.to_string(), error.to_string())),
    };
    let msg = (status != StatusCode::OK).then(|| {
        let reason = row.reason.as_deref().unwrap_or(row.outcome);
        if reason.contains(&row.shard) { reason.to_owned() } else { format!("tenant {shard}: {reason}") }
    });
    let mut response = (status, Json(UploadAnswer { row, msg })).into_response();
    with_headers(&mut response);
    Ok(response)
}

/// 404 is for what is gone, and callers forget it then; what may work in a moment is 503.
fn status_of(outcome: &Outcome) -> StatusCode {
    match outcome {
        Outcome::Uploaded | Outcome::Unchanged => StatusCode::OK,
        Outcome::Skipped(Skip::Gone) => StatusCode::NOT_FOUND,
        Outcome::Skipped(Skip::Inactive | Skip::NotReady(_)) => StatusCode::SERVICE_UNAVAILABLE,
        Outcome::Failed(UploadError::Stale { .. }) => StatusCode::CONFLICT,
        Outcome::Failed(UploadError::Cancelled) => StatusCode::SERVICE_UNAVAILABLE,
        Outcome::Failed(UploadError::Generate(GenerateError::Pageserver(error))) => match error {
            PageserverError::NotAttached(_) => StatusCode::NOT_FOUND,
            PageserverError::NotReady { .. } | PageserverError::Bucket { .. } | PageserverError::Unavailable(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn status_of_refusal(error: &CommandError) -> StatusCode {
    match error {
        CommandError::Busy { .. } | CommandError::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Shards that are attached here
#[utoipa::path(
    get,
    path = "/v1/tenant",
    tag = "tenants",
    params(Page),
    responses(
        (status = 200, description = "A page of them, in the order of their ids", body = Tenants),
        (status = 400, description = "No such page", body = Msg),
        (status = 401, description = "No token, or none that is valid", body = Msg),
        (status = 403, description = "The token's scope does not allow it", body = Msg),
    ),
    security(("token" = []))
)]
pub(super) async fn tenants(
    State(api): State<Arc<Api>>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Tenants>, ApiError> {
    let Query(page) = page.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let (limit, after) = page.decode().map_err(ApiError::bad_request)?;
    let (overrides, now_s) = (Overrides::new(&api.service.status()), api.clock.unix_s());
    let mut shards = api.service.shards();
    shards.retain(|status| after.is_none_or(|after| status.shard > after));
    shards.sort_by_key(|status| status.shard);
    let more = shards.len() > limit;
    shards.truncate(limit);
    let next = shards.last().filter(|_| more).map(|status| status.shard.to_string());
    let tenants = shards.into_iter().map(|status| Tenant::new(status, &overrides, now_s)).collect();
    Ok(Json(Tenants { tenants, next }))
}

/// How fresh one shard's heatmap is, and what happened last
#[utoipa::path(
    get,
    path = "/v1/tenant/{shard}",
    tag = "tenants",
    params(("shard" = String, Path, description = "32 hex digits, and -NNCC where it is sharded")),
    responses(
        (status = 200, description = "The shard", body = Tenant),
        (status = 400, description = "No id of a shard", body = Msg),
        (status = 401, description = "No token, or none that is valid", body = Msg),
        (status = 403, description = "The token's scope does not allow it", body = Msg),
        (status = 404, description = "Not attached here", body = Msg),
    ),
    security(("token" = []))
)]
pub(super) async fn tenant(
    State(api): State<Arc<Api>>,
    shard: Result<Path<String>, PathRejection>,
) -> Result<Json<Tenant>, ApiError> {
    let shard = shard_id(shard)?;
    let status = api.service.shard(shard);
    let status = status.ok_or_else(|| ApiError::not_found(format!("tenant {shard} is not attached here")))?;
    Ok(Json(Tenant::new(status, &Overrides::new(&api.service.status()), api.clock.unix_s())))
}

/// One shard's heatmap, the bytes that are in the bucket
#[utoipa::path(
    get,
    path = "/v1/tenant/{shard}/heatmap",
    tag = "tenants",
    params(("shard" = String, Path, description = "32 hex digits, and -NNCC where it is sharded")),
    responses(
        (status = 200, description = "heatmap-v1.json", body = Vec<u8>, content_type = "application/json"),
        (status = 400, description = "No id of a shard", body = Msg),
        (status = 401, description = "No token, or none that is valid", body = Msg),
        (status = 403, description = "The token's scope does not allow it", body = Msg),
        (status = 404, description = "There is none in the bucket", body = Msg),
        (status = 502, description = "The bucket does not hand it out", body = Msg),
        (status = 504, description = "The bucket does not answer in time", body = Msg),
    ),
    security(("token" = []))
)]
pub(super) async fn heatmap(
    State(api): State<Arc<Api>>,
    shard: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let shard = shard_id(shard)?;
    match api.remote.get(&keys::heatmap(shard), None).await {
        Ok(Got::Object(object)) => Ok(([(CONTENT_TYPE, "application/json")], object.body).into_response()),
        Ok(Got::Missing | Got::Unchanged) => {
            Err(ApiError::not_found(format!("tenant {shard}: there is no heatmap in the bucket")))
        }
        Err(error) => Err(ApiError::new(StatusCode::BAD_GATEWAY, format!("tenant {shard}: {error}"))),
    }
}

/// The daemon as a whole
#[utoipa::path(
    get,
    path = "/v1/status",
    tag = "daemon",
    responses(
        (status = 200, description = "How it goes", body = Status),
        (status = 401, description = "No token, or none that is valid", body = Msg),
        (status = 403, description = "The token's scope does not allow it", body = Msg),
    ),
    security(("token" = []))
)]
pub(super) async fn status(State(api): State<Arc<Api>>) -> Json<Status> {
    Json(api.service.status().into())
}

/// Whether it works; needs no token
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "daemon",
    responses(
        (status = 200, description = "`ok`", body = String),
        (status = 503, description = "It is shutting down, or the pageserver's shards cannot be listed", body = Msg),
    )
)]
pub(super) async fn healthz(State(api): State<Arc<Api>>) -> Result<&'static str, ApiError> {
    let status = api.service.status();
    let ill = |msg: String| Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, msg));
    match status.pageserver_error {
        _ if status.shutting_down => ill("shutting down".to_owned()),
        Some(error) => ill(format!("the pageserver's shards cannot be listed: {error}")),
        None => Ok("ok\n"),
    }
}

/// What is counted, for Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "daemon",
    responses(
        (status = 200, description = "Prometheus' text format", body = String, content_type = "text/plain"),
        (status = 401, description = "No token, or none that is valid", body = Msg),
        (status = 403, description = "The token's scope does not allow it", body = Msg),
    ),
    security(("token" = []))
)]
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let mut families = api.service.metrics(api.live().tenant_series);
    families.extend(api.stats.families());
    ([(CONTENT_TYPE, exposition::CONTENT_TYPE)], exposition::encode(&families))
}

/// This document
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "daemon",
    responses(
        (status = 200, description = "OpenAPI", body = Object, content_type = "application/json"),
        (status = 401, description = "No token, or none that is valid", body = Msg),
        (status = 403, description = "The token's scope does not allow it", body = Msg),
    ),
    security(("token" = []))
)]
pub(super) async fn openapi(State(api): State<Arc<Api>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], api.openapi.clone())
}

fn shard_id(path: Result<Path<String>, PathRejection>) -> Result<TenantShardId, ApiError> {
    let Path(text) = path.map_err(|error| ApiError::bad_request(error.body_text()))?;
    text.parse().map_err(|error: thermocline::layer::ParseIdError| ApiError::bad_request(error.to_string()))
}
