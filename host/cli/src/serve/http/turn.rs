//! Changes of policies: a few at once, and each to its end.

use std::sync::Arc;

use axum::http::StatusCode;
use thermocline::policies::ChangeError;
use tokio::sync::OwnedSemaphorePermit;

use super::Api;
use super::error::ApiError;
use crate::serve::service::Service;

/// Changes of policies at once, each with a component's bytes in hand. They are made one after the other anyway.
pub(super) const MAX_CHANGES: usize = 4;

/// The right to change policies now. The change keeps it, also when whoever asked has hung up.
#[derive(Clone, Debug)]
pub(super) struct Turn(#[allow(dead_code, reason = "is held, not read")] Arc<OwnedSemaphorePermit>);

impl Turn {
    pub(super) fn take(api: &Api) -> Result<Self, ApiError> {
        let permit = Arc::clone(&api.changes).try_acquire_owned().map_err(|_| {
            let msg = format!("{MAX_CHANGES} changes of policies run, which is as many as may: try again");
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, msg)
        })?;
        Ok(Turn(Arc::new(permit)))
    }

    /// Makes a change on its own task, so that a caller who hangs up does not end it.
    pub(super) async fn change<T, F>(self, api: &Api, change: impl FnOnce(Arc<dyn Service>) -> F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ChangeError>> + Send + 'static,
    {
        let change = change(Arc::clone(&api.service));
        let made = tokio::spawn(async move {
            let made = change.await;
            drop(self);
            made
        });
        let made = made.await.map_err(|error| {
            let msg = format!("a bug ended the change: {error}; `thermocline policy log` says whether it holds");
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, msg)
        })?;
        Ok(made?)
    }
}
