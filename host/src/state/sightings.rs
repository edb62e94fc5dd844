//! Which layers this host has seen on a shard's disk since the shard was attached.
//!
//! A layer that the heatmap of before lists and that is not on disk was either never downloaded here, and then
//! standbys should go on holding it, or it was, and was evicted since. Only who has seen it can tell.

use std::fs;
use std::hash::Hasher;
use std::io;
use std::path::{Path, PathBuf};

use siphasher::sip::SipHasher13;

use crate::atomic_file;
use crate::layer::{Generation, LayerMetadata, LayerName, LayerTable, MAX_ROWS, TenantShardId, TimelineId};

/// How a file of sightings begins: what it is, and in which version.
const MAGIC: &[u8; 8] = b"TCSEEN\0\x01";

/// Magic, generation, checksum.
const HEADER_BYTES: usize = 8 + 4 + 8;

/// Most bytes of a file of sightings: as many layers as a table holds.
const MAX_BYTES: u64 = (HEADER_BYTES + 8 * MAX_ROWS) as u64;

/// The layers that were seen on a shard's disk while it was attached in one generation. A hash of 64 bits
/// stands for a layer: that two of a million share one is less likely than one in ten million.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sightings {
    generation: u32,
    /// Sorted, none twice.
    seen: Vec<u64>,
}

impl Sightings {
    /// None yet.
    pub(crate) fn none(generation: u32) -> Self {
        Sightings { generation, seen: Vec::new() }
    }

    /// Whether this incarnation of a layer was seen.
    pub(crate) fn contains(&self, timeline: TimelineId, name: &LayerName, metadata: &LayerMetadata) -> bool {
        self.seen.binary_search(&hash(timeline, name, metadata)).is_ok()
    }

    /// What is to be remembered after a look that found `table`: all that is on disk now, and what was seen before
    /// and is still a layer, so that the file does not grow with all layers that ever were.
    pub(crate) fn after(&self, table: &LayerTable) -> Self {
        let hashes = table.layers().filter_map(|layer| {
            let hash = hash(layer.timeline, &layer.name, &layer.metadata);
            (layer.marks.is_resident() || self.seen.binary_search(&hash).is_ok()).then_some(hash)
        });
        let mut seen: Vec<_> = hashes.collect();
        seen.sort_unstable();
        seen.dedup();
        Sightings { generation: self.generation, seen }
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + 8 * self.seen.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend(self.seen.iter().flat_map(|hash| hash.to_le_bytes()));
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk()?;
        let rest = body.strip_prefix(MAGIC)?;
        let (generation, hashes) = rest.split_first_chunk()?;
        let (hashes, partial) = hashes.as_chunks();
        let seen: Vec<_> = hashes.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        let whole = checksum(body) == u64::from_le_bytes(*sum) && partial.is_empty() && seen.is_sorted();
        whole.then(|| Sightings { generation: u32::from_le_bytes(*generation), seen })
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish()
}

fn hash(timeline: TimelineId, name: &LayerName, metadata: &LayerMetadata) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(timeline.as_bytes());
    hasher.write(name.key_start().as_bytes());
    hasher.write(name.key_end().as_bytes());
    hasher.write(&name.lsn_start().0.to_le_bytes());
    hasher.write(&name.lsn_end().0.to_le_bytes());
    hasher.write(&[u8::from(name.is_delta()), u8::from(metadata.generation != Generation::NONE)]);
    hasher.write(&metadata.generation.get().unwrap_or_default().to_le_bytes());
    hasher.write(&[metadata.shard.number, metadata.shard.count]);
    hasher.write(&metadata.file_size.to_le_bytes());
    hasher.finish()
}

/// The folder of sightings: one file a shard.
#[derive(Debug)]
pub(crate) struct StateDir(PathBuf);

/// Why sightings cannot be read. It costs that evicted layers count as inherited once more, nothing else.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SightingsError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{}: the file is damaged", path.display())]
    Damaged { path: PathBuf },
}

impl StateDir {
    pub(crate) fn new(path: PathBuf) -> Self {
        StateDir(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn file(&self, shard: TenantShardId) -> PathBuf {
        self.0.join(format!("{shard}.seen"))
    }

    /// What was seen since the shard was attached in `generation`: nothing, where what was noted is of another.
    ///
    /// # Errors
    /// If there is a file that cannot be read.
    pub(crate) fn load(&self, shard: TenantShardId, generation: u32) -> Result<Sightings, SightingsError> {
        let path = self.file(shard);
        let bytes = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Sightings::none(generation)),
            Ok(metadata) if metadata.len() > MAX_BYTES => return Err(SightingsError::Damaged { path }),
            _ => fs::read(&path).map_err(|error| SightingsError::Io { path: path.clone(), error })?,
        };
        let seen = Sightings::decode(&bytes).ok_or(SightingsError::Damaged { path })?;
        Ok(if seen.generation == generation { seen } else { Sightings::none(generation) })
    }

