//! One shard's turn, from the look at the bucket to the local copy.

use std::sync::Arc;
use std::time::Duration;

use super::backoff::wait_after;
use super::fence::{Verdict, judge};
use super::generator::Generator;
use super::outcome::{Attempt, GenerateError, Generated, Outcome, Skip, UploadError};
use crate::heatmap::Encoded;
use crate::jobs::Trigger;
use crate::keys;
use crate::pageserver::{AttachMode, PageserverError, Shard};
use crate::remote::{Got, Remote, RemoteError};

/// Most tries for one upload. The waits between them add up to 15 seconds at most: who still fails then has
/// held its place for long enough, and comes back at the next period.
pub const MAX_ATTEMPTS: u32 = 6;

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

    /// Uploads one shard's heatmap, if it has to be. By schedule, shards that are stale or have no period are left out,
    /// and small tenants of which only access times moved. A command is for any attached and active shard, also a stale
    /// one, because a migration flushes its last heatmap that way. Dropping the future ends it; a put that is under way may
    /// then still be carried out.
    pub async fn upload(&self, shard: &Shard, trigger: Trigger) -> Attempt {
        let began = self.generator.clock().elapsed();
        let (outcome, generated) = match self.generate_and_settle(shard, trigger).await {
            Ok((outcome, generated)) => (outcome, Some(generated)),
            Err(outcome) => (outcome, None),
        };
        let elapsed = self.generator.clock().elapsed().saturating_sub(began);
        Attempt { shard: shard.id, outcome, generated, elapsed }
    }

    /// What became of the heatmap, or why there is none.
    async fn generate_and_settle(&self, shard: &Shard, trigger: Trigger) -> Result<(Outcome, Generated), Outcome> {
        let generation = eligible(shard, trigger).map_err(Outcome::Skipped)?;
        // From before its layers are read until its local heatmap is written. A tenant that is deleted meanwhile
        // would else leave a heatmap behind in the bucket.
        let _held_open = self.generator.pageserver().hold(shard.id).map_err(|error| no_heatmap(error.into()))?;
        let generated = self.generator.generate(shard, generation).await.map_err(no_heatmap)?;
        let outcome = self.settle(shard, trigger, generation, &generated.heatmap).await;
        Ok((outcome, generated))
    }

    /// Looks at the bucket and writes, until it is settled what the bucket has.
    async fn settle(&self, shard: &Shard, trigger: Trigger, generation: u32, ours: &Encoded) -> Outcome {
        let small_below_bytes = (trigger == Trigger::Schedule).then_some(shard.checkpoint_distance_bytes);
        let key = keys::heatmap(shard.id);
        // The answer to a put of ours was lost, so that its bytes may be there.
        let mut ours_may_be_there = false;
        let mut attempts = 0;
        let error = loop {
            attempts += 1;
            let found = self.remote.get(&key, None).await;
            let error = match found.map(|found| judge(ours, generation, small_below_bytes, found)) {
                Ok(Verdict::Put(_)) if self.dry_run => return Outcome::Uploaded,
                Ok(Verdict::Put(condition)) => match self.remote.put(&key, ours.bytes.clone(), condition).await {
                    Ok(_) => return self.settled(shard, ours, Outcome::Uploaded).await,
                    Err(error) => {
                        ours_may_be_there |= matches!(error, RemoteError::Unknown { .. });
                        error
                    }
                },
                Ok(Verdict::Unchanged) if ours_may_be_there => {
                    return self.settled(shard, ours, Outcome::Uploaded).await;
                }
                Ok(Verdict::Unchanged) => return self.settled(shard, ours, Outcome::Unchanged).await,
                Ok(Verdict::OnlyAccessTimes) => return Outcome::Skipped(Skip::OnlyAccessTimes),
                Ok(Verdict::Stale { bucket_generation }) => {
                    return Outcome::Failed(UploadError::Stale { generation, bucket_generation });
                }
                Err(error) => error,
            };
            if attempts >= MAX_ATTEMPTS {
                break error;
            }
            match error {
                // Somebody else wrote meanwhile: look again at once.
                RemoteError::Conflict { .. } => {}
                RemoteError::Busy { .. } | RemoteError::Unknown { .. } => {
                    let wait = wait_after(shard.id, attempts);
                    tracing::debug!(shard = %shard.id, attempts, %error, ?wait, "the upload is tried again");
                    self.generator.clock().sleep(wait).await;
                }
                _ => break error,
            }
        };
        // There is no try left, but a look may still tell that the last one went well.
        if ours_may_be_there && self.has(&key, ours).await {
            return self.settled(shard, ours, Outcome::Uploaded).await;
        }
        Outcome::Failed(UploadError::Remote { error, attempts })
    }

    async fn has(&self, key: &str, ours: &Encoded) -> bool {
        matches!(self.remote.get(key, None).await, Ok(Got::Object(object)) if object.body == ours.bytes)
    }

    /// The bucket has our bytes: so shall the local heatmap, which is what this location inherits from itself at
    /// its next start.
    async fn settled(&self, shard: &Shard, ours: &Encoded, outcome: Outcome) -> Outcome {
        if self.dry_run {
            return outcome;
        }
        if let Err(error) = self.generator.pageserver().uploaded(shard, &ours.bytes).await {
            tracing::warn!(shard = %shard.id, %error, "the heatmap is in the bucket, but not in the local heatmap-v1.json");
        }
        outcome
    }
}

