//! Uploads of heatmaps as a kind of work for the job loop.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::eligible::period;
use super::generator::Ranked;
use super::moved::Moved;
use super::outcome::{Attempt, Outcome, Skip, UploadError};
use super::past::Past;
use super::registry::{Ended, Registry};
use super::turn::Turn;
use super::uploader::Uploader;
use crate::clock::Clock;
use crate::jobs::{Due, Trigger, Work};
use crate::layer::TenantShardId;
use crate::metrics::{Counters, PolicyCall};
use crate::pageserver::Shard;
use crate::policy::DueUpload;
use crate::remote::CALL_LIMIT;
use crate::state::{Known, State};

/// The longest turn: all tries and the waits between them. Stores and pageservers that bound their answers never let
/// one become so long; it is for those that hang.
pub const TURN_LIMIT: Duration = Duration::from_mins(10);

/// Uploads of heatmaps.
#[derive(Debug)]
pub(crate) struct Uploads {
    pub(crate) uploader: Uploader,
    pub(crate) registry: Registry,
    pub(crate) state: State,
    pub(crate) counters: Counters,
    /// How long what is remembered of the bucket is believed.
    pub(crate) recheck_period: Duration,
    /// No more tries once this is cancelled.
    pub(crate) stopping: CancellationToken,
    /// A turn has ended.
    pub(crate) ended: Notify,
    /// Is told of shards that are not as they were listed.
    pub(crate) moved: Moved,
}

impl Uploads {
    async fn turn(&self, shard: TenantShardId, trigger: Trigger, cancel: &CancellationToken) -> Attempt {
        let (generator, began) = (&self.uploader.generator, self.uploader.generator.clock().elapsed());
        let past = self.registry.begin(shard);
        let known = past.ours.clone();
        let in_doubt = Past { asked: None, ..past.clone() };
        let mut underway = Underway { uploads: self, shard, trigger, began, in_doubt, settled: false };
        let turn = Turn::new(&self.uploader, shard, trigger, past, &self.stopping).believing_for(self.recheck_period);
        let done = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(UploadError::Cancelled),
            done = turn.run() => Ok(done),
            () = generator.clock().sleep(TURN_LIMIT) => Err(UploadError::TimedOut(TURN_LIMIT)),
        };
        let (attempt, past, seen) = done.unwrap_or_else(|error| {
            let (attempt, past) = underway.fail(error);
            (attempt, past, None)
        });
        self.keep(shard, known.as_ref(), past.ours.as_ref());
        let before = self.registry.with(shard, |tracked| (period(&tracked.shard), tracked.shard.generation));
        let after = seen.as_ref().map(|shard| (period(shard), shard.generation));
        underway.settle(&attempt, past, seen);
        let gone = matches!(attempt.outcome, Outcome::Skipped(Skip::Gone));
        if (gone && before.is_some()) || (after.is_some() && after != before) {
            self.moved.tell(shard);
        }
        attempt
    }

    /// Keeps what is known of the bucket for the next run, if it is not what it was.
    fn keep(&self, shard: TenantShardId, before: Option<&Known>, after: Option<&Known>) {
        match after {
            Some(known) if before != after => self.state.keep(shard, known),
            None if before.is_some() => self.state.forget(shard),
            _ => {}
        }
    }
}

/// A turn that has begun. One that panics, or is dropped, has failed: that is noted, too.
struct Underway<'a> {
    uploads: &'a Uploads,
    shard: TenantShardId,
    trigger: Trigger,
    began: Duration,
    /// What the next turn should know if this one comes to nothing.
    in_doubt: Past,
    settled: bool,
}

impl Underway<'_> {
    /// What is known of a turn of which nobody knows how far it got: its put may still be carried out.
    fn fail(&self, error: UploadError) -> (Attempt, Past) {
        let now = self.clock().elapsed();
        let attempt = Attempt::without_heatmap(self.shard, Outcome::Failed(error), now.saturating_sub(self.began));
        (attempt, Past { doubt_until: Some(now.saturating_add(CALL_LIMIT)), ..self.in_doubt.clone() })
    }

    fn settle(&mut self, attempt: &Attempt, past: Past, seen: Option<Shard>) {
        let (now, now_unix_s) = (self.clock().elapsed(), self.clock().unix_s());
        let trigger = self.trigger;
        self.uploads.registry.settle(Ended { attempt, trigger, past, seen, now, now_unix_s });
        self.settled = true;
    }

    fn clock(&self) -> &dyn Clock {
        self.uploads.uploader.generator.clock()
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        if !self.settled {
            let bug = std::thread::panicking();
            let (attempt, past) = self.fail(if bug { UploadError::BrokeOff } else { UploadError::Cancelled });
            self.settle(&attempt, past, None);
            self.uploads.counters.uploaded(&attempt, self.trigger);
        }
        self.uploads.registry.end(self.shard);
        self.uploads.ended.notify_waiters();
    }
}

