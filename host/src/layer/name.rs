//! Names of layers: a rectangle of keys and LSNs.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::{Generation, Key, Lsn, write_hex_upper};

/// What a layer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LayerKind {
    /// Every page of its key range, as of one LSN.
    Image,
    /// The changes to its key range over a range of LSNs.
    Delta,
}

/// The name of a layer, without the generation that files and objects carry at their end.
///
/// Names sort by key start, key end and LSN: the canonical order of a table, and the order of the names
/// as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LayerName {
    key_start: Key,
    key_end: Key,
    lsn_start: Lsn,
    /// For an image `lsn_start + 1`, or `lsn_start` where that does not exist.
    lsn_end: Lsn,
    kind: LayerKind,
}

/// A text that is not the name of a layer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a layer name: {why}")]
pub struct ParseLayerNameError {
    name: String,
    why: &'static str,
}

impl LayerName {
    /// An image layer: the pages of `key_start..key_end` as of `lsn`.
    pub const fn image(key_start: Key, key_end: Key, lsn: Lsn) -> Self {
        let lsn_end = Lsn(lsn.0.saturating_add(1));
        LayerName { key_start, key_end, lsn_start: lsn, lsn_end, kind: LayerKind::Image }
    }

    /// A delta layer: the changes to `key_start..key_end` over `lsn_start..lsn_end`. `None` where either
    /// range is empty.
    pub fn delta(key_start: Key, key_end: Key, lsn_start: Lsn, lsn_end: Lsn) -> Option<Self> {
        let whole = key_start < key_end && lsn_start < lsn_end;
        whole.then_some(LayerName { key_start, key_end, lsn_start, lsn_end, kind: LayerKind::Delta })
    }

    /// First key, inclusive.
    pub const fn key_start(&self) -> Key {
        self.key_start
    }

    /// Last key, exclusive.
    pub const fn key_end(&self) -> Key {
        self.key_end
    }

    /// First LSN, inclusive.
    pub const fn lsn_start(&self) -> Lsn {
        self.lsn_start
    }

    /// Last LSN, exclusive.
    pub const fn lsn_end(&self) -> Lsn {
        self.lsn_end
    }

    /// Image or delta.
    pub const fn kind(&self) -> LayerKind {
        self.kind
    }

    /// Whether this is a delta layer.
    pub const fn is_delta(&self) -> bool {
        matches!(self.kind, LayerKind::Delta)
    }

    /// Whether this is a delta over the whole key space: fresh from memory, and the first that compaction
    /// replaces.
    pub fn is_l0(&self) -> bool {
        self.is_delta() && self.key_start == Key::MIN && self.key_end == Key::MAX
    }

    /// Reads the name of a file or object: the layer's name, and the generation at its end, as
    /// `-v1-0000002a` on disk and `-0000002a` in a bucket. Legacy names carry none.
    ///
    /// # Errors
    /// With the text, and what is wrong with it.
    pub fn parse_with_generation(text: &str) -> Result<(Self, Generation), ParseLayerNameError> {
        let error = |why| ParseLayerNameError { name: text.into(), why };
        let (keys, lsns) = split_keys(text).ok_or_else(|| error("there is no `__` between keys and LSNs"))?;
        let (key_start, key_end) = keys.split_once('-').ok_or_else(|| error("there is no `-` between its keys"))?;
        let key = |digits: &str| digits.parse::<Key>().map_err(|_| error("a key is 36 hex digits"));
        let (key_start, key_end) = (key(key_start)?, key(key_end)?);

        let (lsns, generation) = split_generation(lsns);
        let lsn = |digits: &str| Lsn::from_name_digits(digits).ok_or_else(|| error("an LSN is 16 hex digits"));
        let name = match lsns.split_once('-') {
            None => LayerName::image(key_start, key_end, lsn(lsns)?),
            Some((start, end)) => LayerName::delta(key_start, key_end, lsn(start)?, lsn(end)?)
                .ok_or_else(|| error("a delta's keys and LSNs start below their ends"))?,
        };
        Ok((name, generation))
    }

