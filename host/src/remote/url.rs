//! URLs of remotes and of their objects.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{KeyError, check_key};

/// Longest name of a bucket, and the shortest: what S3 allows.
const BUCKET_BYTES: std::ops::RangeInclusive<usize> = 3..=63;

/// Where a remote is.
///
/// Read from `file:///path` (percent-encoded), from `s3://bucket` or `s3://bucket/prefix` (verbatim, as the
/// store's own tools take it), and from a plain path that begins with `/`, `./` or `../`. Other plain paths are
/// refused: `bucket/prefix` is more often a forgotten `s3://` than a folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RemoteUrl {
    /// A folder.
    File {
        /// Its path. One that is not absolute is relative to where the process runs.
        path: PathBuf,
    },
    /// A bucket, or what is in it below a prefix.
    S3 {
        /// The bucket.
        bucket: String,
        /// Empty, or a key: no slash before or after it.
        prefix: String,
    },
}

/// Where an object is: a remote, and the object's key in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectUrl {
    /// For a file its folder, for S3 the whole bucket.
    pub remote: RemoteUrl,
    /// The object's key in there.
    pub key: String,
}

/// A text that is not the URL of a remote, or of an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseUrlError {
    /// No known scheme, and not unmistakably a path.
    #[error("{text:?} is no remote: expected file:///path, s3://bucket/prefix, or a path that begins with `/` or `./`")]
    Unknown {
        /// What was read.
        text: String,
    },
    /// A store's address in place of the bucket's.
    #[error("{text:?} is the address of a store: give s3://bucket/prefix, and this as --endpoint")]
    Endpoint {
        /// What was read.
        text: String,
    },
    /// It has credentials in it, and so is not quoted.
    #[error("a URL of a remote has no user or password in it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")]
    Credentials,
    /// A file URL with a host.
    #[error("{text:?} names a host: a file URL has three slashes, file:///path")]
    Host {
        /// What was read.
        text: String,
    },
    /// A file URL with a query or a fragment, or a percent sign that encodes nothing.
    #[error("{text:?} is no file URL: write % as %25, ? as %3F and # as %23")]
    Encoding {
        /// What was read.
        text: String,
    },
    /// The path has a NUL in it.
    #[error("{text:?} has a NUL in its path")]
    Nul {
        /// What was read.
        text: String,
    },
    /// The bucket cannot be one.
    #[error("{text:?}: {bucket:?} is no bucket: expected 3 to 63 letters, digits, `.`, `-` or `_`")]
    Bucket {
        /// What was read.
        text: String,
        /// What stands for the bucket.
        bucket: String,
    },
    /// The prefix, or the key of the object, cannot be one.
    #[error("{text:?}: {why}")]
    Key {
        /// What was read.
        text: String,
        /// Which rule it breaks.
        #[source]
        why: KeyError,
    },
    /// It names a remote, and no object in it.
    #[error("{text:?} names no object: expected file:///path/to/object or s3://bucket/key")]
    NoObject {
        /// What was read.
        text: String,
    },
}

impl FromStr for RemoteUrl {
    type Err = ParseUrlError;

    fn from_str(text: &str) -> Result<Self, ParseUrlError> {
        match Parts::split(text)? {
            Parts::File(path) => Ok(RemoteUrl::File { path }),
            Parts::S3 { bucket, path } => {
                let prefix = path.trim_end_matches('/');
                if !prefix.is_empty() {
                    check_key(prefix).map_err(|why| ParseUrlError::Key { text: text.into(), why })?;
                }
                Ok(RemoteUrl::S3 { bucket: bucket.into(), prefix: prefix.into() })
            }
        }
    }
}

impl FromStr for ObjectUrl {
    type Err = ParseUrlError;

    fn from_str(text: &str) -> Result<Self, ParseUrlError> {
        let (remote, key) = match Parts::split(text)? {
            Parts::File(path) => {
                let no_object = || ParseUrlError::NoObject { text: text.into() };
                // `Path` would read `a/` and `a/.` as `a`.
                let bytes = path.as_os_str().as_bytes();
                let slash = bytes.iter().rposition(|byte| *byte == b'/').ok_or_else(no_object)?;
                let (folder, name) = bytes.split_at(slash + 1);
                let name = std::str::from_utf8(name).map_err(|_| no_object())?;
                (RemoteUrl::File { path: OsString::from_vec(folder.to_vec()).into() }, name.to_owned())
            }
            Parts::S3 { bucket, path } => {
                (RemoteUrl::S3 { bucket: bucket.into(), prefix: String::new() }, path.to_owned())
            }
        };
        if key.is_empty() {
            return Err(ParseUrlError::NoObject { text: text.into() });
        }
        check_key(&key).map_err(|why| ParseUrlError::Key { text: text.into(), why })?;
        Ok(ObjectUrl { remote, key })
    }
}

