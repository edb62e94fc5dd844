//! What a shard's last uploads tell the next one.

use std::time::Duration;

use super::fence::InBucket;
use super::outcome::{Generated, Outcome, Skip};
use crate::Digest;
use crate::jobs::Trigger;
use crate::pageserver::{Revision, Shard};
use crate::remote::ETag;
use crate::state::Known;

/// What a shard's last uploads tell the next one. Without any of it the bucket is read first, and every layer walked.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    /// The heatmap that is in the bucket, if it is ours.
    pub(super) ours: Option<Known>,
    /// The one of a later location.
    pub(super) theirs: Option<Theirs>,
    /// What the last heatmap was made of.
    pub(super) made: Option<Made>,
    /// When the bucket itself said last what is in it, since the clock's start. `None` after a restart: what was kept
    /// may be older than what is there.
    pub(super) asked: Option<Duration>,
    /// Until when a put of which nobody heard may still be carried out, since the clock's start.
    pub(super) doubt_until: Option<Duration>,
}

/// A heatmap of a later location.
#[derive(Clone, Debug)]
pub(super) struct Theirs {
    pub(super) etag: ETag,
    pub(super) generation: u32,
}

/// What a heatmap was made of: while nothing of it changes, neither does the heatmap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    generation: u32,
    revision: Revision,
    upload_period: Duration,
    tenure: Digest,
    /// From which on the policy would answer otherwise, since the clock's start.
    valid_until: Option<Duration>,
    /// Heats may follow access times, so that only a look tells whether they moved.
    scored: bool,
}

impl Made {
    /// `None` where the policy did not decide: it is asked again at the next turn.
    pub(super) fn new(shard: &Shard, generation: u32, generated: &Generated) -> Option<Self> {
        generated.policy_error.is_none().then(|| Made {
            generation,
            revision: shard.revision,
            upload_period: shard.upload_period,
            tenure: generated.tenure,
            valid_until: generated
                .valid_for_s
                .map(|valid_for_s| generated.decided.saturating_add(Duration::from_secs(valid_for_s))),
            scored: generated.scored,
        })
    }

    /// Changes of the layer set since.
    pub(super) const fn changes_until(&self, now: Revision) -> u64 {
        now.layers.saturating_sub(self.revision.layers)
    }
}

impl Past {
    /// What comes of a turn in which no layer need be walked; `None` where the shard has to be looked at.
    pub(super) fn still_right(
        &self,
        shard: &Shard,
        generation: u32,
        trigger: Trigger,
        tenure: Digest,
        now: Duration,
    ) -> Option<Outcome> {
        let (made, ours) = (self.made.as_ref()?, self.ours.as_ref()?);
        let same = trigger == Trigger::Schedule
            && made.generation == generation
            && made.upload_period == shard.upload_period
            && made.tenure == tenure
            && made.valid_until.is_none_or(|until| now < until)
            && made.revision.layers == shard.revision.layers;
        if !same {
            None
        } else if made.revision.access_times == shard.revision.access_times {
            Some(Outcome::Unchanged)
        } else if ours.hot_bytes < shard.checkpoint_distance_bytes && !made.scored {
            Some(Outcome::Skipped(Skip::OnlyAccessTimes))
        } else {
            None
        }
    }

    /// Whether the bucket has to be asked before anything is concluded from what is remembered of it.
    pub(super) fn must_ask(&self, trigger: Trigger, now: Duration, recheck_period: Duration) -> bool {
        trigger == Trigger::Command
            || self.ours.is_none()
            || self.doubt_until.is_some_and(|until| now < until)
            || self.asked.is_none_or(|asked| now.saturating_sub(asked) >= recheck_period)
    }

    /// What is remembered of the bucket, for the fence.
    pub(super) fn there(&self) -> Option<InBucket> {
        self.ours.as_ref().map(InBucket::from)
    }
}
