//! What a policy remembers of each layer from one call to the next.
//!
//! A [`Selection::memory`](crate::Selection::memory) holds a header and a record a row, by column: digests of the ids, then
//! up to five numbers of 32 bits each, which are the policy's own. Columns, so that the loops over them are as plain as
//! those over a table's. Digests of 32 bits, since what is remembered is copied out of a component and into it at every
//! call: among a hundred thousand layers, one in forty thousand new ones is taken for another one that was there, and
//! starts with what is remembered of that. Rows of a table are in an order that is the same at every call, and the records in that of their
//! rows; so [`History::stretches`] finds the record of each row by walking along both.
//!
//! Of bytes that are something else, of another version or cut off, nothing is read, and nothing fails.

mod index;
mod stretches;

use self::stretches::Digest;
pub use self::stretches::Stretch;

/// Numbers that a policy keeps beside the records.
pub const HISTORY_FIELDS: usize = 4;

/// Bytes before the records.
const HEADER_BYTES: usize = MAGIC.len() + 3 * WORD_BYTES + HISTORY_FIELDS * FIELD_BYTES;

/// What a history begins with.
const MAGIC: [u8; 4] = *b"thc1";

const WORD_BYTES: usize = size_of::<u32>();
const FIELD_BYTES: usize = size_of::<u64>();
const DIGEST_BYTES: usize = size_of::<u32>();

/// Bytes of what is remembered a row, at most: the host's limit.
const MOST_RECORD_BYTES: usize = 24;

/// Bytes of what is remembered beside that, at most.
const MOST_HEADER_BYTES: usize = 4096;

const _: () = assert!(HEADER_BYTES <= MOST_HEADER_BYTES);

/// What of a layer's id is remembered.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "half of it, and the other half over it")]
const fn digest(id: u64) -> u32 {
    (id ^ (id >> u32::BITS)) as u32
}

/// A number of a record, as it stands in memory: little endian.
pub type Word = [u8; WORD_BYTES];

/// What the last call remembered: a record with `COLUMNS` numbers for each row that its table had.
#[derive(Clone, Copy, Debug)]
pub struct History<'a, const COLUMNS: usize> {
    fields: [u64; HISTORY_FIELDS],
    digests: &'a [Digest],
    columns: [&'a [Word]; COLUMNS],
}

impl<const COLUMNS: usize> Default for History<'_, COLUMNS> {
    /// Nothing.
    fn default() -> Self {
        History { fields: [0; HISTORY_FIELDS], digests: &[], columns: [&[]; COLUMNS] }
    }
}

impl<'a, const COLUMNS: usize> History<'a, COLUMNS> {
    /// What a [`NextHistory`] of this version made; `None` of anything else. The version is the policy's: it says what
    /// the fields and columns mean.
    pub fn read(memory: &'a [u8], version: u32) -> Option<Self> {
        let (header, mut rest) = memory.split_at_checked(HEADER_BYTES)?;
        let (magic, header) = header.split_first_chunk::<{ MAGIC.len() }>()?;
        let (version_is, header) = header.split_first_chunk()?;
        let (rows, header) = header.split_first_chunk()?;
        let (columns, header) = header.split_first_chunk()?;
        let known = *magic == MAGIC
            && u32::from_le_bytes(*version_is) == version
            && usize::try_from(u32::from_le_bytes(*columns)) == Ok(COLUMNS);
        let rows = usize::try_from(u32::from_le_bytes(*rows)).ok()?;
        if !known || rest.len() != rows.checked_mul(record_bytes(COLUMNS))? {
            return None;
        }
        let mut history = History::default();
        for (field, bytes) in history.fields.iter_mut().zip(header.as_chunks().0) {
            *field = u64::from_le_bytes(*bytes);
        }
        let digests;
        (digests, rest) = rest.split_at_checked(rows * DIGEST_BYTES)?;
        history.digests = digests.as_chunks().0;
        for column in &mut history.columns {
            let words;
            (words, rest) = rest.split_at_checked(rows * WORD_BYTES)?;
            *column = words.as_chunks().0;
        }
        Some(history)
    }

    /// What the policy kept beside the records.
    pub const fn fields(&self) -> [u64; HISTORY_FIELDS] {
        self.fields
    }

