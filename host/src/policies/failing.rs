//! Policies that fail: they are counted, and taken back where it is too often.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use super::entry::{Action, Entry};
use super::error::ChangeError;
use super::lineup::{Absent, Lineup, Place, Seat};
use super::live::{Policies, told_at};
use super::lock;
use super::shadow::Watching;
use super::standing::Chosen;
use super::store::StoreError;
use crate::policy::{PolicyError, PolicyErrorKind, Step};

impl Policies {
    /// Counts a failure of a policy, and takes it back where it has failed too often.
    pub(crate) fn failed(&self, seat: &Arc<Seat>, failure: &PolicyError) {
        // That all slots were taken, or the machine had no memory for an instance, is no fault of this policy.
        let is_machines = matches!(
            failure.kind(),
            PolicyErrorKind::Busy { .. } | PolicyErrorKind::Unreadable { step: Step::Start, .. }
        );
        // Nothing is left to go back to from the built-in one.
        if is_machines || seat.chosen == Chosen::default() {
            return;
        }
        let Some(rule) = self.rollback_rule() else { return };
        // Others go on with their uploads while one sees to it.
        if !self.note_failure(seat.key(), &rule) || seat.taken_back.swap(true, Ordering::Relaxed) {
            return;
        }
        let _changing = self.begin_change();
        let why = format!(
            "it failed {} times within {}, the last time so: {failure}",
            rule.failures,
            humantime::format_duration(rule.window)
        );
        // Wherever it still sits: others may have seen to it meanwhile.
        for seat in self.lineup().seats_of(seat.key()) {
            self.take_back(&seat, &why);
        }
        self.forget_failures(seat.key());
    }

    /// Makes a call of the watched policy.
    pub(crate) fn run_watched(&self, watching: Watching) {
        let (seat, failure) = watching.run();
        if let Some(failure) = failure {
            tracing::debug!("{failure}; it is only watched");
            self.failed(&seat, &failure);
        }
    }

