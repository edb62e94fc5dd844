//! What each row is told to people who ask.

use thermocline_policy::{Marks, give_reason};

/// Gives a reason for every row. Only where somebody asks: it is a call of the host a row.
pub(crate) fn give(marks: &[u8]) {
    for (row, &mark) in (0..).zip(marks) {
        give_reason(row, of(Marks(mark)));
    }
}

/// Why a row with these marks is where the [order](crate::order) puts it.
const fn of(marks: Marks) -> &'static str {
    let taken_over = marks.is_inherited() || marks.is_inherited_cold();
    match (marks.is_visible(), marks.is_resident()) {
        (true, true) if marks.is_l0() => "hot: resident and visible; an L0 delta, so behind the other hot ones",
        (true, true) => "hot: resident and visible",
        (true, false) if marks.is_inherited() && marks.is_l0() => {
            "hot: inherited as hot, and not downloaded yet; an L0 delta, so behind the other hot ones"
        }
        (true, false) if marks.is_inherited() => "hot: inherited as hot, and not downloaded yet",
        (true, false) if marks.is_inherited_cold() => "cold: inherited as cold, and not downloaded yet",
        (true, false) => "not listed: not resident",
        (false, true) => "not listed: covered, no read needs it",
        (false, false) if taken_over => "not listed: inherited, but covered by now",
        (false, false) => "not listed: neither resident nor visible",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Listed, listed};

    /// Of every combination of marks: the reason must say what the order does.
    #[test]
    fn reasons_say_where_rows_are() {
        for mark in 0..=u8::MAX {
            let Listed { rows, cold_from } = listed(&[mark], vec![1]);
            let place = match (rows.is_empty(), cold_from) {
                (true, _) => "not listed: ",
                (false, 0) => "cold: ",
                (false, _) => "hot: ",
            };
            let reason = of(Marks(mark));
            assert!(reason.starts_with(place), "{mark:08b}: {reason}");
            let behind = place == "hot: " && Marks(mark).is_l0();
            assert_eq!(reason.contains("L0"), behind, "{mark:08b}: {reason}");
        }
    }
}
