//! What a policy may use up. Every bound of the engine is a field here.

use std::num::NonZeroU32;
use std::time::Duration;

use super::selection::memory_limit_bytes;

/// How often the engine looks whether a call ran past its time. Finer ticks cost wake-ups, coarser
/// ones let a call overrun by as much.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// Most bytes that 32-bit linear memory can have, whatever the limits say.
const MAX_MEMORY_BYTES: u64 = 1 << 32;

/// Linear memories of a component: one for the policy, and some for components it was composed with.
pub(super) const MAX_MEMORIES: u32 = 4;
/// Tables of a component. Bindings bring one or two a core module.
pub(super) const MAX_TABLES: u32 = 16;
/// Core instances of a component. Bindings need four for one core module.
pub(super) const MAX_CORE_INSTANCES: u32 = 32;
/// Entries of one table: functions of a policy that are called through pointers.
pub(super) const MAX_TABLE_ELEMENTS: usize = 20_000;

/// What a policy may use up. The defaults leave an honest policy about a hundred times what it needs.
///
/// A call is allowed time and memory by the rows of its table, so that one bound fits tenants of ten
/// layers and of ten million.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a component file. Checked before a byte of it is parsed.
    pub component_bytes: usize,
    /// Bytes of a configuration.
    pub config_bytes: usize,
    /// Time for one call: instantiation, `configure` and the call itself.
    pub time: Duration,
    /// Time on top, for each row of the table or queue.
    pub time_per_row: Duration,
    /// Bytes of linear memory and tables of one call, in total.
    pub memory_bytes: usize,
    /// Bytes on top, for each row of the table or queue. All columns together take about 95.
    pub memory_bytes_per_row: usize,
    /// Bytes of stack. A call runs on its caller's thread, which must have as much left, and half a MiB
    /// more for the host.
    pub stack_bytes: usize,
    /// Bytes that one call of an import, or one result, may hand to the host beside what the rows of the
    /// table justify.
    pub handed_bytes: usize,
    /// Lines a call may log. Further ones are dropped and counted.
    pub log_lines: usize,
    /// Bytes of one line in the log. What is beyond is cut off.
    pub log_line_bytes: usize,
    /// Bytes that are quoted of a policy's error message.
    pub message_bytes: usize,
    /// Bytes of one reason, where somebody asks why. What is beyond is cut off.
    pub reason_bytes: usize,
    /// Bytes of all reasons of a call; rows share those that read alike. Further ones are dropped and counted.
    pub reasons_bytes: usize,
    /// Calls at the same time, in this process. Calls are computation: more than there are cores slow
    /// each other down. Of several, one is left to calls that an upload may wait for: those that load, check or
    /// watch a policy share the others.
    pub concurrent_calls: NonZeroU32,
    /// How long a call waits for its turn.
    pub wait: Duration,
    /// Bytes of each memory that stay resident between calls, so that the next call does not fault them in again,
    /// which takes five times as long as clearing them. A policy that remembers has about five MiB for 100,000
    /// rows. Only where a call had so much it stays, at most once for each of `concurrent_calls`.
    pub warm_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(NonZeroU32::MIN, |cores| {
            u32::try_from(cores.get()).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
        });
        Limits {
            component_bytes: 16 << 20,
            config_bytes: 64 << 10,
            time: Duration::from_secs(1),
            time_per_row: Duration::from_micros(5),
            memory_bytes: 64 << 20,
            memory_bytes_per_row: 256,
            stack_bytes: 512 << 10,
            handed_bytes: 1 << 20,
            log_lines: 64,
            log_line_bytes: 1 << 10,
            message_bytes: 1 << 10,
            reason_bytes: 256,
            reasons_bytes: 16 << 20,
            concurrent_calls: cores.clamp(Self::MIN_CALLS, Self::MAX_CALLS),
            wait: Duration::from_secs(30),
            warm_bytes: 8 << 20,
        }
    }
}

impl Limits {
    /// A long call must not keep all others waiting.
    const MIN_CALLS: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);
    /// Each keeps address space reserved.
    pub(super) const MAX_CALLS: NonZeroU32 = NonZeroU32::MIN.saturating_add(63);

    /// Time for a call over `rows` rows.
    pub fn time_for(&self, rows: u32) -> Duration {
        self.time.saturating_add(self.time_per_row.saturating_mul(rows))
    }

    /// Bytes of memory for a call over `rows` rows.
    pub fn memory_for(&self, rows: u32) -> usize {
        let bytes =
            (self.memory_bytes as u64).saturating_add(u64::from(rows).saturating_mul(self.memory_bytes_per_row as u64));
        usize::try_from(bytes.min(MAX_MEMORY_BYTES)).unwrap_or(usize::MAX)
    }

    /// Bytes that one answer over `rows` rows may hand to the host: a row number and a heat for each, and
    /// the policy's memory.
    pub(super) fn handed_for(&self, rows: u32) -> usize {
        const ROW_BYTES: usize = size_of::<u32>() + size_of::<f32>();
        self.handed_bytes
            .saturating_add(memory_limit_bytes(rows))
            .saturating_add(ROW_BYTES.saturating_mul(rows as usize))
    }

    /// Ticks after which a call over `rows` rows has had its time. One more than fit into it, because the
    /// first one may come at once.
    pub(super) fn ticks_for(&self, rows: u32) -> u64 {
        let ticks = self.time_for(rows).as_nanos().div_ceil(TICK.as_nanos());
        u64::try_from(ticks).unwrap_or(u64::MAX / 2).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::a_whole_number_of_ticks(20, 0, 3)]
    #[case::a_started_tick(21, 0, 4)]
    #[case::no_time(0, 0, 1)]
    #[case::rows(20, 5_000, 3 + 2)]
    fn a_deadline_is_never_early(#[case] time_ms: u64, #[case] rows: u32, #[case] ticks: u64) {
        let limits = Limits {
            time: Duration::from_millis(time_ms),
            time_per_row: Duration::from_micros(4),
            ..Limits::default()
        };
        assert_eq!(limits.ticks_for(rows), ticks);
    }

    #[test]
    fn a_forever_is_a_deadline_too() {
        // The engine adds it to the present epoch, which must not overflow.
        let limits = Limits { time: Duration::MAX, ..Limits::default() };
        assert!(limits.ticks_for(u32::MAX).checked_add(1 << 60).is_some());
    }

    #[rstest]
    #[case::no_rows(0, 64 << 20)]
    #[case::a_million(1 << 20, (64 << 20) + (256 << 20))]
    #[case::more_than_there_is(u32::MAX, 1 << 32)]
    fn memory_grows_with_the_rows(#[case] rows: u32, #[case] bytes: usize) {
        assert_eq!(Limits::default().memory_for(rows), bytes);
    }

    #[test]
    fn the_largest_answer_may_be_handed_over() {
        let limits = Limits::default();
        let rows = 1_000_000;
        assert!(limits.handed_for(rows) >= memory_limit_bytes(rows) + 8 * rows as usize);
    }
}
