//! What a store's answers mean.
//!
//! The question that matters is whether a put may have been written: who takes "no" for granted where it is
//! "perhaps" sends a second put that conflicts with the first one's success.

use std::error::Error;
use std::fmt::Write;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Get,
    List,
    Delete,
    PutIfAbsent,
    PutIfMatches,
}

/// What came of it, other than what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The object is not there.
    Missing,
    /// The object still is the version that the caller has.
    Unchanged,
    Conflict,
    Busy,
    Unknown,
    Refused,
}

impl Call {
    const fn writes(self) -> bool {
        matches!(self, Call::Delete | Call::PutIfAbsent | Call::PutIfMatches)
    }
}

/// What an error means, and how it reads.
pub(super) fn judge<E>(call: Call, error: &SdkError<E, HttpResponse>) -> (Verdict, String)
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            // `NotFound` is not the store's: the client says so of any 404 without a body.
            let code = answer.err().code().filter(|code| *code != "NotFound");
            let status = answer.raw().status().as_u16();
            let mut why = format!("{} ({status})", code.unwrap_or("no code"));
            if let Some(message) = answer.err().message() {
                let _ = write!(why, ": {message}");
            }
            if let Some(hint) = hint(status, code) {
                let _ = write!(why, ": {hint}");
            }
            (classify(call, status, code), why)
        }
        SdkError::DispatchFailure(failure) => {
            // A connection that never was carried no request.
            let verdict = match failure.as_connector_error() {
                Some(error) if is_connect(error) => Verdict::Busy,
                Some(error) if error.is_user() => Verdict::Refused,
                _ => Verdict::Unknown,
            };
            (verdict, chain(error))
        }
        SdkError::ConstructionFailure(_) => (Verdict::Refused, chain(error)),
        SdkError::ResponseError(answer) if answer.raw().status().is_success() => (Verdict::Unknown, chain(error)),
        SdkError::ResponseError(answer) => {
            let status = answer.raw().status().as_u16();
            (classify(call, status, None), format!("an answer that is not S3's ({status}): {}", chain(error)))
        }
        _ => (Verdict::Unknown, chain(error)),
    }
}

/// What a store's answer means. A code says that the store itself judged the request; without one it may have
/// been anything on the way.
fn classify(call: Call, status: u16, code: Option<&str>) -> Verdict {
    match (status, code) {
        (304, _) if call == Call::Get => Verdict::Unchanged,
        (412, _) => Verdict::Conflict,
        (404, Some("NoSuchKey")) => match call {
            // The version that is asked for is gone, and so is the object.
            Call::PutIfMatches => Verdict::Conflict,
            _ => Verdict::Missing,
        },
        (409 | 429, _) => Verdict::Busy,
        // The store stopped waiting for the request's body.
        (400 | 408, Some("RequestTimeout")) => Verdict::Busy,
        (503, Some("SlowDown" | "ServiceUnavailable")) => Verdict::Busy,
        (500.., _) if status == 501 => Verdict::Refused,
        (500.., _) if call.writes() => Verdict::Unknown,
        (500.. | 408, _) => Verdict::Busy,
        _ => Verdict::Refused,
    }
}

/// What to do about it.
fn hint(status: u16, code: Option<&str>) -> Option<&'static str> {
    Some(match code {
        Some("NoSuchBucket") => "create the bucket, or correct the remote's URL",
        Some("InvalidAccessKeyId" | "SignatureDoesNotMatch") => "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        Some("ExpiredToken" | "TokenRefreshRequired" | "InvalidToken") => "renew the credentials",
        Some("RequestTimeTooSkewed") => "set this machine's clock",
        Some("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
            "set the bucket's own region, with --region or AWS_REGION"
        }
        Some("NotImplemented") => "the store must take If-Match and If-None-Match on put",
        _ if matches!(status, 401 | 403) => "these credentials need s3:GetObject, s3:PutObject and s3:ListBucket here",
        None if matches!(status, 300..=399 | 404 | 405) => "is the endpoint that of an S3 store?",
        _ => return None,
    })
}

