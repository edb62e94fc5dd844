//! Tables in plain memory: for a policy's native tests.

use std::borrow::Cow;

use crate::tables::{Layers, Uploads};

/// A table of layers in plain memory. Every column holds as many entries as `marks`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each column is documented in `Layers`")]
pub struct Columns {
    pub marks: Vec<u8>,
    pub ids: Vec<u64>,
    pub timelines: Vec<u32>,
    pub key_starts_high: Vec<u64>,
    pub key_starts_low: Vec<u64>,
    pub key_ends_high: Vec<u64>,
    pub key_ends_low: Vec<u64>,
    pub lsn_starts: Vec<u64>,
    pub lsn_ends: Vec<u64>,
    pub file_sizes: Vec<u64>,
    pub access_times: Vec<i64>,
    pub access_counts: Vec<u64>,
    pub resident_times: Vec<i64>,
}

/// A queue of due uploads in plain memory. Every column holds as many entries as `ages`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each column is documented in `Uploads`")]
pub struct Queue {
    pub overdue: Vec<u64>,
    pub ages: Vec<u64>,
    pub periods: Vec<u64>,
    pub hot_bytes: Vec<u64>,
    pub changes: Vec<u64>,
    pub failures: Vec<u32>,
}

macro_rules! borrowed {
    ($($column:ident: $item:ty),* $(,)?) => {
        $(fn $column(&self) -> Cow<'_, [$item]> {
            Cow::Borrowed(&self.$column)
        })*
    };
}

impl Layers for Columns {
    fn rows(&self) -> u32 {
        u32::try_from(self.marks.len()).unwrap_or(u32::MAX)
    }

    borrowed! {
        marks: u8,
        ids: u64,
        timelines: u32,
        key_starts_high: u64,
        key_starts_low: u64,
        key_ends_high: u64,
        key_ends_low: u64,
        lsn_starts: u64,
        lsn_ends: u64,
        file_sizes: u64,
        access_times: i64,
        access_counts: u64,
        resident_times: i64,
    }
}

impl Uploads for Queue {
    fn rows(&self) -> u32 {
        u32::try_from(self.ages.len()).unwrap_or(u32::MAX)
    }

    borrowed! {
        overdue: u64,
        ages: u64,
        periods: u64,
        hot_bytes: u64,
        changes: u64,
        failures: u32,
    }
}