    /// The columns, one entry a record.
    pub const fn columns(&self) -> [&'a [Word]; COLUMNS] {
        self.columns
    }

    /// How many records there are.
    pub const fn len(&self) -> usize {
        self.digests.len()
    }

    /// Whether nothing is remembered.
    pub const fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// Which records belong to which rows of a table with these ids, and which rows came where records went. All rows,
    /// in their order.
    ///
    /// It takes time in proportion to rows and records, whatever they are. Where the order of rows was the same then
    /// and now, each row gets the record with its id, if there is one.
    pub fn stretches(&self, ids: &[u64]) -> Vec<Stretch> {
        stretches::of(self.digests, ids)
    }
}

/// What the last call remembered, brought to the rows of this call's table: rows that had a record have it, and those of
/// new rows are 0.
///
/// Where the table has the rows that it had, which is nearly always, the records stay where they are.
#[derive(Clone, Debug)]
pub struct Carried<const COLUMNS: usize> {
    /// The records, to be brought up to date in place.
    pub next: NextHistory<COLUMNS>,
    /// Which rows had records, and which rows came where records went: as [`History::stretches`] tells it.
    pub stretches: Vec<Stretch>,
    /// What the policy kept beside the records; `None` if nothing is remembered.
    pub fields: Option<[u64; HISTORY_FIELDS]>,
    /// The records as they were, where some went or rows came.
    pub before: Before<COLUMNS>,
}

/// What the last call remembered: nothing, if all records stayed where they were.
#[derive(Clone, Debug)]
pub struct Before<const COLUMNS: usize> {
    version: u32,
    memory: Vec<u8>,
}

impl<const COLUMNS: usize> Before<COLUMNS> {
    /// The columns, one entry a record.
    pub fn columns(&self) -> [&[Word]; COLUMNS] {
        History::read(&self.memory, self.version).unwrap_or_default().columns()
    }
}

impl<const COLUMNS: usize> Carried<COLUMNS> {
    /// From what a [`NextHistory`] of this version made, to rows with these ids. From anything else nothing is carried.
    #[must_use]
    pub fn of(version: u32, memory: Vec<u8>, ids: &[u64]) -> Self {
        let past = History::<COLUMNS>::read(&memory, version).unwrap_or_default();
        let stretches = past.stretches(ids);
        let fields = (!past.is_empty()).then_some(past.fields());
        let all = Stretch::Kept { row: 0, record: 0, len: ids.len() };
        if stretches == [all] && past.len() == ids.len() {
            let next = NextHistory { memory, rows: ids.len() };
            return Carried { next, stretches, fields, before: Before { version, memory: Vec::new() } };
        }
        let mut next = NextHistory::new(version, ids);
        for (is, was) in next.columns_mut().into_iter().zip(past.columns()) {
            for stretch in &stretches {
                let Stretch::Kept { row, record, len } = *stretch else { continue };
                let (is, was) = (is.get_mut(row..row + len), was.get(record..record + len));
                is.unwrap_or_default().copy_from_slice(was.unwrap_or_default());
            }
        }
        Carried { next, stretches, fields, before: Before { version, memory } }
    }
}

/// What this call remembers, for the next one: a record with `COLUMNS` numbers for each row.
#[derive(Clone, Debug)]
pub struct NextHistory<const COLUMNS: usize> {
    memory: Vec<u8>,
    rows: usize,
}

impl<const COLUMNS: usize> NextHistory<COLUMNS> {
    /// Records of rows with these ids, with all their numbers and all fields 0.
    #[must_use]
    pub fn new(version: u32, ids: &[u64]) -> Self {
        const { assert!(record_bytes(COLUMNS) <= MOST_RECORD_BYTES, "the host keeps 24 bytes a row") };
        let bytes = HEADER_BYTES + ids.len() * record_bytes(COLUMNS);
        let mut memory = Vec::with_capacity(bytes);
        memory.extend_from_slice(&MAGIC);
        // A table has at most u32::MAX rows, and a record five numbers.
        for word in [version, u32::try_from(ids.len()).unwrap_or(u32::MAX), u32::try_from(COLUMNS).unwrap_or(u32::MAX)]
        {
            memory.extend_from_slice(&word.to_le_bytes());
        }
        memory.resize(HEADER_BYTES, 0);
        extend_by(&mut memory, ids);
        memory.resize(bytes, 0);
        NextHistory { memory, rows: ids.len() }
    }

