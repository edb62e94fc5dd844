//! One shard's turn, from the look at the bucket to the local copy.

use std::sync::Arc;
use std::time::Duration;

use super::backoff::wait_after;
use super::fence::{Verdict, judge};
use super::generator::Generator;
use super::outcome::{Attempt, GenerateError, Generated, Outcome, Skip, UploadError};
use crate::heatmap::Encoded;
use crate::keys;
use crate::pageserver::{AttachMode, PageserverError, Shard};
use crate::remote::{Remote, RemoteError};

/// Most tries for one upload: with the waits between them about half a minute, the shortest upload period
/// that operators use.
pub const MAX_ATTEMPTS: u32 = 6;

/// Who asks for an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The clock: shards that are stale or have no period are left out, and small tenants of which only
    /// access times moved.
    Schedule,
    /// Somebody, for this one shard: any attached and active shard, also a stale one, because a migration
    /// flushes its last heatmap that way.
    Command,
}

/// Uploads heatmaps to a bucket.
#[derive(Clone, Debug)]
pub struct Uploader {
    pub(super) generator: Generator,
    pub(super) remote: Arc<dyn Remote>,
    pub(super) dry_run: bool,
}

impl Uploader {
    /// Uploads what `generator` makes to `remote`.
    pub fn new(generator: Generator, remote: Arc<dyn Remote>) -> Self {
        Uploader { generator, remote, dry_run: false }
    }

    /// The same, but nothing is written anywhere: it says what it would do.
    #[must_use]
    pub fn dry_run(self) -> Self {
        Uploader { dry_run: true, ..self }
    }

    /// Uploads one shard's heatmap, if it has to be.
    pub async fn upload(&self, shard: &Shard, trigger: Trigger) -> Attempt {
        let began = self.generator.clock().elapsed();
        let (outcome, generated) = match self.prepare(shard, trigger).await {
            Err(outcome) => (outcome, None),
            Ok((generated, generation)) => {
                (self.settle(shard, trigger, generation, &generated.heatmap).await, Some(generated))
            }
        };
        let elapsed = self.generator.clock().elapsed().saturating_sub(began);
        Attempt { shard: shard.id, outcome, generated, elapsed }
    }

    /// The heatmap to upload and its generation, or why there is none.
    async fn prepare(&self, shard: &Shard, trigger: Trigger) -> Result<(Generated, u32), Outcome> {
        let generation = eligible(shard, trigger).map_err(Outcome::Skipped)?;
        match self.generator.generate(shard, generation).await {
            Ok(generated) => Ok((generated, generation)),
            Err(GenerateError::Pageserver(PageserverError::NotAttached(_))) => Err(Outcome::Skipped(Skip::Gone)),
            Err(GenerateError::Pageserver(error @ PageserverError::NotReady { .. })) => {
                Err(Outcome::Skipped(Skip::NotReady(error.to_string())))
            }
            Err(error) => Err(Outcome::Failed(error.into())),
        }
    }

    /// Looks at the bucket and writes, until it is settled what the bucket has.
    async fn settle(&self, shard: &Shard, trigger: Trigger, generation: u32, ours: &Encoded) -> Outcome {
        let Some(_held_open) = self.generator.pageserver().hold(shard.id) else {
            return Outcome::Skipped(Skip::Gone);
        };
        let small_below_bytes = (trigger == Trigger::Schedule).then_some(shard.checkpoint_distance_bytes);
        let key = keys::heatmap(shard.id);
        let mut ours_may_be_there = false;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let verdict = match self.remote.get(&key, None).await {
                Ok(found) => judge(ours, generation, small_below_bytes, found),
                Err(error) => match self.wait_or_give_up(shard, attempts, error).await {
                    Some(failed) => return failed,
                    None => continue,
                },
            };
            let condition = match verdict {
                Verdict::Put(_) if self.dry_run => return Outcome::Uploaded,
                Verdict::Put(condition) => condition,
                Verdict::Unchanged => {
                    self.keep_locally(shard, ours).await;
                    // The answer to our put was lost, and the bytes in the bucket are ours.
                    return if ours_may_be_there { Outcome::Uploaded } else { Outcome::Unchanged };
                }
                Verdict::OnlyAccessTimes => return Outcome::Skipped(Skip::OnlyAccessTimes),
                Verdict::Stale { bucket_generation } => {
                    tracing::warn!(shard = %shard.id, generation, bucket_generation, "this location is stale");
                    return Outcome::Failed(UploadError::Stale { generation, bucket_generation });
                }
            };
            match self.remote.put(&key, ours.bytes.clone(), condition).await {
                Ok(_) => {
                    self.keep_locally(shard, ours).await;
                    return Outcome::Uploaded;
                }
                Err(error) => {
                    ours_may_be_there |= matches!(error, RemoteError::Unknown { .. });
                    if let Some(failed) = self.wait_or_give_up(shard, attempts, error).await {
                        return failed;
                    }
                }
            }
        }
    }

    /// Waits before the next try, or says that there is none.
    async fn wait_or_give_up(&self, shard: &Shard, attempts: u32, error: RemoteError) -> Option<Outcome> {
        let wait = match &error {
            // Somebody else wrote meanwhile: look again at once.
            RemoteError::Conflict { .. } => Duration::ZERO,
            RemoteError::Busy { .. } | RemoteError::Unknown { .. } => wait_after(shard.id, attempts),
            _ => return Some(Outcome::Failed(UploadError::Remote { error, attempts })),
        };
        if attempts >= MAX_ATTEMPTS {
            return Some(Outcome::Failed(UploadError::Remote { error, attempts }));
        }
        tracing::debug!(shard = %shard.id, attempts, %error, ?wait, "the upload is tried again");
        self.generator.clock().sleep(wait).await;
        None
    }

    /// The local heatmap is what this location inherits from itself at its next start.
    async fn keep_locally(&self, shard: &Shard, ours: &Encoded) {
        if self.dry_run {
            return;
        }
        if let Err(error) = self.generator.pageserver().uploaded(shard.id, &ours.bytes).await {
            tracing::warn!(shard = %shard.id, %error, "the heatmap is in the bucket, but not in the local heatmap-v1.json");
        }
    }
}

/// The generation under which a shard is uploaded, or why it is not.
fn eligible(shard: &Shard, trigger: Trigger) -> Result<u32, Skip> {
    let scheduled = trigger == Trigger::Schedule;
    match shard {
        Shard { active: false, .. } => Err(Skip::Inactive),
        Shard { attach_mode: AttachMode::Stale, .. } if scheduled => Err(Skip::Stale),
        Shard { upload_period: Duration::ZERO, .. } if scheduled => Err(Skip::Off),
        Shard { generation, .. } => generation.get().ok_or(Skip::NoGeneration),
    }
}
