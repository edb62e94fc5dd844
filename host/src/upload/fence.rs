//! What to do about the heatmap that is in the bucket already.

use crate::Digest;
use crate::heatmap::{Encoded, Heatmap, peek_generation};
use crate::remote::{ETag, Object};
use crate::state::Known;

/// An object in the heatmap's place, as much of it as decides whether it is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InBucket {
    /// Which version of the object.
    pub(super) etag: ETag,
    /// SHA-256 of its bytes.
    pub(super) digest: Digest,
    /// Of all but access times; `None` where it is no heatmap.
    pub(super) content_digest: Option<Digest>,
    /// The generation that it claims, as far as it can be told.
    pub(super) generation: Option<u32>,
}

impl InBucket {
    /// What an object says. One that is no heatmap, or a damaged one, may still tell its generation.
    pub(super) fn of(object: &Object) -> Self {
        InBucket {
            etag: object.etag.clone(),
            digest: Digest::of(&object.body),
            content_digest: Heatmap::decode(&object.body).ok().map(|heatmap| heatmap.content_digest()),
            generation: peek_generation(&object.body),
        }
    }
}

impl From<&Known> for InBucket {
    fn from(known: &Known) -> Self {
        InBucket {
            etag: known.etag.clone(),
            digest: known.digest,
            content_digest: Some(known.content_digest),
            generation: Some(known.generation),
        }
    }
}

/// Heatmap keys carry no generation, so whoever uploads has to know what is there: a heatmap of a lower or the same
/// generation is replaced, one of a higher generation means that this location is stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Write ours, if the bucket still holds what was seen.
    Put,
    /// The bucket has these bytes.
    Unchanged,
    /// Only access times moved, and the tenant is small: its standby gains nothing.
    OnlyAccessTimes,
    /// Another location was attached later, and has written its heatmap.
    Stale {
        /// The generation of the heatmap in the bucket.
        bucket_generation: u32,
    },
}

/// Judges what is in the bucket. `small_below_bytes` is given by schedules, which leave small tenants alone when only
/// access times moved; commands give none.
///
/// An object that is no heatmap, or a damaged one, is replaced: no standby can use it. But a generation that can still
/// be read from it counts.
pub(super) fn judge(ours: &Encoded, generation: u32, small_below_bytes: Option<u64>, there: &InBucket) -> Verdict {
    if there.digest == ours.digest {
        return Verdict::Unchanged;
    }
    if let Some(bucket_generation) = there.generation.filter(|there| *there > generation) {
        return Verdict::Stale { bucket_generation };
    }
    let is_small = small_below_bytes.is_some_and(|limit| ours.hot_bytes < limit);
    if is_small && there.content_digest == Some(ours.content_digest) {
        return Verdict::OnlyAccessTimes;
    }
    Verdict::Put
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rstest::rstest;

    use super::*;

    const OURS: u32 = 5;
    const HOT_BYTES: u64 = 8192;

    /// A heatmap of one hot layer.
    fn document(generation: u32, lsn: u64, access_time: i64) -> String {
        let (start, end) = ("0".repeat(36), "F".repeat(36));
        format!(
            r#"{{"generation":{generation},"timelines":[{{"timeline_id":"{timeline}","layers":[{{"name":"{start}-{end}__{lsn:016X}","metadata":{{"file_size":{HOT_BYTES},"generation":1}},"access_time":{access_time},"cold":false}}]}}],"upload_period_ms":60000}}"#,
            timeline = "1".repeat(32),
        )
    }

    fn ours() -> Encoded {
        let bytes = Bytes::from(document(OURS, 0x10, 1_700_000_000));
        let content_digest = Heatmap::decode(&bytes).unwrap().content_digest();
        let digest = Digest::of(&bytes);
        Encoded { bytes, digest, content_digest, hot_layers: 1, cold_layers: 0, hot_bytes: HOT_BYTES }
    }

    fn object(body: impl Into<Bytes>) -> InBucket {
        InBucket::of(&Object { body: body.into(), etag: ETag("seen".into()) })
    }

    const fn stale(bucket_generation: u32) -> Verdict {
        Verdict::Stale { bucket_generation }
    }

    #[rstest]
    #[case::the_same_bytes(object(ours().bytes), Verdict::Unchanged)]
    #[case::a_lower_generation(object(document(OURS - 1, 0x10, 0)), Verdict::Put)]
    #[case::the_lowest_generation(object(document(0, 0x10, 0)), Verdict::Put)]
    #[case::the_same_generation(object(document(OURS, 0x20, 0)), Verdict::Put)]
    #[case::a_higher_generation(object(document(OURS + 1, 0x10, 0)), stale(OURS + 1))]
    #[case::the_highest_generation(object(document(u32::MAX, 0x10, 0)), stale(u32::MAX))]
    #[case::nothing_in_it(object(""), Verdict::Put)]
    #[case::garbage(object("\0garbage"), Verdict::Put)]
    #[case::another_document(object(r#"{"timelines":{"generation":9}}"#), Verdict::Put)]
    #[case::a_higher_generation_cut_off(object(r#"{"generation":6,"timelines":[{"timel"#), stale(6))]
    #[case::a_lower_generation_cut_off(object(r#"{"generation":4,"timelines":[{"timel"#), Verdict::Put)]
    #[case::cut_off_within_the_generation(object(r#"{"generation":6"#), Verdict::Put)]
    #[case::a_higher_generation_with_a_bad_layer(
        object(document(OURS + 1, 0x10, 0).replace("__", "_")), stale(OURS + 1)
    )]
    #[case::of_a_later_format(object(r#"{"version":2,"generation":6,"timelines":{}}"#), stale(6))]
    fn the_bucket_decides(
        #[case] found: InBucket,
        #[case] verdict: Verdict,
        #[values(None, Some(0), Some(u64::MAX))] small_below_bytes: Option<u64>,
    ) {
        assert_eq!(judge(&ours(), OURS, small_below_bytes, &found), verdict);
    }

    #[rstest]
    #[case::small_by_schedule(Some(HOT_BYTES + 1), Verdict::OnlyAccessTimes)]
    #[case::large_by_schedule(Some(HOT_BYTES), Verdict::Put)]
    #[case::by_command(None, Verdict::Put)]
    fn where_only_access_times_moved_small_tenants_are_left_alone_on_schedule(
        #[case] small_below_bytes: Option<u64>,
        #[case] verdict: Verdict,
    ) {
        let found = object(document(OURS, 0x10, 1_800_000_000));
        assert_eq!(judge(&ours(), OURS, small_below_bytes, &found), verdict);
    }

    #[rstest]
    #[case::layers(document(OURS, 0x20, 1_700_000_000))]
    #[case::the_generation(document(OURS - 1, 0x10, 1_700_000_000))]
    #[case::the_period(document(OURS, 0x10, 1_700_000_000).replace("60000", "30000"))]
    #[case::what_is_hot(document(OURS, 0x10, 1_700_000_000).replace("false", "true"))]
    fn where_more_than_access_times_moved_small_tenants_are_not_left_alone(#[case] found: String) {
        assert_eq!(judge(&ours(), OURS, Some(u64::MAX), &object(found)), Verdict::Put);
    }
}
