//! From a table and a selection to a heatmap's bytes and digests, in one pass.

use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::content::ContentHasher;
use super::writer::Writer;
use super::{Heatmap, HeatmapLayer, HeatmapTimeline, PolicyIdentity};
use crate::Digest;
use crate::layer::{LayerTable, TimelineId};
use crate::policy::Selection;

/// Bytes that are made before they are hashed: they are then still in the cache.
const SEGMENT_BYTES: usize = 128 << 10;

/// From this many listed layers on, a second thread hashes what the first one writes. Below, starting it
/// would cost more than it saves.
const TWO_THREADS_FROM_LAYERS: usize = 2048;

/// Segments under way between the two threads.
const SEGMENTS_IN_FLIGHT: usize = 4;

/// About what a listed layer takes, bytes: the buffer for the whole document is reserved by it.
const USUAL_LAYER_BYTES: usize = 256;

/// What a heatmap says beside its layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The generation in which the writing location is attached.
    pub generation: u32,
    /// How often it uploads, milliseconds.
    pub upload_period_ms: Option<u128>,
    /// The policy that decided. Written only when the selection has heats: without them, the heatmap is
    /// byte for byte what Neon writes.
    pub policy: PolicyIdentity,
}

/// A heatmap, ready to upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The document.
    pub bytes: Bytes,
    /// SHA-256 of the document.
    pub digest: Digest,
    /// SHA-256 of all that it says but the access times: equal where only those have moved. Also
    /// [`Heatmap::content_digest`] of the decoded document.
    pub content_digest: Digest,
    /// Listed as hot.
    pub hot_layers: usize,
    /// Listed as cold.
    pub cold_layers: usize,
    /// Sizes of the hot layers together; `u64::MAX` where they do not fit.
    pub hot_bytes: u64,
}

/// Writes the heatmap that lists what `selection` selects of `table`: timelines in the order of their ids,
/// and within each the layers in the order of the selection. A row that the table does not have is not
/// listed; a selection that was checked against this table has none.
pub fn encode(header: &Header, table: &LayerTable, selection: &Selection) -> Encoded {
    let policy = selection.heats().map(|_| &header.policy);
    let mut content = ContentHasher::new(header.generation, header.upload_period_ms, policy);
    let listing = Listing::new(table, selection);
    let (mut hot_layers, mut hot_bytes) = (0, 0_u64);

    let write = |mut sink: Sink<'_>| {
        let mut writer = Writer::default();
        writer.out.reserve_exact((selection.rows().len() * USUAL_LAYER_BYTES).min(SEGMENT_BYTES + SEGMENT_BYTES / 8));
        writer.begin(header.generation);
        for (timeline_id, indexes) in listing.timelines() {
            writer.begin_timeline(timeline_id);
            content.timeline(timeline_id, indexes.len());
            for layer in indexes.iter().filter_map(|index| listing.layer(*index)) {
                writer.layer(&layer);
                content.layer(&layer);
                if !layer.cold {
                    hot_layers += 1;
                    hot_bytes = hot_bytes.saturating_add(layer.metadata.file_size);
                }
                if writer.out.len() >= SEGMENT_BYTES {
                    writer.out = sink(std::mem::take(&mut writer.out));
                }
            }
            writer.end_timeline();
        }
        writer.end(header.upload_period_ms, policy);
        sink(writer.out);
    };
    let listed = selection.rows().len();
    let (bytes, digest) = assemble(listed, write);
    Encoded {
        bytes: bytes.into(),
        digest,
        content_digest: content.finish(),
        hot_layers,
        cold_layers: listed - hot_layers,
        hot_bytes,
    }
}

/// Takes a segment of the document, and hands back an empty buffer for the next one.
type Sink<'a> = Box<dyn FnMut(Vec<u8>) -> Vec<u8> + 'a>;

/// The whole document and its digest, from segments in their order.
#[derive(Default)]
struct Assembly {
    whole: Vec<u8>,
    hasher: Sha256,
}

