//! Policies of the running host: what is installed, and changes.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thermocline::Digest;
use thermocline::policies::source::{SourceError, Upload};
use thermocline::policies::store::StoreError;
use thermocline::policies::{ChangeError, Entry, Note, PolicyRef, Scope, Share, Which};
use thermocline::policy::PolicyErrorKind;
use utoipa::IntoParams;

use super::Api;
use super::error::{ApiError, Msg};
use super::turn::Turn;
use super::who::By;
use crate::policy_answers::{
    ActivateBody, CONFIG_HEADER, LogEntry, LogPage, MAX_CONFIG_HEADER_BYTES, MAX_ENTRIES, MAX_WHY_BYTES,
    PoliciesAnswer, PolicyDetails, PolicyRow, RollbackBody, ShadowBody, WatchedAnswer,
};
use crate::serve::policy_service::Shown;

/// Where components are installed, and the beginning of every other path that is about policies.
pub(super) const POLICIES: &str = "/v1/policy";

/// Entries of the log in an answer where it is not said.
const DEFAULT_ENTRIES: usize = 100;

/// A component, and why.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Install {
    /// SHA-256 that the component must have, 64 hex digits.
    pin: Option<String>,
    /// What to call the place where it came from.
    source: Option<String>,
    /// For the log, at most 512 bytes.
    why: Option<String>,
}

/// Why something ends.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// For the log, at most 512 bytes.
    why: Option<String>,
}

/// Which entries of the log.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Entries {
    /// Those after this number; from the first where it is not said.
    after: Option<u64>,
    /// At most so many, up to 1,000; 100 where it is not said.
    limit: Option<usize>,
}

/// Policies that are installed
#[utoipa::path(
    get,
    path = "/v1/policy",
    tag = "policies",
    responses(
        (status = 200, description = "All of them, with what each does", body = PoliciesAnswer),
        (status = 401, description = "No token, or none that is valid", body = Msg),
        (status = 403, description = "The token's scope does not allow it", body = Msg),
    ),
    security(("token" = []))
)]
pub(super) async fn policies(State(api): State<Arc<Api>>) -> Json<PoliciesAnswer> {
    let policies = api.service.policies().list().into_iter().map(PolicyRow::from).collect();
    Json(PoliciesAnswer { policies })
}

