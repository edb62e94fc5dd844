//! All shards of a pageserver, in the order of a policy.

use std::num::NonZeroUsize;
use std::sync::Arc;

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
        let queue = Arc::new(due.iter().map(|(_, due)| *due).collect::<UploadQueue>());
        let order = self.ranked(&queue).await;
        let mut shards: Vec<_> = due.into_iter().map(|(shard, _)| Some(shard)).collect();
        let ranked = order.into_iter().filter_map(move |row| shards.get_mut(row as usize)?.take());
        stream::iter(ranked)
            .map(move |shard| async move { self.upload(&shard, Trigger::Schedule).await })
            .buffer_unordered(concurrency.get())
    }

    async fn ranked(&self, queue: &Arc<UploadQueue>) -> Vec<u32> {
        let (seat, asked) = (self.generator.policies().ranking_seat(), Arc::clone(queue));
        let now = self.generator.clock().unix_s();
        let ranked = tokio::task::spawn_blocking(move || seat.judge().rank_uploads(now, &asked)).await;
        let bug = match ranked {
            Ok(Ok(verdict)) => return verdict.answer.order().to_vec(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        // No policy can bring this about. Any order is better than no uploads.
        tracing::error!("uploads run in no particular order, because ranking them failed: {bug}");
        (0..queue.rows()).collect()
    }
}
