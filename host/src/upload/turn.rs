//! One shard's turn, from the look at the bucket to the local copy.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use tokio_util::sync::CancellationToken;

use super::backoff::wait_after;
use super::eligible::eligible;
use super::fence::{InBucket, Verdict, judge};
use super::outcome::{Attempt, GenerateError, Generated, Outcome, Skip, UploadError};
use super::past::{Made, Past, Theirs};
use super::uploader::Uploader;
use crate::Digest;
use crate::clock::Clock;
use crate::jobs::Trigger;
use crate::keys;
use crate::layer::TenantShardId;
use crate::pageserver::{Pageserver, PageserverError, Shard};
use crate::remote::{CALL_LIMIT, ETag, Got, PutIf, RemoteError};
use crate::state::Known;

/// Most tries for one upload. The waits between them add up to 15 seconds at most: who still fails then has
/// held its place for long enough, and comes back at the next period.
pub const MAX_ATTEMPTS: u32 = 6;

/// One shard's turn. Each try looks at the shard anew: a location that lost its tenant meanwhile sends nothing, and
/// what changed meanwhile is in what is sent.
pub(super) struct Turn<'a> {
    uploader: &'a Uploader,
    shard: TenantShardId,
    trigger: Trigger,
    past: Past,
    recheck_period: Duration,
    /// No more tries once this is cancelled.
    stopping: &'a CancellationToken,
    key: String,
    tries: u32,
    conflicts: u32,
    /// The answer to a put was lost, so that its bytes may be in the bucket.
    in_doubt: bool,
    /// When the bucket told last what it has, since the clock's start.
    told: Option<Duration>,
    /// The last heatmap.
    made: Option<Heatmap>,
    /// What the shard was at when it was looked at last.
    seen: Option<Shard>,
}

/// A heatmap, and what the shard was at when it was made.
#[derive(Clone)]
struct Heatmap {
    of: Shard,
    generation: u32,
    generated: Arc<Generated>,
}

/// Why a try came to nothing.
enum Stop {
    /// The turn is over.
    Settled(Outcome),
    /// Another try may help.
    Transient(Transient),
}

/// What may have passed at the next try.
enum Transient {
    /// The bucket does not take it.
    Remote(RemoteError),
    /// What the bucket knows of the shard cannot be read.
    Layers(GenerateError),
}

impl From<RemoteError> for Stop {
    fn from(error: RemoteError) -> Self {
        Stop::Transient(Transient::Remote(error))
    }
}

impl From<PageserverError> for Stop {
    fn from(error: PageserverError) -> Self {
        GenerateError::from(error).into()
    }
}

impl From<GenerateError> for Stop {
    fn from(error: GenerateError) -> Self {
        match error {
            GenerateError::Pageserver(PageserverError::NotAttached(_)) => Skip::Gone.into(),
            GenerateError::Pageserver(PageserverError::NotReady { why, .. }) => Skip::NotReady(why).into(),
            error @ GenerateError::Pageserver(PageserverError::Bucket { .. }) => {
                Stop::Transient(Transient::Layers(error))
            }
            error => Stop::Settled(Outcome::Failed(error.into())),
        }
    }
}

impl From<Skip> for Stop {
    fn from(skip: Skip) -> Self {
        Stop::Settled(Outcome::Skipped(skip))
    }
}

impl Transient {
    fn into_error(self, attempts: u32) -> UploadError {
        match self {
            Transient::Remote(error) => UploadError::Remote { error, attempts },
            Transient::Layers(error) => error.into(),
        }
    }
}

impl<'a> Turn<'a> {
    pub(super) fn new(
        uploader: &'a Uploader,
        shard: TenantShardId,
        trigger: Trigger,
        past: Past,
        stopping: &'a CancellationToken,
    ) -> Self {
        Turn {
            uploader,
            shard,
            trigger,
            past,
            recheck_period: Duration::MAX,
            stopping,
            key: keys::heatmap(shard),
            tries: 0,
            conflicts: 0,
            in_doubt: false,
            told: None,
            made: None,
            seen: None,
        }
    }

    /// How long what is remembered of the bucket is believed.
    pub(super) fn believing_for(self, recheck_period: Duration) -> Self {
        Turn { recheck_period, ..self }
    }

    /// Uploads the heatmap if it has to be, and answers what the next turn should know, and the shard as it was seen
    /// last.
    pub(super) async fn run(mut self) -> (Attempt, Past, Option<Shard>) {
        let began = self.clock().elapsed();
        let outcome = self.tries().await;
        let elapsed = self.clock().elapsed().saturating_sub(began);
        let attempt = Attempt {
            shard: self.shard,
            outcome,
            generated: self.made.map(|made| made.generated),
            seen: self.seen.clone(),
            tries: self.tries,
            conflicts: self.conflicts,
            elapsed,
        };
        (attempt, self.past, self.seen)
    }