/// What the URLs of remotes and of objects have in common.
enum Parts<'a> {
    File(PathBuf),
    S3 { bucket: &'a str, path: &'a str },
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, ParseUrlError> {
        let quoted = || text.to_owned();
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
            if bucket.contains('@') {
                return Err(ParseUrlError::Credentials);
            }
            if !is_bucket(bucket) {
                return Err(ParseUrlError::Bucket { text: quoted(), bucket: bucket.into() });
            }
            return Ok(Parts::S3 { bucket, path });
        }
        let path = if let Some(rest) = text.strip_prefix("file://") {
            let rest = rest.strip_prefix("localhost").filter(|rest| rest.starts_with('/')).unwrap_or(rest);
            if !rest.starts_with('/') {
                return Err(ParseUrlError::Host { text: quoted() });
            }
            percent_decode(rest).ok_or_else(|| ParseUrlError::Encoding { text: quoted() })?
        } else if ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Err(if text.contains('@') {
                ParseUrlError::Credentials
            } else {
                ParseUrlError::Endpoint { text: quoted() }
            });
        } else if ["/", "./", "../"].iter().any(|begin| text.starts_with(begin)) || matches!(text, "." | "..") {
            text.as_bytes().to_vec()
        } else {
            return Err(ParseUrlError::Unknown { text: quoted() });
        };
        if path.contains(&0) {
            return Err(ParseUrlError::Nul { text: quoted() });
        }
        Ok(Parts::File(OsString::from_vec(path).into()))
    }
}

fn is_bucket(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    BUCKET_BYTES.contains(&text.len()) && text.bytes().all(inside) && text.starts_with(|c: char| c.is_alphanumeric())
}

/// As it is read back: `file:///path`, `s3://bucket/prefix`. A relative path prints as a path.
impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RemoteUrl::File { path } if path.is_absolute() => write!(f, "{}", file_url(path)),
            RemoteUrl::File { path } => write!(f, "{}", path.display()),
            RemoteUrl::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            RemoteUrl::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

/// The URL of an absolute path.
pub(super) fn file_url(path: &Path) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        f.write_str("file://")?;
        path.as_os_str().as_bytes().iter().try_for_each(|&byte| match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => write!(f, "{}", char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => write!(f, "{}", char::from(byte)),
            _ => write!(f, "%{byte:02X}"),
        })
    })
}

