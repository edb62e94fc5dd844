//! What becomes of requests on their way: drawn from the seed, in phases, up to a time from which all goes well.

use std::sync::Mutex;
use std::time::Duration;

use fastrand::Rng;
use thermocline::layer::TenantShardId;

use super::chance::{between, happens, numbers};
use super::event::{HostId, NodeId};
use crate::doubles::{Call, lock};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of 1000 requests of a phase, how many fare how.
#[derive(Clone, Copy, Debug, Default)]
struct Odds {
    busy: u32,
    lost_request: u32,
    lost_answer: u32,
    conflict: u32,
    slow: u32,
    hang: u32,
    late: u32,
}

/// Whose requests a phase is about.
#[derive(Clone, Copy, Debug)]
enum Scope {
    Everything,
    /// One host is cut off.
    Node(NodeId),
    /// A part of the keys.
    Keys,
}

/// A time in which requests fail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phase {
    pub(super) from: Duration,
    pub(super) to: Duration,
    odds: Odds,
    scope: Scope,
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fate {
    /// When it arrives, from now.
    pub(super) there: Duration,
    /// When its answer does, from then.
    pub(super) back: Duration,
    pub(super) how: How,
    /// When its client gives up, from now.
    pub(super) patience: Option<Duration>,
    /// Whether it still arrives if nobody waits for it any more.
    pub(super) outlives: bool,
}

/// What the store does with it, or the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Well,
    Busy,
    Conflict,
    LostRequest,
    LostAnswer,
}

/// What becomes of requests.
#[derive(Debug)]
pub(super) struct Weather {
    phases: Vec<Phase>,
    latency: (Duration, Duration),
    rng: Mutex<Rng>,
}

impl Weather {
    /// Phases up to `until`.
    pub(super) fn new(seed: u64, latency: (Duration, Duration), until: Duration) -> Self {
        let mut rng = numbers(seed, "phases");
        let mut phases = Vec::new();
        let mut from = between(&mut rng, Duration::from_secs(5), Duration::from_secs(200));
        while from < until {
            let long = between(&mut rng, Duration::from_secs(2), Duration::from_secs(150));
            let to = (from + long).min(until);
            phases.push(Phase { from, to, odds: Odds::draw(&mut rng), scope: Scope::draw(&mut rng) });
            from = to + between(&mut rng, Duration::from_secs(20), Duration::from_secs(300));
        }
        Weather { phases, latency, rng: Mutex::new(numbers(seed, "weather")) }
    }

    pub(super) fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// What becomes of a request that is sent now.
    pub(super) fn fate(&self, now: Duration, host: HostId, call: Call, shard: TenantShardId) -> Fate {
        let rng = &mut *lock(&self.rng);
        let (from, to) = self.latency;
        let (there, back) = (between(rng, from / 2, to / 2), between(rng, from / 2, to / 2));
        let well = Fate { there, back, how: How::Well, patience: None, outlives: rng.bool() };
        let phase = self.phases.iter().find(|phase| phase.from <= now && now < phase.to);
        match phase.filter(|phase| phase.scope.covers(host.node, shard)) {
            Some(phase) => phase.odds.fate(rng, well, call, phase.to - now),
            None => well,
        }
    }
}

impl Odds {
    fn draw(rng: &mut Rng) -> Self {
        let mut odds = Odds::default();
        match rng.u32(0..8) {
            0 => odds.busy = 1000,
            1 => odds.lost_request = 1000,
            2 => odds.hang = 1000,
            3 => odds.lost_answer = 700,
            _ => {
                for part in [
                    &mut odds.busy,
                    &mut odds.lost_request,
                    &mut odds.lost_answer,
                    &mut odds.conflict,
                    &mut odds.slow,
                    &mut odds.hang,
                    &mut odds.late,
                ] {
                    *part = if rng.bool() { rng.u32(0..140) } else { 0 };
                }
            }
        }
        odds
    }

    /// Nothing of it lasts longer than the phase, whose end is `left` away.
    fn fate(&self, rng: &mut Rng, well: Fate, call: Call, left: Duration) -> Fate {
        let mut roll = rng.u32(0..1000);
        let mut is = |odds: u32| {
            let hit = roll < odds;
            roll = roll.saturating_sub(odds);
            if hit {
                roll = u32::MAX;
            }
            hit
        };
        let (busy, request, answer) = (is(self.busy), is(self.lost_request), is(self.lost_answer));
        let (conflict, slow, hang, late) = (is(self.conflict), is(self.slow), is(self.hang), is(self.late));
        let wait = between(rng, Duration::from_millis(100), Duration::from_secs(10)).min(left);
        let how = |how| Fate { how, ..well };
        match () {
            () if busy => how(How::Busy),
            () if request => Fate { back: wait, ..how(How::LostRequest) },
            () if answer => Fate { back: wait, ..how(How::LostAnswer) },
            () if conflict && call == Call::Put => how(How::Conflict),
            () if slow => Fate { there: wait / 2, back: wait / 2, ..well },
            () if hang => {
                let patience = happens(rng, 500).then_some(PATIENCE.min(left));
                Fate { there: left, patience, ..how(How::LostRequest) }
            }
            () if late => Fate { there: left.min(wait * 6), patience: Some(wait), outlives: true, ..well },
            () => well,
        }
    }
}

impl Scope {
    fn draw(rng: &mut Rng) -> Self {
        match rng.u32(0..4) {
            0 => Scope::Node(NodeId(rng.u8(0..2))),
            1 => Scope::Keys,
            _ => Scope::Everything,
        }
    }

    fn covers(self, node: NodeId, shard: TenantShardId) -> bool {
        match self {
            Scope::Everything => true,
            Scope::Node(cut_off) => cut_off == node,
            Scope::Keys => shard.tenant.as_bytes().iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) % 3 == 0,
        }
    }
}
