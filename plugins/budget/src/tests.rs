//! What holds of every answer, whatever the table and the memory.

use proptest::prelude::*;
use thermocline_policy::{Columns, Marks, Selection};

use super::*;

const NOW: i64 = 1_700_000_000;

/// A layer in the making.
#[derive(Clone, Debug)]
struct Row {
    marks: u8,
    timeline: u32,
    start: u64,
    len: u64,
    lsn: u64,
    size_bytes: u64,
    reads: u64,
    read_at: i64,
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let size = prop_oneof![8 => 0..1_u64 << 24, 1 => any::<u64>()];
    let reads = prop_oneof![4 => 0..1000_u64, 1 => Just(0), 1 => any::<u64>()];
    let marks = prop_oneof![2 => Just(Marks::RESIDENT.with(Marks::VISIBLE).0), 2 => Just(7_u8), 1 => 0..64_u8];
    let row = (marks, 0..3_u32, 0..60_u64, 1..30_u64, any::<u16>(), size, reads, 0..200_i64);
    prop::collection::vec(row, 0..80).prop_map(|rows| {
        let mut rows: Vec<Row> = rows
            .into_iter()
            .map(|(marks, timeline, start, len, lsn, size_bytes, reads, ago)| {
                let read_at = NOW - ago;
                Row { marks, timeline, start, len, lsn: lsn.into(), size_bytes, reads, read_at }
            })
            .collect();
        rows.sort_by_key(|row| (row.timeline, row.start, row.len, row.lsn));
        rows
    })
}

/// Keys of relations up to and above the system catalogs.
fn table(rows: &[Row]) -> Columns {
    let key = |key: u64| u128::from(key * 512) << 40;
    let high = |key: u128| u64::try_from(key >> 64).unwrap();
    let low = |key: u128| u64::try_from(key & u128::from(u64::MAX)).unwrap();
    let column = |of: &dyn Fn(&Row) -> u64| rows.iter().map(of).collect::<Vec<_>>();
    Columns {
        marks: rows.iter().map(|row| row.marks).collect(),
        ids: (0..rows.len() as u64).map(|row| row.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect(),
        timelines: rows.iter().map(|row| row.timeline).collect(),
        key_starts_high: column(&|row| high(key(row.start))),
        key_starts_low: column(&|row| low(key(row.start))),
        key_ends_high: column(&|row| high(key(row.start + row.len))),
        key_ends_low: column(&|row| low(key(row.start + row.len))),
        lsn_starts: column(&|row| row.lsn),
        lsn_ends: column(&|row| row.lsn + 1),
        file_sizes: column(&|row| row.size_bytes),
        access_times: rows.iter().map(|row| row.read_at).collect(),
        access_counts: column(&|row| row.reads),
        resident_times: rows.iter().map(|row| row.read_at - 100).collect(),
    }
}

fn tenant(now: i64) -> Tenant {
    Tenant { shard: "a".repeat(32), generation: 1, now, checkpoint_distance: 0 }
}

fn select(config: &str, table: &Columns, now: i64, memory: &[u8]) -> Selection {
    Budget::configure(config).unwrap().select(&tenant(now), table, memory).unwrap()
}

/// What the settings allow of a table, as one reads it.
fn budget_bytes(table: &Columns, share: f64) -> u64 {
    let bytes = |of: &dyn Fn(Marks) -> bool| {
        let rows = table.marks.iter().zip(&table.file_sizes).filter(|(mark, _)| of(Marks(**mark)));
        rows.fold(0_u64, |sum, (_, size_bytes)| sum.saturating_add(*size_bytes))
    };
    let resident = listing::share_of(share, bytes(&|marks| marks.is_resident()));
    resident.saturating_add(bytes(&|marks| marks.standing() == thermocline_policy::Standing::Inherited))
}

fn assert_holds(table: &Columns, answer: &Selection, share: f64) -> Result<(), TestCaseError> {
    let mut listed = answer.rows.clone();
    listed.sort_unstable();
    let expected: Vec<u32> = (0..)
        .zip(&table.marks)
        .filter(|(_, mark)| Marks(**mark).standing() != thermocline_policy::Standing::None)
        .map(|(row, _)| row)
        .collect();
    prop_assert_eq!(listed, expected);
    let (hot, _) = answer.rows.split_at(answer.cold_from as usize);
    let bytes = hot.iter().map(|row| u128::from(table.file_sizes[*row as usize])).sum::<u128>();
    prop_assert!(bytes <= u128::from(budget_bytes(table, share)));
    if let Some(heats) = &answer.heats {
        prop_assert_eq!(heats.len(), answer.rows.len());
        prop_assert!(heats.iter().all(|heat| heat.is_finite() && *heat >= 0.0));
        prop_assert!(heats[..hot.len()].is_sorted_by(|one, other| one >= other));
    }
    prop_assert!(answer.memory.len() <= 4096 + 24 * table.marks.len());
    Ok(())
}

proptest! {
    #[test]
    fn every_layer_is_listed_once_and_the_budget_is_kept(
        before in rows(),
        after in rows(),
        share in 0.0..1.5_f64,
        floor in 0.0..1.0_f64,
        later_s in 0..100_000_i64,
    ) {
        let config = format!(r#"{{"budget_share": {share}, "floor": {floor}, "inherited_for_s": 31536000}}"#);
        let (before, after) = (table(&before), table(&after));
        let first = select(&config, &before, NOW, &[]);
        assert_holds(&before, &first, share)?;
        // Another table has the same ids, of other layers.
        let second = select(&config, &after, NOW + later_s, &first.memory);
        assert_holds(&after, &second, share)?;
        prop_assert_eq!(&second, &select(&config, &after, NOW + later_s, &first.memory));
        let third = select(&config, &after, NOW + later_s + 60, &second.memory);
        assert_holds(&after, &third, share)?;
    }

    #[test]
    fn damaged_memory_does_no_harm(rows in rows(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..50)) {
        let table = table(&rows);
        let config = r#"{"budget_share": 0.5, "inherited_for_s": 31536000}"#;
        let mut memory = select(config, &table, NOW, &[]).memory;
        for (index, byte) in damage {
            let index = index.index(memory.len());
            memory[index] = byte;
        }
        let answer = select(config, &table, NOW + 60, &memory);
        let (hot, _) = answer.rows.split_at(answer.cold_from as usize);
        let bytes = hot.iter().map(|row| u128::from(table.file_sizes[*row as usize])).sum::<u128>();
        prop_assert!(bytes <= u128::from(budget_bytes(&table, 0.5)));
        prop_assert!(answer.heats.iter().flatten().all(|heat| heat.is_finite() && *heat >= 0.0));
    }
}
