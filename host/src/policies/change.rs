//! What operators change: each change is checked, written down, and then holds.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::value::RawValue;

use super::entry::{Action, Entry, HOST, Outcome};
use super::error::ChangeError;
use super::lineup::{Lineup, Place, Seat};
use super::live::{Note, Policies, Share, told_at};
use super::reference::PolicyRef;
use super::scope::Scope;
use super::shadow::Shadow;
use super::source::Source;
use super::standing::{Chosen, Standing};
use super::status::PolicySummary;
use super::store::{MAX_INSTALLED, MAX_LOG_BYTES};
use super::which::Which;
use crate::Digest;
use crate::policy::conformance::{self, Depth};
use crate::policy::{NO_CONFIG, Policy};

/// Bytes of a reason that are kept, and of a name.
const NOTE_BYTES: usize = 1 << 10;

/// Most tenants and shards that have a policy of their own: to try one out, and not to run many.
pub const MAX_OVERRIDES: usize = 1000;

/// Bytes of their configurations together: what the log adds up to must fit into the beginning of the next one, or no
/// change could be written down any more.
pub const MAX_OVERRIDES_CONFIG_BYTES: usize = 8 << 20;

/// In the log, a character may take two bytes, and beside the configuration stand a few names and digests. Half of a log
/// is for what it begins with; the policies that were active, are, and are watched have half of that.
const _: () = assert!(2 * MAX_OVERRIDES_CONFIG_BYTES + MAX_OVERRIDES * 512 <= MAX_LOG_BYTES / 2 - MAX_LOG_BYTES / 8);

/// Who did something that nobody put a name to.
const SOMEBODY: &str = "unknown";

impl Policies {
    /// Checks a component, and keeps it in the store. It decides nothing yet. `config` is what it is tried with; without
    /// one, no settings.
    ///
    /// # Errors
    /// If it cannot be fetched, is not the one that was meant, or fails a check. Nothing of it stays then but a line in
    /// the log.
    pub async fn install(
        &self,
        source: &dyn Source,
        pin: Option<Digest>,
        config: Option<&str>,
        note: &Note,
    ) -> Result<PolicySummary, ChangeError> {
        let mut entry = self.entry(Action::Install, note);
        entry.source = Some(told(&source.name()));
        let fetched = source.fetch(self.0.engine.limits().component_bytes).await;
        let (policies, what) = (self.clone(), source.name());
        let config = config.unwrap_or(NO_CONFIG).to_owned();
        let compute = crate::compute::Compute::Threads;
        compute.run(move || policies.install_fetched(fetched.map_err(Into::into), &what, pin, &config, entry)).await?
    }

    fn install_fetched(
        &self,
        fetched: Result<bytes::Bytes, ChangeError>,
        what: &str,
        pin: Option<Digest>,
        config: &str,
        mut entry: Entry,
    ) -> Result<PolicySummary, ChangeError> {
        let checked = fetched.and_then(|bytes| {
            let digest = Digest::of(&bytes);
            entry.to = Some(Which::Component(digest));
            entry.size_bytes = Some(bytes.len() as u64);
            if let Some(pinned) = pin.filter(|pinned| *pinned != digest) {
                return Err(ChangeError::Pin { what: what.to_owned(), found: digest, pinned });
            }
            let policy = self.checked(&bytes, config, &mut entry)?;
            Ok((bytes, policy))
        });
        // Others may change things while a component is checked, which takes seconds.
        let _changing = self.begin_change();
        let kept = checked.and_then(|(bytes, policy)| {
            let standing = self.0.store.standing();
            let installed = standing.installed.len();
            let is_new = !standing.installed.contains_key(&policy.identity().digest());
            if is_new && installed >= MAX_INSTALLED {
                return Err(ChangeError::Full { installed, limit: MAX_INSTALLED });
            }
            // Also where it is new to nobody: its file may have been lost.
            self.0.store.put(&bytes)?;
            Ok(policy)
        });
        let (_, policy) = self.write_down(entry, kept)?;
        let digest = policy.identity().digest();
        let summary = self.list().into_iter().find(|summary| summary.which == Which::Component(digest));
        summary.ok_or_else(|| ChangeError::Unknown(digest.to_string()))
    }

