//! What a policy and its crate are called.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use thermocline::policy::MAX_NAME_BYTES;

/// Names of crates that would be taken for others, or for words of the language: what cargo refuses, and what the new
/// crate depends on.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "serde",
    "serde-json",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "thermocline-policy",
    "trait",
    "true",
    "try",
    "type",
    "unsafe",
    "use",
    "where",
    "while",
];

/// A name that a policy, its crate and its folder can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrateName(String);

/// A text that is no such name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadCrateName {
    /// Not what a policy or a crate may be called.
    Form,
    /// A word of the language, or the name of another crate.
    Taken,
}

impl CrateName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CrateName {
    type Err = BadCrateName;

    fn from_str(text: &str) -> Result<Self, BadCrateName> {
        let fits = (1..=MAX_NAME_BYTES).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if !fits {
            Err(BadCrateName::Form)
        } else if TAKEN.contains(&text) {
            Err(BadCrateName::Taken)
        } else {
            Ok(CrateName(text.to_owned()))
        }
    }
}

impl fmt::Display for CrateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for BadCrateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadCrateName::Form => write!(
                f,
                "a policy's name is 1 to {MAX_NAME_BYTES} characters of a-z, 0-9 and -, and its crate's begins with a \
                 letter, as in recent-reads"
            ),
            BadCrateName::Taken => f.write_str("no crate can be called so: give another name, as in recent-reads"),
        }
    }
}

impl Error for BadCrateName {}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("recent-reads", true)]
    #[case::one_letter("a", true)]
    #[case::digits("a1-2", true)]
    #[case::limit_obeyed(&"a".repeat(64), true)]
    #[case::limit_violated(&"a".repeat(65), false)]
    #[case::nothing("", false)]
    #[case::a_digit_first("1a", false)]
    #[case::a_dash_first("-a", false)]
    #[case::upper_case("Hot", false)]
    #[case::underscore("hot_set", false)]
    #[case::a_path("../hot", false)]
    #[case::another_letter("höt", false)]
    #[case::a_keyword("match", false)]
    #[case::the_standard_library("core", false)]
    #[case::what_it_depends_on("thermocline-policy", false)]
    fn names(#[case] text: &str, #[case] good: bool) {
        assert_eq!(text.parse::<CrateName>().map(|name| name.to_string()).ok(), good.then(|| text.to_owned()));
    }
}
