//! Reading a heatmap, and saying where a bad one is wrong.

use std::fmt;

use super::Heatmap;
use super::wire::WireHeatmap;
use crate::layer::MAX_ROWS;

/// Most bytes a layer takes in a heatmap, extra fields included.
const MAX_LAYER_BYTES: u64 = 256;

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
    match serde_json::from_slice(bytes) {
        Ok(WireHeatmap::<true>(heatmap)) => Ok(heatmap),
        Err(_) => decode_with_care(bytes),
    }
}

/// Reads a second time, without the extra fields and keeping track of the path, which takes longer.
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
        Some(b'{' | b'[') if error.is_eof() => "it is cut off: fetch or write it again",
        Some(b'{' | b'[') => return None,
        Some(_) => "it is not JSON",
    })
}

#[cfg(test)]
mod tests;
