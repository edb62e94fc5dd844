//! Why rows are where they are, in a policy's own words: for whoever asks, and never in production.

use std::collections::HashMap;
use std::sync::Arc;

use super::limits::Limits;
use super::quote::quoted;

/// What a policy said of the rows of a table: a few words a row, of the rows it said something of.
///
/// Rows share their texts, because a policy that says something of each of a million rows says the same of most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    texts: Vec<Arc<str>>,
    /// Of each row the place of its text and one, or 0. Empty where nothing was said.
    of_rows: Vec<u32>,
    dropped: u64,
    out_of_range: u64,
}

impl Reasons {
    /// What a policy that ran natively said of a table of `rows` rows, in its order and within the same limits.
    pub fn collect<'a>(rows: u32, limits: &Limits, given: impl IntoIterator<Item = (u32, &'a str)>) -> Self {
        let mut book = ReasonBook::new(rows, limits);
        for (row, reason) in given {
            if book.admits(row) {
                book.give(row, reason);
            }
        }
        book.close()
    }

    /// The last that was said of a row, on one line, and cut off where it was too long.
    pub fn of(&self, row: u32) -> Option<&str> {
        let place = self.of_rows.get(row as usize)?.checked_sub(1)?;
        self.texts.get(place as usize).map(|text| &**text)
    }

    /// Every row of which something was said, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &str)> {
        (0..).zip(&self.of_rows).filter_map(|(row, _)| Some((row, self.of(row)?)))
    }

    /// Whether nothing was said of any row.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Reasons that were over the limit on all of a call's, and dropped.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Reasons that were given for rows which the table does not have.
    pub const fn out_of_range(&self) -> u64 {
        self.out_of_range
    }
}

/// The reasons of one call, as many as may be.
#[derive(Debug)]
pub(super) struct ReasonBook {
    reasons: Reasons,
    places: HashMap<Arc<str>, u32>,
    rows: u32,
    held_bytes: usize,
    reason_bytes_limit: usize,
    held_bytes_limit: usize,
}

impl ReasonBook {
    pub(super) fn new(rows: u32, limits: &Limits) -> Self {
        ReasonBook {
            reasons: Reasons::default(),
            places: HashMap::new(),
            rows,
            held_bytes: 0,
            reason_bytes_limit: limits.reason_bytes,
            held_bytes_limit: limits.reasons_bytes,
        }
    }

    /// Whether there is such a row; where there is none, that is counted.
    pub(super) const fn admits(&mut self, row: u32) -> bool {
        let admitted = row < self.rows;
        if !admitted {
            self.reasons.out_of_range += 1;
        }
        admitted
    }

    /// Keeps as much of a reason as may be, in place of what was said of the row before. The row must be
    /// [admitted](Self::admits).
    pub(super) fn give(&mut self, row: u32, reason: &str) {
        let text = quoted(reason, self.reason_bytes_limit);
        let Some(place) = self.place(text) else {
            self.reasons.dropped += 1;
            return;
        };
        let of_rows = &mut self.reasons.of_rows;
        if of_rows.is_empty() {
            of_rows.resize(self.rows as usize, 0);
        }
        if let Some(of_row) = of_rows.get_mut(row as usize) {
            *of_row = place + 1;
        }
    }

    /// Where a text stands; `None` where there is no room for one more.
    fn place(&mut self, text: String) -> Option<u32> {
        if let Some(place) = self.places.get(text.as_str()) {
            return Some(*place);
        }
        // A text that no row has any more counts too: what a call may hold is bounded whatever it does.
        let held_bytes = self.held_bytes + text.len() + TEXT_BYTES;
        if held_bytes > self.held_bytes_limit {
            return None;
        }
        self.held_bytes = held_bytes;
        let place = u32::try_from(self.reasons.texts.len()).ok()?;
        let text: Arc<str> = text.into();
        self.reasons.texts.push(Arc::clone(&text));
        self.places.insert(text, place);
        Some(place)
    }

    pub(super) fn close(self) -> Reasons {
        self.reasons
    }
}

/// What it costs to hold a text, beside the text: both places where it is found, and what it is counted by.
const TEXT_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn said(reasons: &Reasons) -> Vec<(u32, &str)> {
        reasons.iter().collect()
    }

    fn limits(reason_bytes: usize, reasons_bytes: usize) -> Limits {
        Limits { reason_bytes, reasons_bytes, ..Limits::default() }
    }

    #[test]
    fn the_last_reason_of_a_row_counts() {
        let given = [(2, "covered"), (0, "hot"), (2, "not resident"), (3, "hot")];
        let reasons = Reasons::collect(5, &Limits::default(), given);
        assert_eq!(said(&reasons), [(0, "hot"), (2, "not resident"), (3, "hot")]);
        assert_eq!([reasons.of(1), reasons.of(2), reasons.of(5)], [None, Some("not resident"), None]);
        assert_eq!((reasons.dropped(), reasons.out_of_range(), reasons.is_empty()), (0, 0, false));
    }

    #[test]
    fn a_row_that_is_none_is_counted() {
        let reasons = Reasons::collect(2, &Limits::default(), [(1, "last"), (2, "none"), (u32::MAX, "none")]);
        assert_eq!((said(&reasons), reasons.out_of_range()), (vec![(1, "last")], 2));
        let of_nothing = Reasons::collect(0, &Limits::default(), [(0, "none")]);
        assert_eq!((of_nothing.is_empty(), of_nothing.out_of_range()), (true, 1));
    }

    #[test]
    fn the_limit_on_a_reason_is_obeyed_and_violated() {
        let reasons = Reasons::collect(3, &limits(8, 1 << 10), [(0, "12345678"), (1, "123456789"), (2, "a\nb")]);
        assert_eq!(said(&reasons), [(0, "12345678"), (1, "12345678..."), (2, r"a\nb")]);
    }

    #[test]
    fn the_limit_on_all_reasons_is_obeyed_and_violated() {
        let given = [(0, "one"), (1, "two"), (2, "one")];
        let room = 2 * (3 + TEXT_BYTES);
        let obeyed = Reasons::collect(3, &limits(8, room), given);
        assert_eq!((said(&obeyed).len(), obeyed.dropped()), (3, 0));
        let violated = Reasons::collect(3, &limits(8, room - 1), given);
        assert_eq!((said(&violated), violated.dropped()), (vec![(0, "one"), (2, "one")], 1));
    }

    #[test]
    fn what_is_dropped_leaves_what_was_said_before() {
        let given = [(0, "one"), (0, "two")];
        let reasons = Reasons::collect(1, &limits(8, 3 + TEXT_BYTES), given);
        assert_eq!((reasons.of(0), reasons.dropped()), (Some("one"), 1));
    }
}
