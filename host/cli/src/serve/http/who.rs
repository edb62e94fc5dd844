//! Who asks, in words that a log can keep.

use std::net::IpAddr;

use axum::Extension;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use thermocline::policies::{CONFIGURATION, HOST};

use super::error::ApiError;
use crate::policy_answers::BY_HEADER;

/// Longest name of whoever changes something; what is beyond is cut off.
const MAX_BY_BYTES: usize = 128;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// The `sub` of the request's token.
#[derive(Clone, Debug)]
pub(super) struct Subject(pub(super) String);

/// By whom a change is: the token's `sub` if it has one; else whom the client says to be, with its address, since
/// nobody has proved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct By(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let subject = parts.extensions.get::<Subject>().map(|Subject(sub)| sub.as_str());
        let said = parts.headers.get(BY_HEADER).map(|said| String::from_utf8_lossy(said.as_bytes()));
        let peer = parts.extensions.get::<Peer>().map(|Peer(address)| address.to_string());
        Ok(By(named(subject, said.as_deref(), peer.as_deref())))
    }
}

fn named(subject: Option<&str>, said: Option<&str>, peer: Option<&str>) -> String {
    let given = |name: Option<&str>| name.map(|name| cut(name, MAX_BY_BYTES)).filter(|name| !name.is_empty());
    let peer = peer.unwrap_or("a client");
    match (given(subject), given(said)) {
        // What the host and its settings do is told apart from what others do.
        (Some(subject), _) if [HOST, CONFIGURATION].contains(&subject.as_str()) => format!("{subject} (a token)"),
        (Some(subject), _) => subject,
        (None, Some(said)) => format!("{said} (says {peer})"),
        (None, None) => peer.to_owned(),
    }
}

/// Tells handlers where a connection comes from.
pub(super) const fn from_peer(address: IpAddr) -> Extension<Peer> {
    Extension(Peer(address))
}

/// At most so many bytes of a name. What does not belong on a line the host escapes.
fn cut(name: &str, limit_bytes: usize) -> String {
    const CUT: &str = "…";
    let mut cut = name.trim().to_owned();
    if cut.len() > limit_bytes {
        cut.truncate(cut.floor_char_boundary(limit_bytes.saturating_sub(CUT.len())));
        cut.push_str(CUT);
    }
    cut
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::a_token_counts(Some("alice"), Some("bob"), Some("127.0.0.1"), "alice")]
    #[case::what_is_said(None, Some("bob@laptop"), Some("127.0.0.1"), "bob@laptop (says 127.0.0.1)")]
    #[case::a_token_as_the_host(Some("thermocline"), None, None, "thermocline (a token)")]
    #[case::a_token_as_the_settings(Some("configuration"), None, None, "configuration (a token)")]
    #[case::as_the_host_itself(None, Some("thermocline"), Some("::1"), "thermocline (says ::1)")]
    #[case::nothing(None, None, Some("127.0.0.1"), "127.0.0.1")]
    #[case::empty(Some(" "), Some(""), Some("127.0.0.1"), "127.0.0.1")]
    #[case::no_address(None, Some("bob"), None, "bob (says a client)")]
    fn by_whom(
        #[case] subject: Option<&str>,
        #[case] said: Option<&str>,
        #[case] peer: Option<&str>,
        #[case] expected: &str,
    ) {
        assert_eq!(named(subject, said, peer), expected);
    }

    #[rstest]
    #[case::as_it_is("alice", "alice")]
    #[case::other_letters("Zoë 猫", "Zoë 猫")]
    #[case::at_the_limit("0123456789", "0123456789")]
    #[case::over_the_limit("0123456789a", "0123456…")]
    #[case::within_a_letter("012345éééé", "012345…")]
    fn names_are_cut(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(cut(text, 10), expected);
    }
}
