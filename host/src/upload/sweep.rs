//! All shards of a pageserver, in the order of a policy.

use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt};
use thermocline_policy::Uploads;

use super::outcome::Attempt;
use super::uploader::{Trigger, Uploader};
use crate::pageserver::Shard;
use crate::policy::{DueUpload, UploadQueue};

/// Uploads that run at once, unless the operator says otherwise: `heatmap_upload_concurrency`.
pub const DEFAULT_CONCURRENCY: usize = 8;

impl Uploader {
    /// Uploads the heatmaps of `due` shards, at most `concurrency` at once, in the order in which the policy
    /// ranks them. Attempts come out as they end.
    pub async fn sweep(&self, due: Vec<(Shard, DueUpload)>, concurrency: usize) -> impl Stream<Item = Attempt> {
        let queue = Arc::new(due.iter().map(|(_, due)| *due).collect::<UploadQueue>());
        let order = self.ranked(&queue).await;
        let mut shards: Vec<_> = due.into_iter().map(|(shard, _)| Some(shard)).collect();
        let ranked = order.into_iter().filter_map(move |row| shards.get_mut(row as usize)?.take());
        stream::iter(ranked)
            .map(move |shard| async move { self.upload(&shard, Trigger::Schedule).await })
            .buffer_unordered(concurrency.max(1))
    }

    async fn ranked(&self, queue: &Arc<UploadQueue>) -> Vec<u32> {
        let (judge, asked) = (Arc::clone(self.generator.judge()), Arc::clone(queue));
        let now = self.generator.clock().unix_s();
        let ranked = tokio::task::spawn_blocking(move || judge.rank_uploads(now, &asked)).await;
        match ranked {
            Ok(Ok(verdict)) => verdict.answer.order().to_vec(),
            // Only a bug of the host's leaves it without an answer: then any order will do.
            Ok(Err(_)) | Err(_) => (0..queue.rows()).collect(),
        }
    }
}
