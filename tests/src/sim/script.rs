//! What happens in a run, and when: drawn from the seed, event by event.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fastrand::Rng;
use thermocline::clock::Clock;
use thermocline::layer::{ShardIndex, TenantId, TenantShardId};
use thermocline::pageserver::AttachMode;

use super::caller;
use super::chance::{between, happens, numbers, one_of};
use super::event::{Event, Location, Terms};
use super::node::Node;
use super::shape::PERIODS_S;
use super::tenant::{Moved, Tenant, tenant_id};
use super::world::{Kept, Running, World, node_id};

/// How often checks look whether time has run out.
const TICK: Duration = Duration::from_secs(5);

/// What is under way when the weather clears up arrives by then.
const STRAGGLERS: Duration = Duration::from_secs(1);

/// How long nothing may be heard of hosts that were shut down.
const SILENCE: Duration = Duration::from_mins(2);

/// What is to happen at some time.
#[derive(Clone, Copy, Debug)]
enum Later {
    Weather(bool, usize),
    /// A shard is as it should be again.
    Mend(usize, TenantShardId),
    SetMode(usize, TenantShardId, AttachMode),
    Detach(usize, TenantShardId),
    /// Its layers change.
    Change(usize, TenantShardId),
    /// Once it is detached everywhere.
    Delete(usize, TenantShardId),
    /// Once the host has ended.
    Restart(usize, Kept),
}

/// The script of a run.
#[derive(Debug)]
pub(super) struct Script {
    world: World,
    rng: Rng,
    later: BTreeMap<(Duration, u64), Later>,
    laters: u64,
    /// The highest generation of each shard.
    generations: BTreeMap<TenantShardId, u32>,
    tenants: u16,
    deleted: BTreeSet<TenantId>,
    terms: Vec<Terms>,
}

impl Script {
    pub(super) fn new(world: World) -> Self {
        let terms = world.places.iter().map(|_| world.shape.terms).collect();
        Script {
            rng: numbers(world.seed, "script"),
            world,
            later: BTreeMap::new(),
            laters: 0,
            generations: BTreeMap::new(),
            tenants: 0,
            deleted: BTreeSet::new(),
            terms,
        }
    }

    /// Plays it to the end.
    pub(super) async fn play(mut self) -> anyhow::Result<()> {
        let shape = self.world.shape.clone();
        for (number, phase) in self.world.weather.phases().to_vec().into_iter().enumerate() {
            self.at(phase.from, Later::Weather(true, number));
            self.at(phase.to + STRAGGLERS, Later::Weather(false, number));
        }
        for _ in 0..shape.tenants {
            let node = self.rng.usize(0..self.world.places.len());
            self.come(node);
        }
        for node in 0..self.world.places.len() {
            self.start(node, Kept::All)?;
        }
        self.stir(shape.stirred, shape.gap).await?;
        self.calm(&shape.terms).await?;
        for node in 0..self.world.places.len() {
            self.world.shut_down(node);
        }
        self.pass(SILENCE).await?;
        self.world.watch.see(&Event::Finished);
        Ok(())
    }

    /// Lets things happen.
    async fn stir(&mut self, until: Duration, gap: Duration) -> anyhow::Result<()> {
        let mut next = Duration::ZERO;
        while self.world.watch.now() < until {
            if self.world.watch.now() >= next {
                self.something()?;
                next += between(&mut self.rng, Duration::ZERO, 2 * gap);
            }
            self.pass(next.saturating_sub(self.world.watch.now())).await?;
        }
        Ok(())
    }

    /// Lets everything come to rest, and waits until heatmaps must be right.
    async fn calm(&mut self, terms: &Terms) -> anyhow::Result<()> {
        for node in 0..self.world.places.len() {
            for (shard, _) in self.shards_at(node) {
                self.mend(node, shard);
            }
        }
        self.world.watch.see(&Event::Calm);
        let longest = Duration::from_secs(PERIODS_S.into_iter().max().unwrap_or_default());
        let queue = terms.job * u32::from(self.world.shape.tenants) * 2;
        self.pass(longest * 5 + terms.rescan + terms.shutdown_limit + queue.min(longest * 5)).await
    }