/// The bytes that a path of a URL stands for; none where it has a query, a fragment, or a stray `%`.
fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            b'?' | b'#' => return None,
            byte => byte,
        });
    }
    Some(bytes)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn file(path: &str) -> RemoteUrl {
        RemoteUrl::File { path: path.into() }
    }

    fn s3(bucket: &str, prefix: &str) -> RemoteUrl {
        RemoteUrl::S3 { bucket: bucket.into(), prefix: prefix.into() }
    }

    #[rstest]
    #[case("file:///srv/remote", file("/srv/remote"))]
    #[case("file://localhost/srv", file("/srv"))]
    #[case("file:///a%20b%2Fc%25", file("/a b/c%"))]
    #[case("file:///a b", file("/a b"))]
    #[case("file:///", file("/"))]
    #[case("/srv/100%", file("/srv/100%"))]
    #[case("./remote", file("./remote"))]
    #[case("../remote", file("../remote"))]
    #[case(".", file("."))]
    #[case("s3://bucket", s3("bucket", ""))]
    #[case("s3://bucket/", s3("bucket", ""))]
    #[case("s3://bucket/a/b", s3("bucket", "a/b"))]
    #[case("s3://bucket/a/b/", s3("bucket", "a/b"))]
    #[case("s3://my.bucket-1_x/a%20b?c#d", s3("my.bucket-1_x", "a%20b?c#d"))]
    fn a_remote_is_read(#[case] text: &str, #[case] expected: RemoteUrl) {
        assert_eq!(text.parse(), Ok(expected));
    }

    #[rstest]
    #[case("", "expected file:///path, s3://bucket/prefix")]
    #[case("bucket/prefix", "expected file:///path, s3://bucket/prefix")]
    #[case("~/remote", "expected file:///path, s3://bucket/prefix")]
    #[case("gs://bucket", "expected file:///path, s3://bucket/prefix")]
    #[case("S3://bucket", "expected file:///path, s3://bucket/prefix")]
    #[case("file:/srv", "expected file:///path, s3://bucket/prefix")]
    #[case("file://srv/remote", "three slashes")]
    #[case("file://", "three slashes")]
    #[case("file:///a?b", "write % as %25")]
    #[case("file:///a#b", "write % as %25")]
    #[case("file:///a%2", "write % as %25")]
    #[case("file:///a%+1", "write % as %25")]
    #[case("file:///a%00b", "NUL")]
    #[case("https://s3.example.com/bucket", "--endpoint")]
    #[case("s3://", "is no bucket")]
    #[case("s3:///key", "is no bucket")]
    #[case("s3://ab", "is no bucket")]
    #[case("s3://-ab", "is no bucket")]
    #[case("s3://buck et/a", "is no bucket")]
    #[case("s3://bucket//a", "a key is names")]
    #[case("s3://bucket/a/../b", "no `.` or `..`")]
    fn anything_else_says_what_is_expected(#[case] text: &str, #[case] expected: &str) {
        let error = text.parse::<RemoteUrl>().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains(&format!("{text:?}")), "{error}");
    }

    #[rstest]
    #[case("s3://AKIAEXAMPLE:wJalrXUtnFEMI@bucket/prefix")]
    #[case("https://AKIAEXAMPLE:wJalrXUtnFEMI@s3.example.com")]
    fn credentials_in_a_url_are_refused_and_not_repeated(#[case] text: &str) {
        let error = text.parse::<RemoteUrl>().unwrap_err();
        assert_eq!(error, ParseUrlError::Credentials);
        assert!(!format!("{error} {error:?}").contains("wJalr"));
    }

    #[test]
    fn the_limit_on_buckets_is_obeyed_and_violated() {
        for (length, taken) in [(2, false), (3, true), (63, true), (64, false)] {
            assert_eq!(format!("s3://{}", "b".repeat(length)).parse::<RemoteUrl>().is_ok(), taken, "{length}");
        }
    }

    #[rstest]
    #[case("file:///srv/remote/heatmap-v1.json", file("/srv/remote/"), "heatmap-v1.json")]
    #[case("file:///heatmap%201", file("/"), "heatmap 1")]
    #[case("./heatmap-v1.json", file("./"), "heatmap-v1.json")]
    #[case("s3://bucket/tenants/t/heatmap-v1.json", s3("bucket", ""), "tenants/t/heatmap-v1.json")]
    fn the_url_of_an_object_is_a_remote_and_a_key(#[case] text: &str, #[case] remote: RemoteUrl, #[case] key: &str) {
        assert_eq!(text.parse(), Ok(ObjectUrl { remote, key: key.into() }));
    }

    #[rstest]
    #[case("s3://bucket", "names no object")]
    #[case("s3://bucket/", "names no object")]
    #[case("file:///srv/", "names no object")]
    #[case("file:///srv/%FF", "names no object")]
    #[case("s3://bucket/a/", "a key is names")]
    #[case("file:///srv/..", "no `.` or `..`")]
    #[case("file:///srv/x.___temp", "unfinished")]
    fn what_names_no_object_is_refused(#[case] text: &str, #[case] expected: &str) {
        let error = text.parse::<ObjectUrl>().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_prints_as_it_reads(
            text in "(s3://|file://|/|\\./)?[a-z%/.?#@:0-9]{0,30}|\\PC{0,40}"
        ) {
            if let Ok(url) = text.parse::<RemoteUrl>() {
                prop_assert_eq!(url.to_string().parse(), Ok(url));
            }
            let _ = text.parse::<ObjectUrl>();
        }

        #[test]
        fn every_absolute_path_survives_its_url(bytes in proptest::collection::vec(1u8.., 0..40)) {
            let path = PathBuf::from(OsString::from_vec([b"/", bytes.as_slice()].concat()));
            let text = file_url(&path).to_string();
            prop_assert_eq!(text.parse(), Ok(RemoteUrl::File { path: path.clone() }));
            // The same as the standard says.
            let url = url::Url::parse(&text).unwrap();
            prop_assert_eq!(url.query(), None);
        }
    }
}
