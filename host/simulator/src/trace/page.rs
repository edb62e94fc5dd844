//! Pages of relations.

use thermocline::layer::Key;

/// Bytes of a page.
pub const PAGE_BYTES: u64 = 8192;

/// The tablespace that a trace, which names none, is taken to be of: `pg_default`.
const TABLESPACE: u32 = 1663;

/// Where a relation's fork lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fork {
    /// The database.
    pub db: u32,
    /// The relation.
    pub rel: u32,
    /// The fork: 0 its pages, 1 free space, 2 visibility, 3 initialisation.
    pub fork: u8,
}

/// A page: a block of a relation's fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Page {
    /// Where.
    pub fork: Fork,
    /// Which block, from 0.
    pub block: u32,
}

impl Page {
    /// Its key in a pageserver. Keys keep the order of pages.
    pub fn key(self) -> Key {
        let mut bytes = [0; 18];
        let fields = [TABLESPACE, self.fork.db, self.fork.rel].into_iter().flat_map(u32::to_be_bytes);
        let fields = fields.chain([self.fork.fork]).chain(self.block.to_be_bytes());
        bytes.iter_mut().skip(1).zip(fields).for_each(|(byte, field)| *byte = field);
        Key::from_bytes(bytes)
    }

    /// The page with this key; `None` where no trace has such a page.
    pub fn of_key(key: Key) -> Option<Page> {
        let [kind, s0, s1, s2, s3, d0, d1, d2, d3, r0, r1, r2, r3, fork, b0, b1, b2, b3] = *key.as_bytes();
        let fork = Fork { db: u32::from_be_bytes([d0, d1, d2, d3]), rel: u32::from_be_bytes([r0, r1, r2, r3]), fork };
        let ours = kind == 0 && u32::from_be_bytes([s0, s1, s2, s3]) == TABLESPACE;
        ours.then(|| Page { fork, block: u32::from_be_bytes([b0, b1, b2, b3]) })
    }
}

/// The key behind `key`; the last one is its own.
pub(crate) fn next_key(key: Key) -> Key {
    let mut bytes = *key.as_bytes();
    for byte in bytes.iter_mut().rev() {
        let (next, carries) = byte.overflowing_add(1);
        *byte = next;
        if !carries {
            return Key::from_bytes(bytes);
        }
    }
    Key::MAX
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_has_the_key_that_a_pageserver_gives_it() {
        let page = Page { fork: Fork { db: 1, rel: 0x4df, fork: 0 }, block: 6 };
        assert_eq!(page.key().to_string(), "000000067F00000001000004DF0000000006");
    }

    #[test]
    fn the_last_key_is_its_own_next() {
        assert_eq!(next_key(Key::MAX), Key::MAX);
    }

    proptest! {
        #[test]
        fn keys_keep_the_order_of_pages(a: (u32, u32, u8, u32), b: (u32, u32, u8, u32)) {
            let page = |(db, rel, fork, block)| Page { fork: Fork { db, rel, fork }, block };
            let (a, b) = (page(a), page(b));
            prop_assert_eq!(a.cmp(&b), a.key().cmp(&b.key()));
            prop_assert_eq!(Page::of_key(a.key()), Some(a));
        }

        #[test]
        fn the_next_key_is_the_least_that_is_greater(bytes: [u8; 18]) {
            let key = Key::from_bytes(bytes);
            let next = next_key(key);
            prop_assume!(key != Key::MAX);
            prop_assert!(next > key);
            let difference = bytes.iter().zip(next.as_bytes()).rev().fold((0_i128, 0_u32), |(sum, at), (low, high)| {
                (sum + if at < 15 { (i128::from(*high) - i128::from(*low)) << (8 * at) } else { 0 }, at + 1)
            });
            prop_assert_eq!(difference.0, 1);
        }
    }
}