/// Whether an error arose before there was a connection.
fn is_connect(error: &(dyn Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| (**error).source());
    causes
        .any(|cause| cause.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|error| error.is_connect()))
}

/// An error with its causes, each once.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |error| (**error).source()) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            let _ = write!(text, ": {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const READS: [Call; 2] = [Call::Get, Call::List];
    const PUTS: [Call; 2] = [Call::PutIfAbsent, Call::PutIfMatches];

    #[rstest]
    #[case::condition(412, Some("PreconditionFailed"), Verdict::Conflict)]
    #[case::two_at_once(409, Some("ConditionalRequestConflict"), Verdict::Busy)]
    #[case::slow_down(503, Some("SlowDown"), Verdict::Busy)]
    #[case::unavailable(503, Some("ServiceUnavailable"), Verdict::Busy)]
    #[case::too_many(429, None, Verdict::Busy)]
    #[case::body_too_slow(400, Some("RequestTimeout"), Verdict::Busy)]
    #[case::internal_error(500, Some("InternalError"), Verdict::Unknown)]
    #[case::proxy_lost_the_store(502, None, Verdict::Unknown)]
    #[case::proxy_without_store(503, None, Verdict::Unknown)]
    #[case::proxy_waited(504, None, Verdict::Unknown)]
    #[case::not_implemented(501, Some("NotImplemented"), Verdict::Refused)]
    #[case::denied(403, Some("AccessDenied"), Verdict::Refused)]
    #[case::denied_by_a_proxy(403, None, Verdict::Refused)]
    #[case::no_bucket(404, Some("NoSuchBucket"), Verdict::Refused)]
    #[case::no_store(404, None, Verdict::Refused)]
    #[case::elsewhere(301, Some("PermanentRedirect"), Verdict::Refused)]
    #[case::digest(400, Some("BadDigest"), Verdict::Refused)]
    fn what_an_answer_to_a_put_means(#[case] status: u16, #[case] code: Option<&str>, #[case] expected: Verdict) {
        for call in PUTS {
            assert_eq!(classify(call, status, code), expected, "{call:?}");
        }
    }

    #[rstest]
    #[case::internal_error(500, Some("InternalError"), Verdict::Busy)]
    #[case::proxy(502, None, Verdict::Busy)]
    #[case::slow_down(503, Some("SlowDown"), Verdict::Busy)]
    #[case::gateway_timeout(504, None, Verdict::Busy)]
    #[case::no_bucket(404, Some("NoSuchBucket"), Verdict::Refused)]
    #[case::no_store(404, None, Verdict::Refused)]
    #[case::no_key(404, Some("NoSuchKey"), Verdict::Missing)]
    #[case::denied(403, Some("AccessDenied"), Verdict::Refused)]
    fn what_an_answer_to_a_read_means(#[case] status: u16, #[case] code: Option<&str>, #[case] expected: Verdict) {
        for call in READS {
            assert_eq!(classify(call, status, code), expected, "{call:?}");
        }
    }

    #[test]
    fn an_object_that_is_gone_conflicts_with_a_version_of_it() {
        assert_eq!(classify(Call::PutIfMatches, 404, Some("NoSuchKey")), Verdict::Conflict);
        assert_eq!(classify(Call::Delete, 404, Some("NoSuchKey")), Verdict::Missing);
        assert_eq!(classify(Call::Get, 304, None), Verdict::Unchanged);
        assert_eq!(classify(Call::PutIfMatches, 304, None), Verdict::Refused);
    }

    #[rstest]
    #[case(403, Some("AccessDenied"), "s3:PutObject")]
    #[case(403, Some("SignatureDoesNotMatch"), "AWS_SECRET_ACCESS_KEY")]
    #[case(403, Some("RequestTimeTooSkewed"), "clock")]
    #[case(404, Some("NoSuchBucket"), "create the bucket")]
    #[case(404, None, "is the endpoint")]
    #[case(301, Some("PermanentRedirect"), "--region")]
    fn a_refusal_says_what_to_do(#[case] status: u16, #[case] code: Option<&str>, #[case] expected: &str) {
        assert!(hint(status, code).unwrap().contains(expected));
    }
}
