//! What stands at the sides of a panel: LSNs, and the relations whose keys these are.

use thermocline::layer::{Key, Lsn};

use super::panel::{Panel, as_f64};

/// So far apart, pixels, LSNs are written, at least.
const BETWEEN_LSNS: f64 = 36.0;
/// Width of a digit, pixels, about.
const DIGIT: f64 = 6.2;

/// Some edges of LSN ranges, evenly spread, the lowest and the highest among them; and how far down each stands.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few, by the height of a panel, which has bounds"
)]
pub(super) fn lsns(panel: &Panel) -> Vec<(Lsn, f64)> {
    let edges = panel.lsns();
    let last = edges.len().saturating_sub(1);
    let steps = ((panel.height() / BETWEEN_LSNS) as usize).clamp(1, last.max(1));
    let written = |rank: usize| (0..=steps).any(|step| step * last / steps == rank);
    edges.enumerate().filter(|(rank, _)| written(*rank)).map(|(_, edge)| edge).collect()
}

/// Keys of one relation, side by side.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Relation {
    /// Tablespace, database and relation.
    pub(super) name: String,
    pub(super) x: f64,
    pub(super) width: f64,
}

/// The relations that have the room for their name.
pub(super) fn relations(panel: &Panel) -> Vec<Relation> {
    let edges: Vec<(Key, f64)> = panel.keys().collect();
    let mut runs = edges.chunk_by(|(a, _), (b, _)| relation(a) == relation(b)).peekable();
    let mut wide = Vec::new();
    while let Some(run) = runs.next() {
        let (Some((key, x)), Some((_, last))) = (run.first(), run.last()) else { continue };
        // What begins at its last edge ends where the next relation begins.
        let right = runs.peek().and_then(|next| next.first()).map_or(*last, |(_, x)| *x);
        let Some(name) = relation(key) else { continue };
        if right - x >= as_f64(name.len() + 1) * DIGIT {
            wide.push(Relation { name, x: *x, width: right - x });
        }
    }
    wide
}

/// `1663/16386/35267`: tablespace, database, relation; none for keys of no relation.
fn relation(key: &Key) -> Option<String> {
    let [kind, fields @ ..] = *key.as_bytes();
    let mut numbers = fields.chunks_exact(4).map(|field| field.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)));
    match (kind, numbers.next(), numbers.next(), numbers.next()) {
        (0, Some(space), Some(database), Some(relation @ 1..)) => Some(format!("{space}/{database}/{relation}")),
        _ => None,
    }
}

/// A key as people read it: `1663/16386/35267 block 7`, or its digits where it is of no relation.
pub(super) fn page(key: &Key) -> String {
    let [.., fork, a, b, c, d] = *key.as_bytes();
    match relation(key) {
        None => key.to_string(),
        Some(relation) if fork == 0 => format!("{relation} block {}", u32::from_be_bytes([a, b, c, d])),
        Some(relation) => format!("{relation} fork {fork} block {}", u32::from_be_bytes([a, b, c, d])),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use thermocline::layer::LayerName;

    use super::super::panel::sample::{image, layer, panel};
    use super::*;

    #[rstest]
    #[case("000000067F00004002000089C30000000007", "1663/16386/35267 block 7")]
    #[case("000000067F00004002000089C301FFFFFFFF", "1663/16386/35267 fork 1 block 4294967295")]
    #[case("000000067F00004002000000000000000000", "000000067F00004002000000000000000000")]
    #[case("030000000000000000000000000000000002", "030000000000000000000000000000000002")]
    #[case("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF")]
    fn keys_are_pages_of_relations(#[case] key: &str, #[case] shown: &str) {
        assert_eq!(page(&key.parse().unwrap()), shown);
    }

    #[test]
    fn relations_with_the_room_for_it_are_named() {
        let block = |relation: u32, block: u32| -> Key {
            format!("000000067F00004002{relation:08X}00{block:08X}").parse().unwrap()
        };
        let image = |from, to| layer(LayerName::image(from, to, Lsn(8)), None);
        let of = |relation: u32, count: u32| {
            (0..count).map(move |n| image(block(relation, n), block(relation, n + 1))).collect::<Vec<_>>()
        };
        // Ninety-two edges: fifty-one of the first, two of the second, and thirty-nine of the third.
        let layers = [of(7, 50), of(8, 1), of(9, 38)].concat();
        let panel = panel(layers);
        let step = 1200.0 / 91.0;
        let found = relations(&panel);
        let names: Vec<_> = found.iter().map(|relation| relation.name.as_str()).collect();
        assert_eq!(names, ["1663/16386/7", "1663/16386/9"]);
        assert!((found[0].width - 51.0 * step).abs() < 1e-6 && (found[1].x - 53.0 * step).abs() < 1e-6, "{found:?}");
        assert!((found[1].x + found[1].width - 1200.0).abs() < 1e-6, "{found:?}");
    }

    #[rstest]
    #[case::one(1)]
    #[case::few(5)]
    #[case::many(500)]
    fn lsns_are_written_apart_from_the_first_to_the_last(#[case] images: u64) {
        let panel = panel((1..=images).map(|n| layer(image(0..1, n * 10), None)).collect());
        let written = lsns(&panel);
        assert_eq!((written[0].0, written[written.len() - 1].0), (Lsn(10), Lsn(images * 10 + 1)));
        assert!(written.is_sorted_by(|(_, low), (_, high)| low - high > BETWEEN_LSNS / 2.0), "{written:?}");
    }
}
