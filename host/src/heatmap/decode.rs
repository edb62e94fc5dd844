//! Reading a heatmap, and saying where a bad one is wrong.

use std::fmt;

use super::wire::WireHeatmap;
use super::{Heatmap, canonical};
use crate::layer::MAX_ROWS;

/// Most bytes a layer takes in a heatmap: its extra fields included, and a timeline of its own.
const MAX_LAYER_BYTES: u64 = 352;

/// Most bytes of a heatmap: as many as a full table could fill, so that whatever is written can be read
/// again, and whoever fetches an object knows when to stop.
pub const MAX_HEATMAP_BYTES: u64 = MAX_ROWS as u64 * MAX_LAYER_BYTES;

/// Most characters of a bad document that its error repeats.
const MAX_QUOTED_CHARS: usize = 400;

/// Why bytes are not a heatmap.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// More than [`MAX_HEATMAP_BYTES`]: not looked at.
    #[error("not a heatmap: {bytes} bytes, and a heatmap has at most {limit}")]
    TooLarge {
        /// How many there are.
        bytes: u64,
        /// How many there may be.
        limit: u64,
    },
    /// It does not read as a heatmap.
    #[error("not a heatmap: {place}: {what}{}", Hint(*.hint))]
    Malformed {
        /// Where.
        place: Place,
        /// What is wrong there, and what was expected.
        what: String,
        /// What is behind it, where that can be told.
        hint: Option<&'static str>,
    },
}

struct Hint(Option<&'static str>);

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

/// A place in a document: where reading stopped. What is wrong ends there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Counts from 1.
    pub line: usize,
    /// Bytes of the line that were read.
    pub column: usize,
    /// Bytes of the document that were read.
    pub offset: usize,
    /// As in `timelines[0].layers[3].name`; empty for the document itself.
    pub path: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {} (byte {})", self.line, self.column, self.offset)?;
        if self.path.is_empty() { Ok(()) } else { write!(f, ", {}", self.path) }
    }
}

impl Heatmap {
    /// Reads a heatmap. Takes what existing readers take: fields in any order, unknown fields, names with
    /// a generation at their end, digits of either case. Our own extra fields are advice: a heat that is
    /// negative or no number, or a policy without name, version and digest, counts as absent.
    ///
    /// # Errors
    /// With the place that is wrong, what was expected there, and the likely cause.
    pub fn decode(bytes: &[u8]) -> Result<Heatmap, DecodeError> {
        decode_at_most(bytes, MAX_HEATMAP_BYTES)
    }
}

fn decode_at_most(bytes: &[u8], limit: u64) -> Result<Heatmap, DecodeError> {
    if bytes.len() as u64 > limit {
        return Err(DecodeError::TooLarge { bytes: bytes.len() as u64, limit });
    }
    if let Some(heatmap) = canonical::decode(bytes) {
        return Ok(heatmap);
    }
    decode_by_the_rules(bytes)
}

/// Reads whatever existing readers take.
pub(super) fn decode_by_the_rules(bytes: &[u8]) -> Result<Heatmap, DecodeError> {
    match serde_json::from_slice(bytes) {
        Ok(WireHeatmap::<true>(heatmap)) => Ok(heatmap),
        Err(_) => decode_with_care(bytes),
    }
}

/// Reads once more, without the extra fields and keeping track of the path, which takes longer.
fn decode_with_care(bytes: &[u8]) -> Result<Heatmap, DecodeError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let WireHeatmap::<false>(heatmap) = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| malformed(bytes, error.inner(), error.path().to_string()))?;
    deserializer.end().map_err(|error| malformed(bytes, &error, String::new()))?;
    Ok(heatmap)
}

fn malformed(bytes: &[u8], error: &serde_json::Error, path: String) -> DecodeError {
    let (line, column) = (error.line(), error.column());
    let what = error.to_string();
    let what = what.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&what);
    let path = if path == "." { String::new() } else { shorten(&path) };
    let offset = (line_start(bytes, line) + column).min(bytes.len());
    DecodeError::Malformed {
        place: Place { line, column, offset, path },
        what: shorten(what),
        hint: hint(bytes, error),
    }
}

fn line_start(bytes: &[u8], line: usize) -> usize {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    line.checked_sub(2).and_then(|before| ends.map(|(end, _)| end + 1).nth(before)).unwrap_or_default()
}

