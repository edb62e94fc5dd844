//! A component's file, and the digest that it must have.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::quote::quoted;
use crate::Digest;

/// What stands between a name and the digest that pins it.
pub(crate) const PIN: &str = "@sha256:";

/// Bytes of a pin that an error shows.
const SHOWN_BYTES: usize = 80;

/// A component's file: `FILE`, or `FILE@sha256:DIGEST` where only these very bytes will do.
///
/// A pin is a whole digest. The first digits of one tell files apart, and keep out nobody who can try many.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PolicyFile {
    path: PathBuf,
    pin: Option<Digest>,
}

/// A text that pins a file to no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{PIN}{0} pins to no digest: expected all 64 hex digits of the component's SHA-256, as `thermocline policy inspect` \
     prints them"
)]
pub struct BadPin(String);

/// A file that is not the one it was pinned to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} has sha256 {found}, and sha256 {pinned} is what was asked for", .path.display())]
pub struct WrongDigest {
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub found: Digest,
    /// What it should be.
    pub pinned: Digest,
}

impl PolicyFile {
    /// Whatever the file at `path` is.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        PolicyFile { path: path.into(), pin: None }
    }

    /// As [`FromStr`], of what the system hands over: paths need not be text.
    ///
    /// # Errors
    /// If what stands behind `@sha256:` is no digest.
    pub fn from_os(text: OsString) -> Result<Self, BadPin> {
        match text.into_string() {
            Ok(text) => text.parse(),
            Err(path) => Ok(PolicyFile::new(path)),
        }
    }

    /// The same, of the files in `folder` where the path is relative.
    #[must_use]
    pub fn within(self, folder: &Path) -> Self {
        PolicyFile { path: folder.join(self.path), pin: self.pin }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it must be. `None`: anything.
    pub const fn pin(&self) -> Option<Digest> {
        self.pin
    }

    /// Checks what the file turned out to be.
    ///
    /// # Errors
    /// With both digests, if it is pinned to another.
    pub fn check(&self, bytes: &[u8]) -> Result<(), WrongDigest> {
        let Some(pinned) = self.pin else { return Ok(()) };
        let found = Digest::of(bytes);
        if found == pinned { Ok(()) } else { Err(WrongDigest { path: self.path.clone(), found, pinned }) }
    }
}

impl FromStr for PolicyFile {
    type Err = BadPin;

    fn from_str(text: &str) -> Result<Self, BadPin> {
        match text.rsplit_once(PIN) {
            None => Ok(PolicyFile::new(text)),
            Some((path, digest)) => {
                let pin = digest.parse().map_err(|_| BadPin(quoted(digest, SHOWN_BYTES)))?;
                Ok(PolicyFile { path: path.into(), pin: Some(pin) })
            }
        }
    }
}

impl fmt::Display for PolicyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)?;
        match self.pin {
            Some(pin) => write!(f, "{PIN}{pin}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[rstest]
    #[case::a_path("a.wasm", "a.wasm", false)]
    #[case::an_at_in_a_path("a@b/c.wasm", "a@b/c.wasm", false)]
    #[case::another_digest("a@sha1:b", "a@sha1:b", false)]
    #[case::pinned(&format!("a.wasm@sha256:{DIGEST}"), "a.wasm", true)]
    #[case::pinned_twice(&format!("a@sha256:b/c@sha256:{DIGEST}"), "a@sha256:b/c", true)]
    fn a_file_may_be_pinned(#[case] text: &str, #[case] path: &str, #[case] pinned: bool) {
        let file: PolicyFile = text.parse().unwrap();
        assert_eq!((file.path(), file.pin().is_some()), (Path::new(path), pinned));
        assert_eq!(file.to_string(), text);
    }

    #[rstest]
    #[case::nothing("")]
    #[case::the_first_digits(&DIGEST[..12])]
    #[case::one_too_few(&DIGEST[1..])]
    #[case::one_too_many(&format!("{DIGEST}0"))]
    #[case::no_hex(&DIGEST.replace('e', "g"))]
    fn a_pin_is_a_whole_digest(#[case] digest: &str) {
        let error = format!("a.wasm@sha256:{digest}").parse::<PolicyFile>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("@sha256:{digest} pins to no digest: expected all 64")), "{error}");
    }

    #[test]
    fn a_pinned_file_has_the_digest_or_is_refused_with_both() {
        let file: PolicyFile = format!("a.wasm@sha256:{DIGEST}").parse().unwrap();
        assert_eq!(file.check(b""), Ok(()));
        let error = file.check(b"other").unwrap_err().to_string();
        let found = Digest::of(b"other");
        assert_eq!(error, format!("a.wasm has sha256 {found}, and sha256 {DIGEST} is what was asked for"));
        assert_eq!(PolicyFile::new("a.wasm").check(b"other"), Ok(()));
    }

    #[test]
    fn a_relative_path_is_one_within_a_folder() {
        let file: PolicyFile = format!("a.wasm@sha256:{DIGEST}").parse().unwrap();
        assert_eq!(file.clone().within(Path::new("/etc")).to_string(), format!("/etc/a.wasm@sha256:{DIGEST}"));
        assert_eq!(PolicyFile::new("/a.wasm").within(Path::new("/etc")).path(), Path::new("/a.wasm"));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(path in "\\PC{0,20}", pin in proptest::option::of(any::<Vec<u8>>())) {
            prop_assume!(!path.contains(PIN));
            let file = PolicyFile { path: path.into(), pin: pin.map(|bytes| Digest::of(&bytes)) };
            prop_assert_eq!(file.to_string().parse(), Ok(file));
        }
    }
}
