//! The policies of a running host.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, UNIX_EPOCH};

use super::entry::{Entry, HOST};
use super::error::{ChangeError, PoliciesError};
use super::failures::{Failures, RollbackRule};
use super::lineup::{Absent, Lineup, Place, Seat};
use super::lock;
use super::reference::PolicyRef;
use super::scope::Scope;
use super::shadow::{Decided, Shadow, Watching};
use super::standing::{Chosen, Installed, Standing};
use super::status::{PolicyRole, PolicySummary, ShadowStatus};
use super::store::PolicyStore;
use super::which::Which;
use crate::Digest;
use crate::clock::{Clock, SystemClock};
use crate::layer::TenantShardId;
use crate::policy::{BUILT_IN, Contract, Engine, Judge, NO_CONFIG, Policy, PolicyError, PolicyIdentity, RESIDENT_SET};

/// Where a policy came from that an embedder handed over.
const HANDED_OVER: &str = "handed over by the program";

/// Who did it, and why: for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// By whom.
    pub by: String,
    /// Why, in their words.
    pub why: Option<String>,
}

/// Whose calls a shadow sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Absent: of all.
    pub tenant: Option<Scope>,
    /// Of their shards, more than 0 and at most 1. Which shards is fixed, so that each is seen always or never.
    pub share: f64,
}

impl Default for Share {
    fn default() -> Self {
        Share { tenant: None, share: 1.0 }
    }
}

/// The policies of a running host. Clones are of the same ones. Changes are made one after the other; each is written to
/// the store's log before it holds. They compute for up to seconds: asynchronous callers move them off their reactor,
/// as [`Compute`](crate::compute::Compute) does.
#[derive(Clone, Debug)]
pub struct Policies(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) engine: Engine,
    pub(super) store: PolicyStore,
    pub(super) clock: Arc<dyn Clock>,
    /// Replaced, never changed: whoever asks takes it as it is at that moment.
    lineup: RwLock<Arc<Lineup>>,
    /// Held for a change, so that there is one at a time.
    pub(super) changing: Mutex<()>,
    rule: Mutex<Option<RollbackRule>>,
    /// Of each policy under its configuration, wherever it sits: since it was last put into a place.
    failures: Mutex<BTreeMap<Digest, Failures>>,
    /// Compiled when it is first needed.
    built_in: OnceLock<Arc<Policy>>,
    /// The one that an embedder handed over, if one did.
    handed_over: OnceLock<Option<Arc<Policy>>>,
    pub(super) rollbacks: Rollbacks,
}

/// Rollbacks since the start.
#[derive(Debug, Default)]
pub(super) struct Rollbacks {
    pub(super) automatic: AtomicU64,
    pub(super) commanded: AtomicU64,
}

impl Policies {
    /// Takes up what the store's log says. A policy that cannot be loaded any more is passed over with a warning, and
    /// the built-in one decides in its place. Policies that fail too often are taken back as
    /// [`RollbackRule::default`] says, see [`set_rollback_rule`](Self::set_rollback_rule).
    ///
    /// # Errors
    /// If the store cannot be read, or the built-in policy cannot be compiled on this machine.
    pub fn open(engine: Engine, store: PolicyStore, clock: Arc<dyn Clock>) -> Result<Self, PoliciesError> {
        let built_in = Arc::new(Policy::load(&engine, RESIDENT_SET, NO_CONFIG)?);
        let standing = store.standing();
        let place = Seat::new(Arc::clone(&built_in), Chosen::default(), Place::Active, 0);
        let policies = Self::new(engine, store, clock, Lineup::of(place), Some(RollbackRule::default()));
        policies.0.built_in.get_or_init(|| built_in);
        policies.take_up(&standing);
        Ok(policies)
    }

    /// One policy for everybody, nothing kept, and nothing taken back by itself: for embedders and tools that need no
    /// more. Where it fails, the built-in one answers for the call. It counts as installed, so that whoever activates
    /// another one can go back to it.
    pub fn only(policy: Arc<Policy>) -> Self {
        let (engine, clock) = (policy.engine().clone(), SystemClock::default());
        let identity = policy.identity();
        let is_built_in = identity.digest() == BUILT_IN.digest();
        let which = if is_built_in { Which::BuiltIn } else { Which::Component(identity.digest()) };
        let chosen = Chosen::new(which, policy.config());
        let mut standing = Standing { active: chosen.clone(), ..Standing::default() };
        if let Which::Component(digest) = which {
            let installed = Installed {
                name: identity.name().unwrap_or_default().to_owned(),
                version: identity.version().unwrap_or_default().to_owned(),
                contract: Some(policy.contract().version().to_owned()),
                size_bytes: policy.size_bytes() as u64,
                at: told_at(&clock),
                by: HOST.into(),
                source: HANDED_OVER.into(),
            };
            standing.installed.insert(digest, installed);
        }
        let seat = Seat::new(Arc::clone(&policy), chosen, Place::Active, 0);
        let policies =
            Self::new(engine, PolicyStore::in_memory_with(standing), Arc::new(clock), Lineup::of(seat), None);
        // The store has no bytes of it.
        let kept = if is_built_in { None } else { Some(policy) };
        let _ = policies.0.handed_over.set(kept);
        policies
    }