    /// What the policy keeps beside the records; 0 if nothing is said.
    pub fn set_fields(&mut self, fields: [u64; HISTORY_FIELDS]) {
        let slots = self.memory.iter_mut().take(HEADER_BYTES).skip(HEADER_BYTES - HISTORY_FIELDS * FIELD_BYTES);
        slots.zip(fields.iter().flat_map(|field| field.to_le_bytes())).for_each(|(slot, byte)| *slot = byte);
    }

    /// The columns, one entry a row.
    pub fn columns(&self) -> [&[Word]; COLUMNS] {
        let mut rest = self.memory.get(HEADER_BYTES + self.rows * DIGEST_BYTES..).unwrap_or_default();
        std::array::from_fn(|_| {
            let (column, behind) = rest.split_at_checked(self.rows * WORD_BYTES).unwrap_or_default();
            rest = behind;
            column.as_chunks().0
        })
    }

    /// The columns, to be filled.
    pub fn columns_mut(&mut self) -> [&mut [Word]; COLUMNS] {
        let (_, mut rest) = self.memory.split_at_mut(HEADER_BYTES + self.rows * DIGEST_BYTES);
        std::array::from_fn(|_| {
            let (column, behind) = std::mem::take(&mut rest).split_at_mut(self.rows * WORD_BYTES);
            rest = behind;
            column.as_chunks_mut().0
        })
    }

    /// The bytes to hand back as [`Selection::memory`](crate::Selection::memory).
    #[must_use]
    pub fn into_memory(self) -> Vec<u8> {
        self.memory
    }
}

/// Writes digests of ids behind what there is, some at a time.
#[inline(never)]
fn extend_by(memory: &mut Vec<u8>, ids: &[u64]) {
    const STRETCH: usize = 8;
    for ids in ids.chunks(STRETCH) {
        let mut bytes = [0; STRETCH * DIGEST_BYTES];
        for (slot, id) in bytes.as_chunks_mut().0.iter_mut().zip(ids) {
            *slot = digest(*id).to_le_bytes();
        }
        memory.extend_from_slice(bytes.get(..ids.len() * DIGEST_BYTES).unwrap_or_default());
    }
}