    /// Everything that can be found out about a component before anybody relies on it.
    fn checked(&self, bytes: &[u8], config: &str, entry: &mut Entry) -> Result<Policy, ChangeError> {
        let policy = Policy::load_unconfigured(&self.0.engine, bytes)?;
        entry.name = policy.identity().name().map(str::to_owned);
        entry.version = policy.identity().version().map(str::to_owned);
        entry.contract = Some(policy.contract().version().to_owned());
        let policy = policy.with_config(config)?;
        let conformance = conformance::check(&policy.aside(), Depth::Quick);
        let mut failed = conformance.checks.into_iter().filter_map(|check| Some((check.name, check.failure?)));
        match failed.next() {
            Some((first, why)) => Err(ChangeError::Conformance { failed: 1 + failed.count(), first, why }),
            None => Ok(policy),
        }
    }

    /// Drops a component that nobody uses from the store.
    ///
    /// # Errors
    /// If nothing, or more than one, is meant, or it is in use.
    pub fn remove(&self, policy: &PolicyRef, note: &Note) -> Result<Entry, ChangeError> {
        let _changing = self.begin_change();
        let mut entry = self.entry(Action::Remove, note);
        let standing = self.0.store.standing();
        let found = policy.resolve(&standing).and_then(|which| {
            self.meant(&mut entry, which, &standing);
            let Which::Component(digest) = which else { return Err(ChangeError::BuiltIn) };
            let lineup = self.lineup();
            let seats = lineup.overrides.values().chain([&lineup.active]);
            let mut used = seats.chain(lineup.shadow.as_ref().map(|shadow| &shadow.seat));
            let chosen = standing.overrides.values().chain([&standing.active]).any(|chosen| chosen.which == which);
            if chosen || used.any(|seat| seat.chosen.which == which) {
                return Err(ChangeError::InUse(policy.to_string()));
            }
            Ok(digest)
        });
        // First from the log: a file that nobody knows of does no harm.
        let (entry, digest) = self.write_down(entry, found)?;
        if let Err(error) = self.0.store.remove(digest) {
            tracing::warn!("the files of sha256:{digest} stay: {error}");
        }
        Ok(entry)
    }

    /// Lets a policy decide from now on; `tenant` absent: for all that have none of their own. Calls that run end with
    /// the policy that they began with. One that was taken back by itself is tried again.
    ///
    /// # Errors
    /// If nothing, or more than one, is meant, or it refuses the configuration. Whoever decided still does.
    pub fn activate(
        &self,
        policy: &PolicyRef,
        config: Option<&str>,
        tenant: Option<Scope>,
        note: &Note,
    ) -> Result<Entry, ChangeError> {
        let _changing = self.begin_change();
        let tenant = tenant.map(Scope::normal);
        let lineup = self.lineup();
        let mut entry = Entry { tenant, ..self.entry(Action::Activate, note) };
        entry.from = Some(match tenant {
            None => lineup.active.chosen.which,
            Some(scope) => lineup.overrides.get(&scope).unwrap_or(&lineup.active).chosen.which,
        });
        let room = tenant.map_or(Ok(()), |scope| self.room_for(scope, config.unwrap_or(NO_CONFIG)));
        let loaded = room.and_then(|()| self.chosen(policy, config, &mut entry));
        let (entry, (loaded, chosen)) = self.write_down(entry, loaded)?;
        self.seat_at(tenant, loaded, chosen);
        Ok(entry)
    }

    /// Whether a tenant may have a policy of its own under this configuration.
    fn room_for(&self, tenant: Scope, config: &str) -> Result<(), ChangeError> {
        let standing = self.0.store.standing();
        let others = standing.overrides.iter().filter(|(scope, _)| **scope != tenant);
        let (count, bytes) =
            others.fold((0, config.len()), |(count, bytes), (_, chosen)| (count + 1, bytes + chosen.config.len()));
        if count >= MAX_OVERRIDES {
            Err(ChangeError::TooManyOverrides { limit: MAX_OVERRIDES })
        } else if bytes > MAX_OVERRIDES_CONFIG_BYTES {
            Err(ChangeError::OverridesTooLarge { bytes, limit: MAX_OVERRIDES_CONFIG_BYTES })
        } else {
            Ok(())
        }
    }

    /// Puts a policy in the place of another.
    pub(super) fn seat_at(&self, tenant: Option<Scope>, policy: Arc<Policy>, chosen: Chosen) {
        let mut lineup = Lineup::clone(&self.lineup());
        let place = tenant.map_or(Place::Active, Place::For);
        // What it learned while it was watched is its own.
        let watched = lineup.shadow.as_ref().filter(|shadow| shadow.seat.key() == policy.key());
        let learned = watched.filter(|_| tenant.is_none()).map(|shadow| shadow.take_learned()).unwrap_or_default();
        let is_watched = watched.is_some() && tenant.is_none();
        let since = self.0.store.standing().since(tenant);
        let seat = Arc::new(Seat::new(policy, chosen, place, since).having_learned(learned));
        self.forget_failures(seat.key());
        if is_watched {
            lineup.shadow = None;
        }
        if self.0.store.standing().shadow.is_none() {
            lineup.settle(Place::Watched);
        }
        lineup.settle(place);
        tracing::info!(policy = %seat.policy().identity(), %place, "it decides from now on");
        match tenant {
            None => lineup.active = seat,
            Some(scope) => drop(lineup.overrides.insert(scope, seat)),
        }
        self.set_lineup(lineup);
    }

