//! The HTTP API: what is served, to whom, and within which bounds.

mod answers;
mod bounds;
mod error;
mod guard;
mod impatient;
mod policies;
mod routes;
mod server;
mod stats;
mod turn;
mod who;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use thermocline::clock::Clock;
use thermocline::remote::Remote;
use tokio::sync::Semaphore;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::PublicKey;
use super::service::Service;
use error::ApiError;
use stats::Stats;

pub(crate) use server::{HEADER_TIMEOUT, Limits, WRITE_TIMEOUT, serve};

/// What handlers share.
#[derive(Debug)]
pub(crate) struct Api {
    service: Arc<dyn Service>,
    remote: Arc<dyn Remote>,
    clock: Arc<dyn Clock>,
    live: RwLock<Arc<Live>>,
    stats: Stats,
    /// A place for each change of policies that may run.
    changes: Arc<Semaphore>,
    openapi: String,
}

/// What can change while it serves.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    /// Of those who sign tokens. Without one, no credentials are asked for.
    pub(crate) key: Option<PublicKey>,
    /// Tenants that have series of their own in `/metrics`.
    pub(crate) tenant_series: usize,
    /// How long a request may take, but for uploads.
    pub(crate) request_timeout: Duration,
    /// Largest body of a request.
    pub(crate) max_body_bytes: usize,
}

impl Api {
    pub(crate) fn new(
        service: Arc<dyn Service>,
        remote: Arc<dyn Remote>,
        clock: Arc<dyn Clock>,
        live: Live,
    ) -> Arc<Self> {
        let (_, openapi) = documented().split_for_parts();
        // A document of plain data always serialises.
        let openapi = openapi.to_pretty_json().unwrap_or_default();
        let live = RwLock::new(Arc::new(live));
        let changes = Arc::new(Semaphore::new(turn::MAX_CHANGES));
        Arc::new(Api { service, remote, clock, live, stats: Stats::default(), changes, openapi })
    }

    /// From the next request on.
    pub(crate) fn set_live(&self, live: Live) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
    }

    fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// All routes with what holds for each: it is counted, who asks is known, and it is bounded.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        let (router, _) = documented().split_for_parts();
        router
            .fallback(async || ApiError::no_route())
            .method_not_allowed_fallback(async || ApiError::method())
            // The bounds are ours.
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn_with_state(Arc::clone(self), bounds::bound))
            .layer(from_fn_with_state(Arc::clone(self), guard::guard))
            .layer(from_fn(error::as_json))
            .layer(from_fn_with_state(Arc::clone(self), stats::count))
            .with_state(Arc::clone(self))
    }
}

/// The document begins with this; the routes add themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Thermocline",
        description = "Keeps the heatmaps of a pageserver's tenants fresh in object storage, and says how fresh.\n\n\
                       Where a public key is configured, every request but /healthz carries a token (JWT, EdDSA) with \
                       exp and a scope: read, tenant with a tenant_id, or admin.\n\n\
                       Changes of policies are logged with whose they are: the token's sub (at most 128 bytes); where \
                       there is no token, or none with a sub, what the client says in the header x-thermocline-by, and \
                       the address that it connects from."
    ),
    tags(
        (name = "tenants", description = "One heatmap for each tenant shard"),
        (name = "policies", description = "Which policies are installed, decide and are watched, and who changed that"),
        (name = "daemon", description = "The daemon itself"),
    )
)]
struct Document;

fn documented() -> OpenApiRouter<Arc<Api>> {
    let mut document = Document::openapi();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    OpenApiRouter::with_openapi(document)
        .routes(routes!(routes::heatmap_upload))
        .routes(routes!(routes::tenants))
        .routes(routes!(routes::tenant))
        .routes(routes!(routes::heatmap))
        .routes(routes!(policies::policies))
        .routes(routes!(policies::install_policy))
        .routes(routes!(policies::policy))
        .routes(routes!(policies::remove_policy))
        .routes(routes!(policies::activate_policy))
        .routes(routes!(policies::shadow_policy))
        .routes(routes!(policies::policy_shadow))
        .routes(routes!(policies::end_shadow))
        .routes(routes!(policies::rollback))
        .routes(routes!(policies::end_overrides))
        .routes(routes!(policies::policy_log))
        .routes(routes!(routes::status))
        .routes(routes!(routes::healthz))
        .routes(routes!(routes::metrics))
        .routes(routes!(routes::openapi))
}

#[cfg(test)]
mod tests;