/// What became of a shard that has no heatmap now.
fn no_heatmap(error: GenerateError) -> Outcome {
    match error {
        GenerateError::Pageserver(PageserverError::NotAttached(_)) => Outcome::Skipped(Skip::Gone),
        GenerateError::Pageserver(PageserverError::NotReady { why, .. }) => Outcome::Skipped(Skip::NotReady(why)),
        error => Outcome::Failed(error.into()),
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::layer::{Generation, TenantId, TenantShardId};
    use crate::pageserver::Revision;

    fn shard() -> Shard {
        Shard {
            id: TenantShardId::unsharded(TenantId::from_bytes([1; 16])),
            generation: Generation::new(7),
            attach_mode: AttachMode::Single,
            active: true,
            upload_period: Duration::from_secs(60),
            checkpoint_distance_bytes: 1 << 28,
            revision: Revision::default(),
        }
    }

    fn stale() -> Shard {
        Shard { attach_mode: AttachMode::Stale, ..shard() }
    }

    fn off() -> Shard {
        Shard { upload_period: Duration::ZERO, ..shard() }
    }

    fn without_generation() -> Shard {
        Shard { generation: Generation::NONE, ..shard() }
    }

    #[rstest]
    #[case::single(shard(), Ok(7), Ok(7))]
    #[case::multi(Shard { attach_mode: AttachMode::Multi, ..shard() }, Ok(7), Ok(7))]
    #[case::the_first_generation(Shard { generation: Generation::new(0), ..shard() }, Ok(0), Ok(0))]
    #[case::stale(stale(), Err(Skip::Stale), Ok(7))]
    #[case::off(off(), Err(Skip::Off), Ok(7))]
    #[case::stale_and_off(Shard { upload_period: Duration::ZERO, ..stale() }, Err(Skip::Stale), Ok(7))]
    #[case::no_generation(without_generation(), Err(Skip::NoGeneration), Err(Skip::NoGeneration))]
    #[case::inactive(Shard { active: false, ..shard() }, Err(Skip::Inactive), Err(Skip::Inactive))]
    #[case::inactive_and_stale(Shard { active: false, ..stale() }, Err(Skip::Inactive), Err(Skip::Inactive))]
    #[case::inactive_and_off(Shard { active: false, ..off() }, Err(Skip::Inactive), Err(Skip::Inactive))]
    #[case::inactive_without_generation(
        Shard { active: false, ..without_generation() }, Err(Skip::Inactive), Err(Skip::Inactive)
    )]
    #[case::off_without_generation(
        Shard { upload_period: Duration::ZERO, ..without_generation() }, Err(Skip::Off), Err(Skip::NoGeneration)
    )]
    fn who_is_uploaded(
        #[case] shard: Shard,
        #[case] by_schedule: Result<u32, Skip>,
        #[case] by_command: Result<u32, Skip>,
    ) {
        assert_eq!(eligible(&shard, Trigger::Schedule), by_schedule);
        assert_eq!(eligible(&shard, Trigger::Command), by_command);
    }
}