    /// Notes what was seen, crash-safe.
    ///
    /// # Errors
    /// As the file system gives them.
    pub(crate) fn store(&self, shard: TenantShardId, sightings: &Sightings) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        atomic_file::write(&self.file(shard), &sightings.encode())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layer::{Key, Layer, Lsn, ShardIndex};
    use thermocline_policy::Marks;

    const TIMELINE: TimelineId = TimelineId::from_bytes([1; 16]);

    fn shard() -> TenantShardId {
        "0a330000000000000000000000000003-0102".parse().unwrap()
    }

    fn name(lsn: u64) -> LayerName {
        LayerName::image(Key::MIN, Key::MAX, Lsn(lsn))
    }

    fn metadata() -> LayerMetadata {
        LayerMetadata { file_size: 8, generation: Generation::new(2), shard: ShardIndex::UNSHARDED }
    }

    /// A look that finds these images, the first of them on disk.
    fn look(before: &Sightings, resident: &[u64], elsewhere: &[u64]) -> Sightings {
        let mut builder = LayerTable::builder();
        let on_disk = resident.iter().map(|&lsn| (lsn, Marks::RESIDENT));
        for (lsn, marks) in on_disk.chain(elsewhere.iter().map(|&lsn| (lsn, Marks::NONE))) {
            let (name, metadata) = (name(lsn), metadata());
            let (timeline, resident_since) = (TIMELINE, None);
            builder.layer(Layer { timeline, name, metadata, access_time: 0, access_count: 0, resident_since, marks });
        }
        before.after(&builder.build().unwrap())
    }

    fn seen(sightings: &Sightings) -> Vec<u64> {
        (0..10).filter(|&lsn| sightings.contains(TIMELINE, &name(lsn), &metadata())).collect()
    }

    #[test]
    fn what_was_seen_is_kept_while_it_matters() {
        let first = look(&Sightings::none(2), &[1, 2, 3], &[4]);
        assert_eq!(seen(&first), [1, 2, 3]);
        let second = look(&first, &[4], &[2, 5]);
        assert_eq!(seen(&second), [2, 4]);
    }

    #[test]
    fn another_incarnation_is_another_layer() {
        let sightings = look(&Sightings::none(2), &[1], &[]);
        let shard = ShardIndex { number: 0, count: 1 };
        for other in [
            LayerMetadata { file_size: 9, ..metadata() },
            LayerMetadata { generation: Generation::new(3), ..metadata() },
            LayerMetadata { generation: Generation::NONE, ..metadata() },
            LayerMetadata { shard, ..metadata() },
        ] {
            assert!(!sightings.contains(TIMELINE, &name(1), &other), "{other:?}");
        }
        assert!(!sightings.contains(TimelineId::from_bytes([2; 16]), &name(1), &metadata()));
    }

    #[test]
    fn sightings_survive_until_the_next_attachment() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::new(folder.path().join("not").join("there yet"));
        assert_eq!(state.load(shard(), 7).unwrap(), Sightings::none(7));
        let sightings = look(&Sightings::none(7), &[1, 2, 3], &[]);
        state.store(shard(), &sightings).unwrap();
        assert_eq!(state.load(shard(), 7).unwrap(), sightings);
        assert_eq!(state.load(shard(), 8).unwrap(), Sightings::none(8));
        assert_eq!(
            state.load(TenantShardId::unsharded(shard().tenant), 7).unwrap(),
            Sightings::none(7),
            "of another shard"
        );
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::new(folder.path().to_owned());
        let whole = look(&Sightings::none(7), &[1, 2, 3], &[]).encode();
        for end in 0..whole.len() {
            fs::write(state.file(shard()), &whole[..end]).unwrap();
            let error = state.load(shard(), 7).unwrap_err().to_string();
            assert!(error.contains("-0102.seen") && error.contains("damaged"), "{error}");
        }
    }

    #[test]
    fn the_limit_on_a_files_size_is_obeyed_and_violated() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::new(folder.path().to_owned());
        let file = fs::File::create(state.file(shard())).unwrap();
        file.set_len(MAX_BYTES + 1).unwrap();
        assert!(matches!(state.load(shard(), 7), Err(SightingsError::Damaged { .. })));
        let whole = Sightings { generation: 7, seen: (0..1000).collect() };
        assert_eq!(whole.encode().len(), HEADER_BYTES + 8 * 1000);
        state.store(shard(), &whole).unwrap();
        assert_eq!(state.load(shard(), 7).unwrap(), whole);
    }

    proptest! {
        #[test]
        fn damage_is_noticed(at in 0usize..44, change in 1u8..) {
            let mut bytes = look(&Sightings::none(7), &[1, 2, 3], &[]).encode();
            prop_assert_eq!(bytes.len(), 44);
            bytes[at] ^= change;
            prop_assert_eq!(Sightings::decode(&bytes), None);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Sightings::decode(&bytes);
        }
    }
}