/// Long texts lose their middle: an error repeats what was read, which may be a whole document.
fn shorten(text: &str) -> String {
    const HALF: usize = MAX_QUOTED_CHARS / 2;
    if text.chars().count() <= MAX_QUOTED_CHARS {
        return text.into();
    }
    let (start, _) = text.char_indices().nth(HALF).unwrap_or_default();
    let (end, _) = text.char_indices().nth_back(HALF - 1).unwrap_or_default();
    format!("{} … {}", text.get(..start).unwrap_or_default(), text.get(end..).unwrap_or_default())
}

fn hint(bytes: &[u8], error: &serde_json::Error) -> Option<&'static str> {
    const BYTE_ORDER_MARKS: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];
    const COMPRESSED: [&[u8]; 2] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd"];
    const INDEX_FIELD: &[u8] = b"\"layer_metadata\"";

    let begins_with = |marks: &[&[u8]]| marks.iter().any(|mark| bytes.starts_with(mark));
    let first = bytes.trim_ascii_start().first();
    // A number that wants another digit is wrong to serde_json even where the document ends.
    let wants_digit = error.is_syntax() && matches!(bytes, [.., b'.' | b'e' | b'E' | b'+' | b'-']);
    Some(match first {
        None => "it is empty: whoever wrote it was interrupted",
        Some(0) if bytes.iter().all(|byte| *byte == 0) => {
            "it holds only zeros, like a file whose machine went down before its contents were on disk"
        }
        Some(_) if begins_with(&BYTE_ORDER_MARKS) => "it begins with a byte order mark: save it as UTF-8 without one",
        Some(_) if begins_with(&COMPRESSED) => "it is compressed: unpack it first",
        Some(b'<') => "it is XML or HTML, such as the error page of a server",
        Some(_) if bytes.windows(INDEX_FIELD.len()).any(|window| window == INDEX_FIELD) => {
            "it is the index_part.json of a timeline: a heatmap is the heatmap-v1.json beside the timelines"
        }
        Some(b'{' | b'[') if error.is_eof() || wants_digit => "it is cut off: fetch or write it again",
        Some(b'{' | b'[') => return None,
        Some(_) => "it is not JSON",
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::super::sample::{self, L0, layer};
    use super::super::{HeatmapLayer, PolicyIdentity, peek_generation};
    use super::*;

    fn document(layer_fields: &str, fields: &str) -> String {
        let timeline_id = "1".repeat(32);
        format!(
            r#"{{"generation":1,"timelines":[{{"timeline_id":"{timeline_id}","layers":[{{"name":"{L0}","metadata":{{"file_size":5}},"access_time":1{layer_fields}}}]}}]{fields}}}"#
        )
    }

    fn heat(layer_fields: &str) -> Option<f32> {
        Heatmap::decode(document(layer_fields, "").as_bytes()).unwrap().timelines[0].layers[0].heat
    }

    fn policy(fields: &str) -> Option<PolicyIdentity> {
        Heatmap::decode(document("", fields).as_bytes()).unwrap().policy
    }

    #[rstest]
    #[case::zero("0", Some(0.0))]
    #[case::whole("3", Some(3.0))]
    #[case::fraction("0.25", Some(0.25))]
    #[case::largest("3.4028235e38", Some(f32::MAX))]
    #[case::beyond_f32("3.5e38", None)]
    #[case::beyond_f64("1e999", None)]
    #[case::negative("-1", None)]
    #[case::negative_fraction("-0.5", None)]
    #[case::null("null", None)]
    #[case::bool("true", None)]
    #[case::text("\"1.0\"", None)]
    #[case::half_a_surrogate_pair(r#""\ud800""#, None)]
    #[case::array("[1.0]", None)]
    #[case::object(r#"{"name":"a"}"#, None)]
    #[case::twice(r#"1,"heat":2"#, Some(2.0))]
    fn a_heat_counts_or_is_absent(#[case] json: &str, #[case] expected: Option<f32>) {
        assert_eq!(heat(&format!(r#","heat":{json}"#)), expected);
    }

    #[test]
    fn a_bad_heat_costs_only_itself() {
        let json = document(r#","heat":-1},{"name":"1","#, "");
        assert!(Heatmap::decode(json.as_bytes()).is_err(), "a bad name still fails the whole");
        let other = format!(r#","heat":-1}},{{"name":"{L0}","metadata":[5],"access_time":1,"heat":2"#);
        let heatmap = Heatmap::decode(document(&other, "").as_bytes()).unwrap();
        let heats: Vec<_> = heatmap.timelines[0].layers.iter().map(|layer| layer.heat).collect();
        assert_eq!(heats, [None, Some(2.0)]);
    }

    #[test]
    fn a_policy_is_read() {
        let digest = "0123456789abcdef".repeat(4);
        let json = format!(r#","policy":{{"digest":"{digest}","version":"1.2.3","author":[{{}}],"name":"recency"}}"#);
        assert_eq!(
            policy(&json),
            Some(PolicyIdentity { name: "recency".into(), version: "1.2.3".into(), digest: digest.clone() })
        );
        assert_eq!(policy(&json.replace(&digest, &digest[1..])), None);
        assert_eq!(policy(&json.replace(&digest, &digest.replace('0', "g"))), None);
    }

    #[rstest]
    #[case::null("null")]
    #[case::text(r#""recency""#)]
    #[case::empty("{}")]
    #[case::name_is_no_text(r#"{"name":1,"version":"1.2.3","digest":""}"#)]
    #[case::deep(&format!("{}{}", "[".repeat(500), "]".repeat(500)))]
    fn a_malformed_policy_is_absent(#[case] json: &str) {
        assert_eq!(policy(&format!(r#","policy":{json}"#)), None);
    }

    #[rstest]
    #[case::heat(&format!(r#"[1,[["{}",[["{L0}",[5],1,false,0.5]]]],null]"#, "1".repeat(32)))]
    #[case::policy("[1,[],null,{}]")]
    fn an_array_has_no_extra_fields(#[case] json: &str) {
        assert!(Heatmap::decode(json.as_bytes()).is_err());
    }

    #[test]
    fn arrays_stand_for_objects() {
        let json = format!(r#"[1,[["{}",[["{L0}",[5,1,"0000"],5]]]],10000]"#, "01".repeat(16));
        assert_eq!(Heatmap::decode(json.as_bytes()).unwrap(), sample::heatmap([vec![layer(L0, 5)]]));
        assert_eq!(layer(L0, 5), HeatmapLayer { cold: false, heat: None, ..layer(L0, 5) });
    }

    #[rstest]
    #[case::empty("", "line 1, column 0 (byte 0)", "it is empty")]
    #[case::white_space(" \n ", "line 2, column 1 (byte 3)", "it is empty")]
    #[case::zeros("\0\0\0", "line 1, column 1 (byte 1)", "only zeros")]
    #[case::mark("\u{feff}{}", "line 1, column 1 (byte 1)", "byte order mark")]
    #[case::page("<html>", "line 1, column 1 (byte 1)", "XML or HTML")]
    #[case::no_json("not found", "line 1, column 2 (byte 2)", "it is not JSON")]
    #[case::no_object("17", "line 1, column 2 (byte 2): invalid type: integer `17`, expected a heatmap", "not JSON")]
    #[case::index(r#"{"version":11,"layer_metadata":{}}"#, "missing field `generation`", "index_part.json")]
    #[case::index_cut_off(r#"{"version":11,"layer_metadata":{"#, "line 1, column 32 (byte 32)", "index_part.json")]
    #[case::cut_off(r#"{"generation":1,"timelines":["#, "line 1, column 29 (byte 29), timelines", "cut off")]
    #[case::metadata(
        &document("", "").replace(":5", ":-5"),
        "timelines[0].layers[0].metadata.file_size: invalid value: integer `-5`, expected u64",
        ""
    )]
    #[case::name(
        &document("", "").replace("__", "_"),
        "timelines[0].layers[0].name: \"000",
        "is not a layer name: there is no `__` between keys and LSNs"
    )]
    #[case::second_line(
        "{\"generation\":1,\n \"timelines\":{}}",
        "line 2, column 13 (byte 30), timelines: ",
        "expected a sequence"
    )]
    #[case::trailing("{\"generation\":1,\"timelines\":[]}\nx", "line 2, column 1 (byte 33): trailing characters", "")]
    fn an_error_names_the_place_and_the_likely_cause(#[case] json: &str, #[case] place: &str, #[case] cause: &str) {
        let error = Heatmap::decode(json.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("not a heatmap: line ") && error.contains(place) && error.contains(cause), "{error}");
    }

    #[rstest]
    #[case::gzip(b"\x1f\x8b\x08\x00")]
    #[case::zstd(b"\x28\xb5\x2f\xfd\x04")]
    fn compressed_bytes_are_told(#[case] bytes: &[u8]) {
        let error = Heatmap::decode(bytes).unwrap_err().to_string();
        assert!(error.ends_with("(it is compressed: unpack it first)"), "{error}");
    }

    #[test]
    fn the_limit_on_bytes_is_obeyed_and_violated() {
        let json = document("", "");
        let bytes = json.len() as u64;
        assert!(decode_at_most(json.as_bytes(), bytes).is_ok());
        let error = decode_at_most(json.as_bytes(), bytes - 1).unwrap_err();
        assert_eq!(error, DecodeError::TooLarge { bytes, limit: bytes - 1 });
    }

    #[test]
    fn a_full_table_fits_the_limit() {
        let longest = format!(
            r#"{{"timeline_id":"{}","layers":[{{"name":"{L0}","metadata":{{"file_size":{},"generation":{},"shard":"ffff"}},"access_time":{},"cold":false,"heat":1.17549435e-38}}]}},"#,
            "0".repeat(32),
            u64::MAX,
            u32::MAX,
            i64::MIN
        );
        assert!(longest.len() as u64 <= MAX_LAYER_BYTES, "{}", longest.len());
    }

    #[rstest]
    #[case::obeyed(MAX_QUOTED_CHARS, MAX_QUOTED_CHARS)]
    #[case::violated(MAX_QUOTED_CHARS + 1, MAX_QUOTED_CHARS + 3)]
    fn the_limit_on_quotes(#[case] chars: usize, #[case] kept: usize) {
        let text: String = ('a'..='z').chain(['ä', '🌡']).cycle().take(chars).collect();
        let short = shorten(&text);
        assert_eq!(short.chars().count(), kept);
        assert!(text.starts_with(short.split(" … ").next().unwrap()));
        assert!(text.ends_with(short.split(" … ").last().unwrap()));
    }

    #[test]
    fn an_error_stays_short() {
        let json = document("", "").replace(L0, &"x".repeat(100_000));
        let error = Heatmap::decode(json.as_bytes()).unwrap_err().to_string();
        assert!(error.len() < 2 * MAX_QUOTED_CHARS, "{}", error.len());
    }

    /// Neither `bytes` nor the start of them makes the decoder panic, and what is wrong has a place.
    fn decode_damaged(bytes: &[u8]) {
        peek_generation(bytes);
        match Heatmap::decode(bytes) {
            Ok(heatmap) => {
                assert_eq!(Heatmap::decode(&heatmap.to_bytes()), Ok(heatmap.clone()));
                heatmap.stats();
                heatmap.verify();
                assert!(heatmap.diff(&heatmap).is_empty());
            }
            Err(DecodeError::Malformed { place, what, .. }) => {
                assert!(place.line > 0 && place.offset <= bytes.len() && !what.is_empty(), "{place:?} {what}");
                let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
                assert!(place.line <= lines, "{place:?} of {lines} lines");
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_document_cut_off_anywhere_is_an_error_that_says_so() {
        let timelines = [vec![layer(L0, 5), HeatmapLayer { heat: Some(0.5), ..layer(L0, 6) }], vec![]];
        let bytes = sample::heatmap(timelines).to_bytes();
        for length in 0..bytes.len() {
            let error = Heatmap::decode(&bytes[..length]).unwrap_err().to_string();
            let hint = if length == 0 { "it is empty" } else { "it is cut off" };
            assert!(error.contains(hint) && error.contains(&format!("(byte {length})")), "{length}: {error}");
        }
    }

    proptest! {
        #[test]
        fn a_heatmap_reads_back(heatmap in sample::heatmaps(), period: Option<u128>) {
            let heatmap = Heatmap { upload_period_ms: period.or(heatmap.upload_period_ms), ..heatmap };
            let bytes = heatmap.to_bytes();
            prop_assert_eq!(peek_generation(&bytes), Some(heatmap.generation));
            prop_assert_eq!(Heatmap::decode(&bytes), Ok(heatmap.clone()));
            prop_assert_eq!(decode_by_the_rules(&bytes), Ok(heatmap));
        }

        #[test]
        fn a_damaged_heatmap_is_read_or_refused(heatmap in sample::heatmaps(), edits in sample::edits(1..6)) {
            let mut bytes = heatmap.to_bytes();
            for edit in edits {
                edit.apply(&mut bytes);
                decode_damaged(&bytes);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            decode_damaged(&bytes);
        }
    }
}
