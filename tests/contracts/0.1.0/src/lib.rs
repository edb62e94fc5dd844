//! A policy against version 0.1.0 of the contract that reads all that the version has to read: every column of both
//! tables, the tenant, its own memory. It logs, too.

use std::collections::BTreeSet;

use thermocline_policy::{
    Description, Layers, Level, Marks, NO_SETTINGS, Policy, Selection, Tenant, Uploads, log, no_settings,
};

/// The policy. It has no settings.
pub struct LongLived;

/// Seconds for which its answer stays right.
const VALID_FOR_S: u64 = 3600;
/// Hosts of 0.1.0 keep at most 4 KiB and 24 bytes a row: one id of each row always fits.
const ID_BYTES: usize = size_of::<u64>();

impl Policy for LongLived {
    fn describe() -> Description {
        Description {
            name: "long-lived".into(),
            version: "1.0.0".into(),
            summary: "Scores layers by every column of the contract's version 0.1.0.".into(),
            config_schema: NO_SETTINGS.into(),
        }
    }

    fn configure(config: &str) -> Result<Self, String> {
        no_settings(config)?;
        Ok(LongLived)
    }

    fn select(&self, tenant: &Tenant, layers: &dyn Layers, memory: &[u8]) -> Result<Selection, String> {
        let (known, _) = memory.as_chunks::<ID_BYTES>();
        let known: BTreeSet<_> = known.iter().map(|id| u64::from_le_bytes(*id)).collect();
        let (marks, ids, timelines) = (layers.marks(), layers.ids(), layers.timelines());
        let (starts_high, starts_low) = (layers.key_starts_high(), layers.key_starts_low());
        let (ends_high, ends_low) = (layers.key_ends_high(), layers.key_ends_low());
        let (lsn_starts, lsn_ends) = (layers.lsn_starts(), layers.lsn_ends());
        let (sizes, times, counts) = (layers.file_sizes(), layers.access_times(), layers.access_counts());

        let names = ids.iter().zip(timelines.iter());
        let keys = starts_high.iter().zip(starts_low.iter()).zip(ends_high.iter().zip(ends_low.iter()));
        let lsns = lsn_starts.iter().zip(lsn_ends.iter());
        let reads = sizes.iter().zip(times.iter()).zip(counts.iter());
        let rows = (0_u32..).zip(marks.iter()).zip(names).zip(keys).zip(lsns).zip(reads);

        let (mut listed, mut stayed) = (Vec::new(), 0_u32);
        for (((((row, &mark), (&id, &timeline)), (start, end)), (&lsn_start, &lsn_end)), ((&size, &time), &count)) in
            rows
        {
            let marks = Marks(mark);
            let hot = marks.is_resident() || marks.is_inherited();
            if !marks.is_visible() || !(hot || marks.is_inherited_cold()) {
                continue;
            }
            let width = key(end).saturating_sub(key(start));
            let age_hours = tenant.now.saturating_sub(time).max(0) / 3600;
            let mut heat = (count as f32 + 1.0) / (age_hours as f32 + 1.0);
            heat += (u128::BITS - width.leading_zeros()) as f32 / 1024.0;
            heat += (u64::BITS - lsn_end.saturating_sub(lsn_start).leading_zeros()) as f32 / 4096.0;
            if size > tenant.checkpoint_distance {
                heat /= 2.0;
            }
            if marks.is_l0() {
                heat /= 4.0;
            }
            if known.contains(&id) {
                stayed += 1;
                heat *= 2.0;
            }
            // Not negative, so that the bits have the order of the numbers.
            listed.push((!hot, std::cmp::Reverse(heat.to_bits()), timeline, row, id));
        }
        listed.sort_unstable();
        log(Level::Info, &format!("{} of {} layers, {stayed} as before", listed.len(), layers.rows()));
        Ok(Selection {
            rows: listed.iter().map(|listed| listed.3).collect(),
            cold_from: u32::try_from(listed.partition_point(|listed| !listed.0)).unwrap_or(u32::MAX),
            heats: Some(listed.iter().map(|listed| f32::from_bits(listed.1.0)).collect()),
            valid_for: Some(VALID_FOR_S),
            memory: listed.iter().flat_map(|listed| listed.4.to_le_bytes()).collect(),
        })
    }

    /// The most urgent by all that the queue says; half of it, so that the host ranks the rest.
    fn rank_uploads(&self, now: i64, queue: &dyn Uploads) -> Result<Vec<u32>, String> {
        let (overdue, ages, periods) = (queue.overdue(), queue.ages(), queue.periods());
        let (hot_bytes, changes, failures) = (queue.hot_bytes(), queue.changes(), queue.failures());
        let times = overdue.iter().zip(ages.iter()).zip(periods.iter());
        let sizes = hot_bytes.iter().zip(changes.iter()).zip(failures.iter());
        let mut order: Vec<_> = (0_u32..)
            .zip(times.zip(sizes))
            .map(|(row, (((&overdue, &age), &period), ((&hot_bytes, &changes), &failures)))| {
                let periods = age / period.max(1);
                (failures, std::cmp::Reverse((periods, changes, overdue, hot_bytes)), row)
            })
            .collect();
        order.sort_unstable();
        log(Level::Debug, &format!("{} due at {now}", queue.rows()));
        order.truncate(order.len().div_ceil(2));
        Ok(order.into_iter().map(|(_, _, row)| row).collect())
    }
}

fn key((high, low): (&u64, &u64)) -> u128 {
    u128::from(*high) << 64 | u128::from(*low)
}

thermocline_policy::export!(LongLived);
