//! How often a policy failed lately.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::Duration;

/// When a policy is taken back by itself: after so many failures within so long, counted for the policy and not for
/// each tenant. Calls that found no slot do not count: that is the machine's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollbackRule {
    /// So many.
    pub failures: NonZeroUsize,
    /// Within so long.
    pub window: Duration,
}

impl RollbackRule {
    /// Most failures that a rule may ask for: each that counts is remembered.
    pub const MAX_FAILURES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9999);
}

/// Five within five minutes: a policy that fails for one tenant only, once a minute, is taken back as well.
impl Default for RollbackRule {
    fn default() -> Self {
        RollbackRule { failures: NonZeroUsize::MIN.saturating_add(4), window: Duration::from_mins(5) }
    }
}

/// When a policy failed, since the clock's start: as many times as the rule asks for.
#[derive(Debug, Default)]
pub(super) struct Failures(VecDeque<Duration>);

impl Failures {
    /// Counts one. Answers whether they are too many now.
    pub(super) fn note(&mut self, now: Duration, rule: &RollbackRule) -> bool {
        let limit = rule.failures.min(RollbackRule::MAX_FAILURES).get();
        self.0.push_back(now);
        while self.0.len() > limit {
            self.0.pop_front();
        }
        let first = self.0.front().copied().unwrap_or(now);
        self.0.len() == limit && now.saturating_sub(first) < rule.window
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::none(&[], None)]
    #[case::too_few(&[0, 1], None)]
    #[case::enough_at_once(&[7, 7, 7], Some(2))]
    #[case::just_within(&[0, 5, 9], Some(2))]
    #[case::just_too_slow(&[0, 5, 10], None)]
    #[case::the_window_moves(&[0, 5, 10, 14], Some(3))]
    #[case::and_moves(&[0, 9, 18, 27, 36, 37, 38], Some(6))]
    fn failures_within_the_window_are_too_many(#[case] at_s: &[u64], #[case] ends_at: Option<usize>) {
        let rule = RollbackRule { failures: NonZeroUsize::new(3).unwrap(), window: Duration::from_secs(10) };
        let mut failures = Failures::default();
        let found = at_s.iter().position(|&at| failures.note(Duration::from_secs(at), &rule));
        assert_eq!(found, ends_at);
    }

    #[test]
    fn a_rule_of_one_failure_is_met_by_it_and_one_beyond_the_limit_is_the_limit() {
        let one = RollbackRule { failures: NonZeroUsize::MIN, window: Duration::from_secs(1) };
        assert!(Failures::default().note(Duration::ZERO, &one));
        let absurd = RollbackRule { failures: NonZeroUsize::MAX, window: Duration::MAX };
        let mut failures = Failures::default();
        let met = (1..=RollbackRule::MAX_FAILURES.get()).position(|_| failures.note(Duration::ZERO, &absurd));
        assert_eq!(met, Some(RollbackRule::MAX_FAILURES.get() - 1));
        assert_eq!(failures.0.len(), RollbackRule::MAX_FAILURES.get());
    }
}
