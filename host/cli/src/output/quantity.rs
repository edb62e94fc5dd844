//! Numbers with their units, as people read them.

use std::time::Duration;

/// `1 layer`, `2 layers`.
pub(crate) fn count(number: impl Into<u128>, noun: &str) -> String {
    let number = number.into();
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `512 B`, `1.5 KiB`, `248.1 GiB`.
#[allow(clippy::cast_precision_loss, reason = "shown with one decimal")]
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while size >= 1023.95
        && let Some(next) = units.next()
    {
        size /= 1024.0;
        unit = Some(next);
    }
    format!("{size:.1} {}", unit.unwrap_or(&""))
}

/// `0.3 ms`, `12 ms`, `1.2 s`.
pub(crate) fn millis(elapsed: Duration) -> String {
    let ms = elapsed.as_secs_f64() * 1000.0;
    match ms {
        ..9.95 => format!("{ms:.1} ms"),
        ..999.5 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1000.0),
    }
}

/// `12.3 us` of what takes less than a millisecond, and beyond as [`millis`].
pub(crate) fn micros(elapsed: Duration) -> String {
    let us = elapsed.as_secs_f64() * 1e6;
    if us < 999.95 { format!("{us:.1} us") } else { millis(elapsed) }
}

/// `42%`, `0.6%`; nothing where there is no whole.
pub(crate) fn percent_of(part: u64, whole: u64) -> String {
    match (u128::from(part) * 1000).checked_div(u128::from(whole)) {
        None => String::new(),
        Some(tenths @ ..100) => format!("{}.{}%", tenths / 10, tenths % 10),
        Some(tenths) => format!("{}%", tenths / 10),
    }
}

/// Three digits that matter: `0.125`, `12.3`, `1.00e-9`. Heats have no unit, and may be of any size.
pub(crate) fn heat(heat: f32) -> String {
    match heat {
        0.0 => "0".into(),
        heat if (0.001..10_000.0).contains(&heat) => {
            let decimals = [(100.0, 0), (10.0, 1), (1.0, 2), (0.1, 3), (0.01, 4)];
            let decimals = decimals.into_iter().find(|(from, _)| heat >= *from).map_or(5, |(_, decimals)| decimals);
            let text = format!("{heat:.decimals$}");
            if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
        }
        heat => format!("{heat:.2e}"),
    }
}

/// A moment, seconds since the Unix epoch: `2024-05-07T18:52:36Z`, or the number where no calendar has it.
pub(crate) fn time(unix_s: i64) -> String {
    let moment = u64::try_from(unix_s).ok().and_then(|s| std::time::UNIX_EPOCH.checked_add(Duration::from_secs(s)));
    let calendar_ends = 253_402_300_800;
    match moment {
        Some(moment) if unix_s < calendar_ends => humantime::format_rfc3339_seconds(moment).to_string(),
        _ => format!("{unix_s} s"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, "0 B")]
    #[case(1023, "1023 B")]
    #[case(1024, "1.0 KiB")]
    #[case(1536, "1.5 KiB")]
    #[case((1 << 20) - 1, "1.0 MiB")]
    #[case(266_000_000_000, "247.7 GiB")]
    #[case(u64::MAX, "16.0 EiB")]
    fn sizes(#[case] size: u64, #[case] shown: &str) {
        assert_eq!(bytes(size), shown);
    }

    #[rstest]
    #[case(1, 0, "")]
    #[case(0, 7, "0.0%")]
    #[case(256, 44_544, "0.5%")]
    #[case(99, 1000, "9.9%")]
    #[case(1, 8, "12%")]
    #[case(u64::MAX, u64::MAX, "100%")]
    fn shares(#[case] part: u64, #[case] whole: u64, #[case] shown: &str) {
        assert_eq!(percent_of(part, whole), shown);
    }

    #[rstest]
    #[case(0, "0.0 ms")]
    #[case(1_234, "1.2 ms")]
    #[case(12_345, "12 ms")]
    #[case(999_499, "999 ms")]
    #[case(1_234_567, "1.2 s")]
    fn durations(#[case] micros: u64, #[case] shown: &str) {
        assert_eq!(millis(Duration::from_micros(micros)), shown);
    }

    #[rstest]
    #[case(0, "0.0 us")]
    #[case(999_900, "999.9 us")]
    #[case(999_990, "1.0 ms")]
    #[case(12_345_000, "12 ms")]
    fn short_durations(#[case] nanos: u64, #[case] shown: &str) {
        assert_eq!(micros(Duration::from_nanos(nanos)), shown);
    }

    #[rstest]
    #[case(0.0, "0")]
    #[case(1.0, "1")]
    #[case(0.125, "0.125")]
    #[case(12.34, "12.3")]
    #[case(9876.0, "9876")]
    #[case(0.0012, "0.0012")]
    #[case(1e-9, "1.00e-9")]
    #[case(123_456.0, "1.23e5")]
    fn heats_have_three_digits(#[case] size: f32, #[case] shown: &str) {
        assert_eq!(heat(size), shown);
    }

    #[rstest]
    #[case(0, "1970-01-01T00:00:00Z")]
    #[case(1_715_107_956, "2024-05-07T18:52:36Z")]
    #[case(-5, "-5 s")]
    #[case(i64::MIN, "-9223372036854775808 s")]
    #[case(i64::MAX, "9223372036854775807 s")]
    fn moments(#[case] unix_s: i64, #[case] shown: &str) {
        assert_eq!(time(unix_s), shown);
    }
}