/// Check a component, and keep it
///
/// It decides nothing yet. The body is the component; a configuration to try it with is in the header
/// `x-thermocline-config`. Takes seconds; who hangs up does not end it.
#[utoipa::path(
    post,
    path = "/v1/policy",
    tag = "policies",
    params(Install, ("x-thermocline-config" = Option<Object>, Header, description = "A configuration to try it with, at most 8 KiB")),
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses(
        (status = 200, description = "It was installed before", body = PolicyRow),
        (status = 201, description = "It is installed now", body = PolicyRow),
        (status = 400, description = "Not understood", body = Msg),
        (status = 401, description = "No token, or none that is valid", body = Msg),
        (status = 403, description = "The token's scope does not allow it", body = Msg),
        (status = 408, description = "The body did not arrive in time", body = Msg),
        (status = 413, description = "More bytes than a policy may have", body = Msg),
        (status = 422, description = "It failed a check, or is not the one that was pinned; nothing changed", body = Msg),
        (status = 500, description = "A bug ended it; the log says whether it holds", body = Msg),
        (status = 503, description = "Too many changes at once, or the store cannot be written", body = Msg),
        (status = 504, description = "It takes longer than a change may; it goes on", body = Msg),
        (status = 507, description = "As many policies are installed as may be", body = Msg),
    ),
    security(("token" = []))
)]
pub(super) async fn install_policy(
    State(api): State<Arc<Api>>,
    Extension(turn): Extension<Turn>,
    By(by): By,
    query: Result<Query<Install>, QueryRejection>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<(StatusCode, Json<PolicyRow>), ApiError> {
    let Query(Install { pin, source, why }) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let pin = pin.map(|pin| digest(&pin)).transpose()?;
    let config = headers.get(CONFIG_HEADER).map(|config| config_of(config.as_bytes())).transpose()?;
    let note = note(by, why)?;
    let source = source.filter(|source| !source.trim().is_empty());
    let component = Upload { name: source.unwrap_or_else(|| "an upload".to_owned()), bytes };
    turn.change(&api, |service| async move {
        let policies = service.policies();
        let which = Which::Component(Digest::of(&component.bytes));
        let known = policies.list().iter().any(|policy| policy.which == which);
        let installed = policies.install(component, pin, config, note).await?;
        Ok((if known { StatusCode::OK } else { StatusCode::CREATED }, Json(installed.into())))
    })
    .await
}

/// One policy
#[utoipa::path(
    get,
    path = "/v1/policy/{policy}",
    tag = "policies",
    params(("policy" = String, Path, description = "built-in, NAME, NAME@VERSION, sha256:DIGEST, or with @sha256:DIGEST behind it")),
    responses(
        (status = 200, description = "What it says of itself, does, and how it compares where it is watched", body = PolicyDetails),
        (status = 400, description = "No name of a policy", body = Msg),
        (status = 401, description = "No token, or none that is valid", body = Msg),
        (status = 403, description = "The token's scope does not allow it", body = Msg),
        (status = 404, description = "Not installed", body = Msg),
        (status = 409, description = "Several are called so", body = Msg),
        (status = 422, description = "It does not load any more", body = Msg),
        (status = 500, description = "A bug ended it", body = Msg),
        (status = 503, description = "The store cannot be read", body = Msg),
        (status = 504, description = "It takes longer than a request may", body = Msg),
    ),
    security(("token" = []))
)]
pub(super) async fn policy(
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<PolicyDetails>, ApiError> {
    let policies = api.service.policies();
    let Shown { policy, summary, config_schema, imports, exports } = policies.show(reference(path)?).await?;
    let shadow = policies.shadow_status().filter(|shadow| shadow.which == policy.which).map(Into::into);
    let config_schema = serde_json::from_str(&config_schema).unwrap_or(Value::String(config_schema));
    Ok(Json(PolicyDetails { row: policy.into(), summary, config_schema, imports, exports, shadow }))
}

/// Drop a policy that nobody uses
#[utoipa::path(
    delete,
    path = "/v1/policy/{policy}",
    tag = "policies",
    params(Reason, ("policy" = String, Path, description = "built-in, NAME, NAME@VERSION, sha256:DIGEST, or with @sha256:DIGEST behind it")),
    responses(
        (status = 200, description = "It is gone", body = LogEntry),
        (status = 400, description = "Not understood", body = Msg),
        (status = 401, description = "No token, or none that is valid", body = Msg),
        (status = 403, description = "The token's scope does not allow it", body = Msg),
        (status = 404, description = "Not installed", body = Msg),
        (status = 408, description = "The body did not arrive in time", body = Msg),
        (status = 409, description = "It is in use, or several are called so", body = Msg),
        (status = 413, description = "The body is larger than bodies may be", body = Msg),
        (status = 500, description = "A bug ended it; the log says whether it holds", body = Msg),
        (status = 503, description = "Too many changes at once, or the store cannot be written", body = Msg),
        (status = 504, description = "It takes longer than a change may; it goes on", body = Msg),
        (status = 507, description = "There is no room for it in the store or its log", body = Msg),
    ),
    security(("token" = []))
)]
pub(super) async fn remove_policy(
    State(api): State<Arc<Api>>,
    Extension(turn): Extension<Turn>,
    By(by): By,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Reason>, QueryRejection>,
) -> Result<Json<Entry>, ApiError> {
    let (policy, note) = (reference(path)?, reason(by, query)?);
    turn.change(&api, |service| async move { Ok(Json(service.policies().remove(policy, note).await?)) }).await
}

