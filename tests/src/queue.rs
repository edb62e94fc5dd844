//! Queues of due uploads for tests: tenant shards by name.

use thermocline::policy::DueUpload;

/// A queue of due uploads in the making. What follows a shard is said of it; a shard of which nothing is
/// said is due now, with a period of a minute and a heatmap as old.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    pub(crate) due: Vec<(String, DueUpload)>,
    pub(crate) mistake: Option<String>,
}

macro_rules! said {
    ($($(#[$doc:meta])* $name:ident: $type:ty = |$due:ident| $change:expr;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            match self.due.last_mut() {
                Some((_, $due)) => $change,
                None => {
                    self.mistake.get_or_insert("something is said of a shard before there is one".into());
                }
            }
            self
        })*
    };
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Queue::default()
    }

    /// A shard whose upload is due.
    #[must_use]
    pub fn shard(mut self, name: &str) -> Self {
        let due = DueUpload { age_ms: Some(60_000), period_ms: 60_000, ..DueUpload::default() };
        self.due.push((name.into(), due));
        self
    }

    said! {
        /// Milliseconds past the due time.
        overdue_ms: u64 = |due| due.overdue_ms = overdue_ms;
        /// Age of the heatmap in the bucket, milliseconds; `None` where there is none.
        age_ms: Option<u64> = |due| due.age_ms = age_ms;
        /// Upload period, milliseconds.
        period_ms: u64 = |due| due.period_ms = period_ms;
        /// Bytes that the last heatmap listed as hot.
        hot_bytes: u64 = |due| due.hot_bytes = hot_bytes;
        /// Layers changed since.
        changes: u64 = |due| due.changes = changes;
        /// Failed attempts in a row.
        failures: u32 = |due| due.failures = failures;
    }
}