    /// As [`only`](Self::only), the [built-in policy](RESIDENT_SET).
    ///
    /// # Errors
    /// If it cannot be compiled on this machine.
    pub fn built_in(engine: &Engine) -> Result<Self, PolicyError> {
        Ok(Self::only(Arc::new(Policy::load(engine, RESIDENT_SET, NO_CONFIG)?)))
    }

    fn new(
        engine: Engine,
        store: PolicyStore,
        clock: Arc<dyn Clock>,
        lineup: Lineup,
        rule: Option<RollbackRule>,
    ) -> Self {
        Policies(Arc::new(Inner {
            engine,
            store,
            clock,
            lineup: RwLock::new(Arc::new(lineup)),
            changing: Mutex::default(),
            rule: Mutex::new(rule),
            failures: Mutex::default(),
            built_in: OnceLock::new(),
            handed_over: OnceLock::new(),
            rollbacks: Rollbacks::default(),
        }))
    }

    /// When a policy is taken back by itself, from now on; `None`: never.
    pub fn set_rollback_rule(&self, rule: Option<RollbackRule>) {
        *lock(&self.0.rule) = rule;
    }

    /// When a policy is taken back by itself; `None`: never.
    pub fn rollback_rule(&self) -> Option<RollbackRule> {
        *lock(&self.0.rule)
    }

    /// Counts a failure. Answers whether they are too many now.
    pub(super) fn note_failure(&self, key: Digest, rule: &RollbackRule) -> bool {
        lock(&self.0.failures).entry(key).or_default().note(self.0.clock.elapsed(), rule)
    }

    /// A policy that comes to a place sits there anew.
    pub(super) fn forget_failures(&self, key: Digest) {
        lock(&self.0.failures).remove(&key);
    }

    /// Whether a configuration has ever named a policy here.
    pub fn was_configured(&self) -> bool {
        self.0.store.standing().configured.is_some()
    }

    /// What runs them.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The policy that decides for all that have none of their own.
    pub fn active(&self) -> Arc<Policy> {
        Arc::clone(self.lineup().active.policy())
    }

    /// The policy that decides for a shard.
    pub fn of(&self, shard: TenantShardId) -> Arc<Policy> {
        Arc::clone(self.seat(shard).policy())
    }

    /// Who decides for some, and what.
    pub fn overrides(&self) -> Vec<(Scope, Arc<Policy>)> {
        self.lineup().overrides.iter().map(|(scope, seat)| (*scope, Arc::clone(seat.policy()))).collect()
    }

