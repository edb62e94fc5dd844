//! What was so when: everything that checks ask about the past.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use thermocline::layer::TenantShardId;

use super::event::{End, Event, HostId, Location, NodeId, Terms, Written};
use super::picture::Picture;
use crate::doubles::Call;

/// What was so when.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) now: Duration,
    pub(super) hosts: BTreeMap<HostId, HostFacts>,
    pub(super) places: BTreeMap<(NodeId, TenantShardId), Place>,
    pub(super) objects: BTreeMap<TenantShardId, ObjectFacts>,
    /// Commands that were not answered yet.
    pub(super) commands: BTreeMap<u64, Command>,
    pub(super) deletions: BTreeMap<u64, Command>,
    /// Requests that have not ended, but for those of hosts that crashed.
    pub(super) open: BTreeMap<u64, Request>,
    pub(super) bad_weather: bool,
    /// Since when no request fails by itself.
    pub(super) fine_since: Duration,
}

/// A host's process.
#[derive(Clone, Debug)]
pub(super) struct HostFacts {
    pub(super) terms: Terms,
    pub(super) started: Duration,
    pub(super) limit: usize,
    /// The lowest limit so far.
    pub(super) least_limit: usize,
    pub(super) stopping: Option<Duration>,
    pub(super) ended: Option<Duration>,
    pub(super) crashed: bool,
    pub(super) held: BTreeMap<TenantShardId, u32>,
}

impl HostFacts {
    pub(super) const fn runs(&self) -> bool {
        self.stopping.is_none() && self.ended.is_none() && !self.crashed
    }
}

/// A shard at a pageserver.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// How it is attached, if it is.
    pub(super) location: Option<Location>,
    /// Since when.
    pub(super) since: Duration,
    /// Whether the host was told of that.
    pub(super) told: bool,
    /// The longest period of late, which a job may still wait out.
    pub(super) longest_period: Duration,
    /// All that it was, and since when.
    pub(super) was: Vec<(Duration, Option<Location>)>,
    /// Grows with each change of its layers.
    pub(super) state: u64,
    pub(super) pictures: Vec<Picture>,
    /// What its heatmap could be.
    pub(super) seen: HashMap<u64, Seen>,
    /// The same without access times.
    pub(super) seen_content: HashMap<u64, Seen>,
}

/// When a picture was right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// The last state that looked so.
    pub(super) state: u64,
    /// Until when; `None`: it still does.
    pub(super) until: Option<Duration>,
}

impl Place {
    /// Whether it was so at some moment since `from`.
    pub(super) fn was_since(&self, from: Duration, mut so: impl FnMut(Option<&Location>) -> bool) -> bool {
        let ends = self.was.iter().skip(1).map(|(until, _)| Some(*until)).chain([None]);
        // Nothing was there before the first entry.
        self.was.first().is_none_or(|(first, _)| *first >= from) && so(None)
            || self
                .was
                .iter()
                .zip(ends)
                .any(|((_, was), until)| until.is_none_or(|until| until >= from) && so(was.as_ref()))
    }

    fn picture(&mut self, now: Duration, state: u64, pictures: &[Picture]) {
        for (seen, picture) in [(&mut self.seen, exact as fn(&Picture) -> u64), (&mut self.seen_content, content)] {
            for before in &self.pictures {
                if let Some(seen) = seen.get_mut(&picture(before)) {
                    seen.until = Some(now);
                }
            }
            for right in pictures {
                seen.insert(picture(right), Seen { state, until: None });
            }
        }
        self.state = state;
        self.pictures = pictures.to_vec();
    }

    fn attach(&mut self, now: Duration, location: Option<Location>, told: bool) {
        let before = self.location;
        self.told = told || now.saturating_sub(self.since).is_zero() && self.told;
        self.longest_period = match (before, location) {
            (Some(before), Some(location)) => before.period.max(location.period),
            (_, location) => location.map(|location| location.period).unwrap_or_default(),
        };
        self.location = location;
        self.since = now;
        self.was.push((now, location));
        if location.is_none() {
            self.picture(now, self.state, &[]);
        }
    }
}

const fn exact(picture: &Picture) -> u64 {
    picture.exact
}

const fn content(picture: &Picture) -> u64 {
    picture.content
}

/// A heatmap's place in the bucket.
#[derive(Clone, Debug, Default)]
pub(super) struct ObjectFacts {
    pub(super) current: Option<Written>,
    /// All that it was, and since when.
    pub(super) was: Vec<(Duration, Option<Written>)>,
    /// When a request for it last ended otherwise than well, by host.
    pub(super) trouble: BTreeMap<HostId, Duration>,
    /// The highest generation in which the shard was ever attached.
    pub(super) newest: Option<u32>,
}

impl ObjectFacts {
    /// All that was in the bucket at some moment since `from`.
    pub(super) fn since(&self, from: Duration) -> impl Iterator<Item = &Written> {
        let ends = self.was.iter().skip(1).map(|(until, _)| Some(*until)).chain([None]);
        self.was
            .iter()
            .zip(ends)
            .filter_map(move |((_, was), until)| was.as_ref().filter(|_| until.is_none_or(|until| until >= from)))
    }
}

/// A command that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    pub(super) host: HostId,
    pub(super) shard: TenantShardId,
    pub(super) began: Duration,
    /// What the shard was at then.
    pub(super) state: u64,
}

/// A request that has not ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) host: HostId,
    pub(super) call: Call,
    pub(super) shard: TenantShardId,
}

