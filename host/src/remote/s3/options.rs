//! How to reach a bucket.

use std::fmt;
use std::time::Duration;

use crate::remote::Limits;

/// Until a connection is there. Stores are near, or they are not there.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Until a request is sent and its answer has begun: 100 MB at 14 Mbit/s.
pub const DEFAULT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);

/// Until all of the answer is there: what a caller waits at most.
pub const DEFAULT_OPERATION_TIMEOUT: Duration = Duration::from_secs(120);

/// How long to wait for a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct S3Timeouts {
    /// Until a connection is there.
    pub connect: Duration,
    /// Until a request is sent and its answer has begun.
    pub attempt: Duration,
    /// Until a call answers: also the body of what is read, and all pages of a listing.
    pub operation: Duration,
}

impl Default for S3Timeouts {
    fn default() -> Self {
        S3Timeouts {
            connect: DEFAULT_CONNECT_TIMEOUT,
            attempt: DEFAULT_ATTEMPT_TIMEOUT,
            operation: DEFAULT_OPERATION_TIMEOUT,
        }
    }
}

/// Credentials in the caller's hands. They are never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Credentials {
    /// As in `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// As in `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
    /// As in `AWS_SESSION_TOKEN`, for credentials that expire.
    pub session_token: Option<String>,
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Credentials").finish_non_exhaustive()
    }
}

/// How to reach a bucket. What is left out comes from where AWS's own tools take it: the `AWS_*` variables, the
/// profile, the container, the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct S3Options {
    /// The store's address, `http://host:port` or `https://host`; else `AWS_ENDPOINT_URL_S3` or
    /// `AWS_ENDPOINT_URL`; else AWS.
    pub endpoint: Option<String>,
    /// The bucket's region; else `AWS_REGION`; else, where an endpoint is given, `us-east-1`, which stores other
    /// than AWS take or ignore.
    pub region: Option<String>,
    /// Whether the bucket is named in the path and not in the host; else yes where an endpoint is given, because
    /// few other stores have a host name for each bucket.
    pub path_style: Option<bool>,
    /// In place of the usual chain.
    pub credentials: Option<S3Credentials>,
    /// How long to wait.
    pub timeouts: S3Timeouts,
    /// What one call may cost.
    pub limits: Limits,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_never_printed() {
        let credentials = S3Credentials {
            access_key_id: "AKIAEXAMPLE".into(),
            secret_access_key: "wJalr".into(),
            session_token: Some("FwoGZXIv".into()),
        };
        let printed = format!("{:?}", S3Options { credentials: Some(credentials), ..S3Options::default() });
        for secret in ["AKIAEXAMPLE", "wJalr", "FwoGZXIv"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }
}
