//! Which texts are keys of objects: the same rule for every store, so that what is in one can be copied to
//! another.

use crate::atomic_file::TEMPORARY_SUFFIX;

/// Longest key, bytes: what S3 allows.
pub const MAX_KEY_BYTES: usize = 1024;

/// Longest component of a key, bytes. File systems allow 255 in a name, and the name under which an unfinished
/// object lies beside its place is up to 40 longer.
pub const MAX_COMPONENT_BYTES: usize = 200;

/// Why a text is not the key of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It is empty, begins or ends with `/`, or has `//` in it.
    #[error("a key is names with one `/` between each two, and none before or after them")]
    EmptyComponent,
    /// It has `.` or `..` in it.
    #[error("a key has no `.` or `..` in it")]
    DotComponent,
    /// It has a control character in it, which listings cannot carry.
    #[error("a key has no control character in it")]
    ControlCharacter,
    /// It is longer than [`MAX_KEY_BYTES`].
    #[error("a key has at most {MAX_KEY_BYTES} bytes")]
    TooLong,
    /// One of its names is longer than [`MAX_COMPONENT_BYTES`].
    #[error("each name in a key has at most {MAX_COMPONENT_BYTES} bytes")]
    LongComponent,
    /// One of its names is that of an unfinished file.
    #[error("a name that ends with `{TEMPORARY_SUFFIX}` is that of an unfinished file")]
    Temporary,
}

/// Whether `text` is the key of an object, in any store.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_key(text: &str) -> Result<(), KeyError> {
    if text.len() > MAX_KEY_BYTES {
        return Err(KeyError::TooLong);
    }
    text.split('/').try_for_each(check_component)
}

/// Whether keys can begin with `text`: it is nothing, or whole components and the beginning of one.
///
/// # Errors
/// The first rule that its whole components break.
pub fn check_prefix(text: &str) -> Result<(), KeyError> {
    match text.rsplit_once('/') {
        Some((folder, _)) => check_key(folder),
        None => Ok(()),
    }
}

fn check_component(name: &str) -> Result<(), KeyError> {
    match name {
        "" => Err(KeyError::EmptyComponent),
        "." | ".." => Err(KeyError::DotComponent),
        _ if name.len() > MAX_COMPONENT_BYTES => Err(KeyError::LongComponent),
        _ if name.ends_with(TEMPORARY_SUFFIX) => Err(KeyError::Temporary),
        _ if name.chars().any(char::is_control) => Err(KeyError::ControlCharacter),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("heatmap-v1.json")]
    #[case::nested("tenants/1f359dd625e519a1a4e8d7509690f6fc-070a/heatmap-v1.json")]
    #[case::dots_in_names("a../.b/...")]
    #[case::any_other_character("a b/%2e%2e/ü+=&?#*\\:\"'~")]
    fn a_key_is_taken(#[case] key: &str) {
        assert_eq!(check_key(key), Ok(()));
    }

    #[rstest]
    #[case::empty("", KeyError::EmptyComponent)]
    #[case::root("/", KeyError::EmptyComponent)]
    #[case::absolute("/etc/passwd", KeyError::EmptyComponent)]
    #[case::folder("a/", KeyError::EmptyComponent)]
    #[case::doubled("a//b", KeyError::EmptyComponent)]
    #[case::here("a/./b", KeyError::DotComponent)]
    #[case::up("..", KeyError::DotComponent)]
    #[case::up_inside("a/../../b", KeyError::DotComponent)]
    #[case::nul("a\0b", KeyError::ControlCharacter)]
    #[case::newline("a\nb", KeyError::ControlCharacter)]
    #[case::temporary("a/heatmap-v1.json.12-0.___temp", KeyError::Temporary)]
    #[case::in_a_temporary("x.___temp/a", KeyError::Temporary)]
    fn anything_else_is_refused(#[case] key: &str, #[case] expected: KeyError) {
        assert_eq!(check_key(key), Err(expected));
    }

    #[test]
    fn the_limits_on_lengths_are_obeyed_and_violated() {
        let component = "c".repeat(MAX_COMPONENT_BYTES);
        assert_eq!(check_key(&component), Ok(()));
        assert_eq!(check_key(&format!("{component}c")), Err(KeyError::LongComponent));

        let longest = format!("{}{}", "0123456/".repeat(MAX_KEY_BYTES / 8 - 1), "01234567");
        assert_eq!(longest.len(), MAX_KEY_BYTES);
        assert_eq!(check_key(&longest), Ok(()));
        assert_eq!(check_key(&format!("{longest}8")), Err(KeyError::TooLong));
    }

    #[rstest]
    #[case::everything("", true)]
    #[case::part_of_a_name("tenants/1f3", true)]
    #[case::a_folder("tenants/", true)]
    #[case::hidden(".", true)]
    #[case::outside("../", false)]
    #[case::absolute("/", false)]
    fn a_prefix_names_a_folder_inside_and_the_beginning_of_a_name(#[case] prefix: &str, #[case] taken: bool) {
        assert_eq!(check_prefix(prefix).is_ok(), taken);
    }

    proptest! {
        #[test]
        fn a_key_never_leaves_the_folder_it_is_put_under(text in "[a./\\\\ \0]{0,12}|\\PC{0,40}") {
            if check_key(&text).is_ok() {
                let path = Path::new(&text);
                prop_assert!(path.components().all(|component| matches!(component, Component::Normal(_))));
                // Two keys never are one file.
                let normal: std::path::PathBuf = path.components().collect();
                prop_assert_eq!(normal.as_os_str(), text.as_str());
            }
        }
    }
}
