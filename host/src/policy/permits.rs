//! Whose turn it is: as many calls at a time as the pool has slots.

use std::num::NonZeroU32;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Something waits for the answer: an upload, or somebody who looks.
    Decides,
    /// Nothing is late without it: a policy is loaded, checked, or watched. Such calls leave a slot to the others.
    Aside,
}

/// As many permits as there are slots in the pool of instances. A call takes one first, so that a full
/// pool makes callers wait instead of failing them.
#[derive(Debug)]
pub(super) struct Permits {
    free: Mutex<Free>,
    /// One for each kind of waiter: who is woken can go on, and else would have woken for nothing while another sleeps.
    freed: Condvar,
    freed_aside: Condvar,
}

#[derive(Debug)]
struct Free {
    slots: u32,
    /// How many of them calls may have that nothing waits for.
    aside: u32,
}

/// The right to one slot of the pool. It MUST outlive the instance in that slot.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    permits: &'a Permits,
    urgency: Urgency,
}

impl Permits {
    /// Where there is but one slot, all share it.
    pub(super) fn new(slots: NonZeroU32) -> Self {
        let free = Free { slots: slots.get(), aside: (slots.get() - 1).max(1) };
        Permits { free: Mutex::new(free), freed: Condvar::new(), freed_aside: Condvar::new() }
    }

    /// Waits for a slot, for at most `limit`.
    pub(super) fn take(&self, urgency: Urgency, limit: Duration) -> Option<Permit<'_>> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let (freed, is_full): (_, fn(&mut Free) -> bool) = match urgency {
            Urgency::Decides => (&self.freed, |free| free.slots == 0),
            Urgency::Aside => (&self.freed_aside, |free| free.slots == 0 || free.aside == 0),
        };
        let (mut free, _) = freed.wait_timeout_while(free, limit, is_full).unwrap_or_else(PoisonError::into_inner);
        if is_full(&mut free) {
            return None;
        }
        free.slots -= 1;
        if urgency == Urgency::Aside {
            free.aside -= 1;
        }
        Some(Permit { permits: self, urgency })
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut free = self.permits.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.slots += 1;
        if self.urgency == Urgency::Aside {
            free.aside += 1;
        }
        drop(free);
        self.permits.freed.notify_one();
        self.permits.freed_aside.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();
    const SOON: Duration = Duration::from_millis(1);

    fn take(permits: &Permits, urgency: Urgency) -> Option<Permit<'_>> {
        permits.take(urgency, SOON)
    }

    #[test]
    fn the_number_of_slots_is_obeyed() {
        let permits = Permits::new(TWO);
        let _both = (take(&permits, Urgency::Decides).unwrap(), take(&permits, Urgency::Decides).unwrap());
    }

    #[test]
    fn the_number_of_slots_is_violated() {
        let permits = Permits::new(TWO);
        let both = (take(&permits, Urgency::Decides).unwrap(), take(&permits, Urgency::Decides).unwrap());
        assert!(take(&permits, Urgency::Decides).is_none());
        assert!(take(&permits, Urgency::Aside).is_none());
        drop(both);
        assert!(take(&permits, Urgency::Decides).is_some());
    }

    #[rstest]
    #[case::one_slot_is_shared(1, 1, false)]
    #[case::of_two_one_is_left(2, 1, true)]
    #[case::of_five_one_is_left(5, 4, true)]
    fn calls_that_nothing_waits_for_leave_a_slot_to_the_others(
        #[case] slots: u32,
        #[case] aside: usize,
        #[case] left: bool,
    ) {
        let permits = Permits::new(NonZeroU32::new(slots).unwrap());
        let taken: Vec<_> = (0..aside).map(|_| take(&permits, Urgency::Aside).unwrap()).collect();
        assert!(take(&permits, Urgency::Aside).is_none());
        let deciding = take(&permits, Urgency::Decides);
        assert_eq!(deciding.is_some(), left);
        drop(taken);
        assert!(take(&permits, Urgency::Aside).is_some(), "what was taken aside comes back there");
    }

    #[rstest]
    #[case::deciding(Urgency::Decides, Urgency::Decides)]
    #[case::aside(Urgency::Aside, Urgency::Aside)]
    #[case::deciding_after_aside(Urgency::Aside, Urgency::Decides)]
    #[case::aside_after_deciding(Urgency::Decides, Urgency::Aside)]
    fn who_waits_gets_the_slot_that_is_freed(#[case] first: Urgency, #[case] second: Urgency) {
        let permits = Permits::new(NonZeroU32::MIN);
        let first = take(&permits, first).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| permits.take(second, Duration::from_secs(60)).is_some());
            drop(first);
            assert!(second.join().unwrap());
        });
    }
}
