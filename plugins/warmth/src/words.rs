//! Numbers and marks in words, for reasons.

use thermocline_policy::Marks;

/// How often something is read that is read so often in as many seconds.
pub fn rate(reads_in: impl Fn(f64) -> f64) -> String {
    [(60.0, "minute"), (3600.0, "hour"), (86_400.0, "day")]
        .into_iter()
        .find(|(seconds, unit)| reads_in(*seconds) >= if *unit == "day" { 0.05 } else { 1.0 })
        .map_or_else(
            || "less than once in weeks".into(),
            |(seconds, unit)| {
                let article = if unit == "hour" { "an" } else { "a" };
                format!("{:.1} times {article} {unit}", reads_in(seconds))
            },
        )
}

/// Why a layer with these marks is not listed.
pub const fn why_not(marks: Marks) -> &'static str {
    let taken_over = marks.is_inherited() || marks.is_inherited_cold();
    match (marks.is_visible(), marks.is_resident()) {
        (false, true) => "covered, no read needs it",
        (false, false) if taken_over => "inherited, but covered by now",
        (false, false) => "neither resident nor visible",
        (true, _) => "not resident",
    }
}

/// A time in the largest unit of which it has two.
pub fn time(seconds: u64) -> String {
    let units = [(86_400, "days"), (3600, "hours"), (60, "minutes")];
    let (unit_s, unit) = units.into_iter().find(|(unit_s, _)| seconds >= 2 * unit_s).unwrap_or((1, "seconds"));
    format!("{} {unit}", seconds / unit_s)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nothing(0, "0 seconds")]
    #[case::less_than_two_minutes(119, "119 seconds")]
    #[case::two_minutes(120, "2 minutes")]
    #[case::a_day(86_400, "24 hours")]
    #[case::more(260_000, "3 days")]
    fn times_are_short(#[case] seconds: u64, #[case] words: &str) {
        assert_eq!(time(seconds), words);
    }
}
