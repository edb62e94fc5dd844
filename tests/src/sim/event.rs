//! What happens in a run, as an onlooker sees it.

use std::fmt;
use std::time::Duration;

use thermocline::layer::TenantShardId;
use thermocline::pageserver::{AttachMode, Revision};

use super::picture::Picture;
use super::policies::Mood;
use super::world::Kept;
use crate::doubles::Call;

/// A pageserver, by letter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(pub(super) u8);

/// A host's process: the pageserver beside which it runs, and which start of it this is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct HostId {
    pub(super) node: NodeId,
    pub(super) start: u16,
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", char::from(b'A'.saturating_add(self.0)))
    }
}

impl fmt::Debug for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{}", self.node, self.start)
    }
}

/// How a host was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) concurrency: usize,
    pub(super) rescan: Duration,
    pub(super) recheck: Duration,
    pub(super) shutdown_limit: Duration,
    /// The longest that one job takes while the bucket works.
    pub(super) job: Duration,
    /// Whether an unchanged tenant's heatmap stays the same.
    pub(super) steady: bool,
    /// Whether the policy answers itself: one that fails is asked anew at every turn.
    pub(super) trusted: bool,
}

/// How a shard is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) generation: u32,
    pub(super) mode: AttachMode,
    pub(super) active: bool,
    pub(super) ready: bool,
    pub(super) closing: bool,
    pub(super) period: Duration,
    pub(super) checkpoint: u64,
}

impl Location {
    /// Whether its heatmap is to be uploaded by schedule.
    pub(super) fn is_scheduled(&self) -> bool {
        let Location { mode, active, ready, closing, period, .. } = *self;
        mode != AttachMode::Stale && active && ready && !closing && !period.is_zero()
    }
}

/// A heatmap in the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// Which write of the run this is: what the ETag says.
    pub(super) number: u64,
    pub(super) generation: u32,
    pub(super) period_ms: Option<u128>,
    pub(super) picture: Picture,
}

/// How a request ended, for whoever made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As it should; a put was written as this, a read found that.
    Well(Option<u64>),
    Conflict,
    Busy,
    Unknown,
    Refused,
    /// Nobody waits for it any more.
    Dropped,
}

/// What a command was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Uploaded,
    Unchanged,
    Skipped(String),
    /// The bucket has a heatmap of this generation.
    Stale(u32),
    /// The bucket did not take it.
    Remote(String),
    Failed(String),
    Cancelled,
    /// This many commands run already.
    Busy(usize),
    ShuttingDown,
}

/// What a deletion was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deletion {
    Done,
    Attached,
    Stale(u32),
    Remote(String),
    ShuttingDown,
    Failed(String),
}

/// Something that happens.
#[allow(dead_code, reason = "some of it is there to be read in a trace")]
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// `kept` is what the host found of its last run, if it had one.
    Started {
        host: HostId,
        terms: Terms,
        policy: Mood,
        kept: Option<Kept>,
    },
    Concurrency {
        host: HostId,
        limit: usize,
    },
    ShutdownBegan {
        host: HostId,
    },
    ShutdownEnded {
        host: HostId,
        cut_off: usize,
    },
    Crashed {
        host: HostId,
    },

    /// A shard was attached, or how it is attached has changed; `told`: the host was told at once.
    Attached {
        node: NodeId,
        shard: TenantShardId,
        location: Location,
        told: bool,
    },
    Detached {
        node: NodeId,
        shard: TenantShardId,
    },
    /// Its layers are these now. `state` grows with each change in the run; the heatmap may be any of `pictures`.
    Changed {
        node: NodeId,
        shard: TenantShardId,
        state: u64,
        pictures: Vec<Picture>,
    },

    /// The host asked for its shards.
    Listed {
        host: HostId,
    },
    /// The host looked at a shard, and was told this revision.
    Asked {
        host: HostId,
        shard: TenantShardId,
        revision: Revision,
    },
    /// It walked the layers.
    Walked {
        host: HostId,
        shard: TenantShardId,
    },
    Held {
        host: HostId,
        shard: TenantShardId,
    },
    Released {
        host: HostId,
        shard: TenantShardId,
    },
    Kept {
        host: HostId,
        shard: TenantShardId,
    },

    Sent {
        host: HostId,
        request: u64,
        call: Call,
        shard: TenantShardId,
    },
    /// The bucket has a new object, if it is a heatmap at all.
    Wrote {
        host: HostId,
        request: u64,
        shard: TenantShardId,
        written: Result<Written, String>,
    },
    Removed {
        host: HostId,
        request: u64,
        shard: TenantShardId,
    },
    Ended {
        host: HostId,
        request: u64,
        call: Call,
        shard: TenantShardId,
        end: End,
    },

    Commanded {
        host: HostId,
        command: u64,
        shard: TenantShardId,
    },
    Replied {
        host: HostId,
        command: u64,
        shard: TenantShardId,
        reply: Reply,
    },
    Deleting {
        host: HostId,
        command: u64,
        shard: TenantShardId,
    },
    Deleted {
        host: HostId,
        command: u64,
        shard: TenantShardId,
        reply: Deletion,
    },

    /// Requests fail from now on, or no more.
    Weather {
        bad: bool,
        what: String,
    },
    /// The wall clock was set.
    Jumped {
        seconds: i64,
    },
    /// Time passes.
    Tick,
    /// Nothing is changed any more, and nothing fails.
    Calm,
    /// All hosts have been shut down, and time has passed since.
    Finished,
}