    /// Appends the name as it is printed: 36 upper-case digits a key, 16 an LSN.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        write_hex_upper(out, self.key_start.as_bytes());
        out.push(b'-');
        write_hex_upper(out, self.key_end.as_bytes());
        out.extend_from_slice(b"__");
        write_hex_upper(out, &self.lsn_start.0.to_be_bytes());
        if self.is_delta() {
            out.push(b'-');
            write_hex_upper(out, &self.lsn_end.0.to_be_bytes());
        }
    }
}

/// Splits at the first `__`, which is where two keys end in any name that is one: searching for it takes
/// longer than all the rest.
fn split_keys(text: &str) -> Option<(&str, &str)> {
    const KEYS_DIGITS: usize = 2 * 36 + 1;
    text.split_at_checked(KEYS_DIGITS)
        .and_then(|(keys, rest)| Some((keys, rest.strip_prefix("__")?)))
        .or_else(|| text.split_once("__"))
}

/// Takes the generation off the end of the LSN part. An image whose LSN is numerically below its
/// generation looks like a delta, so lengths decide: a generation is 8 digits, behind an LSN of 16.
fn split_generation(lsns: &str) -> (&str, Generation) {
    const LSN_DIGITS: usize = 16;
    if let Some((before, digits)) = lsns.rsplit_once('-')
        && let Some(generation) = Generation::from_suffix_digits(digits)
    {
        if let Some(stem) = before.strip_suffix("-v1") {
            return (stem, generation);
        }
        if before.len() == LSN_DIGITS || before.contains('-') {
            return (before, generation);
        }
    }
    (lsns, Generation::NONE)
}

impl FromStr for LayerName {
    type Err = ParseLayerNameError;

    /// A generation at the end is understood and dropped.
    fn from_str(text: &str) -> Result<Self, ParseLayerNameError> {
        LayerName::parse_with_generation(text).map(|(name, _)| name)
    }
}

impl fmt::Display for LayerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(108);
        self.write_to(&mut text);
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for LayerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Ord for LayerName {
    fn cmp(&self, other: &Self) -> Ordering {
        let fields = |name: &Self| (name.key_start, name.key_end, name.lsn_start, name.kind, name.lsn_end);
        fields(self).cmp(&fields(other))
    }
}

