//! `index_part.json`: what a timeline consists of, as its pageserver last wrote it to the bucket.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::layer::{Generation, LayerMetadata, LayerName, Lsn, ShardIndex, TimelineId};

/// What an index part says. Fields that heatmaps do not need are not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexPart {
    /// Sorted by name, none twice.
    pub(super) layers: Vec<(LayerName, LayerMetadata)>,
    /// All before it is in the bucket.
    pub(super) disk_consistent_lsn: Lsn,
    /// Where it branches off, if it does.
    pub(super) ancestor: Option<(TimelineId, Lsn)>,
    /// Whether it is being deleted.
    pub(super) deleted: bool,
}

#[derive(Deserialize)]
struct File {
    layer_metadata: Layers,
    disk_consistent_lsn: Lsn,
    #[serde(alias = "metadata")]
    metadata_bytes: Metadata,
    #[serde(default)]
    deleted_at: Option<IgnoredAny>,
}

/// Reads an index part.
///
/// # Errors
/// With what is wrong, and where.
pub(super) fn parse(bytes: &[u8]) -> Result<IndexPart, serde_json::Error> {
    let File { layer_metadata: Layers(layers), disk_consistent_lsn, metadata_bytes: Metadata(ancestor), deleted_at } =
        serde_json::from_slice(bytes)?;
    Ok(IndexPart { layers, disk_consistent_lsn, ancestor, deleted: deleted_at.is_some() })
}

/// The layers that an `index_part.json` lists, sorted by name.
///
/// # Errors
/// With what is wrong, and where.
pub fn index_part_layers(bytes: &[u8]) -> Result<Vec<(LayerName, LayerMetadata)>, serde_json::Error> {
    parse(bytes).map(|index| index.layers)
}

/// A map from names. Read into a list: the map that it becomes is a sorted one.
struct Layers(Vec<(LayerName, LayerMetadata)>);

#[derive(Deserialize)]
struct FileMetadata {
    file_size: u64,
    generation: Option<u32>,
    shard: Option<ShardIndex>,
}

impl<'de> Deserialize<'de> for Layers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByName;

        impl<'de> Visitor<'de> for ByName {
            type Value = Layers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("layers by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Layers, A::Error> {
                let mut layers = Vec::new();
                while let Some((name, FileMetadata { file_size, generation, shard })) = map.next_entry()? {
                    let generation = generation.map_or(Generation::NONE, Generation::new);
                    layers.push((name, LayerMetadata { file_size, generation, shard: shard.unwrap_or_default() }));
                }
                layers.sort_unstable_by_key(|&(name, _)| name);
                if let Some([(name, _), _]) = layers.array_windows().find(|[(a, _), (b, _)]| a == b) {
                    return Err(A::Error::custom(format_args!("layer {name} is listed twice")));
                }
                Ok(Layers(layers))
            }
        }

        deserializer.deserialize_map(ByName)
    }
}

