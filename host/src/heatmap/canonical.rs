//! The document exactly as it is written: the fast way to read nearly every heatmap there is.
//!
//! Going through serde, most of the time is spent on what never differs: names of fields, in the
//! order in which they are always written. Here they are compared and stepped over. Anything else, be it
//! white space or an error, is `None`, and read again by the rules (`wire.rs`); what is read here is what
//! they would have read, which a property test holds it to.

use super::wire::Loose;
use super::{Heatmap, HeatmapLayer, HeatmapTimeline};
use crate::layer::{Generation, LayerMetadata};

/// Two keys, an LSN, and what joins them.
const IMAGE_NAME_BYTES: usize = 2 * 36 + 16 + 3;
/// And one more LSN.
const DELTA_NAME_BYTES: usize = IMAGE_NAME_BYTES + 17;

pub(super) fn decode(bytes: &[u8]) -> Option<Heatmap> {
    let mut rest = Cursor(bytes);
    rest.literal(b"{\"generation\":")?;
    let generation = rest.number()?;
    rest.literal(b",\"timelines\":")?;
    let timelines = rest.list(timeline)?;
    rest.literal(b",\"upload_period_ms\":")?;
    let upload_period_ms = if rest.skip(b"null") { None } else { Some(u128::from(rest.number::<u64>()?)) };
    let policy = match rest.0 {
        b"}" => None,
        extra => Some(
            serde_json::from_slice::<Loose>(extra.strip_prefix(b",\"policy\":")?.strip_suffix(b"}")?)
                .ok()?
                .into_policy()?,
        ),
    };
    Some(Heatmap { generation, timelines, upload_period_ms, policy })
}

fn timeline(rest: &mut Cursor<'_>) -> Option<HeatmapTimeline> {
    rest.literal(b"{\"timeline_id\":\"")?;
    let timeline_id = rest.text()?.parse().ok()?;
    rest.literal(b",\"layers\":")?;
    let layers = rest.list(layer)?;
    rest.literal(b"}")?;
    Some(HeatmapTimeline { timeline_id, layers })
}

fn layer(rest: &mut Cursor<'_>) -> Option<HeatmapLayer> {
    rest.literal(b"{\"name\":\"")?;
    let name = rest.name()?.parse().ok()?;
    rest.literal(b",\"metadata\":{\"file_size\":")?;
    let mut metadata = LayerMetadata { file_size: rest.number()?, ..LayerMetadata::default() };
    if rest.skip(b",\"generation\":") {
        metadata.generation = Generation::new(rest.number()?);
    }
    if rest.skip(b",\"shard\":\"") {
        metadata.shard = rest.text()?.parse().ok()?;
    }
    rest.literal(b"},\"access_time\":")?;
    let access_time = rest.number()?;
    let cold = if rest.skip(b",\"cold\":false") {
        false
    } else {
        rest.literal(b",\"cold\":true")?;
        true
    };
    let heat = if rest.skip(b",\"heat\":") {
        Some(serde_json::from_slice::<Loose>(rest.until(b'}')?).ok()?.into_heat()?)
    } else {
        None
    };
    rest.literal(b"}")?;
    Some(HeatmapLayer { name, metadata, access_time, cold, heat })
}

