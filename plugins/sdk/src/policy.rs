//! The trait that a policy implements, and what it answers with.

use crate::tables::{Layers, Uploads, oldest_first};

/// A policy: which layers a standby should hold, how hot each is, and whose upload goes first.
///
/// Every call gets a fresh instance, [configured](Policy::configure) first. Whatever a policy wants
/// to remember it hands back in [`Selection::memory`].
pub trait Policy: Sized {
    /// Who this policy is. MUST answer the same at every call.
    fn describe() -> Description;

    /// Reads the configuration: JSON text, `{}` where the operator set none.
    ///
    /// # Errors
    /// A message for operators: name the field, and what it may be.
    fn configure(config: &str) -> Result<Self, String>;

    /// Which layers a standby should hold, how hot each is, and in which order to fetch them.
    /// `memory` is what the tenant's last selection handed back; a policy MUST cope with it being
    /// empty.
    ///
    /// # Errors
    /// A message for operators. The host then lists what its built-in policy would.
    fn select(&self, tenant: &Tenant, layers: &dyn Layers, memory: &[u8]) -> Result<Selection, String>;

    /// As [`select`](Policy::select), with memory that is the policy's own: what a component is called with. A policy that
    /// brings it up to date in place, and hands it back, spares a copy; others need not care.
    ///
    /// # Errors
    /// As those of [`select`](Policy::select).
    fn select_in_place(&self, tenant: &Tenant, layers: &dyn Layers, memory: Vec<u8>) -> Result<Selection, String> {
        self.select(tenant, layers, &memory)
    }

    /// The order in which due uploads run: rows of the queue, most urgent first. Rows left out run
    /// last, oldest first.
    ///
    /// # Errors
    /// A message for operators. The host then ranks as its built-in policy would.
    fn rank_uploads(&self, now: i64, queue: &dyn Uploads) -> Result<Vec<u32>, String> {
        let _ = now;
        Ok(oldest_first(queue))
    }
}

/// What a policy says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// What operators call it: 1 to 64 characters of a-z, 0-9 and `-`.
    pub name: String,
    /// Semantic version, as in `1.2.3`.
    pub version: String,
    /// One sentence for operators, at most 1 KiB.
    pub summary: String,
    /// JSON Schema of the configuration, at most 64 KiB.
    pub config_schema: String,
}

/// The tenant shard behind a table of layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// As in object keys: 32 hex digits, and `-NNCC` where sharded.
    pub shard: String,
    /// The generation in which this location is attached.
    pub generation: u32,
    /// Seconds since the Unix epoch. The only clock a policy has.
    pub now: i64,
    /// Bytes; a tenant whose hot layers are smaller counts as small.
    pub checkpoint_distance: u64,
}

/// What a heatmap is to list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Listed layers, the first to download first. No row twice.
    pub rows: Vec<u32>,
    /// `rows[cold_from..]` are listed as cold: known, but not to be downloaded.
    pub cold_from: u32,
    /// Heat of each listed row: finite, >= 0, larger is hotter. None: this policy does not score.
    pub heats: Option<Vec<f32>>,
    /// Seconds for which this stays right if no layer changes. None: for ever.
    pub valid_for: Option<u64>,
    /// Handed back at the tenant's next call. At most 4 KiB + 24 bytes a row of the table.
    pub memory: Vec<u8>,
}

impl Selection {
    /// Lists `rows` as hot, in this order, without scores.
    #[must_use]
    pub fn hot(rows: Vec<u32>) -> Self {
        Self::hot_and_cold(rows, &[])
    }

    /// Lists `hot` rows in this order, then `cold` ones as cold, without scores.
    #[must_use]
    pub fn hot_and_cold(hot: Vec<u32>, cold: &[u32]) -> Self {
        let mut rows = hot;
        // A table has at most u32::MAX rows, and no row may be listed twice.
        let cold_from = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        rows.extend_from_slice(cold);
        Selection { rows, cold_from, ..Selection::default() }
    }
}

/// How much a line in the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For authors; operators turn it on.
    Debug,
    /// Worth knowing.
    Info,
    /// Worth acting on.
    Warn,
}

/// Writes one line to the host's log, with the policy's name and the tenant shard beside it. Natively
/// there is no host: the line goes nowhere.
pub fn log(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::component::log(level, message);
    #[cfg(not(target_arch = "wasm32"))]
    let _ = (level, message);
}