/// The ancestor of a timeline, and where it branches off.
struct Metadata(Option<(TimelineId, Lsn)>);

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            ancestor_timeline: Option<TimelineId>,
            ancestor_lsn: Lsn,
        }

        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Metadata;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a timeline's metadata, as fields or as bytes")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Metadata, A::Error> {
                let Fields { ancestor_timeline, ancestor_lsn } =
                    Fields::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(Metadata(ancestor_timeline.map(|timeline| (timeline, ancestor_lsn))))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Metadata, A::Error> {
                let mut buffer = Vec::new();
                while let Some(byte) = bytes.next_element()? {
                    if buffer.len() == MAX_METADATA_BYTES {
                        return Err(A::Error::custom("a timeline's metadata has at most 512 bytes"));
                    }
                    buffer.push(byte);
                }
                let ancestor = ancestor_in_bytes(&buffer);
                ancestor.map(Metadata).ok_or_else(|| A::Error::custom("the bytes of a timeline's metadata are damaged"))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// The size of the block that old pageservers kept a timeline's metadata in.
const MAX_METADATA_BYTES: usize = 512;

/// Old index parts hold the metadata as the bytes of a file: a checksum of 4 bytes, the size and the version of
/// 2 each; then, big-endian, the disk-consistent LSN, the previous record's LSN if there is one, the ancestor if
/// there is one, and the LSN at which it was left. Each that may be missing has a byte before it.
fn ancestor_in_bytes(bytes: &[u8]) -> Option<Option<(TimelineId, Lsn)>> {
    let size = bytes.get(4..6)?;
    let body = bytes.get(8..usize::from(u16::from_be_bytes(size.try_into().ok()?)))?;
    let (_disk_consistent_lsn, rest) = body.split_at_checked(8)?;
    let (_prev_record_lsn, rest) = optional::<8>(rest)?;
    let (ancestor, rest) = optional::<16>(rest)?;
    let lsn = Lsn(u64::from_be_bytes(*rest.first_chunk()?));
    Some(ancestor.map(|id| (TimelineId::from_bytes(*id), lsn)))
}

/// `N` bytes behind a byte that says whether they are there, and what follows.
fn optional<const N: usize>(bytes: &[u8]) -> Option<(Option<&[u8; N]>, &[u8])> {
    match bytes.split_first()? {
        (0, rest) => Some((None, rest)),
        (1, rest) => rest.split_first_chunk().map(|(item, rest)| (Some(item), rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const BRANCH: &str = r#"{"version":15,
        "layer_metadata":{
            "000000000000000000000000000000000000-FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF__000000000189FB49-00000000018DD281":{"file_size":335872,"generation":1,"shard":"0102","of_the_future":[]},
            "000000000000000000000000000000000000-000000067F00000001000004DF0000000006__00000000014FED58":{"file_size":18446744073709551615}},
        "disk_consistent_lsn":"1BC/B5734CD8",
        "metadata_bytes":{"disk_consistent_lsn":"1BC/B5734CD8","prev_record_lsn":"0/18DD208","ancestor_timeline":"31313131313131313131313131313131","ancestor_lsn":"0/182C658","latest_gc_cutoff_lsn":"0/0","initdb_lsn":"0/1500718","pg_version":15},
        "archived_at":"2026-11-22T16:37:59.639287243","lineage":{},"rel_size_migration":"legacy"}"#;

    /// As a pageserver of 2023 wrote it.
    const OLD: &str = r#"{"version":3,"timeline_layers":[],"layer_metadata":{},"disk_consistent_lsn":"0/16960E8",
        "metadata_bytes":[113,11,159,210,0,54,0,4,0,0,0,0,1,105,96,232,1,0,0,0,0,1,105,96,112,0,0,0,0,0,0,0,0,0,0,0,0,0,1,105,96,112,0,0,0,0,1,105,96,112,0,0,0,14]}"#;

    #[test]
    fn a_branch_is_read() {
        let index = parse(BRANCH.as_bytes()).unwrap();
        let [(image, of_image), (delta, of_delta)] = index.layers[..] else { panic!("two layers") };
        assert!(!image.is_delta() && delta.is_l0());
        assert_eq!(of_image, LayerMetadata { file_size: u64::MAX, ..LayerMetadata::default() });
        let shard = ShardIndex { number: 1, count: 2 };
        assert_eq!(of_delta, LayerMetadata { file_size: 335_872, generation: Generation::new(1), shard });
        assert_eq!(index.disk_consistent_lsn, Lsn(0x1BC_B573_4CD8));
        assert_eq!(index.ancestor, Some((TimelineId::from_bytes([0x31; 16]), Lsn(0x182_C658))));
        assert!(!index.deleted);
    }

    #[rstest]
    #[case::renamed("metadata_bytes", "metadata")]
    #[case::deleted_null("\"lineage\":{}", "\"deleted_at\":null")]
    fn what_means_the_same_is_the_same(#[case] from: &str, #[case] to: &str) {
        assert_eq!(parse(BRANCH.replace(from, to).as_bytes()).unwrap(), parse(BRANCH.as_bytes()).unwrap());
    }

    #[test]
    fn a_timeline_that_is_being_deleted_says_so() {
        let deleted = BRANCH.replace("archived_at", "deleted_at");
        assert!(parse(deleted.as_bytes()).unwrap().deleted);
    }

    #[test]
    fn metadata_as_bytes_is_understood() {
        let index = parse(OLD.as_bytes()).unwrap();
        assert_eq!((index.disk_consistent_lsn, index.ancestor), (Lsn(0x169_60E8), None));

        let ancestor = ["1".to_owned(), vec!["7"; 16].join(","), "0,0,0,0,1,105,96,112".to_owned()].join(",");
        let branch = OLD
            .replace("1,105,96,112,0,0,0,0,0,0,0,0,0,", &format!("1,105,96,112,{ancestor},"))
            .replace("0,54,", "0,70,");
        assert_eq!(
            parse(branch.as_bytes()).unwrap().ancestor,
            Some((TimelineId::from_bytes([7; 16]), Lsn(0x169_6070)))
        );
    }

    #[rstest]
    #[case::size_too_large(OLD.replace("0,54,", "0,99,"), "damaged")]
    #[case::neither_there_nor_not(OLD.replace("96,232,1,", "96,232,2,"), "damaged")]
    #[case::no_bytes(OLD.replace("[113", "[256"), "256")]
    #[case::endless(OLD.replace("[113", &format!("[{}113", "0,".repeat(512))), "at most 512 bytes")]
    #[case::twice(BRANCH.replacen("\"layer_metadata\":{", "\"layer_metadata\":{\"000000000000000000000000000000000000-000000067F00000001000004DF0000000006__00000000014FED58\":{\"file_size\":1},", 1), "listed twice")]
    #[case::bad_name(BRANCH.replace("__00000000014FED58", "_"), "is not a layer name")]
    #[case::bad_lsn(BRANCH.replace("0/182C658", "182C658"), "is not an LSN")]
    #[case::bad_shard(BRANCH.replace("0102", "01020"), "is not a shard index")]
    #[case::negative_size(BRANCH.replace("335872", "-1"), "-1")]
    #[case::generation_too_large(BRANCH.replace("\"generation\":1", "\"generation\":4294967296"), "4294967296")]
    #[case::no_layers(BRANCH.replace("layer_metadata", "layers"), "layer_metadata")]
    #[case::no_metadata(BRANCH.replace("metadata_bytes", "meta"), "metadata_bytes")]
    fn anything_else_is_an_error_that_says_what(#[case] text: String, #[case] names: &str) {
        let error = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(names), "{error}");
    }

    #[rstest]
    #[case(BRANCH)]
    #[case(OLD)]
    fn a_truncated_file_is_an_error(#[case] text: &str) {
        (0..text.len()).for_each(|end| assert!(parse(&text.as_bytes()[..end]).is_err(), "{end}"));
    }

    proptest! {
        #[test]
        fn no_damaged_file_panics(old: bool, at in 0usize..2000, byte: u8) {
            let mut bytes = if old { OLD } else { BRANCH }.as_bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = parse(&bytes);
        }

        #[test]
        fn no_bytes_of_metadata_panic(bytes: Vec<u8>) {
            let _ = ancestor_in_bytes(&bytes);
        }
    }
}