/// What is still to be read.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// Steps over `literal`, if it is next.
    #[inline]
    fn skip(&mut self, literal: &[u8]) -> bool {
        self.0.strip_prefix(literal).map(|rest| self.0 = rest).is_some()
    }

    #[inline]
    fn literal(&mut self, literal: &[u8]) -> Option<()> {
        self.skip(literal).then_some(())
    }

    /// What comes before the next `end`, which stays.
    #[inline]
    fn until(&mut self, end: u8) -> Option<&'a [u8]> {
        let length = self.0.iter().position(|byte| *byte == end)?;
        let (before, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(before)
    }

    /// The rest of a text whose opening quote was read. An escape is left to those who want to read hex
    /// digits, and fail.
    #[inline]
    fn text(&mut self) -> Option<&'a str> {
        let text = self.until(b'"')?;
        self.literal(b"\"")?;
        std::str::from_utf8(text).ok()
    }

    /// The rest of a text that is likely the name of a layer: an image's or a delta's, by their length.
    #[inline]
    fn name(&mut self) -> Option<&'a str> {
        const LENGTHS: [usize; 2] = [IMAGE_NAME_BYTES, DELTA_NAME_BYTES];
        let Some(&length) = LENGTHS.iter().find(|length| self.0.get(**length) == Some(&b'"')) else {
            return self.text();
        };
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        self.literal(b"\"")?;
        std::str::from_utf8(text).ok()
    }

    /// An integer as JSON has them: a leading zero is none.
    #[inline]
    fn number<T: TryFrom<i128>>(&mut self) -> Option<T> {
        let negative = self.skip(b"-");
        let length = self.0.iter().take(20).take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(length)?;
        let value = match digits {
            [] | [b'0', _, ..] => return None,
            [b'0'] if negative => return None,
            digits => digits
                .iter()
                .try_fold(0u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))?,
        };
        self.0 = rest;
        let value = i128::from(value);
        T::try_from(if negative { -value } else { value }).ok()
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        self.literal(b"[")?;
        if self.skip(b"]") {
            return Some(items);
        }
        loop {
            items.push(item(self)?);
            if !self.skip(b",") {
                self.literal(b"]")?;
                return Some(items);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::super::decode::decode_by_the_rules;
    use super::super::sample::{self, DELTA, IMAGE, L0, layer};
    use super::*;

    fn written() -> String {
        let mut heatmap = sample::heatmap([vec![layer(IMAGE, 1), layer(DELTA, 2)], vec![], vec![layer(L0, 3)]]);
        let last = heatmap.timelines.last_mut().unwrap().layers.last_mut().unwrap();
        (last.cold, last.access_time) = (true, -7);
        (last.metadata.generation, last.metadata.shard.count) = (Generation::NONE, 4);
        String::from_utf8(heatmap.to_bytes()).unwrap()
    }

    #[test]
    fn what_is_written_is_read_here() {
        let written = written();
        let heatmap = decode(written.as_bytes()).unwrap();
        assert_eq!(heatmap, decode_by_the_rules(written.as_bytes()).unwrap());
        assert_eq!(heatmap.to_bytes(), written.as_bytes());
    }

    #[rstest]
    #[case::white_space("{", "{ ")]
    #[case::white_space_behind("10000}", "10000}\n")]
    #[case::leading_zero("_size\":1", "_size\":01")]
    #[case::negative_zero("access_time\":5", "access_time\":-0")]
    #[case::float("access_time\":5", "access_time\":5.0")]
    #[case::null_cold("\"cold\":false", "\"cold\":null")]
    #[case::no_cold(",\"cold\":false", "")]
    #[case::escape("name\":\"0", "name\":\"\\u0030")]
    #[case::too_large("_size\":1", "_size\":18446744073709551616")]
    #[case::too_many_digits("_size\":1", "_size\":100000000000000000000000")]
    #[case::comma_at_the_end("false}]", "false},]")]
    #[case::unknown_field("10000}", "10000,\"x\":1}")]
    #[case::bad_heat("\"cold\":false", "\"cold\":false,\"heat\":-1")]
    fn all_else_is_left_to_the_rules(#[case] from: &str, #[case] to: &str) {
        let other = written().replacen(from, to, 1);
        assert_ne!(other, written());
        assert_eq!(decode(other.as_bytes()), None);
    }

    #[rstest]
    #[case::generation_on_disk(&format!("{DELTA}-v1-00000001"))]
    #[case::generation_in_the_bucket(&format!("{IMAGE}-00000001"))]
    #[case::short_lsn(&IMAGE.replace("__00000000", "__"))]
    fn names_of_any_length_are_read(#[case] name: &str) {
        let document = written().replacen(IMAGE, name, 1);
        assert_eq!(decode(document.as_bytes()).unwrap().timelines[0].layers[0].name, name.parse().unwrap());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn what_is_read_is_what_the_rules_read(heatmap in sample::heatmaps(), edits in sample::edits(1..3)) {
            let mut bytes = heatmap.to_bytes();
            prop_assert_eq!(decode(&bytes), Some(heatmap));
            for edit in edits {
                edit.apply(&mut bytes);
                if let Some(heatmap) = decode(&bytes) {
                    prop_assert_eq!(decode_by_the_rules(&bytes), Ok(heatmap));
                }
            }
        }
    }
}