    pub(super) fn lineup(&self) -> Arc<Lineup> {
        Arc::clone(&self.0.lineup.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who is asked for whom from now on. Only whoever changes may call it.
    pub(super) fn set_lineup(&self, lineup: Lineup) {
        *self.0.lineup.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(lineup);
    }

    /// Who decides for a shard, right now.
    pub(crate) fn seat(&self, shard: TenantShardId) -> Arc<Seat> {
        Arc::clone(self.lineup().seat(shard))
    }

    /// Who ranks uploads, right now.
    pub(crate) fn ranking_seat(&self) -> Arc<Seat> {
        Arc::clone(&self.lineup().active)
    }

    /// The call of the watched policy that is to be made beside one that was decided, if there is one.
    pub(crate) fn watch(&self, shard: TenantShardId, decided: impl FnOnce() -> Decided) -> Option<Watching> {
        let lineup = self.lineup();
        let shadow = lineup.shadow.as_ref().filter(|shadow| shadow.sees(shard))?;
        shadow.watch(decided())
    }

    /// A shard is not attached here any more: nobody need remember anything of it.
    pub(crate) fn forget(&self, shard: TenantShardId) {
        let lineup = self.lineup();
        lineup.active.drop_learned(shard);
        if let Some(shadow) = &lineup.shadow {
            shadow.forget(shard);
        }
    }

    /// A policy with its configuration, out of the store.
    pub(super) fn load(&self, chosen: &Chosen) -> Result<Arc<Policy>, ChangeError> {
        match chosen.which {
            Which::BuiltIn => {
                let policy = self.built_in_policy()?;
                Ok(if chosen.config == NO_CONFIG { policy } else { Arc::new(policy.with_config(&chosen.config)?) })
            }
            Which::Component(digest) => Ok(Arc::new(self.component(digest)?.with_config(&chosen.config)?)),
        }
    }

    /// A component, under whatever configuration.
    fn component(&self, digest: Digest) -> Result<Arc<Policy>, ChangeError> {
        let handed_over = self.0.handed_over.get().into_iter().flatten();
        match handed_over.into_iter().find(|policy| policy.identity().digest() == digest) {
            Some(policy) => Ok(Arc::clone(policy)),
            None => Ok(Arc::new(self.0.store.load(&self.0.engine, digest)?)),
        }
    }

    pub(super) fn built_in_policy(&self) -> Result<Arc<Policy>, PolicyError> {
        if let Some(policy) = self.0.built_in.get() {
            return Ok(Arc::clone(policy));
        }
        let policy = Arc::new(Policy::load(&self.0.engine, RESIDENT_SET, NO_CONFIG)?);
        Ok(Arc::clone(self.0.built_in.get_or_init(|| policy)))
    }

    /// Seats everybody as the log says.
    fn take_up(&self, standing: &Standing) {
        let mut absent = Vec::new();
        let mut seat = |chosen: &Chosen, place: Place, since| match self.load(chosen) {
            Ok(policy) => Some(Seat::new(policy, chosen.clone(), place, since)),
            Err(error) => {
                tracing::warn!(
                    "{} is passed over as the log of policies says it is used ({place}): {error}",
                    chosen.which
                );
                let (since, why) = (told_at(&*self.0.clock), format!("it could not be loaded at the start: {error}"));
                absent.push(Absent { place, chosen: chosen.clone(), since, why, taken_back: None });
                None
            }
        };
        let mut lineup = Lineup::clone(&self.lineup());
        if let Some(active) = seat(&standing.active, Place::Active, standing.active_since) {
            lineup.active = Arc::new(active);
        }
        for (scope, chosen) in &standing.overrides {
            if let Some(own) = seat(chosen, Place::For(*scope), standing.since(Some(*scope))) {
                lineup.overrides.insert(*scope, Arc::new(own));
            }
        }
        lineup.shadow = standing.shadow.as_ref().and_then(|shadowed| {
            let share = Share { tenant: shadowed.tenant, share: shadowed.share };
            let seat = seat(&shadowed.chosen, Place::Watched, 0)?;
            Some(Arc::new(Shadow::new(seat, share, shadowed.since.clone())))
        });
        lineup.absent = absent;
        self.set_lineup(lineup);
    }

    /// All that are installed, the built-in one first.
    pub fn list(&self) -> Vec<PolicySummary> {
        let (standing, lineup) = (self.0.store.standing(), self.lineup());
        let mut all = BTreeMap::new();
        all.insert(Which::BuiltIn, summary(Which::BuiltIn, &BUILT_IN, RESIDENT_SET.len(), Some(Contract::NEWEST)));
        for (digest, installed) in &standing.installed {
            let which = Which::Component(*digest);
            let summary = PolicySummary {
                which,
                digest: *digest,
                name: installed.name.clone(),
                version: installed.version.clone(),
                contract: installed.contract.clone(),
                size_bytes: installed.size_bytes,
                installed_at: Some(installed.at.clone()),
                installed_by: Some(installed.by.clone()),
                source: Some(installed.source.clone()),
                roles: Vec::new(),
            };
            all.insert(which, summary);
        }
        let shadow = lineup.shadow.as_ref().map(|shadow| &*shadow.seat);
        for seat in [&*lineup.active].into_iter().chain(lineup.overrides.values().map(|seat| &**seat)).chain(shadow) {
            // One that an embedder handed over need not be in the store.
            let which = seat.chosen.which;
            let summary = all.entry(which).or_insert_with(|| {
                summary(which, seat.policy().identity(), seat.policy().size_bytes(), Some(seat.policy().contract()))
            });
            summary.roles.push((PolicyRole::of(seat.place), Some(seat.chosen.config.clone())));
        }
        for Absent { place, chosen, since, why, taken_back } in &lineup.absent {
            let nameless = || summary(chosen.which, &PolicyIdentity::unnamed(chosen.which.digest()), 0, None);
            let roles = &mut all.entry(chosen.which).or_insert_with(nameless).roles;
            let role = PolicyRole::Absent { from: Box::new(PolicyRole::of(*place)), why: why.clone() };
            roles.push((role, Some(chosen.config.clone())));
            if taken_back.is_some() && !standing.rolled_back.contains_key(&chosen.which) {
                roles.push((PolicyRole::RolledBack(since.clone()), None));
            }
        }
        for (which, since) in &standing.rolled_back {
            if let Some(summary) = all.get_mut(which) {
                summary.roles.push((PolicyRole::RolledBack(since.clone()), None));
            }
        }
        all.into_values().collect()
    }

    /// One of them, with its description.
    ///
    /// # Errors
    /// If nothing, or more than one, is meant, or it cannot be loaded.
    pub fn show(&self, policy: &PolicyRef) -> Result<(PolicySummary, Arc<Policy>), ChangeError> {
        let which = policy.resolve(&self.0.store.standing())?;
        let summary = self.list().into_iter().find(|summary| summary.which == which);
        let summary = summary.ok_or_else(|| ChangeError::Unknown(policy.to_string()))?;
        let loaded = match which {
            Which::BuiltIn => self.built_in_policy()?,
            Which::Component(digest) => self.component(digest)?,
        };
        Ok((summary, loaded))
    }

    /// The policy that is watched.
    pub fn shadow_status(&self) -> Option<ShadowStatus> {
        let lineup = self.lineup();
        let shadow = lineup.shadow.as_ref()?;
        let identity = shadow.seat.policy().identity();
        Some(ShadowStatus {
            which: shadow.seat.chosen.which,
            name: identity.name().unwrap_or_default().to_owned(),
            version: identity.version().unwrap_or_default().to_owned(),
            config: shadow.seat.chosen.config.clone(),
            tenant: shadow.share.tenant,
            share: shadow.share.share,
            since: shadow.since.clone(),
            agreement: shadow.agreement(),
        })
    }

    /// Policies that failed too often, and are not tried again until somebody says so.
    pub fn rolled_back(&self) -> Vec<PolicySummary> {
        let is_rolled_back =
            |summary: &PolicySummary| summary.roles.iter().any(|(role, _)| matches!(role, PolicyRole::RolledBack(_)));
        self.list().into_iter().filter(is_rolled_back).collect()
    }

    /// Rollbacks since the start: those that the host did by itself, and those that somebody asked for.
    pub fn rollbacks(&self) -> (u64, u64) {
        let Rollbacks { automatic, commanded } = &self.0.rollbacks;
        (automatic.load(Ordering::Relaxed), commanded.load(Ordering::Relaxed))
    }

    /// At most `limit` entries of the log after number `after`, in order.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn log(&self, after: u64, limit: usize) -> Result<Vec<Entry>, ChangeError> {
        Ok(self.0.store.log(after, limit)?)
    }
}

impl PolicyRole {
    /// What whoever sits there does.
    const fn of(place: Place) -> Self {
        match place {
            Place::Active => PolicyRole::Active,
            Place::For(scope) => PolicyRole::Override(scope),
            Place::Watched => PolicyRole::Shadow,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Active => f.write_str("active"),
            Place::For(scope) => write!(f, "for tenant {scope}"),
            Place::Watched => f.write_str("as a shadow"),
        }
    }
}

/// A clock's time, as the log has it.
pub(super) fn told_at(clock: &dyn Clock) -> String {
    let since_epoch = Duration::from_secs(u64::try_from(clock.unix_s()).unwrap_or_default());
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since_epoch).to_string()
}

fn summary(which: Which, identity: &PolicyIdentity, size_bytes: usize, contract: Option<Contract>) -> PolicySummary {
    PolicySummary {
        which,
        digest: identity.digest(),
        name: identity.name().unwrap_or_default().to_owned(),
        version: identity.version().unwrap_or_default().to_owned(),
        contract: contract.map(|contract| contract.version().to_owned()),
        size_bytes: size_bytes as u64,
        installed_at: None,
        installed_by: None,
        source: None,
        roles: Vec::new(),
    }
}

/// One policy for everybody, see [`Policies::only`].
impl From<Arc<Judge>> for Policies {
    fn from(judge: Arc<Judge>) -> Self {
        Policies::only(Arc::clone(judge.policy()))
    }
}
