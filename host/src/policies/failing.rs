//! Policies that fail: they are counted, and taken back where it is too often.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::entry::Action;
use super::lineup::{Lineup, Place, Seat};
use super::live::Policies;
use super::lock;
use super::shadow::Watching;
use super::standing::Chosen;
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
        let _changing = lock(&self.0.changing);
        let why = format!(
            "it failed {} times within {}, the last time so: {failure}",
            rule.failures,
            humantime::format_duration(rule.window)
        );
        // Wherever it still sits: others may have seen to it meanwhile.
        for seat in self.lineup().seats_of(seat.key()) {
            match seat.place {
                Place::Active => self.take_back_active(&seat, &why),
                Place::For(_) => self.take_back_override(&seat, &why),
                Place::Watched => self.take_back_shadow(&seat, &why),
            }
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

    /// The last that decided before and can still be asked decides; the built-in one where there is none.
    fn take_back_active(&self, seat: &Arc<Seat>, why: &str) {
        let standing = self.0.store.standing();
        let good = standing.good_before().filter(|chosen| **chosen != seat.chosen);
        for target in good.cloned().chain([Chosen::default()]) {
            let entry = self.own_entry(Action::Rollback, why.to_owned());
            match self.rollback_to(None, Ok(target), entry) {
                Ok(entry) => {
                    self.0.rollbacks.automatic.fetch_add(1, Ordering::Relaxed);
                    let to = entry.to.map(|which| which.to_string());
                    tracing::error!(policy = %seat.policy().identity(), to, "rolled back: {why}");
                    return;
                }
                Err(error) => tracing::warn!("it is not gone back to: {error}"),
            }
        }
        // Nothing can be written, or the built-in policy would have been taken. Until something can, what counts is that
        // heatmaps are right; after a restart the policy is tried again.
        if let Ok(built_in) = self.built_in_policy() {
            let mut lineup = Lineup::clone(&self.lineup());
            lineup.active = Arc::new(Seat::new(built_in, Chosen::default(), Place::Active, 0));
            self.set_lineup(lineup);
        }
        self.0.rollbacks.automatic.fetch_add(1, Ordering::Relaxed);
        tracing::error!(policy = %seat.policy().identity(), "rolled back, and that cannot be written down: {why}");
    }

    /// The policy that decides for all decides for these, too.
    fn take_back_override(&self, seat: &Arc<Seat>, why: &str) {
        let Place::For(scope) = seat.place else { return };
        let active = self.lineup().active.chosen.clone();
        let entry = self.own_entry(Action::Rollback, why.to_owned());
        if let Err(error) = self.rollback_to(Some(scope), Ok(active), entry) {
            tracing::warn!("that it is taken back cannot be written down: {error}");
            let mut lineup = Lineup::clone(&self.lineup());
            lineup.overrides.remove(&scope);
            self.set_lineup(lineup);
        }
        self.0.rollbacks.automatic.fetch_add(1, Ordering::Relaxed);
        tracing::error!(policy = %seat.policy().identity(), tenant = %scope, "rolled back: {why}");
    }

    /// It is not watched any more.
    fn take_back_shadow(&self, seat: &Arc<Seat>, why: &str) {
        let mut entry = self.own_entry(Action::EndShadow, why.to_owned());
        entry.from = Some(seat.chosen.which);
        if let Err(error) = self.0.store.append(entry) {
            tracing::warn!("that it is not watched any more cannot be written down: {error}");
        }
        let mut lineup = Lineup::clone(&self.lineup());
        lineup.shadow = None;
        self.set_lineup(lineup);
        tracing::error!(policy = %seat.policy().identity(), "it is not watched any more: {why}");
    }
}