    fn clock(&self) -> &'a dyn Clock {
        self.uploader.generator.clock()
    }

    fn pageserver(&self) -> &'a dyn Pageserver {
        self.uploader.generator.pageserver()
    }

    async fn tries(&mut self) -> Outcome {
        let error = loop {
            self.tries += 1;
            let error = match self.attempt().await {
                Ok(outcome) | Err(Stop::Settled(outcome)) => return outcome,
                Err(Stop::Transient(error)) => error,
            };
            let again_at_once = match &error {
                Transient::Remote(RemoteError::Conflict { .. }) => {
                    self.conflicts += 1;
                    true
                }
                Transient::Remote(RemoteError::Busy { .. } | RemoteError::Unknown { .. }) | Transient::Layers(_) => {
                    false
                }
                Transient::Remote(_) => break error,
            };
            if self.tries >= MAX_ATTEMPTS || self.stopping.is_cancelled() {
                break error;
            }
            if !again_at_once && self.back_off(&error).await.is_err() {
                break error;
            }
        };
        // There is no try left, but a look may still tell that the last one went well.
        if let Some(made) = self.made.clone()
            && self.in_doubt
            && self.arrived(&made).await
        {
            // The tenant may be gone by now, and its local heatmap with it.
            return match self.pageserver().hold(self.shard) {
                Ok(_held_open) => self.settled(&made, Outcome::Uploaded).await,
                Err(_) => Outcome::Uploaded,
            };
        }
        if self.stopping.is_cancelled() {
            return Outcome::Failed(UploadError::Cancelled);
        }
        Outcome::Failed(error.into_error(self.tries))
    }

    /// Waits before another try, unless the host stops.
    async fn back_off(&self, error: &Transient) -> Result<(), ()> {
        let wait = wait_after(&self.uploader.random, self.tries);
        match error {
            Transient::Remote(error) => tracing::debug!(tries = self.tries, %error, ?wait, "tried again later"),
            Transient::Layers(error) => tracing::debug!(tries = self.tries, %error, ?wait, "tried again later"),
        }
        let stopped = std::pin::pin!(self.stopping.cancelled());
        match select(stopped, self.clock().sleep(wait)).await {
            Either::Left(_) => Err(()),
            Either::Right(_) => Ok(()),
        }
    }

    /// One try.
    async fn attempt(&mut self) -> Result<Outcome, Stop> {
        let shard = self.pageserver().shard(self.shard).await?;
        self.seen = Some(shard.clone());
        let generation = eligible(&shard, self.trigger)?;
        self.past.ours.take_if(|ours| ours.generation > generation);
        self.past.theirs.take_if(|theirs| theirs.generation <= generation);

        let mut asked = None;
        if self.past.theirs.is_some() {
            asked = Some(self.ask().await?);
            if let Some(Theirs { generation: bucket_generation, .. }) = self.past.theirs {
                return Err(stale(generation, bucket_generation));
            }
        }
        let tenure = self.uploader.generator.policies().seat(self.shard).tenure();
        let now = self.clock().elapsed();
        if let Some(outcome) = self.past.still_right(&shard, generation, self.trigger, tenure, now) {
            if !self.must_ask() {
                return Ok(outcome);
            }
            let before = self.past.ours.as_ref().map(|ours| ours.etag.clone());
            let there = self.ask().await?;
            if before.is_some() && there.as_ref().map(|there| &there.etag) == before.as_ref() {
                return Ok(outcome);
            }
            asked = Some(there);
        }

        // From before its layers are read until its local heatmap is written. A tenant that is deleted meanwhile
        // would else leave a heatmap behind in the bucket.
        let _held_open = self.pageserver().hold(self.shard)?;
        let made = self.generate(&shard, generation).await?;
        let there = match asked {
            Some(there) => there,
            None if self.must_ask() => self.ask().await?,
            None => self.past.there(),
        };
        self.settle(&made, there).await
    }

    fn must_ask(&self) -> bool {
        self.past.must_ask(self.trigger, self.clock().elapsed(), self.recheck_period)
    }

    /// Makes the heatmap, unless the shard and its policy still are what they were at the last try.
    async fn generate(&mut self, shard: &Shard, generation: u32) -> Result<Heatmap, Stop> {
        let tenure = self.uploader.generator.policies().seat(self.shard).tenure();
        if let Some(made) = &self.made
            && made.of == *shard
            && made.generated.tenure == tenure
        {
            return Ok(made.clone());
        }
        self.made = None;
        let generated = Arc::new(self.uploader.generator.generate(shard, generation).await?);
        let made = Heatmap { of: shard.clone(), generation, generated };
        self.made = Some(made.clone());
        Ok(made)
    }

    /// Asks the bucket what it has.
    async fn ask(&mut self) -> Result<Option<InBucket>, Stop> {
        let Past { ours, theirs, .. } = &self.past;
        let unless = ours.as_ref().map(|ours| &ours.etag).or(theirs.as_ref().map(|theirs| &theirs.etag)).cloned();
        let found = self.uploader.remote.get(&self.key, unless.as_ref()).await?;
        self.told = Some(self.clock().elapsed());
        // Until it is settled what becomes of it, what was remembered is not what is there.
        self.past.asked = None;
        Ok(match found {
            Got::Unchanged if unless.is_some() => {
                self.past.asked = self.told;
                self.past.there()
            }
            Got::Object(object) => {
                self.past.theirs = None;
                let told = self.uploader.generator.compute().run(move || InBucket::of(&object)).await;
                Some(told.map_err(GenerateError::from)?)
            }
            // Nobody asked whether it is still some version. A store that says so all the same has told nothing, and
            // the condition that follows from this holds only where there is nothing to overwrite.
            Got::Missing | Got::Unchanged => {
                self.past.theirs = None;
                None
            }
        })
    }

    /// Does what the bucket asks for.
    async fn settle(&mut self, made: &Heatmap, there: Option<InBucket>) -> Result<Outcome, Stop> {
        let Some(there) = there else { return self.put(made, PutIf::Absent).await };
        let small_below_bytes = (self.trigger == Trigger::Schedule).then_some(made.of.checkpoint_distance_bytes);
        let verdict = judge(&made.generated.heatmap, made.generation, small_below_bytes, &there);
        match verdict {
            Verdict::Unchanged => {
                self.remember(made, there.etag, there.digest);
                let outcome = if self.in_doubt { Outcome::Uploaded } else { Outcome::Unchanged };
                Ok(self.settled(made, outcome).await)
            }
            Verdict::OnlyAccessTimes => {
                self.remember(made, there.etag, there.digest);
                Ok(Outcome::Skipped(Skip::OnlyAccessTimes))
            }
            Verdict::Stale { bucket_generation } => {
                self.past.ours = None;
                self.past.theirs = Some(Theirs { etag: there.etag, generation: bucket_generation });
                Err(stale(made.generation, bucket_generation))
            }
            Verdict::Put => self.put(made, PutIf::Matches(there.etag)).await,
        }
    }

    async fn put(&mut self, made: &Heatmap, condition: PutIf) -> Result<Outcome, Stop> {
        if self.uploader.dry_run {
            return Ok(Outcome::Uploaded);
        }
        // Until it is answered, nobody knows what is there.
        let asked = self.past.asked.take();
        let heatmap = &made.generated.heatmap;
        match self.uploader.remote.put_digested(&self.key, heatmap.bytes.clone(), heatmap.digest, condition).await {
            Ok(etag) => {
                self.told = Some(self.clock().elapsed());
                self.remember(made, etag, made.generated.heatmap.digest);
                Ok(self.settled(made, Outcome::Uploaded).await)
            }
            Err(error) => {
                match error {
                    RemoteError::Unknown { .. } => {
                        self.in_doubt = true;
                        self.past.doubt_until = Some(self.clock().elapsed().saturating_add(CALL_LIMIT));
                    }
                    RemoteError::Conflict { .. } => {}
                    _ => self.past.asked = asked,
                }
                Err(error.into())
            }
        }
    }

    /// Whether the bucket has what the last try sent.
    async fn arrived(&mut self, made: &Heatmap) -> bool {
        match self.uploader.remote.get(&self.key, None).await {
            Ok(Got::Object(object)) if object.body == made.generated.heatmap.bytes => {
                self.told = Some(self.clock().elapsed());
                self.remember(made, object.etag, made.generated.heatmap.digest);
                true
            }
            _ => false,
        }
    }

    /// The bucket has this version, with these bytes: the heatmap's, or others that say the same.
    fn remember(&mut self, made: &Heatmap, etag: ETag, digest: Digest) {
        let now_s = self.clock().unix_s();
        let heatmap = &made.generated.heatmap;
        let written_unix_s = match &self.past.ours {
            Some(before) if before.etag == etag => before.written_unix_s,
            _ => now_s,
        };
        self.past.ours = Some(Known {
            generation: made.generation,
            digest,
            content_digest: heatmap.content_digest,
            etag,
            written_unix_s,
            size_bytes: heatmap.bytes.len() as u64,
            hot_layers: heatmap.hot_layers as u64,
            cold_layers: heatmap.cold_layers as u64,
            hot_bytes: heatmap.hot_bytes,
        });
        self.past.theirs = None;
        self.past.made = Made::new(&made.of, made.generation, &made.generated);
        self.past.asked = self.told.or(self.past.asked);
    }

    /// The bucket has our bytes: so shall the local heatmap, which is what this location inherits from itself at
    /// its next start.
    async fn settled(&self, made: &Heatmap, outcome: Outcome) -> Outcome {
        if self.uploader.dry_run {
            return outcome;
        }
        if let Err(error) = self.pageserver().uploaded(&made.of, &made.generated.heatmap.bytes).await {
            tracing::warn!(%error, "the heatmap is in the bucket, but not in the local heatmap-v1.json");
        }
        outcome
    }
}

const fn stale(generation: u32, bucket_generation: u32) -> Stop {
    Stop::Settled(Outcome::Failed(UploadError::Stale { generation, bucket_generation }))
}
