//! What came of a simulation.

use serde::Serialize;

/// The result for every policy and budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What the trace is called.
    pub trace: String,
    /// From which everything that was drawn was drawn.
    pub seed: u64,
    /// By policy, then by budget.
    pub rows: Vec<Row>,
}

/// What a standby was worth that followed one policy's heatmaps under one budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The policy.
    pub policy: String,
    /// What the standby may hold, as a share of the bytes that are resident on the attached side.
    pub budget: f64,
    /// Of the page reads in the first 10 s after a failover, the share that finds all its layers on the standby: the
    /// mean over the failovers that reads follow. `None` where there are none.
    pub hit_10s: Option<f64>,
    /// The same of the first minute.
    pub hit_60s: Option<f64>,
    /// The same of the first 10 minutes, or until the trace ends.
    pub hit_600s: Option<f64>,
    /// What the standby held at a failover, bytes, on average.
    pub bytes_held: u64,
    /// What the standby had downloaded until a failover, bytes, on average.
    pub bytes_fetched: u64,
    /// Of these, the bytes of layers that no read of the first 10 minutes needed, or that were dropped again.
    pub bytes_unread: u64,
    /// How many failovers there were.
    pub failovers: u32,
    /// Each time that the policy failed and the built-in one answered for it: why.
    pub policy_failures: Vec<String>,
}