impl Assembly {
    fn for_layers(layers: usize) -> Self {
        let bytes = layers * USUAL_LAYER_BYTES;
        // A document of one segment is taken over as it is.
        let whole = if bytes < SEGMENT_BYTES { Vec::new() } else { Vec::with_capacity(bytes) };
        Assembly { whole, hasher: Sha256::new() }
    }

    fn take(&mut self, mut segment: Vec<u8>) -> Vec<u8> {
        self.hasher.update(&segment);
        if self.whole.is_empty() && segment.len() < SEGMENT_BYTES {
            // All that there is: only the last segment is short.
            self.whole = segment;
            return Vec::new();
        }
        self.whole.extend_from_slice(&segment);
        segment.clear();
        segment
    }

    fn finish(self) -> (Vec<u8>, Digest) {
        (self.whole, self.hasher.into())
    }
}

/// Runs `write`, and joins and hashes the segments that it hands over: on a second thread where that pays
/// and the system grants one.
fn assemble(layers: usize, write: impl FnOnce(Sink<'_>)) -> (Vec<u8>, Digest) {
    let mut assembly = Assembly::for_layers(layers);
    if layers < TWO_THREADS_FROM_LAYERS {
        write(Box::new(|segment| assembly.take(segment)));
        return assembly.finish();
    }
    thread::scope(|scope| {
        let (full, segments) = mpsc::sync_channel::<Vec<u8>>(SEGMENTS_IN_FLIGHT);
        let (empty, buffers) = mpsc::channel();
        let hashing = thread::Builder::new().name("heatmap-hash".into()).spawn_scoped(scope, move || {
            let mut assembly = Assembly::for_layers(layers);
            for segment in segments {
                // The writer is done when nobody wants the buffer back.
                let _ = empty.send(assembly.take(segment));
            }
            assembly
        });
        let Ok(hashing) = hashing else {
            write(Box::new(|segment| assembly.take(segment)));
            return assembly.finish();
        };
        write(Box::new(move |segment| {
            let handed_over = full.send(segment);
            debug_assert!(handed_over.is_ok(), "the hashing thread ends after this one");
            buffers.try_recv().unwrap_or_else(|_| Vec::with_capacity(SEGMENT_BYTES + SEGMENT_BYTES / 8))
        }));
        match hashing.join() {
            Ok(assembly) => assembly.finish(),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The selected rows by timeline, each timeline's in the order of the selection.
struct Listing<'a> {
    table: &'a LayerTable,
    selection: &'a Selection,
    /// Indexes into the selection's rows.
    indexes: Vec<u32>,
    /// Where each timeline's indexes end.
    ends: Vec<usize>,
}

impl<'a> Listing<'a> {
    /// A counting sort by timeline.
    fn new(table: &'a LayerTable, selection: &'a Selection) -> Self {
        let ordinals = table.timelines();
        let ordinal = |row: &u32| ordinals.get(*row as usize).map(|ordinal| *ordinal as usize);
        let mut ends = vec![0; table.timeline_ids().len()];
        for place in selection.rows().iter().filter_map(ordinal) {
            if let Some(count) = ends.get_mut(place) {
                *count += 1;
            }
        }
        let mut start = 0;
        for end in &mut ends {
            start += std::mem::replace(end, start);
        }
        // `ends` holds starts now, and moves to the ends as the indexes are laid down.
        let mut indexes = vec![0; start];
        for (index, row) in (0..).zip(selection.rows()) {
            let next = ordinal(row).and_then(|place| ends.get_mut(place));
            if let Some(next) = next
                && let Some(slot) = indexes.get_mut(*next)
            {
                *slot = index;
                *next += 1;
            }
        }
        Listing { table, selection, indexes, ends }
    }

    fn timelines(&self) -> impl Iterator<Item = (TimelineId, &[u32])> {
        let mut start = 0;
        self.table.timeline_ids().iter().zip(&self.ends).map(move |(timeline_id, &end)| {
            let indexes = self.indexes.get(start..end).unwrap_or_default();
            start = end;
            (*timeline_id, indexes)
        })
    }

    #[inline]
    fn layer(&self, index: u32) -> Option<HeatmapLayer> {
        let index = index as usize;
        let row = *self.selection.rows().get(index)?;
        let (name, metadata, access_time) = self.table.listed(row)?;
        let heat = self.selection.heats().and_then(|heats| heats.get(index)).copied();
        Some(HeatmapLayer { name, metadata, access_time, cold: index >= self.selection.cold_from(), heat })
    }
}

impl Heatmap {
    /// The document as it is written: a heatmap that another writer laid out in the same way reads and
    /// writes to the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.begin(self.generation);
        for HeatmapTimeline { timeline_id, layers } in &self.timelines {
            writer.begin_timeline(*timeline_id);
            layers.iter().for_each(|layer| writer.layer(layer));
            writer.end_timeline();
        }
        writer.end(self.upload_period_ms, self.policy.as_ref());
        writer.out
    }

    /// SHA-256 of all that it says but the access times.
    pub fn content_digest(&self) -> Digest {
        let mut content = ContentHasher::new(self.generation, self.upload_period_ms, self.policy.as_ref());
        for HeatmapTimeline { timeline_id, layers } in &self.timelines {
            content.timeline(*timeline_id, layers.len());
            layers.iter().for_each(|layer| content.layer(layer));
        }
        content.finish()
    }
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "tables of tests are small")]
mod tests {
    use proptest::prelude::*;
    use serde::Serialize;
    use thermocline_policy::{Marks, Selection as Answer};

    use super::*;
    use crate::layer::{Generation, Key, Layer, LayerMetadata, LayerName, Lsn, ShardIndex};

    /// The format as its original declares it, written by serde_json.
    #[derive(Serialize)]
    struct Reference {
        generation: u32,
        timelines: Vec<ReferenceTimeline>,
        upload_period_ms: Option<u128>,
        #[serde(skip_serializing_if = "Option::is_none")]
        policy: Option<ReferencePolicy>,
    }

    #[derive(Serialize)]
    struct ReferenceTimeline {
        timeline_id: String,
        layers: Vec<ReferenceLayer>,
    }

    #[derive(Serialize)]
    struct ReferenceLayer {
        name: String,
        metadata: ReferenceMetadata,
        access_time: i64,
        cold: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        heat: Option<f32>,
    }

    #[derive(Serialize)]
    struct ReferenceMetadata {
        file_size: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        generation: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        shard: Option<String>,
    }

    #[derive(Serialize)]
    struct ReferencePolicy {
        name: String,
        version: String,
        digest: String,
    }

    fn reference(header: &Header, table: &LayerTable, selection: &Selection) -> String {
        let layers_of = |timeline: TimelineId| {
            let listed = selection.rows().iter().enumerate().map(|(index, row)| (index, table.layer(*row).unwrap()));
            let of_timeline = listed.filter(move |(_, layer)| layer.timeline == timeline);
            of_timeline.map(|(index, layer)| ReferenceLayer {
                name: layer.name.to_string(),
                metadata: ReferenceMetadata {
                    file_size: layer.metadata.file_size,
                    generation: layer.metadata.generation.get(),
                    shard: (layer.metadata.shard.count > 0).then(|| layer.metadata.shard.to_string()),
                },
                access_time: layer.access_time,
                cold: index >= selection.cold_from(),
                heat: selection.heats().map(|heats| heats[index]),
            })
        };
        let timelines = table.timeline_ids().iter().map(|timeline| ReferenceTimeline {
            timeline_id: timeline.to_string(),
            layers: layers_of(*timeline).collect(),
        });
        let PolicyIdentity { name, version, digest } = header.policy.clone();
        serde_json::to_string(&Reference {
            generation: header.generation,
            timelines: timelines.collect(),
            upload_period_ms: header.upload_period_ms,
            policy: selection.heats().map(|_| ReferencePolicy { name, version, digest }),
        })
        .unwrap()
    }

    fn header() -> Header {
        let policy = PolicyIdentity { name: "a \"b\"\n".into(), version: "1.2.3".into(), digest: "00".into() };
        Header { generation: 7, upload_period_ms: Some(60_000), policy }
    }

    fn layers() -> impl Strategy<Value = Vec<Layer>> {
        let layer = (
            0u8..3,
            any::<[u8; 18]>(),
            any::<u64>(),
            any::<u64>(),
            any::<Option<u32>>(),
            any::<(u8, u8)>(),
            any::<i64>(),
        );
        let layers = layer.prop_map(|(timeline, key, lsn, size, generation, (number, count), access_time)| {
            let (start, end) = (Key::from_bytes(key), Key::MAX);
            let delta =
                LayerName::delta(start, end, Lsn(lsn / 2), Lsn(lsn / 2 + 1 + size % 99)).filter(|_| size % 2 == 0);
            Layer {
                timeline: TimelineId::from_bytes([timeline; 16]),
                name: delta.unwrap_or(LayerName::image(start, end, Lsn(lsn))),
                metadata: LayerMetadata {
                    file_size: size,
                    generation: generation.map_or(Generation::NONE, Generation::new),
                    shard: ShardIndex { number, count },
                },
                access_time,
                access_count: 0,
                resident_since: None,
                marks: Marks::RESIDENT,
            }
        });
        proptest::collection::vec(layers, 0..40)
    }

    fn table(layers: &[Layer]) -> LayerTable {
        let mut builder = LayerTable::builder();
        builder.timeline(TimelineId::from_bytes([1; 16]));
        layers.iter().for_each(|layer| builder.layer(*layer));
        builder.build().unwrap()
    }

    proptest! {
        #[test]
        fn a_heatmap_is_byte_for_byte_what_serde_writes(
            layers in layers(),
            order: u64,
            cold in 0.0..1.0f64,
            scored: bool,
            heat in 0.0f32..1e30,
        ) {
            let table = table(&layers);
            let mut rows: Vec<u32> = (0..table.len() as u32).filter(|row| order >> (row % 64) & 1 == 1).collect();
            rows.sort_by_key(|row| u64::from(*row).wrapping_mul(order | 1));
            let answer = Answer {
                cold_from: (rows.len() as f64 * cold) as u32,
                heats: scored.then(|| rows.iter().map(|row| heat / (*row as f32 + 1.0)).collect()),
                rows,
                ..Answer::default()
            };
            let selection = Selection::check(answer, table.len() as u32).unwrap();
            let encoded = encode(&header(), &table, &selection);
            prop_assert_eq!(std::str::from_utf8(&encoded.bytes).unwrap(), reference(&header(), &table, &selection));
            prop_assert_eq!(encoded.digest, Digest::of(&encoded.bytes));
            prop_assert_eq!(encoded.hot_layers, selection.cold_from());
            prop_assert_eq!(encoded.hot_layers + encoded.cold_layers, selection.rows().len());
        }

        #[test]
        fn the_content_digest_moves_with_everything_but_access_times(layers in layers(), which: prop::sample::Index) {
            prop_assume!(!layers.is_empty());
            let select_all = |table: &LayerTable| {
                Selection::check(Answer::hot((0..table.len() as u32).collect()), table.len() as u32).unwrap()
            };
            let content = |header: &Header, layers: &[Layer]| {
                let table = table(layers);
                encode(header, &table, &select_all(&table)).content_digest
            };
            let before = content(&header(), &layers);
            let changed = |change: fn(&mut Layer)| {
                let mut layers = layers.clone();
                let index = which.index(layers.len());
                change(&mut layers[index]);
                content(&header(), &layers)
            };
            prop_assert_eq!(changed(|layer| layer.access_time = layer.access_time.wrapping_add(1)), before);
            prop_assert_eq!(changed(|layer| layer.resident_since = Some(std::num::NonZeroU32::MIN)), before);
            prop_assert_ne!(changed(|layer| layer.metadata.file_size ^= 1), before);
            prop_assert_ne!(changed(|layer| layer.metadata.shard.count ^= 1), before);
            prop_assert_ne!(changed(|layer| layer.metadata.generation = match layer.metadata.generation.get() {
                None => Generation::new(0),
                Some(_) => Generation::NONE,
            }), before);
            prop_assert_ne!(changed(|layer| layer.timeline = TimelineId::from_bytes([9; 16])), before);
            prop_assert_ne!(content(&Header { generation: 8, ..header() }, &layers), before);
            prop_assert_ne!(content(&Header { upload_period_ms: None, ..header() }, &layers), before);
        }
    }

    #[test]
    fn one_thread_and_two_write_the_same() {
        let many = TWO_THREADS_FROM_LAYERS * 3;
        let layers: Vec<_> = (0..many as u64)
            .map(|lsn| Layer {
                timeline: TimelineId::from_bytes([u8::from(lsn % 7 == 0); 16]),
                name: LayerName::image(Key::MIN, Key::MAX, Lsn(lsn)),
                metadata: LayerMetadata {
                    file_size: lsn << 20,
                    generation: Generation::new(3),
                    shard: ShardIndex::UNSHARDED,
                },
                access_time: 1_700_000_000,
                access_count: 0,
                resident_since: None,
                marks: Marks::RESIDENT,
            })
            .collect();
        let table = table(&layers);
        let rows = (0..many as u32).rev().collect();
        let selection = Selection::check(Answer::hot(rows), many as u32).unwrap();
        let encoded = encode(&header(), &table, &selection);
        assert_eq!(std::str::from_utf8(&encoded.bytes).unwrap(), reference(&header(), &table, &selection));
        assert_eq!(encoded.digest, Digest::of(&encoded.bytes));
        assert_eq!(encoded.hot_bytes, layers.iter().map(|layer| layer.metadata.file_size).sum::<u64>());
    }

    #[test]
    fn heats_and_the_policy_appear_only_when_it_scores() {
        let layer = Layer {
            timeline: TimelineId::from_bytes([0x11; 16]),
            name: LayerName::image(Key::MIN, Key::MAX, Lsn(0x10)),
            metadata: LayerMetadata {
                file_size: 8192,
                generation: Generation::new(1),
                shard: ShardIndex { number: 1, count: 2 },
            },
            access_time: -5,
            access_count: 0,
            resident_since: None,
            marks: Marks::RESIDENT,
        };
        let table = table(&[layer]);
        let encode = |heats| {
            let selection = Selection::check(Answer { heats, ..Answer::hot(vec![0]) }, 1).unwrap();
            String::from_utf8(super::encode(&header(), &table, &selection).bytes.to_vec()).unwrap()
        };
        let plain = concat!(
            r#"{"generation":7,"timelines":[{"timeline_id":"01010101010101010101010101010101","layers":[]},"#,
            r#"{"timeline_id":"11111111111111111111111111111111","layers":[{"name":"000000000000000000000000000000000000-"#,
            r#"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF__0000000000000010","metadata":{"file_size":8192,"generation":1,"#,
            r#""shard":"0102"},"access_time":-5,"cold":false}]}],"upload_period_ms":60000}"#,
        );
        assert_eq!(encode(None), plain);
        let scored = plain
            .replace(r#""cold":false"#, r#""cold":false,"heat":0.5"#)
            .replace("60000}", r#"60000,"policy":{"name":"a \"b\"\n","version":"1.2.3","digest":"00"}}"#);
        assert_eq!(encode(Some(vec![0.5])), scored);
    }
}