/// Let a policy decide from now on
///
/// Uploads that run end with the policy that they began with. Who hangs up does not end it.
#[utoipa::path(
    post,
    path = "/v1/policy/{policy}/activate",
    tag = "policies",
    params(("policy" = String, Path, description = "built-in, NAME, NAME@VERSION, sha256:DIGEST, or with @sha256:DIGEST behind it")),
    request_body = Option<ActivateBody>,
    responses(
        (status = 200, description = "It decides", body = LogEntry),
        (status = 400, description = "Not understood", body = Msg),
        (status = 401, description = "No token, or none that is valid", body = Msg),
        (status = 403, description = "The token's scope does not allow it", body = Msg),
        (status = 404, description = "Not installed", body = Msg),
        (status = 408, description = "The body did not arrive in time", body = Msg),
        (status = 409, description = "Several are called so", body = Msg),
        (status = 413, description = "The body is larger than bodies may be", body = Msg),
        (status = 422, description = "It refuses its configuration; nothing changed", body = Msg),
        (status = 500, description = "A bug ended it; the log says whether it holds", body = Msg),
        (status = 503, description = "Too many changes at once, or the store cannot be written", body = Msg),
        (status = 504, description = "It takes longer than a change may; it goes on", body = Msg),
        (status = 507, description = "There is no room for it in the store or its log", body = Msg),
    ),
    security(("token" = []))
)]
pub(super) async fn activate_policy(
    State(api): State<Arc<Api>>,
    Extension(turn): Extension<Turn>,
    By(by): By,
    path: Result<Path<String>, PathRejection>,
    body: Bytes,
) -> Result<Json<Entry>, ApiError> {
    let policy = reference(path)?;
    let ActivateBody { config, tenant, why } = json(&body)?;
    let (tenant, note) = (scope(tenant)?, note(by, why)?);
    let config = config.map(|config| config.get().to_owned());
    turn.change(
        &api,
        |service| async move { Ok(Json(service.policies().activate(policy, config, tenant, note).await?)) },
    )
    .await
}

/// Watch a policy beside the one that decides
///
/// In the place of the one that was watched, if one was. What it answers is compared and never used.
#[utoipa::path(
    post,
    path = "/v1/policy/{policy}/shadow",
    tag = "policies",
    params(("policy" = String, Path, description = "built-in, NAME, NAME@VERSION, sha256:DIGEST, or with @sha256:DIGEST behind it")),
    request_body = Option<ShadowBody>,
    responses(
        (status = 200, description = "It is watched", body = LogEntry),
        (status = 400, description = "Not understood", body = Msg),
        (status = 401, description = "No token, or none that is valid", body = Msg),
        (status = 403, description = "The token's scope does not allow it", body = Msg),
        (status = 404, description = "Not installed", body = Msg),
        (status = 408, description = "The body did not arrive in time", body = Msg),
        (status = 409, description = "Several are called so", body = Msg),
        (status = 413, description = "The body is larger than bodies may be", body = Msg),
        (status = 422, description = "It refuses its configuration; nothing changed", body = Msg),
        (status = 500, description = "A bug ended it; the log says whether it holds", body = Msg),
        (status = 503, description = "Too many changes at once, or the store cannot be written", body = Msg),
        (status = 504, description = "It takes longer than a change may; it goes on", body = Msg),
        (status = 507, description = "There is no room for it in the store or its log", body = Msg),
    ),
    security(("token" = []))
)]
pub(super) async fn shadow_policy(
    State(api): State<Arc<Api>>,
    Extension(turn): Extension<Turn>,
    By(by): By,
    path: Result<Path<String>, PathRejection>,
    body: Bytes,
) -> Result<Json<Entry>, ApiError> {
    let policy = reference(path)?;
    let ShadowBody { config, tenant, share, why } = json(&body)?;
    let (tenant, note) = (scope(tenant)?, note(by, why)?);
    let share = Share { tenant, share: share.unwrap_or(Share::default().share) };
    let config = config.map(|config| config.get().to_owned());
    turn.change(&api, |service| async move { Ok(Json(service.policies().shadow(policy, config, share, note).await?)) })
        .await
}

/// Which policy is watched, and how it compares
#[utoipa::path(
    get,
    path = "/v1/policy_shadow",
    tag = "policies",
    responses(
        (status = 200, description = "It, or null", body = WatchedAnswer),
        (status = 401, description = "No token, or none that is valid", body = Msg),
        (status = 403, description = "The token's scope does not allow it", body = Msg),
    ),
    security(("token" = []))
)]
pub(super) async fn policy_shadow(State(api): State<Arc<Api>>) -> Json<WatchedAnswer> {
    Json(WatchedAnswer { shadow: api.service.policies().shadow_status().map(Into::into) })
}

