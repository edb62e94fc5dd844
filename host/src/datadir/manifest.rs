//! `tenant-manifest.json`: timelines that were offloaded, of which a pageserver keeps no folder.

use serde::Deserialize;

use crate::layer::{Lsn, TimelineId};

/// What a tenant manifest says.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct TenantManifest {
    pub(super) offloaded_timelines: Vec<OffloadedTimeline>,
}

/// An archived timeline that is only in the bucket.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct OffloadedTimeline {
    pub(super) timeline_id: TimelineId,
    ancestor_timeline_id: Option<TimelineId>,
    ancestor_retain_lsn: Option<Lsn>,
}

impl OffloadedTimeline {
    /// Its ancestor, and where it branches off; `None` where it does not hold its ancestor's history.
    pub(super) fn branch_point(&self) -> Option<(TimelineId, Lsn)> {
        self.ancestor_timeline_id.zip(self.ancestor_retain_lsn)
    }
}

/// Reads a tenant manifest.
///
/// # Errors
/// With what is wrong, and where.
pub(super) fn parse(bytes: &[u8]) -> Result<TenantManifest, serde_json::Error> {
    serde_json::from_slice(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const OFFLOADED: &str = r#"{"version":2,"stripe_size":32768,"offloaded_timelines":[{"timeline_id":"23232323232323232323232323232323","ancestor_timeline_id":"21212121212121212121212121212121","ancestor_retain_lsn":"0/1B08E80","archived_at":"2026-11-22T16:37:59.639287243"}]}"#;

    #[test]
    fn offloaded_timelines_are_read() {
        let manifest = parse(OFFLOADED.as_bytes()).unwrap();
        let [offloaded] = &manifest.offloaded_timelines[..] else { panic!("one") };
        assert_eq!(offloaded.timeline_id, TimelineId::from_bytes([0x23; 16]));
        assert_eq!(offloaded.branch_point(), Some((TimelineId::from_bytes([0x21; 16]), Lsn(0x1B0_8E80))));
    }

    #[rstest]
    #[case::root(r#""ancestor_timeline_id":"21212121212121212121212121212121","ancestor_retain_lsn":"0/1B08E80","#, "")]
    #[case::nulls(
        r#""ancestor_timeline_id":"21212121212121212121212121212121","ancestor_retain_lsn":"0/1B08E80""#,
        r#""ancestor_timeline_id":null,"ancestor_retain_lsn":null"#
    )]
    #[case::nothing_retained(r#""ancestor_retain_lsn":"0/1B08E80","#, "")]
    fn an_offloaded_timeline_may_hold_nothing_of_an_ancestor(#[case] from: &str, #[case] to: &str) {
        let manifest = parse(OFFLOADED.replace(from, to).as_bytes()).unwrap();
        assert_eq!(manifest.offloaded_timelines[0].branch_point(), None);
    }

    #[test]
    fn a_truncated_file_is_an_error() {
        (0..OFFLOADED.len()).for_each(|end| assert!(parse(&OFFLOADED.as_bytes()[..end]).is_err(), "{end}"));
        assert!(parse(b"{}").is_err());
    }

    proptest! {
        #[test]
        fn no_damaged_file_panics(at in 0..OFFLOADED.len(), byte: u8) {
            let mut bytes = OFFLOADED.as_bytes().to_vec();
            bytes[at] = byte;
            let _ = parse(&bytes);
        }
    }
}
