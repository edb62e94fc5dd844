//! Tenant shards whose upload is due, as columns, and the order that a policy gives them.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;

use thermocline_policy::Uploads;

use super::rows::{BadRows, RowSet};
use crate::layer::Column;

/// One tenant shard whose heatmap upload is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DueUpload {
    /// Milliseconds past the due time.
    pub overdue_ms: u64,
    /// Milliseconds since the heatmap in the bucket was written; `None` where there is none.
    pub age_ms: Option<u64>,
    /// Configured upload period, milliseconds.
    pub period_ms: u64,
    /// Bytes of the layers the last heatmap listed as hot.
    pub hot_bytes: u64,
    /// Layer changes since the last upload.
    pub changes: u64,
    /// Failed attempts in a row.
    pub failures: u32,
}

/// Due uploads as columns: row `i` is the `i`th that was collected.
#[derive(Debug, Default)]
pub struct UploadQueue {
    overdue: Column<u64>,
    ages: Column<u64>,
    periods: Column<u64>,
    hot_bytes: Column<u64>,
    changes: Column<u64>,
    failures: Column<u32>,
}

impl FromIterator<DueUpload> for UploadQueue {
    fn from_iter<I: IntoIterator<Item = DueUpload>>(due: I) -> Self {
        let due: Vec<_> = due.into_iter().collect();
        UploadQueue {
            overdue: column(&due, |due| due.overdue_ms),
            ages: column(&due, |due| due.age_ms.unwrap_or(u64::MAX)),
            periods: column(&due, |due| due.period_ms),
            hot_bytes: column(&due, |due| due.hot_bytes),
            changes: column(&due, |due| due.changes),
            failures: column(&due, |due| due.failures),
        }
    }
}

fn column<T>(due: &[DueUpload], item: impl Fn(&DueUpload) -> T) -> Column<T> {
    Arc::new(due.iter().map(item).collect())
}

macro_rules! columns {
    ($($name:ident: $item:ty,)*) => {
        impl UploadQueue {
            $(pub(super) const fn $name(&self) -> &Column<$item> {
                &self.$name
            })*
        }

        impl Uploads for UploadQueue {
            fn rows(&self) -> u32 {
                u32::try_from(self.ages.len()).unwrap_or(u32::MAX)
            }

            $(fn $name(&self) -> Cow<'_, [$item]> {
                Cow::Borrowed(self.$name.as_slice())
            })*
        }
    };
}

columns! {
    overdue: u64,
    ages: u64,
    periods: u64,
    hot_bytes: u64,
    changes: u64,
    failures: u32,
}

/// The order in which due uploads run: every row of the queue, each once, the most urgent first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranking(Vec<u32>);

impl Ranking {
    /// Checks an answer against a queue, and puts the rows it leaves out behind, the oldest first.
    ///
    /// # Errors
    /// With the first row that is wrong.
    pub fn check(answer: Vec<u32>, queue: &UploadQueue) -> Result<Self, BadRows> {
        let named = RowSet::check(&answer, queue.rows())?;
        let mut left_out: Vec<_> = (0..)
            .zip(queue.ages.iter())
            .filter(|&(row, _)| !named.contains(row))
            .map(|(row, age)| (Reverse(age), row))
            .collect();
        left_out.sort_unstable();
        let mut order = answer;
        order.extend(left_out.into_iter().map(|(_, row)| row));
        Ok(Ranking(order))
    }

    /// Every row of the queue, the most urgent first.
    pub fn order(&self) -> &[u32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn queue() -> UploadQueue {
        let ages = [Some(5), None, Some(7), Some(5)];
        ages.into_iter().map(|age_ms| DueUpload { age_ms, ..DueUpload::default() }).collect()
    }

    #[rstest]
    #[case::all(vec![2, 0, 3, 1], &[2, 0, 3, 1])]
    #[case::rest_oldest_first(vec![3], &[3, 1, 2, 0])]
    #[case::none(vec![], &[1, 2, 0, 3])]
    fn a_ranking_names_every_row_once(#[case] answer: Vec<u32>, #[case] order: &[u32]) {
        assert_eq!(Ranking::check(answer, &queue()).unwrap().order(), order);
    }

    #[rstest]
    #[case::out_of_range(vec![4], "rows[0] is 4, but the table has 4 rows")]
    #[case::twice(vec![1, 1], "rows[1] lists row 1 a second time")]
    #[case::too_many(vec![0, 1, 2, 3, 0], "it lists 5 rows of a table of 4")]
    fn a_bad_ranking_is_refused(#[case] answer: Vec<u32>, #[case] why: &str) {
        assert_eq!(Ranking::check(answer, &queue()).unwrap_err().to_string(), why);
    }

    #[test]
    fn columns_have_what_was_collected() {
        let due = DueUpload { overdue_ms: 1, age_ms: None, period_ms: 3, hot_bytes: 4, changes: 5, failures: 6 };
        let queue = UploadQueue::from_iter([due]);
        let columns =
            [Uploads::overdue(&queue), Uploads::ages(&queue), Uploads::periods(&queue), Uploads::hot_bytes(&queue)];
        assert_eq!(columns.map(|column| column[0]), [1, u64::MAX, 3, 4]);
        assert_eq!((Uploads::changes(&queue)[0], Uploads::failures(&queue)[0]), (5, 6));
    }
}
