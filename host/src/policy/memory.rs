//! How much memory a call has, counted over everything it owns.

use wasmtime::ResourceLimiter;

use super::limits::{MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLES};

/// Counts linear memories and tables of one call together, and remembers refusing: guests turn a
/// refused growth into a plain `unreachable`, which tells nobody anything.
#[derive(Debug)]
pub(super) struct MemoryMeter {
    limit_bytes: usize,
    held_bytes: usize,
    refused_bytes: Option<usize>,
}

impl MemoryMeter {
    pub(super) const fn new(limit_bytes: usize) -> Self {
        MemoryMeter { limit_bytes, held_bytes: 0, refused_bytes: None }
    }

    /// Bytes held now. Nothing of it is given back before the call ends, so this is the peak too.
    pub(super) const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// The total that the call asked for when it was first refused.
    pub(super) const fn refused_bytes(&self) -> Option<usize> {
        self.refused_bytes
    }

    pub(super) const fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    fn grow(&mut self, by_bytes: usize) -> bool {
        let wanted = self.held_bytes.saturating_add(by_bytes);
        let granted = wanted <= self.limit_bytes;
        if granted {
            self.held_bytes = wanted;
        } else {
            self.refused_bytes.get_or_insert(wanted);
        }
        granted
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current).saturating_mul(size_of::<usize>())))
    }

    fn instances(&self) -> usize {
        MAX_CORE_INSTANCES as usize
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES as usize
    }

    fn tables(&self) -> usize {
        MAX_TABLES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_on_the_total() {
        let mut meter = MemoryMeter::new(100);
        assert!(meter.memory_growing(0, 40, None).unwrap());
        assert!(meter.memory_growing(0, 40, None).unwrap(), "a second memory");
        assert!(!meter.memory_growing(40, 61, None).unwrap());
        assert!(meter.memory_growing(40, 60, None).unwrap(), "the limit itself is allowed");
        assert_eq!((meter.held_bytes(), meter.refused_bytes()), (100, Some(101)));
    }

    #[test]
    fn tables_count() {
        let mut meter = MemoryMeter::new(80);
        assert!(meter.table_growing(0, 10, None).unwrap());
        assert!(!meter.table_growing(10, 11, None).unwrap());
        assert_eq!((meter.held_bytes(), meter.refused_bytes()), (80, Some(88)));
    }

    #[test]
    fn an_absurd_wish_is_refused() {
        let mut meter = MemoryMeter::new(usize::MAX - 1);
        assert!(meter.memory_growing(0, 1, None).unwrap());
        assert!(!meter.memory_growing(0, usize::MAX, None).unwrap());
        assert!(!meter.table_growing(0, usize::MAX, None).unwrap());
    }
}
