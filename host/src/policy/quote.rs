//! Text that comes from a policy, made fit for a log: bounded, and on one line.

use std::fmt::Write as _;

/// The first bytes of `text`, at most `limit_bytes` of it as printed, with everything escaped that
/// could break a line, move a cursor or reorder what stands around it.
pub(crate) fn quoted(text: &str, limit_bytes: usize) -> String {
    const MORE: &str = "...";
    let mut out = String::new();
    for char in text.chars() {
        let before = out.len();
        if char.is_control() || is_format(char) {
            let _ = write!(out, "{}", char.escape_default());
        } else {
            out.push(char);
        }
        if out.len() > limit_bytes {
            out.truncate(before);
            out.push_str(MORE);
            break;
        }
    }
    out
}

/// Line separators, and the marks that turn the direction of text.
const fn is_format(char: char) -> bool {
    matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("heat is 3", 9, "heat is 3")]
    #[case::one_too_many("heat is 3", 8, "heat is ...")]
    #[case::not_within_a_character("ää", 3, "ä...")]
    #[case::lines("a\r\nb\u{2028}c", 99, r"a\r\nb\u{2028}c")]
    #[case::terminal("\u{1b}[2J", 99, r"\u{1b}[2J")]
    #[case::direction("\u{202e}x", 99, r"\u{202e}x")]
    #[case::escapes_count("\n\n\n", 4, r"\n\n...")]
    #[case::nothing("", 0, "")]
    fn text_stays_on_its_line(#[case] text: &str, #[case] limit: usize, #[case] shown: &str) {
        assert_eq!(quoted(text, limit), shown);
    }
}