/// Watch no policy any more
#[utoipa::path(
    delete,
    path = "/v1/policy_shadow",
    tag = "policies",
    params(Reason),
    responses(
        (status = 200, description = "None is watched", body = LogEntry),
        (status = 400, description = "Not understood", body = Msg),
        (status = 401, description = "No token, or none that is valid", body = Msg),
        (status = 403, description = "The token's scope does not allow it", body = Msg),
        (status = 408, description = "The body did not arrive in time", body = Msg),
        (status = 409, description = "None was", body = Msg),
        (status = 413, description = "The body is larger than bodies may be", body = Msg),
        (status = 500, description = "A bug ended it; the log says whether it holds", body = Msg),
        (status = 503, description = "Too many changes at once, or the store cannot be written", body = Msg),
        (status = 504, description = "It takes longer than a change may; it goes on", body = Msg),
        (status = 507, description = "There is no room for it in the store or its log", body = Msg),
    ),
    security(("token" = []))
)]
pub(super) async fn end_shadow(
    State(api): State<Arc<Api>>,
    Extension(turn): Extension<Turn>,
    By(by): By,
    query: Result<Query<Reason>, QueryRejection>,
) -> Result<Json<Entry>, ApiError> {
    let note = reason(by, query)?;
    turn.change(&api, |service| async move { Ok(Json(service.policies().end_shadow(note).await?)) }).await
}

/// Go back to the policy that decided before
///
/// For a tenant: to the one that decides for all.
#[utoipa::path(
    post,
    path = "/v1/policy_rollback",
    tag = "policies",
    request_body = Option<RollbackBody>,
    responses(
        (status = 200, description = "It decides again", body = LogEntry),
        (status = 400, description = "Not understood", body = Msg),
        (status = 401, description = "No token, or none that is valid", body = Msg),
        (status = 403, description = "The token's scope does not allow it", body = Msg),
        (status = 408, description = "The body did not arrive in time", body = Msg),
        (status = 409, description = "There is nothing to go back to", body = Msg),
        (status = 413, description = "The body is larger than bodies may be", body = Msg),
        (status = 422, description = "The policy of before does not load any more; nothing changed", body = Msg),
        (status = 500, description = "A bug ended it; the log says whether it holds", body = Msg),
        (status = 503, description = "Too many changes at once, or the store cannot be written", body = Msg),
        (status = 504, description = "It takes longer than a change may; it goes on", body = Msg),
        (status = 507, description = "There is no room for it in the store or its log", body = Msg),
    ),
    security(("token" = []))
)]
pub(super) async fn rollback(
    State(api): State<Arc<Api>>,
    Extension(turn): Extension<Turn>,
    By(by): By,
    body: Bytes,
) -> Result<Json<Entry>, ApiError> {
    let RollbackBody { tenant, why } = json(&body)?;
    let (tenant, note) = (scope(tenant)?, note(by, why)?);
    turn.change(&api, |service| async move { Ok(Json(service.policies().rollback(tenant, note).await?)) }).await
}

/// Take from every tenant the policy of its own
///
/// The one that decides for all decides for them, too.
#[utoipa::path(
    delete,
    path = "/v1/policy_overrides",
    tag = "policies",
    params(Reason),
    responses(
        (status = 200, description = "No tenant has one any more", body = LogEntry),
        (status = 400, description = "Not understood", body = Msg),
        (status = 401, description = "No token, or none that is valid", body = Msg),
        (status = 403, description = "The token's scope does not allow it", body = Msg),
        (status = 408, description = "The body did not arrive in time", body = Msg),
        (status = 409, description = "None had one", body = Msg),
        (status = 413, description = "The body is larger than bodies may be", body = Msg),
        (status = 500, description = "A bug ended it; the log says whether it holds", body = Msg),
        (status = 503, description = "Too many changes at once, or the store cannot be written", body = Msg),
        (status = 504, description = "It takes longer than a change may; it goes on", body = Msg),
        (status = 507, description = "There is no room for it in the store or its log", body = Msg),
    ),
    security(("token" = []))
)]
pub(super) async fn end_overrides(
    State(api): State<Arc<Api>>,
    Extension(turn): Extension<Turn>,
    By(by): By,
    query: Result<Query<Reason>, QueryRejection>,
) -> Result<Json<Entry>, ApiError> {
    let note = reason(by, query)?;
    turn.change(&api, |service| async move { Ok(Json(service.policies().end_overrides(note).await?)) }).await
}

