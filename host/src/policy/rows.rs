//! Row numbers in an answer: each within its table, and none twice.

/// Why a list of rows cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRows {
    /// It lists more rows than there are.
    #[error("it lists {listed} rows of a table of {rows}")]
    TooMany {
        /// Rows it lists.
        listed: usize,
        /// Rows of the table.
        rows: u32,
    },
    /// A row that does not exist.
    #[error("rows[{index}] is {row}, but the table has {rows} rows")]
    OutOfRange {
        /// Where in the list.
        index: usize,
        /// The row.
        row: u32,
        /// Rows of the table.
        rows: u32,
    },
    /// A row more than once.
    #[error("rows[{index}] lists row {row} a second time")]
    Twice {
        /// Where in the list, the second time.
        index: usize,
        /// The row.
        row: u32,
    },
}

/// A set of rows, one bit each: for 100,000 rows it stays in the first cache.
#[derive(Debug)]
pub(super) struct RowSet(Vec<u64>);

impl RowSet {
    /// The rows that `listed` names, if all are below `rows` and none is named twice.
    pub(super) fn check(listed: &[u32], rows: u32) -> Result<Self, BadRows> {
        if listed.len() > rows as usize {
            return Err(BadRows::TooMany { listed: listed.len(), rows });
        }
        let mut words = vec![0u64; (rows as usize).div_ceil(64)];
        // All at once, without a question a row: what is wrong is looked for only where something is.
        let mut within = true;
        for &row in listed {
            within &= row < rows;
            if let Some(word) = words.get_mut(row as usize / 64) {
                *word |= 1 << (row % 64);
            }
        }
        let distinct: usize = words.iter().map(|word| word.count_ones() as usize).sum();
        if within && distinct == listed.len() {
            return Ok(RowSet(words));
        }
        words.fill(0);
        for (index, &row) in listed.iter().enumerate() {
            let bit = 1 << (row % 64);
            match words.get_mut(row as usize / 64) {
                Some(word) if row < rows => {
                    if *word & bit != 0 {
                        return Err(BadRows::Twice { index, row });
                    }
                    *word |= bit;
                }
                _ => return Err(BadRows::OutOfRange { index, row, rows }),
            }
        }
        Ok(RowSet(words))
    }

    pub(super) fn contains(&self, row: u32) -> bool {
        self.0.get(row as usize / 64).is_some_and(|word| word & (1 << (row % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::the_last_row(64, 63, true)]
    #[case::one_behind(64, 64, false)]
    #[case::one_behind_within_a_word(65, 65, false)]
    #[case::no_table(0, 0, false)]
    #[case::the_largest(3, u32::MAX, false)]
    fn rows_end_where_the_table_ends(#[case] rows: u32, #[case] row: u32, #[case] within: bool) {
        let listed = if rows == 0 { vec![] } else { vec![row] };
        assert_eq!(RowSet::check(&listed, rows).is_ok(), within || rows == 0);
    }

    proptest! {
        #[test]
        fn it_is_a_set_of_rows(listed in proptest::collection::vec(0u32..140, 0..80), rows in 0u32..140) {
            let distinct: BTreeSet<u32> = listed.iter().copied().collect();
            let good = distinct.len() == listed.len() && listed.iter().all(|row| *row < rows);
            let checked = RowSet::check(&listed, rows);
            prop_assert_eq!(checked.is_ok(), good);
            if let Ok(set) = checked {
                prop_assert!((0..200).all(|row| set.contains(row) == distinct.contains(&row)));
            }
        }
    }
}
