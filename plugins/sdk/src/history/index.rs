//! Which record has a digest, where looking along the order does not tell.

use super::stretches::Digest;

/// So many places are tried for a digest. Half as many do for nearly all; and of bytes that were
/// made to collide the rest counts as gone, so that time stays in proportion.
const TRIES: usize = 64;

/// No record.
const NONE: u32 = u32::MAX;

/// A hash table over records, with places for twice as many.
pub(super) struct Index {
    places: Vec<u32>,
    /// What leaves of 32 bits those that number a place.
    shift: u32,
}

impl Index {
    pub(super) fn of(records: &[Digest]) -> Self {
        let places = (records.len() * 2).next_power_of_two().max(2);
        let mut index = Index { places: vec![NONE; places], shift: u32::BITS.saturating_sub(places.ilog2()) };
        for (number, record) in (0..NONE).zip(records) {
            let mut tried = index.tries(u32::from_le_bytes(*record));
            if let Some(free) = tried.find(|place| index.places.get(*place) == Some(&NONE))
                && let Some(place) = index.places.get_mut(free)
            {
                *place = number;
            }
        }
        index
    }

    /// The record with this digest: of several the first.
    pub(super) fn find(&self, digest: u32, records: &[Digest]) -> Option<usize> {
        let record_at =
            |place: usize| self.places.get(place).filter(|record| **record != NONE).map(|record| *record as usize);
        let has_it = |record: &usize| records.get(*record).is_some_and(|found| u32::from_le_bytes(*found) == digest);
        self.tries(digest).map_while(record_at).find(has_it)
    }

    /// Where a record with this digest may stand.
    fn tries(&self, digest: u32) -> impl Iterator<Item = usize> + use<> {
        let first = usize::try_from(digest.wrapping_mul(0x9e37_79b1) >> self.shift).unwrap_or_default();
        let mask = self.places.len() - 1;
        (0..TRIES).map(move |more| (first + more) & mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(digests: impl Iterator<Item = u32>) -> Vec<Digest> {
        digests.map(u32::to_le_bytes).collect()
    }

    #[test]
    fn every_digest_is_found_and_nothing_else() {
        let digest = |number: u32| number.wrapping_mul(0x85eb_ca6b);
        let records = records((0..100_000).map(digest));
        let index = Index::of(&records);
        assert!((0..100_000).all(|number| index.find(digest(number), &records) == Some(number as usize)));
        assert!((100_000..200_000).all(|number| index.find(digest(number), &records).is_none()));
        assert_eq!(Index::of(&[]).find(0, &[]), None);
    }

    #[test]
    fn tries_are_obeyed_and_violated() {
        // All want one place.
        let alike = records(std::iter::repeat_n(7, TRIES + 1));
        let index = Index::of(&alike);
        assert_eq!(index.places.iter().filter(|place| **place != NONE).count(), TRIES);
        assert_eq!(index.find(7, &alike), Some(0));
    }
}