const fn record_bytes(columns: usize) -> usize {
    DIGEST_BYTES + columns * WORD_BYTES
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const VERSION: u32 = 7;

    /// A history of as many columns, whose numbers are 10 times the place of the column, and the row.
    fn made<const COLUMNS: usize>(rows: usize) -> Vec<u8> {
        let ids: Vec<_> = (0..rows as u64).map(|row| row.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let mut next = NextHistory::<COLUMNS>::new(VERSION, &ids);
        next.set_fields([1, 2, 3, u64::MAX]);
        for (number, column) in next.columns_mut().into_iter().enumerate() {
            assert_eq!(column.len(), rows);
            for (row, word) in column.iter_mut().enumerate() {
                *word = u32::try_from(10 * number + row).unwrap().to_le_bytes();
            }
        }
        assert!(next.columns().iter().all(|column| column.len() == rows));
        next.into_memory()
    }

    #[rstest]
    #[case::nothing(0)]
    #[case::one(1)]
    #[case::many(100_000)]
    fn what_is_written_is_read_and_is_within_the_hosts_limit(#[case] rows: usize) {
        let memory = made::<5>(rows);
        assert!(memory.len() <= 4096 + 24 * rows, "{} bytes", memory.len());
        let history = History::<5>::read(&memory, VERSION).unwrap();
        assert_eq!((history.fields(), history.len()), ([1, 2, 3, u64::MAX], rows));
        assert_eq!(history.is_empty(), rows == 0);
        for (number, column) in history.columns().into_iter().enumerate() {
            assert!(
                column.iter().enumerate().all(|(row, word)| u32::from_le_bytes(*word) as usize == 10 * number + row)
            );
        }
    }

    #[rstest]
    #[case::nothing(|memory: &mut Vec<u8>| memory.clear())]
    #[case::a_byte_less(|memory: &mut Vec<u8>| memory.truncate(memory.len() - 1))]
    #[case::a_byte_more(|memory: &mut Vec<u8>| memory.push(0))]
    #[case::something_else(|memory: &mut Vec<u8>| memory[0] ^= 1)]
    #[case::another_version(|memory: &mut Vec<u8>| memory[4] ^= 1)]
    #[case::more_rows(|memory: &mut Vec<u8>| memory[11] = 0xff)]
    #[case::another_number_of_columns(|memory: &mut Vec<u8>| memory[12] = 3)]
    #[case::cut_in_the_header(|memory: &mut Vec<u8>| memory.truncate(HEADER_BYTES - 1))]
    fn bytes_of_anything_else_are_no_history(#[case] damage: fn(&mut Vec<u8>)) {
        let mut memory = made::<2>(5);
        assert!(History::<2>::read(&memory, VERSION).is_some());
        damage(&mut memory);
        assert!(History::<2>::read(&memory, VERSION).is_none());
    }

    #[test]
    fn a_history_that_is_none_knows_no_row() {
        let history = History::<2>::default();
        assert_eq!(history.stretches(&[5, 6]), [Stretch::Changed { rows: 0..2, records: 0..0 }]);
        assert_eq!(history.stretches(&[]), []);
    }

    proptest! {
        /// Whatever came and went: as one would copy it row by row.
        #[test]
        fn rows_have_the_records_that_they_had(fates in prop::collection::vec(0..9_u8, 0..300), runs in 1..100_usize) {
            // In both, only before, or only now; in runs, as compaction does it.
            let with = |not: u8| -> Vec<u64> {
                let rows = (0..fates.len()).filter(|row| fates[row / runs * runs] != not);
                rows.map(|row| (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect()
            };
            let (before, now) = (with(0), with(1));
            let mut next = NextHistory::<2>::new(VERSION, &before);
            next.set_fields([1, 2, 3, 4]);
            for column in next.columns_mut() {
                column.iter_mut().zip(1_u32..).for_each(|(word, number)| *word = number.to_le_bytes());
            }
            let memory = next.into_memory();
            let past = History::<2>::read(&memory, VERSION).unwrap();
            let carried = Carried::<2>::of(VERSION, memory.clone(), &now);
            prop_assert_eq!(carried.fields, (!before.is_empty()).then_some([1, 2, 3, 4]));
            prop_assert_eq!(&carried.stretches, &past.stretches(&now));
            let mut expected = vec![[0; WORD_BYTES]; now.len()];
            for stretch in &carried.stretches {
                match stretch {
                    Stretch::Kept { row, record, len } => {
                        expected[*row..row + len].copy_from_slice(&past.columns()[0][*record..record + len]);
                    }
                    Stretch::Changed { records, .. } => {
                        prop_assert_eq!(&carried.before.columns()[1][records.clone()], &past.columns()[1][records.clone()]);
                    }
                }
            }
            prop_assert_eq!(carried.next.columns(), [&*expected; 2]);
            // And it is known whose records these are.
            let mut next = carried.next;
            next.set_fields([1, 2, 3, 4]);
            let again = Carried::<2>::of(VERSION, next.into_memory(), &now);
            prop_assert_eq!(again.next.columns(), [&*expected; 2]);
            prop_assert!(again.before.columns()[0].is_empty());
        }

        #[test]
        fn no_bytes_do_harm(mut memory: Vec<u8>, rows in 0..9_usize, valid: bool, ids: Vec<u64>) {
            if valid {
                // Past the checks of the header.
                let mut header = made::<1>(rows);
                let len = header.len();
                header.truncate(HEADER_BYTES);
                header.extend(memory.iter().copied().chain(std::iter::repeat(0x5a)).take(len - HEADER_BYTES));
                memory = header;
            }
            let history = History::<1>::read(&memory, VERSION);
            prop_assert_eq!(history.is_some(), valid);
            let stretches = history.unwrap_or_default().stretches(&ids);
            prop_assert_eq!(stretches.iter().map(Stretch::rows).sum::<usize>(), ids.len());
            let went = stretches.iter().map(|stretch| match stretch {
                Stretch::Changed { records, .. } => records.len(),
                Stretch::Kept { .. } => 0,
            });
            prop_assert!(went.sum::<usize>() <= rows, "a record went twice: {:?}", stretches);
        }
    }
}
