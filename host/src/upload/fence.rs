//! What to do about the heatmap that is in the bucket already.

use bytes::Bytes;

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
        Got::Unchanged => return Verdict::Unchanged,
        Got::Missing => return Verdict::Put(PutIf::Absent),
    };
    if body == ours.bytes {
        return Verdict::Unchanged;
    }
    match peek_generation(&body) {
        Some(bucket_generation) if bucket_generation > generation => return Verdict::Stale { bucket_generation },
        _ => {}
    }
    let is_small = small_below_bytes.is_some_and(|limit| ours.hot_bytes < limit);
    if is_small && content_of(&body) == Some(ours.content_digest) {
        return Verdict::OnlyAccessTimes;
    }
    Verdict::Put(PutIf::Matches(etag))
}

fn content_of(body: &Bytes) -> Option<crate::Digest> {
    Heatmap::decode(body).ok().map(|heatmap| heatmap.content_digest())
}