    /// Lets time pass, and what was to happen meanwhile happen.
    async fn pass(&mut self, duration: Duration) -> anyhow::Result<()> {
        let until = self.world.watch.now() + duration;
        loop {
            let now = self.world.watch.now();
            while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= now) {
                let later = entry.remove();
                self.happen(later)?;
            }
            anyhow::ensure!(!self.world.watch.is_endless(), "the run does not end: it goes round in circles");
            if now >= until {
                return Ok(());
            }
            let tick = TICK.saturating_sub(Duration::from_nanos(u64::try_from(now.as_nanos() % TICK.as_nanos())?));
            let next = self.later.first_key_value().map_or(until, |((at, _), _)| *at).min(until);
            let ticks = now + tick <= next;
            self.world.clock.sleep(if ticks { tick } else { next - now }).await;
            if ticks {
                self.world.watch.see(&Event::Tick);
            }
        }
    }

    fn at(&mut self, at: Duration, later: Later) {
        self.laters += 1;
        self.later.insert((at, self.laters), later);
    }

    fn later(&mut self, wait: Duration, later: Later) {
        self.at(self.world.watch.now() + wait, later);
    }

    fn within(&mut self, seconds: u64) -> Duration {
        between(&mut self.rng, Duration::from_secs(1), Duration::from_secs(seconds))
    }

    fn happen(&mut self, later: Later) -> anyhow::Result<()> {
        match later {
            Later::Weather(bad, number) => {
                let phase = self.world.weather.phases().get(number);
                let what = phase.filter(|_| bad).map_or_else(String::new, |phase| format!("{phase:?}"));
                self.world.watch.see(&Event::Weather { bad, what });
            }
            Later::Mend(node, shard) => self.mend(node, shard),
            Later::SetMode(node, shard, mode) => self.set(node, shard, |location| location.mode = mode),
            Later::Detach(node, shard) => self.detach(node, shard),
            Later::Change(node, shard) => {
                let now_s = self.world.clock.unix_s();
                self.change(node, shard, |tenant, rng| tenant.change(rng, now_s));
            }
            Later::Delete(node, shard) => self.delete(node, shard),
            Later::Restart(node, kept) => {
                if self.world.is_down(node) {
                    self.start(node, kept)?;
                } else {
                    self.later(Duration::from_millis(500), Later::Restart(node, kept));
                }
            }
        }
        Ok(())
    }

    /// One thing happens.
    fn something(&mut self) -> anyhow::Result<()> {
        let node = self.rng.usize(0..self.world.places.len());
        let shards = self.shards_at(node);
        let picked = one_of(&mut self.rng, &shards);
        let now_s = self.world.clock.unix_s();
        match (self.rng.u32(0..1000), picked) {
            (0..560, Some((shard, _))) => self.change(node, shard, |tenant, rng| tenant.change(rng, now_s)),
            (560..700, Some((shard, _))) => self.change(node, shard, |tenant, rng| tenant.read(rng, now_s)),
            (700..820, Some((shard, _))) => self.command(node, shard),
            (820..830, _) => self.come(node),
            (830..840, Some((shard, _))) => self.leave(node, shard),
            (840..875, Some((shard, location))) => self.disturb(node, shard, location),
            (875..890, Some((shard, location))) => self.migrate(node, shard, location),
            (890..895, Some((shard, location))) => self.split(node, shard, location),
            (895..900, Some((shard, location))) => self.attach_anew(node, shard, location),
            (900..912, Some((shard, _))) => {
                let period = Duration::from_secs(one_of(&mut self.rng, &PERIODS_S).unwrap_or(10));
                self.set(node, shard, |location| location.period = period);
            }
            (912..922, _) => self.limit(node),
            (922..930, _) => self.with_host(node, |host| host.handle.rescan()),
            (930..938, _) => self.burst(node),
            (938..944, _) => self.command(node, TenantShardId::unsharded(tenant_id(u16::MAX))),
            (944..950, _) => self.world.back_up(node)?,
            (950..956, _) => self.power_cut(node),
            (956..962, _) => self.restart(node),
            (962..970, _) => self.jump(),
            (970..980, Some((shard, _))) => self.delete_by_mistake(node, shard),
            _ => {}
        }
        Ok(())
    }

    // ------------------------------------------------------------------------------------------ pageservers

    fn node(&self, node: usize) -> Option<&Node> {
        self.world.places.get(node).map(|place| &place.node)
    }

    fn tenant(&self, node: usize, shard: TenantShardId) -> Option<Tenant> {
        self.node(node)?.tenant(shard)
    }

    fn change(&mut self, node: usize, shard: TenantShardId, change: impl FnOnce(&mut Tenant, &mut Rng) -> Moved) {
        if let Some(place) = self.world.places.get(node) {
            place.node.change(shard, |tenant| change(tenant, &mut self.rng));
        }
    }

    fn shards_at(&self, node: usize) -> Vec<(TenantShardId, Location)> {
        self.world.places.get(node).map(|place| place.node.shards()).unwrap_or_default()
    }

    fn is_attached(&self, shard: TenantShardId) -> bool {
        let mut all = (0..self.world.places.len()).flat_map(|node| self.shards_at(node));
        all.any(|(attached, _)| attached == shard)
    }

    fn next_generation(&mut self, shard: TenantShardId) -> u32 {
        let generation = self.generations.entry(shard).or_default();
        *generation += 1;
        *generation
    }

    /// Whether the host is told of a change at once, or finds it out.
    fn tells(&mut self) -> bool {
        happens(&mut self.rng, 800)
    }

    fn tell(&self, node: usize, shard: TenantShardId, told: bool) {
        if told {
            self.with_host(node, |host| host.handle.changed(shard));
        }
    }

    fn with_host(&self, node: usize, ask: impl FnOnce(&Running)) {
        if let Some(running) = self.world.running(node) {
            ask(running);
        }
    }

    /// A new tenant.
    fn come(&mut self, node: usize) {
        self.tenants += 1;
        let shard = TenantShardId::unsharded(tenant_id(self.tenants));
        let generation = self.next_generation(shard);
        let now_s = self.world.clock.unix_s();
        let tenant = Tenant::new(shard, generation, &mut self.rng, now_s);
        let location = Location {
            generation,
            mode: AttachMode::Single,
            active: happens(&mut self.rng, 900),
            ready: happens(&mut self.rng, 900),
            closing: false,
            period: Duration::from_secs(one_of(&mut self.rng, &PERIODS_S).unwrap_or(10)),
            checkpoint: if self.rng.bool() { 256 << 20 } else { 8192 },
        };
        self.attach(node, shard, location, tenant);
        let wait = self.within(60);
        self.later(wait, Later::Mend(node, shard));
    }

    fn attach(&mut self, node: usize, shard: TenantShardId, location: Location, tenant: Tenant) {
        let told = self.tells();
        if let Some(node) = self.node(node) {
            node.attach(shard, location, tenant, told);
        }
        self.tell(node, shard, told);
    }

    fn set(&mut self, node: usize, shard: TenantShardId, change: impl FnOnce(&mut Location)) {
        let told = self.tells();
        if let Some(node) = self.node(node) {
            node.set(shard, told, change);
        }
        self.tell(node, shard, told);
    }

    fn mend(&mut self, node: usize, shard: TenantShardId) {
        self.set(node, shard, |location| {
            (location.active, location.ready) = (true, true);
            if location.period.is_zero() {
                location.period = Duration::from_secs(20);
            }
        });
    }

    /// Something is wrong with a shard for a while.
    fn disturb(&mut self, node: usize, shard: TenantShardId, location: Location) {
        match self.rng.u32(0..4) {
            0 => self.set(node, shard, |location| location.active = false),
            1 => self.set(node, shard, |location| location.ready = false),
            2 => self.set(node, shard, |location| location.period = Duration::ZERO),
            _ => {
                self.set(node, shard, |location| location.mode = AttachMode::Stale);
                let wait = self.within(90);
                self.later(wait, Later::SetMode(node, shard, location.mode));
            }
        }
        let wait = self.within(120);
        self.later(wait, Later::Mend(node, shard));
    }

    fn detach(&mut self, node: usize, shard: TenantShardId) {
        if let Some(node) = self.node(node) {
            node.detach(shard);
        }
        let told = self.tells();
        self.tell(node, shard, told);
    }

    /// A tenant goes, and often for ever.
    fn leave(&mut self, node: usize, shard: TenantShardId) {
        if happens(&mut self.rng, 700) {
            self.deleted.insert(shard.tenant);
            for other in 0..self.world.places.len() {
                self.detach(other, shard);
            }
            let wait = self.within(20);
            self.later(wait, Later::Delete(node, shard));
        } else {
            self.detach(node, shard);
        }
    }

    /// It is attached in a later generation where it is.
    fn attach_anew(&mut self, node: usize, shard: TenantShardId, location: Location) {
        let Some(tenant) = self.tenant(node, shard).filter(|_| !self.is_going(shard, &location)) else { return };
        let generation = self.next_generation(shard);
        self.attach(node, shard, Location { generation, ..location }, tenant.in_generation(generation));
    }

    fn is_going(&self, shard: TenantShardId, location: &Location) -> bool {
        location.closing || self.deleted.contains(&shard.tenant)
    }

    /// It is attached elsewhere, and here it learns of that later, or never.
    fn migrate(&mut self, node: usize, shard: TenantShardId, location: Location) {
        let to = (node + 1) % self.world.places.len();
        let there = self.shards_at(to).iter().any(|(other, _)| *other == shard);
        let Some(tenant) = self.tenant(node, shard) else { return };
        if to == node || there || self.is_going(shard, &location) {
            return;
        }
        let generation = self.next_generation(shard);
        let period = if location.period.is_zero() { Duration::from_secs(30) } else { location.period };
        let (active, ready) = (true, happens(&mut self.rng, 700));
        let arrived = Location { generation, mode: AttachMode::Multi, active, ready, period, ..location };
        if happens(&mut self.rng, 600) {
            self.set(node, shard, |location| location.mode = AttachMode::Stale);
            self.command(node, shard);
        }
        self.attach(to, shard, arrived, tenant.taken_over(generation));
        let (single, mended, stale, gone) = (self.within(90), self.within(30), self.within(60), self.within(180));
        self.later(mended, Later::Mend(to, shard));
        self.later(single, Later::SetMode(to, shard, AttachMode::Single));
        for _ in 0..4 {
            // Both go on: the old location does not know better.
            let (here, arrived) = (self.within(120), self.within(120));
            self.later(here, Later::Change(node, shard));
            self.later(arrived, Later::Change(to, shard));
        }
        if happens(&mut self.rng, 700) {
            self.later(stale, Later::SetMode(node, shard, AttachMode::Stale));
            self.later(stale + gone, Later::Detach(node, shard));
        }
    }

    /// Two shards take the place of one.
    fn split(&mut self, node: usize, shard: TenantShardId, location: Location) {
        let Some(tenant) = self.tenant(node, shard) else { return };
        let elsewhere = (0..self.world.places.len()).filter(|other| *other != node);
        let mut elsewhere = elsewhere.flat_map(|other| self.shards_at(other));
        if !shard.shard.is_unsharded() || self.is_going(shard, &location) || elsewhere.any(|(other, _)| other == shard)
        {
            return;
        }
        self.detach(node, shard);
        for number in 0..2 {
            let child = ShardIndex { number, count: 2 };
            let id = TenantShardId { shard: child, ..shard };
            self.generations.insert(id, location.generation);
            self.attach(node, id, location, tenant.split_off(child));
        }
        if self.rng.bool() {
            let wait = self.within(30);
            self.later(wait, Later::Delete(node, shard));
        }
    }

    // ------------------------------------------------------------------------------------------------ hosts

    fn start(&mut self, node: usize, kept: Kept) -> anyhow::Result<()> {
        let Some(terms) = self.terms.get(node).copied() else { return Ok(()) };
        self.world.start(node, kept, terms)
    }

    fn kept(&mut self) -> Kept {
        one_of(&mut self.rng, &[Kept::All, Kept::All, Kept::Old, Kept::Nothing]).unwrap_or(Kept::All)
    }

    fn power_cut(&mut self, node: usize) {
        if self.world.runs(node) {
            self.world.crash(node);
            self.come_back(node);
        }
    }

    fn restart(&mut self, node: usize) {
        if self.world.runs(node) {
            self.world.shut_down(node);
            self.come_back(node);
        }
    }

    fn come_back(&mut self, node: usize) {
        let (wait, kept) = (self.within(40), self.kept());
        self.later(wait, Later::Restart(node, kept));
        if self.rng.bool() {
            // A pageserver that starts is told its generations anew.
            for (shard, location) in self.shards_at(node) {
                if self.rng.bool() {
                    self.attach_anew(node, shard, location);
                }
            }
        }
    }

    fn limit(&mut self, node: usize) {
        let most = self.world.shape.terms.concurrency;
        let limit = self.rng.usize(most.div_ceil(2)..=most + 3);
        let told = self.world.concurrency(limit);
        if let Some(running) = self.world.running(node) {
            self.world.watch.see(&Event::Concurrency { host: running.id, limit });
            running.handle.set_concurrency(told);
        }
    }

    fn jump(&mut self) {
        let day = 86_400;
        let seconds = one_of(&mut self.rng, &[-day, -3600, -7, 7, 3600, 30 * day]).unwrap_or_default();
        self.world.watch.see(&Event::Jumped { seconds });
        self.world.clock.jump(seconds);
    }

    // --------------------------------------------------------------------------------------------- commands

    fn command(&mut self, node: usize, shard: TenantShardId) {
        self.laters += 1;
        if let Some(running) = self.world.running(node) {
            caller::upload(running, &self.world.watch, self.laters, shard);
        }
    }

    fn burst(&mut self, node: usize) {
        let shards = self.shards_at(node);
        for _ in 0..self.rng.usize(2..40) {
            if let Some((shard, _)) = one_of(&mut self.rng, &shards) {
                self.command(node, shard);
            }
        }
    }

    /// Once it is attached nowhere, its heatmap goes.
    fn delete(&mut self, node: usize, shard: TenantShardId) {
        if self.is_attached(shard) || self.world.running(node).is_none() {
            self.later(Duration::from_secs(3), Later::Delete(node, shard));
            return;
        }
        self.ask_to_delete(node, shard);
    }

    fn ask_to_delete(&mut self, node: usize, shard: TenantShardId) {
        let generation = self.world.watch.ask(|ledger| ledger.last_generation(node_id(node), shard));
        self.laters += 1;
        if let Some(running) = self.world.running(node) {
            caller::delete(running, &self.world.watch, self.laters, shard, generation.unwrap_or_default());
        }
    }

    /// Somebody asks for a deletion where the tenant is attached, or where it was before it went on elsewhere.
    fn delete_by_mistake(&mut self, node: usize, shard: TenantShardId) {
        let other = (node + 1) % self.world.places.len();
        let there = self.shards_at(other).iter().any(|(at, _)| *at == shard);
        let newer = self.world.watch.ask(|ledger| {
            let current = ledger.objects.get(&shard).and_then(|object| object.current);
            let before = ledger.last_generation(node_id(other), shard);
            current.zip(before).is_some_and(|(current, before)| current.generation > before)
        });
        self.ask_to_delete(if !there && newer { other } else { node }, shard);
    }
}
