//! Words of commands that users paste into a shell.

use std::borrow::Cow;

/// A word as a shell reads it: in quotes where it would otherwise not be taken as it stands.
pub(crate) fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.:_-+=@%,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/tmp/a-b_c.1", "/tmp/a-b_c.1")]
    #[case("file:///tmp/a%20b", "file:///tmp/a%20b")]
    #[case("", "''")]
    #[case("a b", "'a b'")]
    #[case("$HOME/*", "'$HOME/*'")]
    #[case("it's", r"'it'\''s'")]
    fn words(#[case] word: &str, #[case] expected: &str) {
        assert_eq!(quoted(word), expected);
    }
}