    /// Watches a policy beside the one that decides, in the place of the one that was watched.
    ///
    /// # Errors
    /// If nothing, or more than one, is meant, it refuses the configuration, or the share makes no sense.
    pub fn shadow(
        &self,
        policy: &PolicyRef,
        config: Option<&str>,
        share: Share,
        note: &Note,
    ) -> Result<Entry, ChangeError> {
        let _changing = self.begin_change();
        let share = Share { tenant: share.tenant.map(Scope::normal), ..share };
        let mut lineup = Lineup::clone(&self.lineup());
        let mut entry = Entry { tenant: share.tenant, share: Some(share.share), ..self.entry(Action::Shadow, note) };
        entry.from = lineup.shadow.as_ref().map(|shadow| shadow.seat.chosen.which);
        let loaded = if share.share > 0.0 && share.share <= 1.0 {
            self.chosen(policy, config, &mut entry)
        } else {
            entry.share = None;
            Err(ChangeError::BadShare(share.share))
        };
        let (entry, (loaded, chosen)) = self.write_down(entry, loaded)?;
        let seat = Seat::new(loaded, chosen, Place::Watched, 0);
        self.forget_failures(seat.key());
        lineup.shadow = Some(Arc::new(Shadow::new(seat, share, entry.at.clone())));
        lineup.settle(Place::Watched);
        self.set_lineup(lineup);
        Ok(entry)
    }

    /// Ends the watching.
    ///
    /// # Errors
    /// If nothing is watched.
    pub fn end_shadow(&self, note: &Note) -> Result<Entry, ChangeError> {
        let _changing = self.begin_change();
        let mut lineup = Lineup::clone(&self.lineup());
        let mut entry = self.entry(Action::EndShadow, note);
        let standing = self.0.store.standing();
        // The log may know of one that could not be loaded.
        entry.from = standing.shadow.as_ref().map(|shadowed| shadowed.chosen.which);
        let found = match entry.from {
            Some(_) => Ok(()),
            None => Err(ChangeError::Nothing("no policy is watched: `thermocline policy shadow` begins it".into())),
        };
        let (entry, ()) = self.write_down(entry, found)?;
        lineup.shadow = None;
        lineup.settle(Place::Watched);
        self.set_lineup(lineup);
        Ok(entry)
    }

    /// Takes from every tenant the policy of its own: the one that decides for all decides for them, too.
    ///
    /// # Errors
    /// If none has one.
    pub fn end_overrides(&self, note: &Note) -> Result<Entry, ChangeError> {
        let _changing = self.begin_change();
        let found = match self.0.store.standing().overrides.len() {
            0 => Err(ChangeError::Nothing("no tenant has a policy of its own: there is nothing to undo".into())),
            _ => Ok(()),
        };
        let (entry, ()) = self.write_down(self.entry(Action::EndOverrides, note), found)?;
        let mut lineup = Lineup::clone(&self.lineup());
        lineup.overrides.clear();
        lineup.absent.retain(|absent| !matches!(absent.place, Place::For(_)));
        self.set_lineup(lineup);
        self.0.rollbacks.commanded.fetch_add(1, Ordering::Relaxed);
        Ok(entry)
    }

    /// Goes back to the policy that decided before; with `tenant`, to the one that decides for all.
    ///
    /// # Errors
    /// If there is none, or it cannot be loaded any more. Whoever decided still does.
    pub fn rollback(&self, tenant: Option<Scope>, note: &Note) -> Result<Entry, ChangeError> {
        let _changing = self.begin_change();
        let tenant = tenant.map(Scope::normal);
        let standing = self.0.store.standing();
        let target = match tenant {
            // Nobody has asked for one that was taken back.
            None => match standing.good_before().next() {
                Some(before) => Ok(before.clone()),
                None => Err(ChangeError::Nothing("no policy decided before this one: activate one by name".into())),
            },
            Some(scope) if standing.overrides.contains_key(&scope) => Ok(standing.active.clone()),
            Some(scope) => {
                Err(ChangeError::Nothing(format!("tenant {scope} has no policy of its own: there is nothing to undo")))
            }
        };
        let entry = self.rollback_to(tenant, target, self.entry(Action::Rollback, note))?;
        self.0.rollbacks.commanded.fetch_add(1, Ordering::Relaxed);
        Ok(entry)
    }

