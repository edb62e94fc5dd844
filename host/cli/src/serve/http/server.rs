//! Connections: how many, and how long a slow one is suffered.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use thermocline::clock::Clock;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::impatient::Impatient;
use super::who;

/// Until a request's head is there. Also how long a connection may idle between two requests.
pub(crate) const HEADER_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a client may leave its answer unread.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// Largest head of a request. Tokens are of some hundred bytes.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// Most headers of a request.
const MAX_HEADERS: usize = 64;

/// After an accept that failed, which is mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all connections may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Served at once; others wait to be accepted.
    pub(crate) connections: NonZeroUsize,
    /// See [`HEADER_TIMEOUT`].
    pub(crate) header_timeout: Duration,
    /// See [`WRITE_TIMEOUT`].
    pub(crate) write_timeout: Duration,
    /// What requests that run have left once it is stopped.
    pub(crate) drain: Duration,
}

/// Serves until `stop`. Then takes no more connections, and waits for requests that run.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(limits.connections.get().min(Semaphore::MAX_PERMITS)));
    let graceful = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    let mut http = builder.http1();
    http.timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    http.max_buf_size(MAX_HEAD_BYTES).max_headers(MAX_HEADERS);
    loop {
        // Before accepting, so that what is over the limit waits in the system's queue, and costs us nothing.
        let next = async {
            let permit = Arc::clone(&permits).acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            next = next => next,
        };
        while tasks.try_join_next().is_some() {}
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("a connection is not accepted: {error}");
                clock.sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone().layer(who::from_peer(peer.ip())));
        let connection =
            builder.serve_connection(TokioIo::new(Impatient::new(stream, limits.write_timeout)), service).into_owned();
        let served = graceful.watch(connection);
        tasks.spawn(async move {
            if let Err(error) = served.await {
                tracing::debug!("a connection ended: {error}");
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("{} connections are cut off: their requests took too long", tasks.len());
    }
    tasks.shutdown().await;
}
