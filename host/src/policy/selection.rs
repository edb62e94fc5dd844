//! A selection that was checked against the table it speaks of.

use super::rows::{BadRows, RowSet};

/// What a heatmap is to list: rows of a table, each within it and none twice.
///
/// There is no other way to make one than [`check`](Selection::check), so whoever holds one need not
/// check again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    rows: Vec<u32>,
    cold_from: usize,
    heats: Option<Vec<f32>>,
    valid_for_s: Option<u64>,
    memory: Vec<u8>,
}

/// Why a policy's answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSelection {
    /// Rows that do not exist, or a row twice.
    #[error(transparent)]
    Rows(#[from] BadRows),
    /// Cold entries begin behind the end.
    #[error("cold-from is {cold_from}, but {listed} rows are listed")]
    ColdFrom {
        /// As answered.
        cold_from: u32,
        /// Rows it lists.
        listed: usize,
    },
    /// Not one heat a row.
    #[error("there are {heats} heats for {listed} listed rows")]
    HeatCount {
        /// Heats it gives.
        heats: usize,
        /// Rows it lists.
        listed: usize,
    },
    /// A heat that is negative, infinite or no number.
    #[error("heats[{index}] is {heat}: a heat is finite and not below 0")]
    Heat {
        /// Where in `heats`.
        index: usize,
        /// As text, since it may be no number.
        heat: String,
    },
    /// More memory than a policy may keep.
    #[error("its memory is {bytes} bytes: at most {limit} for {rows} rows")]
    Memory {
        /// As answered.
        bytes: usize,
        /// How many it may be.
        limit: usize,
        /// Rows of the table.
        rows: u32,
    },
}

/// Bytes that a policy may keep for a tenant whose table has `rows` rows.
pub(super) const fn memory_limit_bytes(rows: u32) -> usize {
    4096 + 24 * rows as usize
}

impl Selection {
    /// Checks an answer against a table of `rows` rows.
    ///
    /// # Errors
    /// With the first thing that is wrong.
    pub fn check(answer: thermocline_policy::Selection, rows: u32) -> Result<Self, BadSelection> {
        let thermocline_policy::Selection { rows: listed, cold_from, heats, valid_for, memory } = answer;
        RowSet::check(&listed, rows)?;
        let bad_cold_from = BadSelection::ColdFrom { cold_from, listed: listed.len() };
        let cold_from = usize::try_from(cold_from).ok().filter(|&from| from <= listed.len()).ok_or(bad_cold_from)?;
        if let Some(heats) = &heats {
            if heats.len() != listed.len() {
                return Err(BadSelection::HeatCount { heats: heats.len(), listed: listed.len() });
            }
            if let Some((index, heat)) = heats.iter().enumerate().find(|(_, heat)| !(heat.is_finite() && **heat >= 0.0))
            {
                return Err(BadSelection::Heat { index, heat: heat.to_string() });
            }
        }
        let limit = memory_limit_bytes(rows);
        if memory.len() > limit {
            return Err(BadSelection::Memory { bytes: memory.len(), limit, rows });
        }
        Ok(Selection { rows: listed, cold_from, heats, valid_for_s: valid_for, memory })
    }

    /// Listed rows, the first to download first.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// How many of the listed rows are hot; those behind are cold. At most `rows().len()`.
    pub const fn cold_from(&self) -> usize {
        self.cold_from
    }

    /// Listed rows that are to be downloaded, the first to download first.
    pub fn hot(&self) -> &[u32] {
        self.rows.get(..self.cold_from).unwrap_or(&self.rows)
    }

    /// Listed rows that are known, but not to be downloaded.
    pub fn cold(&self) -> &[u32] {
        self.rows.get(self.cold_from..).unwrap_or_default()
    }

    /// One heat a listed row, finite and not negative; `None` where the policy does not score.
    pub fn heats(&self) -> Option<&[f32]> {
        self.heats.as_deref()
    }

    /// Seconds for which this stays right if no layer changes; `None` for ever.
    pub const fn valid_for_s(&self) -> Option<u64> {
        self.valid_for_s
    }

    /// What the policy wants to be handed at the tenant's next call.
    pub fn memory(&self) -> &[u8] {
        &self.memory
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use thermocline_policy::Selection as Answer;

    use super::*;

    #[rstest]
    #[case::too_many(Answer::hot(vec![0, 1, 2, 3]), "it lists 4 rows of a table of 3")]
    #[case::out_of_range(Answer::hot(vec![0, 3]), "rows[1] is 3, but the table has 3 rows")]
    #[case::twice(Answer::hot(vec![2, 1, 2]), "rows[2] lists row 2 a second time")]
    #[case::cold_from(Answer { rows: vec![0], cold_from: 2, ..Answer::default() }, "cold-from is 2, but 1 rows are listed")]
    #[case::heat_count(Answer { heats: Some(vec![]), ..Answer::hot(vec![0]) }, "there are 0 heats for 1 listed rows")]
    #[case::nan(Answer { heats: Some(vec![0.0, f32::NAN]), ..Answer::hot(vec![0, 1]) }, "heats[1] is NaN: a heat is finite and not below 0")]
    #[case::infinite(Answer { heats: Some(vec![f32::INFINITY]), ..Answer::hot(vec![0]) }, "heats[0] is inf: a heat is finite and not below 0")]
    #[case::negative(Answer { heats: Some(vec![-1.0]), ..Answer::hot(vec![0]) }, "heats[0] is -1: a heat is finite and not below 0")]
    #[case::memory(Answer { memory: vec![0; 4096 + 73], ..Answer::default() }, "its memory is 4169 bytes: at most 4168 for 3 rows")]
    fn a_bad_answer_is_refused_with_what_is_wrong(#[case] answer: Answer, #[case] why: &str) {
        assert_eq!(Selection::check(answer, 3).unwrap_err().to_string(), why);
    }

    #[rstest]
    #[case::nothing(Answer::default())]
    #[case::everything(Answer::hot(vec![2, 0, 1]))]
    #[case::all_cold(Answer::hot_and_cold(vec![], &[1, 0]))]
    #[case::scored(Answer { heats: Some(vec![0.0, f32::MAX]), ..Answer::hot(vec![0, 1]) })]
    #[case::memory_at_its_limit(Answer { memory: vec![0; 4096 + 72], ..Answer::default() })]
    fn a_good_answer_is_kept_as_it_is(#[case] answer: Answer) {
        let checked = Selection::check(answer.clone(), 3).unwrap();
        assert_eq!(checked.rows(), answer.rows);
        assert_eq!(checked.cold_from(), answer.cold_from as usize);
        assert_eq!(checked.heats(), answer.heats.as_deref());
        assert_eq!(checked.memory(), answer.memory);
    }
}