impl PartialOrd for LayerName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const KEYS: &str = "000000000000000000000000000000000000-000000067F00000001000004DF0000000006";

    #[rstest]
    #[case::image_on_disk("00000000014FED58-v1-00000001", "00000000014FED58", 1)]
    #[case::image_in_bucket("00000000014FED58-00000001", "00000000014FED58", 1)]
    #[case::delta_on_disk("00000000014FED58-000000000154C481-v1-00000001", "00000000014FED58-000000000154C481", 1)]
    #[case::delta_in_bucket("00000000014FED58-000000000154C481-00000001", "00000000014FED58-000000000154C481", 1)]
    #[case::image_below_its_generation("0000000000000010-00000020", "0000000000000010", 0x20)]
    #[case::largest_generation("0000000000000010-ffffffff", "0000000000000010", u32::MAX)]
    #[case::lower_case("00000000014fed58-v1-000000AB", "00000000014FED58", 0xab)]
    fn a_generation_is_taken_off(#[case] lsns: &str, #[case] printed: &str, #[case] generation: u32) {
        let (name, read) = LayerName::parse_with_generation(&format!("{KEYS}__{lsns}")).unwrap();
        assert_eq!(name.to_string(), format!("{KEYS}__{printed}"));
        assert_eq!(read, Generation::new(generation));
    }

    #[rstest]
    #[case::image("00000000014FED58", "00000000014FED58", false)]
    #[case::delta("00000000014FED58-000000000154C481", "00000000014FED58-000000000154C481", true)]
    #[case::short_lsns("1-2", "0000000000000001-0000000000000002", true)]
    #[case::short_lsns_as_long_as_a_generation("00000001-00000002", "0000000000000001-0000000000000002", true)]
    fn legacy_names_carry_no_generation(#[case] lsns: &str, #[case] printed: &str, #[case] delta: bool) {
        let (name, generation) = LayerName::parse_with_generation(&format!("{KEYS}__{lsns}")).unwrap();
        assert_eq!(name.to_string(), format!("{KEYS}__{printed}"));
        assert_eq!((name.is_delta(), generation), (delta, Generation::NONE));
    }

    #[rstest]
    #[case::nothing("")]
    #[case::no_lsn(KEYS)]
    #[case::empty_lsn(&format!("{KEYS}__"))]
    #[case::signed_lsn(&format!("{KEYS}__+1"))]
    #[case::long_lsn(&format!("{KEYS}__00000000000000001"))]
    #[case::delta_of_no_lsns(&format!("{KEYS}__0000000000000002-0000000000000002"))]
    #[case::delta_backwards(&format!("{KEYS}__0000000000000003-0000000000000002"))]
    #[case::three_lsns(&format!("{KEYS}__0000000000000001-0000000000000002-0000000000000003"))]
    #[case::unknown_version(&format!("{KEYS}__0000000000000001-v2-00000001"))]
    #[case::short_key("00-01__0000000000000001")]
    #[case::temporary(&format!("{KEYS}__00000000014FED58-v1-00000001.___temp"))]
    fn anything_else_is_an_error_that_quotes_it(#[case] text: &str) {
        let error = text.parse::<LayerName>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{text:?} is not a layer name: ")), "{error}");
    }

    #[test]
    fn l0_is_a_delta_over_exactly_all_keys() {
        let (min, max) = ("0".repeat(36), "F".repeat(36));
        let l0: LayerName = format!("{min}-{max}__0000000000000001-0000000000000002").parse().unwrap();
        assert!(l0.is_l0());
        let image: LayerName = format!("{min}-{max}__0000000000000001").parse().unwrap();
        assert!(!image.is_l0());
        let narrower: LayerName =
            format!("{min}-{}E__0000000000000001-0000000000000002", "F".repeat(35)).parse().unwrap();
        assert!(!narrower.is_l0());
    }

    prop_compose! {
        fn names()(a: [u8; 18], b: [u8; 18], lsn: u64, end: u64, delta: bool) -> LayerName {
            let (a, b) = (Key::from_bytes(a.min(b)), Key::from_bytes(a.max(b)));
            let image = LayerName::image(a, b, Lsn(lsn));
            if delta { LayerName::delta(a, b, Lsn(lsn.min(end)), Lsn(lsn.max(end))).unwrap_or(image) } else { image }
        }
    }

    proptest! {
        #[test]
        fn a_name_reads_back(name in names(), generation: u32) {
            let generation = Generation::new(generation);
            let text = name.to_string();
            let bare = LayerName::parse_with_generation(&text).unwrap();
            prop_assert_eq!(bare, (name, Generation::NONE));
            for with in [format!("{text}-v1{}", generation.suffix()), format!("{text}{}", generation.suffix())] {
                prop_assert_eq!(LayerName::parse_with_generation(&with).unwrap(), (name, generation));
            }
        }

        #[test]
        fn names_sort_as_their_text(a in names(), b in names()) {
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = text.parse::<LayerName>();
        }

        #[test]
        fn no_damaged_name_panics(name in names(), at in 0usize..120, byte in any::<char>()) {
            let mut text: Vec<char> = format!("{name}-v1-00000001").chars().collect();
            if let Some(place) = text.get_mut(at) { *place = byte; }
            let _ = text.into_iter().collect::<String>().parse::<LayerName>();
        }
    }
}
