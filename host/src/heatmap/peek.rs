//! The generation of a document that may be damaged.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The generation that a document claims, as far as it can be known: also of one that is cut off, or
/// wrong elsewhere, so that whoever would overwrite it can tell whether it is newer. `None` where no
/// generation was read before the damage; where it is there twice, the higher.
pub fn peek_generation(bytes: &[u8]) -> Option<u32> {
    // Digits at the very end may be the first of more.
    let whole = bytes.iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |last| last + 1);
    let mut seen = Seen::default();
    match serde_json::Deserializer::from_slice(bytes.get(..whole)?).deserialize_any(&mut seen) {
        // Something other than the end of the document stands where a comma should: not to be trusted.
        Err(error) if !error.is_eof() => seen.settled,
        _ => seen.settled.max(seen.last),
    }
}

#[derive(Default)]
struct Seen {
    /// Behind which something sound was read.
    settled: Option<u32>,
    /// The last one read.
    last: Option<u32>,
}

impl Seen {
    fn settle(&mut self) {
        self.settled = self.settled.max(self.last);
    }
}

impl<'de> Visitor<'de> for &mut Seen {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a heatmap")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key::<Field>()? {
            self.settle();
            match field {
                Field::Generation => self.last = Some(map.next_value()?),
                Field::Other => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        self.settle();
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.last = items.next_element()?;
        while items.next_element::<IgnoredAny>()?.is_some() {
            self.settle();
        }
        Ok(())
    }
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Generation,
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::whole(r#"{"generation":7,"timelines":[],"upload_period_ms":null}"#, Some(7))]
    #[case::wrong_elsewhere(r#"{"generation":7,"timelines":[{"timeline_id":"AABB"}]}"#, Some(7))]
    #[case::cut_off_behind(r#"{"generation":7,"timelines":[{"timel"#, Some(7))]
    #[case::cut_off_at_once(r#"{"generation":7,"#, Some(7))]
    #[case::cut_off_behind_white_space("{\"generation\":7 ", Some(7))]
    #[case::cut_off_within_the_number(r#"{"generation":7"#, None)]
    #[case::cut_off_before_the_number(r#"{"generation":"#, None)]
    #[case::damaged_behind(r#"{"generation":7,"timelines":[!"#, Some(7))]
    #[case::damaged_at_the_number("{\"generation\":7\0\0\0", None)]
    #[case::last_field(r#"{"timelines":[{}],"generation":7}"#, Some(7))]
    #[case::damaged_before(r#"{"timelines":[!],"generation":7}"#, None)]
    #[case::twice_the_higher(r#"{"generation":9,"generation":7,"#, Some(9))]
    #[case::array("[7,[],null]", Some(7))]
    #[case::array_cut_off("[7,[", Some(7))]
    #[case::array_cut_off_within("[7", None)]
    #[case::of_a_layer_only(r#"{"timelines":[{"generation":7}]}"#, None)]
    #[case::largest(r#"{"generation":4294967295,"#, Some(u32::MAX))]
    #[case::too_large(r#"{"generation":4294967296,"#, None)]
    #[case::negative(r#"{"generation":-1,"#, None)]
    #[case::float(r#"{"generation":7.5,"#, None)]
    #[case::text(r#"{"generation":"7","#, None)]
    #[case::empty("", None)]
    #[case::only_digits("77", None)]
    #[case::no_object(r#""generation""#, None)]
    fn a_generation_is_known_or_not(#[case] document: &str, #[case] generation: Option<u32>) {
        assert_eq!(peek_generation(document.as_bytes()), generation);
    }
}