impl Ledger {
    /// The host that runs beside a pageserver.
    pub(super) fn host_at(&self, node: NodeId) -> Option<(HostId, &HostFacts)> {
        self.hosts.iter().rev().find(|(id, host)| id.node == node && host.runs()).map(|(id, host)| (*id, host))
    }

    /// The generation in which a shard was last attached at a pageserver.
    pub(super) fn last_generation(&self, node: NodeId, shard: TenantShardId) -> Option<u32> {
        let was = &self.places.get(&(node, shard))?.was;
        was.iter().rev().find_map(|(_, location)| location.map(|location| location.generation))
    }

    /// How long a host may take to work off a full queue while the bucket works.
    pub(super) fn queue(&self, id: HostId, host: &HostFacts) -> Duration {
        let here =
            self.places.range((id.node, TenantShardId::default())..).take_while(|((node, _), _)| *node == id.node);
        let scheduled = here.filter(|(_, place)| place.location.is_some()).count();
        let turns = scheduled.div_ceil(host.least_limit.max(1)) + 1;
        host.terms.job * u32::try_from(turns).unwrap_or(u32::MAX) * 2
    }

    /// Shards for which somebody asked a host by name, and has no answer yet.
    pub(super) fn asked_by_name(&self, host: HostId) -> BTreeSet<TenantShardId> {
        let commands = self.commands.values().chain(self.deletions.values());
        commands.filter(|command| command.host == host).map(|command| command.shard).collect()
    }

    /// Takes note of what has happened.
    pub(super) fn note(&mut self, now: Duration, event: &Event) {
        self.now = now;
        match event {
            Event::Started { host, terms, .. } => {
                let (limit, held) = (terms.concurrency, BTreeMap::new());
                let facts = HostFacts {
                    terms: *terms,
                    started: now,
                    limit,
                    least_limit: limit,
                    stopping: None,
                    ended: None,
                    crashed: false,
                    held,
                };
                self.hosts.insert(*host, facts);
            }
            Event::Concurrency { host, limit } => self.host(*host, |host| {
                host.limit = *limit;
                host.least_limit = host.least_limit.min(*limit);
            }),
            Event::ShutdownBegan { host } => self.host(*host, |host| host.stopping = Some(now)),
            Event::ShutdownEnded { host, .. } => self.host(*host, |host| host.ended = Some(now)),
            Event::Crashed { host } => self.crashed(*host),
            Event::Attached { node, shard, location, told } => {
                self.places.entry((*node, *shard)).or_default().attach(now, Some(*location), *told);
                let object = self.objects.entry(*shard).or_default();
                object.newest = object.newest.max(Some(location.generation));
            }
            Event::Detached { node, shard } => {
                self.places.entry((*node, *shard)).or_default().attach(now, None, true);
            }
            Event::Changed { node, shard, state, pictures } => {
                self.places.entry((*node, *shard)).or_default().picture(now, *state, pictures);
            }
            Event::Held { host, shard } => self.host(*host, |host| *host.held.entry(*shard).or_default() += 1),
            Event::Released { host, shard } => self.host(*host, |host| {
                let left = host.held.get(shard).map_or(0, |held| held.saturating_sub(1));
                if left == 0 {
                    host.held.remove(shard)
                } else {
                    host.held.insert(*shard, left)
                };
            }),
            Event::Sent { host, request, call, shard } => {
                self.open.insert(*request, Request { host: *host, call: *call, shard: *shard });
            }
            Event::Wrote { shard, written, .. } => self.object(now, *shard, written.as_ref().ok().copied()),
            Event::Removed { shard, .. } => self.object(now, *shard, None),
            Event::Ended { host, request, shard, end, .. } => {
                self.open.remove(request);
                if !matches!(end, End::Well(_)) {
                    self.objects.entry(*shard).or_default().trouble.insert(*host, now);
                }
            }
            Event::Commanded { host, command, shard } => {
                self.commands.insert(*command, self.command(*host, *shard));
            }
            Event::Deleting { host, command, shard } => {
                self.deletions.insert(*command, self.command(*host, *shard));
            }
            Event::Replied { command, .. } => _ = self.commands.remove(command),
            Event::Deleted { command, .. } => _ = self.deletions.remove(command),
            Event::Weather { bad, .. } => {
                self.bad_weather = *bad;
                self.fine_since = now;
            }
            Event::Listed { .. }
            | Event::Asked { .. }
            | Event::Walked { .. }
            | Event::Kept { .. }
            | Event::Jumped { .. }
            | Event::Tick
            | Event::Calm
            | Event::Finished => {}
        }
    }

    fn command(&self, host: HostId, shard: TenantShardId) -> Command {
        let state = self.places.get(&(host.node, shard)).map_or(0, |place| place.state);
        Command { host, shard, began: self.now, state }
    }

    fn host(&mut self, id: HostId, change: impl FnOnce(&mut HostFacts)) {
        if let Some(host) = self.hosts.get_mut(&id) {
            change(host);
        }
    }

    fn object(&mut self, now: Duration, shard: TenantShardId, written: Option<Written>) {
        let object = self.objects.entry(shard).or_default();
        object.current = written;
        object.was.push((now, written));
    }

    /// Who waits for a host that crashed waits for nobody.
    fn crashed(&mut self, id: HostId) {
        self.host(id, |host| {
            host.crashed = true;
            host.held.clear();
        });
        self.open.retain(|_, request| request.host != id);
        self.commands.retain(|_, command| command.host != id);
        self.deletions.retain(|_, command| command.host != id);
    }
}