    /// It sits there no more, also where that cannot be written down: what counts is that heatmaps are right.
    fn take_back(&self, seat: &Arc<Seat>, why: &str) {
        let policy = seat.policy().identity();
        match self.write_taken_back(seat, why) {
            Ok(()) => tracing::error!(%policy, place = %seat.place, "rolled back: {why}"),
            Err(error) => {
                tracing::error!(%policy, place = %seat.place, "rolled back, and that is still to be written down: {why}; {error}");
                self.stand_in(seat, why);
            }
        }
        if seat.place != Place::Watched {
            self.0.rollbacks.automatic.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Somebody else sits there from now on, and the log says so.
    fn write_taken_back(&self, seat: &Seat, why: &str) -> Result<(), ChangeError> {
        match seat.place {
            Place::Active => self.write_active_taken_back(seat, why),
            // The policy that decides for all decides for these, too.
            Place::For(scope) => {
                let active = self.0.store.standing().active.clone();
                self.rollback_to(Some(scope), Ok(active), self.own_entry(Action::Rollback, why.to_owned())).map(drop)
            }
            Place::Watched => {
                let from = Some(seat.chosen.which);
                self.0.store.append(Entry { from, ..self.own_entry(Action::EndShadow, why.to_owned()) })?;
                let mut lineup = Lineup::clone(&self.lineup());
                lineup.shadow = None;
                lineup.settle(Place::Watched);
                self.set_lineup(lineup);
                Ok(())
            }
        }
    }

    /// The last that decided before and can still be asked decides; the built-in one where there is none.
    fn write_active_taken_back(&self, seat: &Seat, why: &str) -> Result<(), ChangeError> {
        let standing = self.0.store.standing();
        let good = standing.good_before().filter(|chosen| **chosen != seat.chosen);
        let mut refused = None;
        for target in good.cloned().chain([Chosen::default()]) {
            match self.rollback_to(None, Ok(target), self.own_entry(Action::Rollback, why.to_owned())) {
                Ok(_) => return Ok(()),
                // Nor can anything else be written.
                Err(error @ ChangeError::Store(StoreError::Append { .. } | StoreError::Full { .. })) => {
                    return Err(error);
                }
                Err(error) => {
                    tracing::warn!("it is not gone back to: {error}");
                    refused = Some(error);
                }
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// The built-in one decides, or the one for all, until something can be written. After a restart before that, the
    /// policy is tried again.
    fn stand_in(&self, seat: &Arc<Seat>, why: &str) {
        let mut lineup = Lineup::clone(&self.lineup());
        match seat.place {
            Place::Active => {
                let Ok(built_in) = self.built_in_policy() else { return };
                lineup.active = Arc::new(Seat::new(built_in, Chosen::default(), Place::Active, 0));
            }
            Place::For(scope) => drop(lineup.overrides.remove(&scope)),
            Place::Watched => lineup.shadow = None,
        }
        let since = told_at(&*self.0.clock);
        let why = format!("{why} (at {since}, when it could not be written down)");
        let (place, chosen, taken_back) = (seat.place, seat.chosen.clone(), Some(Arc::clone(seat)));
        lineup.settle(place);
        lineup.absent.push(Absent { place, chosen, since, why, taken_back });
        self.set_lineup(lineup);
    }

    /// Whether something that happened is still to be written down.
    pub(crate) fn owes_entries(&self) -> bool {
        self.lineup().absent.iter().any(|absent| absent.taken_back.is_some())
    }

    /// Tries to write down what could not be when it happened.
    pub(crate) fn write_owed_entries(&self) {
        drop(self.begin_change());
    }

    /// The right to change something, which one has at a time. What happened before comes before it in the log.
    pub(super) fn begin_change(&self) -> MutexGuard<'_, ()> {
        let changing = lock(&self.0.changing);
        for absent in &self.lineup().absent {
            let Some(seat) = &absent.taken_back else { continue };
            if let Err(error) = self.write_taken_back(seat, &absent.why) {
                tracing::debug!("still not written down: {error}");
                break;
            }
            tracing::info!(policy = %seat.policy().identity(), "that it was rolled back is written down now");
        }
        changing
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use rstest::rstest;

    use super::*;
    use crate::clock::SystemClock;
    use crate::metrics::Value;
    use crate::policies::source::Upload;
    use crate::policies::store::PolicyStore;
    use crate::policies::store::tests::another;
    use crate::policies::{Note, PolicyRole, RollbackRule, Scope, Share};
    use crate::policy::{Engine, Limits};

    fn roles(policies: &Policies) -> Vec<PolicyRole> {
        let listed = policies.list().into_iter().find(|policy| policy.name == "another-name").unwrap();
        listed.roles.into_iter().map(|(role, _)| role).collect()
    }

    fn gauge(policies: &Policies, name: &str) -> Vec<(String, Value)> {
        let family = policies.families().into_iter().find(|family| family.name == name).unwrap();
        family.samples.into_iter().map(|sample| (sample.labels[0].1.clone(), sample.value)).collect()
    }

    #[rstest]
    #[case::active(PolicyRole::Active)]
    #[case::of_a_tenant(PolicyRole::Override("0a330000000000000000000000000003".parse::<Scope>().unwrap()))]
    #[case::watched(PolicyRole::Shadow)]
    #[tokio::test]
    async fn a_rollback_that_cannot_be_written_down_holds_shows_and_is_written_later(#[case] role: PolicyRole) {
        let (store, disk) = PolicyStore::on_a_disk();
        let engine = Engine::new(Limits::default()).unwrap();
        let policies = Policies::open(engine, store, Arc::new(SystemClock::default())).unwrap();
        let rule = RollbackRule { failures: NonZeroUsize::MIN, ..RollbackRule::default() };
        policies.set_rollback_rule(Some(rule));
        let note = Note::default();
        let component = Upload { bytes: another().into(), name: "given".into() };
        policies.install(&component, None, None, &note).await.unwrap();
        let named = "another-name".parse().unwrap();
        match &role {
            PolicyRole::Override(scope) => drop(policies.activate(&named, None, Some(*scope), &note).unwrap()),
            PolicyRole::Shadow => drop(policies.shadow(&named, None, Share::default(), &note).unwrap()),
            _ => drop(policies.activate(&named, None, None, &note).unwrap()),
        }
        assert_eq!(roles(&policies), std::slice::from_ref(&role));
        let lineup = policies.lineup();
        let watched = lineup.shadow.iter().map(|shadow| &shadow.seat);
        let seat = watched.chain(lineup.overrides.values()).next().unwrap_or(&lineup.active).clone();
        let before = policies.log(0, 100).unwrap().len();

        disk.set_full(true);
        let failure = seat.policy().with_config("no JSON").unwrap_err();
        policies.failed(&seat, &failure);
        assert_eq!(policies.active().identity().name(), Some("resident-set"));
        assert!(policies.overrides().is_empty() && policies.shadow_status().is_none());
        let told = roles(&policies);
        assert!(
            matches!(&told[..], [PolicyRole::Absent { from, why }, PolicyRole::RolledBack(_)]
                if **from == role && why.contains("it failed 1 times")),
            "{told:?}"
        );
        assert_eq!(policies.rolled_back().len(), 1);
        let one = [("another-name".to_owned(), Value::Number(1.0))];
        assert_eq!(gauge(&policies, "thermocline_policy_absent"), one);
        assert_eq!(gauge(&policies, "thermocline_policy_rolled_back"), one);
        let counted = policies.rollbacks();
        policies.write_owed_entries();
        assert!(policies.owes_entries(), "the disk is still full");

        disk.set_full(false);
        policies.write_owed_entries();
        assert!(!policies.owes_entries());
        assert!(matches!(&roles(&policies)[..], [PolicyRole::RolledBack(_)]));
        assert_eq!(gauge(&policies, "thermocline_policy_absent"), []);
        assert_eq!(gauge(&policies, "thermocline_policy_rolled_back"), one);
        assert_eq!(policies.rollbacks(), counted, "it is one rollback");
        let log = policies.log(0, 100).unwrap();
        assert_eq!(log.len(), before + 1);
        let entry = log.last().unwrap();
        assert!(entry.is_automatic() && entry.why.as_ref().unwrap().contains("when it could not be written down"));
        assert_eq!(policies.0.store.standing().rolled_back.len(), 1, "also after a restart");
    }

    #[tokio::test]
    async fn what_an_operator_changes_comes_after_what_could_not_be_written_before() {
        let (store, disk) = PolicyStore::on_a_disk();
        let engine = Engine::new(Limits::default()).unwrap();
        let policies = Policies::open(engine, store, Arc::new(SystemClock::default())).unwrap();
        policies.set_rollback_rule(Some(RollbackRule { failures: NonZeroUsize::MIN, ..RollbackRule::default() }));
        let note = Note { by: "anna".into(), why: None };
        let component = Upload { bytes: another().into(), name: "given".into() };
        policies.install(&component, None, None, &note).await.unwrap();
        policies.activate(&"another-name".parse().unwrap(), None, None, &note).unwrap();
        disk.set_full(true);
        let seat = policies.ranking_seat();
        policies.failed(&seat, &seat.policy().with_config("no JSON").unwrap_err());
        disk.set_full(false);
        policies.activate(&"another-name".parse().unwrap(), None, None, &note).unwrap();
        let log = policies.log(0, 100).unwrap();
        let done: Vec<_> = log.iter().map(|entry| (entry.action, entry.is_automatic())).collect();
        let expected =
            [(Action::Install, false), (Action::Activate, false), (Action::Rollback, true), (Action::Activate, false)];
        assert_eq!(done, expected);
        assert_eq!(roles(&policies), [PolicyRole::Active], "somebody says that it is tried again");
    }
}