/// Who changed what, and what was refused
#[utoipa::path(
    get,
    path = "/v1/policy_log",
    tag = "policies",
    params(Entries),
    responses(
        (status = 200, description = "A page of it, in order", body = LogPage),
        (status = 400, description = "No such page", body = Msg),
        (status = 401, description = "No token, or none that is valid", body = Msg),
        (status = 403, description = "The token's scope does not allow it", body = Msg),
        (status = 500, description = "A bug ended it", body = Msg),
        (status = 503, description = "The log cannot be read", body = Msg),
        (status = 504, description = "It takes longer than a request may", body = Msg),
    ),
    security(("token" = []))
)]
pub(super) async fn policy_log(
    State(api): State<Arc<Api>>,
    query: Result<Query<Entries>, QueryRejection>,
) -> Result<Json<LogPage>, ApiError> {
    let Query(Entries { after, limit }) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let limit = limit.unwrap_or(DEFAULT_ENTRIES);
    if !(1..=MAX_ENTRIES).contains(&limit) {
        return Err(ApiError::bad_request(format!("limit={limit}: expected a number from 1 to {MAX_ENTRIES}")));
    }
    let policies = api.service.policies();
    let entries = policies.log(after.unwrap_or_default(), limit).await?;
    // Large entries come in smaller pages, so that their number does not tell whether there are more.
    let next = match entries.last().map(|entry| entry.seq) {
        Some(last) if !policies.log(last, 1).await?.is_empty() => Some(last),
        _ => None,
    };
    Ok(Json(LogPage { entries, next }))
}

fn reference(path: Result<Path<String>, PathRejection>) -> Result<PolicyRef, ApiError> {
    let Path(text) = path.map_err(|error| ApiError::bad_request(error.body_text()))?;
    text.parse().map_err(|error| ApiError::from(ChangeError::Reference(error)))
}

fn digest(pin: &str) -> Result<Digest, ApiError> {
    pin.strip_prefix("sha256:").unwrap_or(pin).parse().map_err(|error| ApiError::bad_request(format!("pin: {error}")))
}

fn scope(tenant: Option<String>) -> Result<Option<Scope>, ApiError> {
    let parse = |tenant: String| tenant.parse().map_err(|error| ApiError::bad_request(format!("tenant: {error}")));
    tenant.map(parse).transpose()
}

fn config_of(header: &[u8]) -> Result<String, ApiError> {
    if header.len() > MAX_CONFIG_HEADER_BYTES {
        let msg = format!(
            "{CONFIG_HEADER}: {} bytes, at most {MAX_CONFIG_HEADER_BYTES}: install without it, and give it when the \
             policy is activated",
            header.len()
        );
        return Err(ApiError::bad_request(msg));
    }
    let text = std::str::from_utf8(header).map_err(|_| ApiError::bad_request(format!("{CONFIG_HEADER}: not UTF-8")))?;
    Ok(text.to_owned())
}

fn reason(by: String, query: Result<Query<Reason>, QueryRejection>) -> Result<Note, ApiError> {
    let Query(Reason { why }) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    note(by, why)
}

/// A reason is told whole or not at all.
fn note(by: String, why: Option<String>) -> Result<Note, ApiError> {
    match why {
        Some(why) if why.len() > MAX_WHY_BYTES => {
            Err(ApiError::bad_request(format!("why: {} bytes, at most {MAX_WHY_BYTES}: shorten it", why.len())))
        }
        why => Ok(Note { by, why }),
    }
}

/// A body, which may be absent where nothing in it must be said.
fn json<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| ApiError::bad_request(format!("the request's body: {error}")))
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        ApiError::new(status_of(&error), error.to_string())
    }
}

fn status_of(error: &ChangeError) -> StatusCode {
    match error {
        ChangeError::Source(SourceError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
        ChangeError::Policy(error) | ChangeError::Store(StoreError::Policy(error)) => match error.kind() {
            PolicyErrorKind::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            PolicyErrorKind::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        },
        ChangeError::Store(StoreError::TooLong { .. }) => StatusCode::UNPROCESSABLE_ENTITY,
        ChangeError::Store(StoreError::Full { .. }) => StatusCode::INSUFFICIENT_STORAGE,
        ChangeError::Source(_) | ChangeError::Pin { .. } | ChangeError::Conformance { .. } => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        ChangeError::Reference(_) | ChangeError::BadShare(_) => StatusCode::BAD_REQUEST,
        ChangeError::Unknown(_) => StatusCode::NOT_FOUND,
        ChangeError::Ambiguous { .. } | ChangeError::InUse(_) | ChangeError::BuiltIn | ChangeError::Nothing(_) => {
            StatusCode::CONFLICT
        }
        ChangeError::Full { .. } | ChangeError::TooManyOverrides { .. } | ChangeError::OverridesTooLarge { .. } => {
            StatusCode::INSUFFICIENT_STORAGE
        }
        ChangeError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
