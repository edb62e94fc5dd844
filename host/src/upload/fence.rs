//! What to do about the heatmap that is in the bucket already.

use crate::heatmap::{Encoded, Heatmap, peek_generation};
use crate::remote::{Got, Object, PutIf};

/// Heatmap keys carry no generation, so whoever uploads looks first: a heatmap of a lower or the same
/// generation is replaced, one of a higher generation means that this location is stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Write ours, if the bucket still holds what was seen.
    Put(PutIf),
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

/// Judges what a read of the bucket found. `small_below_bytes` is given by schedules, which leave small
/// tenants alone when only access times moved; commands give none.
///
/// An object that is no heatmap, or a damaged one, is replaced: no standby can use it. But a generation
/// that can still be read from it counts.
pub(super) fn judge(ours: &Encoded, generation: u32, small_below_bytes: Option<u64>, found: Got) -> Verdict {
    let Object { body, etag } = match found {
        Got::Object(object) => object,
        // Nobody asked whether it is still some version. A store that says so all the same has told nothing,
        // and this condition holds only where there is nothing to overwrite.
        Got::Missing | Got::Unchanged => return Verdict::Put(PutIf::Absent),
    };
    if body == ours.bytes {
        return Verdict::Unchanged;
    }
    match peek_generation(&body) {
        Some(bucket_generation) if bucket_generation > generation => return Verdict::Stale { bucket_generation },
        _ => {}
    }
    let is_small = small_below_bytes.is_some_and(|limit| ours.hot_bytes < limit);
    if is_small && Heatmap::decode(&body).is_ok_and(|there| there.content_digest() == ours.content_digest) {
        return Verdict::OnlyAccessTimes;
    }
    Verdict::Put(PutIf::Matches(etag))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rstest::rstest;

    use super::*;
    use crate::Digest;
    use crate::remote::ETag;

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

    fn object(body: impl Into<Bytes>) -> Got {
        Got::Object(Object { body: body.into(), etag: ETag("seen".into()) })
    }

    fn replace() -> Verdict {
        Verdict::Put(PutIf::Matches(ETag("seen".into())))
    }

    const fn stale(bucket_generation: u32) -> Verdict {
        Verdict::Stale { bucket_generation }
    }

    #[rstest]
    #[case::missing(Got::Missing, Verdict::Put(PutIf::Absent))]
    #[case::an_answer_to_no_question(Got::Unchanged, Verdict::Put(PutIf::Absent))]
    #[case::the_same_bytes(object(ours().bytes), Verdict::Unchanged)]
    #[case::a_lower_generation(object(document(OURS - 1, 0x10, 0)), replace())]
    #[case::the_lowest_generation(object(document(0, 0x10, 0)), replace())]
    #[case::the_same_generation(object(document(OURS, 0x20, 0)), replace())]
    #[case::a_higher_generation(object(document(OURS + 1, 0x10, 0)), stale(OURS + 1))]
    #[case::the_highest_generation(object(document(u32::MAX, 0x10, 0)), stale(u32::MAX))]
    #[case::nothing_in_it(object(""), replace())]
    #[case::garbage(object("\0garbage"), replace())]
    #[case::another_document(object(r#"{"timelines":{"generation":9}}"#), replace())]
    #[case::a_higher_generation_cut_off(object(r#"{"generation":6,"timelines":[{"timel"#), stale(6))]
    #[case::a_lower_generation_cut_off(object(r#"{"generation":4,"timelines":[{"timel"#), replace())]
    #[case::cut_off_within_the_generation(object(r#"{"generation":6"#), replace())]
    #[case::a_higher_generation_with_a_bad_layer(
        object(document(OURS + 1, 0x10, 0).replace("__", "_")), stale(OURS + 1)
    )]
    #[case::of_a_later_format(object(r#"{"version":2,"generation":6,"timelines":{}}"#), stale(6))]
    fn the_bucket_decides(
        #[case] found: Got,
        #[case] verdict: Verdict,
        #[values(None, Some(0), Some(u64::MAX))] small_below_bytes: Option<u64>,
    ) {
        assert_eq!(judge(&ours(), OURS, small_below_bytes, found), verdict);
    }

    #[rstest]
    #[case::small_by_schedule(Some(HOT_BYTES + 1), Verdict::OnlyAccessTimes)]
    #[case::large_by_schedule(Some(HOT_BYTES), replace())]
    #[case::by_command(None, replace())]
    fn where_only_access_times_moved_small_tenants_are_left_alone_on_schedule(
        #[case] small_below_bytes: Option<u64>,
        #[case] verdict: Verdict,
    ) {
        let found = object(document(OURS, 0x10, 1_800_000_000));
        assert_eq!(judge(&ours(), OURS, small_below_bytes, found), verdict);
    }

    #[rstest]
    #[case::layers(document(OURS, 0x20, 1_700_000_000))]
    #[case::the_generation(document(OURS - 1, 0x10, 1_700_000_000))]
    #[case::the_period(document(OURS, 0x10, 1_700_000_000).replace("60000", "30000"))]
    #[case::what_is_hot(document(OURS, 0x10, 1_700_000_000).replace("false", "true"))]
    fn where_more_than_access_times_moved_small_tenants_are_not_left_alone(#[case] found: String) {
        assert_eq!(judge(&ours(), OURS, Some(u64::MAX), object(found)), replace());
    }
}
