//! All shards of a pageserver, in the order of a policy.

use std::num::NonZeroUsize;

use futures::stream::{self, Stream, StreamExt};
use thermocline_policy::Uploads;

use super::outcome::Attempt;
use super::uploader::Uploader;
use crate::jobs::Trigger;
use crate::pageserver::Shard;
use crate::policy::{DueUpload, UploadQueue};

/// Uploads that run at once, unless the operator says otherwise: `heatmap_upload_concurrency`.
pub const DEFAULT_CONCURRENCY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

impl Uploader {
    /// Uploads the heatmaps of `due` shards, at most `concurrency` at once, in the order in which the policy
    /// ranks them. Every shard has its turn, whatever becomes of others; attempts come out as they end. Uploads
    /// run only while the stream is polled, and dropping it ends them.
    pub async fn sweep(&self, due: Vec<(Shard, DueUpload)>, concurrency: NonZeroUsize) -> impl Stream<Item = Attempt> {
        let queue = due.iter().map(|(_, due)| *due).collect::<UploadQueue>();
        let rows = queue.rows();
        let ranked = self.generator.rank(queue).await;
        let order = ranked.map_or_else(|| (0..rows).collect(), |ranked| ranked.verdict.answer.order().to_vec());
        let mut shards: Vec<_> = due.into_iter().map(|(shard, _)| Some(shard)).collect();
        let ranked = order.into_iter().filter_map(move |row| shards.get_mut(row as usize)?.take());
        stream::iter(ranked)
            .map(move |shard| async move { self.upload(&shard, Trigger::Schedule).await })
            .buffer_unordered(concurrency.get())
    }
}
