//! What a shard's objects in the bucket say.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};

use super::Note;
use super::index_part::{self, IndexPart};
use super::manifest::{self, TenantManifest};
use crate::keys;
use crate::layer::{Generation, TenantShardId, TimelineId};
use crate::pageserver::PageserverError;
use crate::remote::{Got, Remote, RemoteError};

/// So many timelines' indexes are read at the same time.
const CONCURRENT_READS: usize = 8;

/// A pageserver deletes old indexes: one may be gone before it is read. Then the list is asked for again, at most
/// so many times.
const MAX_LISTS: usize = 3;

/// A shard as its objects in the bucket tell it.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// Of all timelines that have an index, also those without a local folder.
    pub(super) indexes: BTreeMap<TimelineId, IndexPart>,
    pub(super) manifest: TenantManifest,
    pub(super) notes: Vec<Note>,
}

impl Bucket {
    /// Reads the newest objects of a shard that are not of generations after `own`: those are the work of later
    /// attachments elsewhere.
    ///
    /// # Errors
    /// If the store does not answer; and if what it has of an index or of the manifest is damaged, all of it, since
    /// a branch point that is not known would leave out layers.
    pub(super) async fn read(
        remote: &Arc<dyn Remote>,
        shard: TenantShardId,
        own: Generation,
    ) -> Result<Self, PageserverError> {
        let newest = Newest { remote, shard, own };
        let folders = remote.folders(&keys::timelines(shard)).await.map_err(|error| unread(shard, &error))?;
        let timelines: Vec<TimelineId> = folders.iter().filter_map(|folder| folder.parse().ok()).collect();
        let indexes: Vec<_> = stream::iter(timelines)
            .map(|timeline| async move {
                let prefix = keys::index_parts(shard, timeline);
                let found = newest.valid(&prefix, generation_of_index, index_part::parse).await?;
                Ok((timeline, found))
            })
            .buffered(CONCURRENT_READS)
            .try_collect()
            .await?;
        let manifest = newest.valid(&keys::tenant_manifests(shard), generation_of_manifest, manifest::parse).await?;

        let mut bucket = Bucket::default();
        for (timeline, found) in indexes {
            bucket.notes.extend(found.notes);
            bucket.indexes.extend(found.newest.map(|index| (timeline, index)));
        }
        bucket.notes.extend(manifest.notes);
        bucket.manifest = manifest.newest.unwrap_or_default();
        Ok(bucket)
    }
}

/// The generation of an index part, from what follows `index_part.json` in its key.
fn generation_of_index(rest: &str) -> Option<Generation> {
    match rest {
        "" => Some(Generation::NONE),
        _ => Generation::from_suffix_digits(rest.strip_prefix('-')?),
    }
}

/// The generation of a manifest, from what follows `tenant-manifest` in its key.
fn generation_of_manifest(rest: &str) -> Option<Generation> {
    generation_of_index(rest.strip_suffix(".json")?)
}

/// What was found under one prefix.
struct Found<T> {
    /// The newest that is valid; none where there is none at all.
    newest: Option<T>,
    notes: Vec<Note>,
}

#[derive(Clone, Copy)]
struct Newest<'a> {
    remote: &'a Arc<dyn Remote>,
    shard: TenantShardId,
    own: Generation,
}

impl Newest<'_> {
    async fn valid<T: Send + 'static>(
        self,
        prefix: &str,
        generation: fn(&str) -> Option<Generation>,
        parse: fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<Found<T>, PageserverError> {
        let Newest { remote, shard, own } = self;
        for _ in 0..MAX_LISTS {
            let listed = remote.list(prefix).await.map_err(|error| unread(shard, &error))?;
            let mut candidates: Vec<_> = listed
                .into_iter()
                .filter_map(|object| Some((generation(object.key.strip_prefix(prefix)?)?, object.key)))
                .filter(|(generation, _)| *generation <= own)
                .collect();
            candidates.sort_unstable_by(|a, b| b.cmp(a));

            let mut unreadable = Vec::new();
            let mut vanished = false;
            for (_, key) in candidates {
                let body = match remote.get(&key, None).await.map_err(|error| unread(shard, &error))? {
                    Got::Object(object) => object.body,
                    Got::Missing | Got::Unchanged => {
                        vanished = true;
                        continue;
                    }
                };
                // The index of a large timeline has tens of megabytes.
                let parsed = tokio::task::spawn_blocking(move || parse(&body)).await;
                match parsed.map_err(|error| damaged(shard, error.to_string()))? {
                    Ok(newest) => {
                        let notes = unreadable.into_iter().map(|(damaged, why)| Note::OlderObject { damaged, why });
                        return Ok(Found { newest: Some(newest), notes: notes.collect() });
                    }
                    Err(error) => unreadable.push((remote.url(&key), error.to_string())),
                }
            }
            if vanished {
                continue;
            }
            let Some((newest, why)) = unreadable.first() else { return Ok(Found { newest: None, notes: Vec::new() }) };
            return Err(damaged(shard, format!("{newest}: {why}; and there is no older one that can be read")));
        }
        let why = format!("{} is being rewritten", remote.url(prefix));
        Err(PageserverError::NotReady { shard, why })
    }
}

fn damaged(shard: TenantShardId, why: String) -> PageserverError {
    PageserverError::Damaged { shard, why }
}

/// A store that is busy or silent may answer later; one that refuses will not.
fn unread(shard: TenantShardId, error: &RemoteError) -> PageserverError {
    match error {
        RemoteError::Busy { .. } | RemoteError::Unknown { .. } | RemoteError::Conflict { .. } => {
            PageserverError::NotReady { shard, why: error.to_string() }
        }
        _ => damaged(shard, error.to_string()),
    }
}
