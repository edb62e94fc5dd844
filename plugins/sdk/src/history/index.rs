//! Which record has an id, where looking along the order does not tell.

use super::stretches::Id;

/// So many places are tried for an id. Ids are digests, so that half as many do for nearly all; and of bytes that were
/// made to collide the rest counts as gone, so that time stays in proportion.
const TRIES: usize = 64;

/// No record.
const NONE: u32 = u32::MAX;

/// A hash table over records, with places for twice as many.
pub(super) struct Index {
    places: Vec<u32>,
    /// What leaves of 64 bits those that number a place.
    shift: u32,
}

impl Index {
    pub(super) fn of(records: &[Id]) -> Self {
        let places = (records.len() * 2).next_power_of_two().max(2);
        let mut index = Index { places: vec![NONE; places], shift: u64::BITS - places.ilog2() };
        for (number, record) in (0..NONE).zip(records) {
            let mut tried = index.tries(u64::from_le_bytes(*record));
            if let Some(free) = tried.find(|place| index.places.get(*place) == Some(&NONE)) {
                if let Some(place) = index.places.get_mut(free) {
                    *place = number;
                }
            }
        }
        index
    }

    /// The record with this id: of several the first.
    pub(super) fn find(&self, id: u64, records: &[Id]) -> Option<usize> {
        let record_at =
            |place: usize| self.places.get(place).filter(|record| **record != NONE).map(|record| *record as usize);
        let has_id = |record: &usize| records.get(*record).is_some_and(|found| u64::from_le_bytes(*found) == id);
        self.tries(id).map_while(record_at).find(has_id)
    }

    /// Where a record with this id may stand.
    fn tries(&self, id: u64) -> impl Iterator<Item = usize> + use<> {
        let first = usize::try_from(id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift).unwrap_or_default();
        let mask = self.places.len() - 1;
        (0..TRIES).map(move |more| (first + more) & mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(ids: impl Iterator<Item = u64>) -> Vec<Id> {
        ids.map(u64::to_le_bytes).collect()
    }

    #[test]
    fn every_digest_is_found_and_nothing_else() {
        let digest = |number: u64| (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (number << 17);
        let records = records((0..100_000).map(digest));
        let index = Index::of(&records);
        assert!((0..100_000).all(|number| index.find(digest(number as u64), &records) == Some(number)));
        assert!((100_000..200_000).all(|number| index.find(digest(number), &records).is_none()));
        assert_eq!(Index::of(&[]).find(0, &[]), None);
    }

    /// Ids that all want one place.
    #[test]
    fn tries_are_obeyed_and_violated() {
        let records = records((0..=TRIES as u64).map(|number| number << 63 | number));
        let alike: Vec<_> = vec![records[0]; TRIES + 1];
        let index = Index::of(&alike);
        assert_eq!(index.places.iter().filter(|place| **place != NONE).count(), TRIES);
        assert_eq!(index.find(u64::from_le_bytes(records[0]), &alike), Some(0));
    }
}