#[async_trait]
impl Work for Uploads {
    type Key = TenantShardId;
    type Outcome = Arc<Attempt>;

    async fn run(&self, shard: TenantShardId, trigger: Trigger, cancel: &CancellationToken) -> Arc<Attempt> {
        let seat = self.uploader.generator.policies().seat(shard);
        let span = tracing::info_span!(
            "upload",
            tenant = %shard.tenant,
            shard = %shard.shard,
            trigger = trigger.as_str(),
            policy = seat.judge().policy().identity().name(),
        );
        let attempt = self.turn(shard, trigger, cancel).instrument(span.clone()).await;
        let _in_span = span.enter();
        self.counters.uploaded(&attempt, trigger);
        let failures = self.registry.with(shard, |tracked| tracked.failures).unwrap_or_default();
        log(&attempt, failures);
        Arc::new(attempt)
    }

    async fn rank(&self, due: &[Due<TenantShardId>]) -> Vec<u32> {
        let generator = &self.uploader.generator;
        let now_s = generator.clock().unix_s();
        let queue = due.iter().map(|due| self.due_upload(due, now_s)).collect();
        // Where nobody answered, the longest overdue run first.
        let Some(Ranked { policy, verdict }) = generator.rank(queue).await else { return Vec::new() };
        let result = verdict.failure.as_ref().map_or("ok", |error| error.kind().code());
        self.counters.policy_called(&policy, PolicyCall::RankUploads, result, &verdict.report);
        verdict.answer.order().to_vec()
    }

    async fn answers(&self, shard: TenantShardId, attempt: &Arc<Attempt>) -> bool {
        // A turn by schedule that found nothing to do did not ask the bucket.
        if !matches!(attempt.outcome, Outcome::Uploaded) {
            return false;
        }
        // Nor one that was decided by a policy of before.
        let tenure = self.uploader.generator.policies().seat(shard).tenure();
        if attempt.generated.as_ref().is_none_or(|generated| generated.tenure != tenure) {
            return false;
        }
        let now = self.uploader.generator.pageserver().shard(shard).await;
        now.is_ok_and(|shard| Some(shard) == attempt.seen)
    }
}

impl Uploads {
    fn due_upload(&self, due: &Due<TenantShardId>, now_s: i64) -> DueUpload {
        let known = self.registry.with(due.key, |tracked| {
            let age_s = tracked.heatmap().map(|known| u64::try_from(now_s - known.written_unix_s).unwrap_or_default());
            DueUpload {
                age_ms: age_s.map(|age_s| age_s.saturating_mul(1000)),
                hot_bytes: tracked.heatmap().map_or(0, |known| known.hot_bytes),
                changes: tracked.changes(),
                failures: tracked.failures,
                ..DueUpload::default()
            }
        });
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        DueUpload { overdue_ms: millis(due.overdue), period_ms: millis(due.period), ..known.unwrap_or_default() }
    }
}

/// A location that is stale stays so: that is told once, and counted at every turn.
fn log(attempt: &Attempt, failures: u32) {
    let elapsed = attempt.elapsed;
    match &attempt.outcome {
        Outcome::Uploaded => {
            let bytes = attempt.generated.as_ref().map(|generated| generated.heatmap.bytes.len());
            tracing::debug!(bytes, ?elapsed, "uploaded");
        }
        Outcome::Unchanged => tracing::debug!(?elapsed, "unchanged"),
        Outcome::Skipped(skip) => tracing::debug!("skipped: {skip}"),
        Outcome::Failed(error @ UploadError::Stale { .. }) if failures > 1 => tracing::debug!("failed: {error}"),
        Outcome::Failed(error) => tracing::warn!(tries = attempt.tries, ?elapsed, "failed: {error}"),
    }
}
