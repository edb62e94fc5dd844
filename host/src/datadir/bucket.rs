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

/// A store that is busy or silent may answer later, which is an outage and not the tenant's state; one that
/// refuses will not.
fn unread(shard: TenantShardId, error: &RemoteError) -> PageserverError {
    match error {
        RemoteError::Busy { .. } | RemoteError::Unknown { .. } | RemoteError::Conflict { .. } => {
            PageserverError::Bucket { shard, why: error.to_string() }
        }
        _ => damaged(shard, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use async_trait::async_trait;
    use bytes::Bytes;

    use super::*;
    use crate::layer::Lsn;
    use crate::remote::{ETag, Listed, Object, PutIf};

    const TIMELINE: &str = "11111111111111111111111111111111";

    fn shard() -> TenantShardId {
        "0a110000000000000000000000000001".parse().unwrap()
    }

    /// A bucket that answers listings as it is told, and has the objects that it has.
    #[derive(Debug, Default)]
    struct Scripted {
        objects: BTreeMap<String, &'static str>,
        /// Keys that are listed but gone when they are read.
        vanishing: Mutex<VecDeque<String>>,
        busy: bool,
        refuses: bool,
    }

    impl Scripted {
        fn with(objects: &[(&str, &'static str)]) -> Self {
            let key = |name: &str| format!("tenants/{}/{name}", shard());
            Scripted { objects: objects.iter().map(|&(name, body)| (key(name), body)).collect(), ..Scripted::default() }
        }

        fn vanishing(self, names: &[&str]) -> Self {
            let keys = names.iter().map(|name| format!("tenants/{}/{name}", shard())).collect();
            Scripted { vanishing: Mutex::new(keys), ..self }
        }

        async fn read(self) -> Result<Bucket, PageserverError> {
            let remote: Arc<dyn Remote> = Arc::new(self);
            Bucket::read(&remote, shard(), Generation::new(5)).await
        }
    }

    #[async_trait]
    impl Remote for Scripted {
        async fn get(&self, key: &str, _: Option<&ETag>) -> Result<Got, RemoteError> {
            let body = self.objects.get(key).map(|body| Bytes::from_static(body.as_bytes()));
            Ok(body.map_or(Got::Missing, |body| Got::Object(Object { body, etag: ETag(String::new()) })))
        }

        async fn put(&self, key: &str, _: Bytes, _: PutIf) -> Result<ETag, RemoteError> {
            Err(RemoteError::Refused { object: self.url(key), why: "read only".into() })
        }

        async fn list(&self, prefix: &str) -> Result<Vec<Listed>, RemoteError> {
            let object = self.url(prefix);
            if self.busy {
                return Err(RemoteError::Busy { object, why: "503".into() });
            }
            if self.refuses {
                return Err(RemoteError::Refused { object, why: "403".into() });
            }
            let mut keys: Vec<_> = self.objects.keys().cloned().collect();
            let mut vanishing = self.vanishing.lock().unwrap();
            keys.extend(vanishing.pop_front_if(|key| key.starts_with(prefix) && prefix.ends_with("json")));
            keys.retain(|key| key.starts_with(prefix));
            keys.sort();
            Ok(keys.into_iter().map(|key| Listed { key, size_bytes: 0 }).collect())
        }

        async fn delete(&self, key: &str) -> Result<(), RemoteError> {
            Err(RemoteError::Refused { object: self.url(key), why: "read only".into() })
        }

        fn url(&self, key: &str) -> String {
            format!("test://{key}")
        }
    }

    fn index(generation: u32) -> String {
        format!("timelines/{TIMELINE}/index_part.json-{generation:08x}")
    }

    const AT_10: &str = r#"{"layer_metadata":{},"disk_consistent_lsn":"0/10","metadata":{"ancestor_lsn":"0/0"}}"#;
    const AT_20: &str = r#"{"layer_metadata":{},"disk_consistent_lsn":"0/20","metadata":{"ancestor_lsn":"0/0"}}"#;

    fn lsn(bucket: &Bucket) -> Option<Lsn> {
        bucket.indexes.get(&TIMELINE.parse().unwrap()).map(|index| index.disk_consistent_lsn)
    }

    #[tokio::test]
    async fn the_newest_that_is_not_of_the_future_counts() {
        let bucket = Scripted::with(&[(&index(4), AT_10), (&index(5), AT_20), (&index(6), "?")]).read().await.unwrap();
        assert_eq!((lsn(&bucket), bucket.notes), (Some(Lsn(0x20)), vec![]));
    }

    #[tokio::test]
    async fn a_timeline_without_index_is_none() {
        let layer = format!("timelines/{TIMELINE}/some-layer");
        let bucket =
            Scripted::with(&[(&layer, ""), (&index(6), AT_10), ("timelines/no-timeline/index_part.json", "?")]);
        let bucket = bucket.read().await.unwrap();
        assert_eq!((bucket.indexes.len(), bucket.notes), (0, vec![]));
    }

    #[tokio::test]
    async fn manifests_follow_the_same_rule() {
        let offloaded = r#"{"offloaded_timelines":[{"timeline_id":"22222222222222222222222222222222"}]}"#;
        let manifests = [
            ("tenant-manifest-00000004.json", offloaded),
            ("tenant-manifest-00000005.json", "{"),
            ("tenant-manifest-00000006.json", "?"),
            ("tenant-manifest-00000005.bak", "?"),
        ];
        let bucket = Scripted::with(&manifests).read().await.unwrap();
        assert_eq!(bucket.manifest.offloaded_timelines.len(), 1);
        assert!(matches!(&bucket.notes[..], [Note::OlderObject { damaged, .. }] if damaged.ends_with("5.json")));
        let error = Scripted::with(&manifests[1..]).read().await.unwrap_err().to_string();
        assert!(error.contains("tenant-manifest-00000005.json"), "{error}");
    }

    #[tokio::test]
    async fn an_index_that_is_replaced_while_it_is_read_is_looked_for_again() {
        let objects = [(&index(5)[..], AT_20)];
        let bucket = Scripted::with(&objects).vanishing(&[&index(4)]).read().await.unwrap();
        assert_eq!(lsn(&bucket), Some(Lsn(0x20)));

        let newer = format!("timelines/{TIMELINE}/index_part.json-00000003");
        let layer = format!("timelines/{TIMELINE}/some-layer");
        let bucket = Scripted::with(&[(&layer, "")]).vanishing(&[&newer, &newer]).read().await.unwrap();
        assert_eq!(lsn(&bucket), None, "found to be gone at the third look");
        let error = Scripted::with(&[(&layer, "")]).vanishing(&[&newer, &newer, &newer]).read().await.unwrap_err();
        assert!(matches!(error, PageserverError::NotReady { .. }), "{error}");
    }

    #[tokio::test]
    async fn an_outage_of_the_store_is_told_from_damage() {
        let error = Scripted { busy: true, ..Scripted::default() }.read().await.unwrap_err();
        assert!(matches!(error, PageserverError::Bucket { .. }), "{error}");
        let error = Scripted { refuses: true, ..Scripted::default() }.read().await.unwrap_err();
        assert!(matches!(error, PageserverError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("test://tenants/0a11"), "{error}");
    }
}
