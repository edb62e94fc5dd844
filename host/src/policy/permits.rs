//! Whose turn it is: as many calls at a time as the pool has slots.

use std::num::NonZeroU32;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// As many permits as there are slots in the pool of instances. A call takes one first, so that a full
/// pool makes callers wait instead of failing them.
#[derive(Debug)]
pub(super) struct Permits {
    free: Mutex<u32>,
    freed: Condvar,
}

/// The right to one slot of the pool. It MUST outlive the instance in that slot.
#[derive(Debug)]
pub(super) struct Permit<'a>(&'a Permits);

impl Permits {
    pub(super) fn new(slots: NonZeroU32) -> Self {
        Permits { free: Mutex::new(slots.get()), freed: Condvar::new() }
    }

    /// Waits for a slot, for at most `limit`.
    pub(super) fn take(&self, limit: Duration) -> Option<Permit<'_>> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut free, _) =
            self.freed.wait_timeout_while(free, limit, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free = free.checked_sub(1)?;
        Some(Permit(self))
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();

    #[test]
    fn the_number_of_slots_is_obeyed() {
        let permits = Permits::new(TWO);
        let _both = (permits.take(Duration::ZERO).unwrap(), permits.take(Duration::ZERO).unwrap());
    }

    #[test]
    fn the_number_of_slots_is_violated() {
        let permits = Permits::new(TWO);
        let both = (permits.take(Duration::ZERO).unwrap(), permits.take(Duration::ZERO).unwrap());
        assert!(permits.take(Duration::from_millis(1)).is_none());
        drop(both);
        assert!(permits.take(Duration::ZERO).is_some());
    }

    #[test]
    fn who_waits_gets_the_slot_that_is_freed() {
        let permits = Permits::new(NonZeroU32::MIN);
        let first = permits.take(Duration::ZERO).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| permits.take(Duration::from_secs(60)).is_some());
            drop(first);
            assert!(second.join().unwrap());
        });
    }
}