    /// Goes back, where `entry` says who does and why.
    pub(super) fn rollback_to(
        &self,
        tenant: Option<Scope>,
        target: Result<Chosen, ChangeError>,
        entry: Entry,
    ) -> Result<Entry, ChangeError> {
        let lineup = self.lineup();
        let standing = self.0.store.standing();
        let mut entry = Entry { tenant, ..entry };
        entry.from = Some(match tenant {
            None => standing.active.which,
            Some(scope) => standing.overrides.get(&scope).unwrap_or(&standing.active).which,
        });
        let loaded = target.and_then(|chosen| {
            self.meant(&mut entry, chosen.which, &standing);
            entry.config = raw(&chosen.config);
            // The one that decides for all is seated already.
            let policy = if tenant.is_some() { Arc::clone(lineup.active.policy()) } else { self.load(&chosen)? };
            Ok((policy, chosen))
        });
        let (entry, (policy, chosen)) = self.write_down(entry, loaded)?;
        match tenant {
            None => self.seat_at(None, policy, chosen),
            Some(scope) => {
                let mut lineup = Lineup::clone(&lineup);
                lineup.overrides.remove(&scope);
                lineup.settle(Place::For(scope));
                self.set_lineup(lineup);
            }
        }
        Ok(entry)
    }

    /// The policy that is meant, ready to be asked.
    fn chosen(
        &self,
        policy: &PolicyRef,
        config: Option<&str>,
        entry: &mut Entry,
    ) -> Result<(Arc<Policy>, Chosen), ChangeError> {
        let standing = self.0.store.standing();
        let which = policy.resolve(&standing)?;
        self.meant(entry, which, &standing);
        let chosen = Chosen::new(which, config.unwrap_or(NO_CONFIG));
        let loaded = self.load(&chosen)?;
        // Loading has shown that it is JSON.
        entry.config = raw(&chosen.config);
        Ok((loaded, chosen))
    }

    /// Says in the log which policy is meant.
    fn meant(&self, entry: &mut Entry, which: Which, standing: &Standing) {
        entry.to = Some(which);
        (entry.name, entry.version) =
            standing.names(which).map(|(name, version)| (name.into(), version.into())).unzip();
    }

    /// An entry that is still to be written.
    pub(super) fn entry(&self, action: Action, note: &Note) -> Entry {
        let by = told(&note.by);
        // Nobody else passes for the host.
        let by = if by.is_empty() || by == HOST { SOMEBODY.into() } else { by };
        Entry { by, why: note.why.as_deref().map(told).filter(|why| !why.is_empty()), ..self.blank(action) }
    }

    /// An entry of the host itself.
    pub(super) fn own_entry(&self, action: Action, why: String) -> Entry {
        Entry { by: HOST.into(), why: Some(told(&why)), ..self.blank(action) }
    }

    fn blank(&self, action: Action) -> Entry {
        Entry {
            seq: 0,
            at: told_at(&*self.0.clock),
            action,
            tenant: None,
            from: None,
            to: None,
            name: None,
            version: None,
            contract: None,
            config: None,
            share: None,
            source: None,
            size_bytes: None,
            by: String::new(),
            why: None,
            outcome: Outcome::Ok,
        }
    }

    /// Writes down what came of a change. Only what is written holds.
    pub(super) fn write_down<T>(
        &self,
        entry: Entry,
        result: Result<T, ChangeError>,
    ) -> Result<(Entry, T), ChangeError> {
        match result {
            Ok(done) => Ok((self.0.store.append(entry)?, done)),
            Err(refused) => {
                let entry = Entry { outcome: Outcome::Refused(told(&refused.to_string())), ..entry };
                tracing::warn!(action = ?entry.action, by = entry.by, "refused: {refused}");
                if let Err(error) = self.0.store.append(entry) {
                    tracing::warn!("that it was refused could not be written down: {error}");
                }
                Err(refused)
            }
        }
    }
}

/// As much of a text as is kept, on one line.
fn told(text: &str) -> String {
    crate::policy::quoted(text.trim(), NOTE_BYTES)
}

/// JSON text as it is. `None` where it is none, which whoever loaded the policy has excluded.
fn raw(config: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(config.to_owned()).ok()
}
