//! Traces in files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};

use super::packed::unpacked;
use super::{COLUMNS, Fork, MAX_ACCESSES, MAX_FIRST_BLOCK, Op, Page, SEGMENT_BLOCKS, Trace, TraceError};

impl Trace {
    /// Reads a CSV file, plain or compressed by zstd, whatever its name: a header with the columns `t_ms`, `op` (`R`,
    /// `W`), `db`, `rel`, `fork`, `block` and, if there is one, `nblocks`; then a row for each access.
    ///
    /// # Errors
    /// If it cannot be read, or a row is no access: with the file and the line.
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        let failed = |source| TraceError::Read { path: path.to_owned(), source };
        let text = unpacked(File::open(path).map_err(failed)?).map_err(failed)?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        parse(text, name, path)
    }
}

fn parse(text: impl Read, name: String, path: &Path) -> Result<Trace, TraceError> {
    let mut rows = ReaderBuilder::new().flexible(true).from_reader(text);
    let header = rows.byte_headers().map_err(|error| broken(path, error))?;
    let columns = columns(header).map_err(|why| TraceError::Line { path: path.to_owned(), line: 1, why })?;
    let mut accesses = Vec::new();
    let mut record = ByteRecord::new();
    while rows.read_byte_record(&mut record).map_err(|error| broken(path, error))? {
        let row = Row::read(&record, &columns).map_err(|why| {
            let line = record.position().map_or(0, csv::Position::line);
            TraceError::Line { path: path.to_owned(), line, why }
        })?;
        if accesses.len() + row.blocks as usize > MAX_ACCESSES {
            return Err(TraceError::TooLong { path: path.to_owned() });
        }
        let pages = (row.first.block..).take(row.blocks as usize).map(|block| Page { block, ..row.first });
        accesses.extend(pages.map(|page| (row.at_ms, row.op, page)));
    }
    if !accesses.iter().any(|(_, op, _)| *op == Op::Read) {
        return Err(TraceError::Empty { path: path.to_owned() });
    }
    Ok(Trace::new(name, accesses))
}

fn broken(path: &Path, error: csv::Error) -> TraceError {
    let line = error.position().map_or(0, csv::Position::line);
    let why = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(source) => TraceError::Read { path: path.to_owned(), source },
        _ => TraceError::Line { path: path.to_owned(), line, why },
    }
}

/// Where each of [`COLUMNS`] stands. Only the last may be missing.
fn columns(header: &ByteRecord) -> Result<[Option<usize>; 7], String> {
    let places = COLUMNS.map(|name| header.iter().position(|column| column.trim_ascii() == name.as_bytes()));
    let missing = COLUMNS.iter().zip(&places).find(|(name, place)| place.is_none() && **name != "nblocks");
    match missing {
        None => Ok(places),
        Some((name, _)) => {
            Err(format!("there is no column {name}: a trace begins with the line `{}`", COLUMNS.join(",")))
        }
    }
}

struct Row {
    at_ms: u32,
    op: Op,
    first: Page,
    blocks: u32,
}

impl Row {
    fn read(record: &ByteRecord, places: &[Option<usize>; 7]) -> Result<Row, String> {
        let [at, op, db, rel, fork, block, blocks] =
            places.map(|place| place.map(|place| record.get(place).unwrap_or_default()));
        let op = match op.unwrap_or_default().trim_ascii() {
            b"R" => Op::Read,
            b"W" => Op::Write,
            other => return Err(format!("op is `{}`, and may be R or W", other.escape_ascii())),
        };
        let fork = u8::try_from(number("fork", fork, 255)?).unwrap_or_default();
        let fork = Fork { db: number("db", db, u32::MAX)?, rel: number("rel", rel, u32::MAX)?, fork };
        let blocks = if blocks.is_some() { number("nblocks", blocks, SEGMENT_BLOCKS)? } else { 1 };
        let block = number("block", block, MAX_FIRST_BLOCK)?;
        Ok(Row { at_ms: number("t_ms", at, u32::MAX)?, op, first: Page { fork, block }, blocks })
    }
}

/// A number from 0 to `most`.
fn number(column: &str, field: Option<&[u8]>, most: u32) -> Result<u32, String> {
    let field = field.unwrap_or_default().trim_ascii();
    let mut value: u64 = 0;
    for &digit in field {
        value = match digit {
            b'0'..=b'9' => value.saturating_mul(10).saturating_add(u64::from(digit - b'0')),
            _ => u64::MAX,
        };
    }
    match u32::try_from(value) {
        Ok(value) if value <= most && !field.is_empty() => Ok(value),
        _ => Err(format!("{column} is `{}`, and may be a whole number from 0 to {most}", field.escape_ascii())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use rstest::rstest;

    use super::super::Access;
    use super::*;

    fn read(text: &[u8]) -> Result<Trace, TraceError> {
        parse(text, "t".into(), Path::new("t.csv"))
    }

    const HEADER: &str = "t_ms,op,db,rel,fork,block,nblocks\n";

    fn accesses(trace: &Trace) -> Vec<(u32, Op, u32)> {
        let plain = |access: &Access| (access.at_ms, access.op, trace.pages()[access.page].block);
        trace.accesses().iter().map(plain).collect()
    }

    #[rstest]
    #[case::plain("t_ms,op,db,rel,fork,block,nblocks\n7,R,5,16384,0,3,1\n9,W,5,16384,0,4,1\n")]
    #[case::windows_lines("t_ms,op,db,rel,fork,block,nblocks\r\n7,R,5,16384,0,3,1\r\n9,W,5,16384,0,4,1\r\n")]
    #[case::one_block_where_no_count_is("t_ms,op,db,rel,fork,block\n7,R,5,16384,0,3\n9,W,5,16384,0,4\n")]
    #[case::columns_in_any_order("op,t_ms,why,rel,db,fork,block\nR,7,x,16384,5,0,3\nW,9,,16384,5,0,4\n")]
    #[case::not_in_the_order_of_time("t_ms,op,db,rel,fork,block\n9,W,5,16384,0,4\n7,R,5,16384,0,3\n")]
    fn rows_are_accesses(#[case] text: &str) {
        let trace = read(text.as_bytes()).unwrap();
        assert_eq!(accesses(&trace), [(7, Op::Read, 3), (9, Op::Write, 4)]);
        assert_eq!((trace.page_count(), trace.read_count(), trace.duration_ms()), (2, 1, 9));
    }

    #[test]
    fn a_row_of_several_blocks_is_several_accesses() {
        let trace = read(format!("{HEADER}1,R,5,7,0,10,3\n").as_bytes()).unwrap();
        assert_eq!(accesses(&trace), [(1, Op::Read, 10), (1, Op::Read, 11), (1, Op::Read, 12)]);
    }

    #[rstest]
    #[case::a_column("t_ms,op,db,rel,block\n", 1, "there is no column fork")]
    #[case::an_operation("t_ms,op,db,rel,fork,block\n1,R,1,1,0,1\n1,X,1,1,0,1\n", 3, "op is `X`, and may be R or W")]
    #[case::a_number(
        "t_ms,op,db,rel,fork,block\n1,R,1,1,0,-1\n",
        2,
        "block is `-1`, and may be a whole number from 0 to"
    )]
    #[case::a_number_too_great("t_ms,op,db,rel,fork,block\n1,R,1,4294967296,0,1\n", 2, "rel is `4294967296`")]
    #[case::a_number_that_overflows("t_ms,op,db,rel,fork,block\n18446744073709551617,R,1,1,0,1\n", 2, "t_ms is")]
    #[case::a_missing_field("t_ms,op,db,rel,fork,block\n1,R,1\n", 2, "fork is ``")]
    #[case::a_fork("t_ms,op,db,rel,fork,block\n1,R,1,1,256,1\n", 2, "from 0 to 255")]
    #[case::many_blocks("t_ms,op,db,rel,fork,block,nblocks\n1,R,1,1,0,1,131073\n", 2, "nblocks is `131073`")]
    fn a_wrong_line_is_named(#[case] text: &str, #[case] line: u64, #[case] says: &str) {
        let error = read(text.as_bytes()).unwrap_err();
        assert!(
            matches!(&error, TraceError::Line { line: at, why, .. } if *at == line && why.contains(says)),
            "{error}"
        );
        assert!(error.to_string().starts_with("t.csv, line "), "{error}");
    }

    #[rstest]
    #[case::no_byte("")]
    #[case::no_row(HEADER)]
    #[case::no_read("t_ms,op,db,rel,fork,block\n1,W,1,1,0,1\n")]
    fn a_trace_without_reads_is_refused(#[case] text: &str) {
        assert!(read(text.as_bytes()).is_err());
    }

    #[rstest]
    #[case::plain("trace.csv", false)]
    #[case::compressed("trace.csv.zst", true)]
    #[case::compressed_by_another_name("trace", true)]
    fn files_are_read_compressed_or_not(#[case] name: &str, #[case] compress: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let text = format!("{HEADER}1,R,5,7,0,10,1\n");
        let bytes = if compress { zstd::encode_all(text.as_bytes(), 3).unwrap() } else { text.into_bytes() };
        std::fs::File::create(&path).unwrap().write_all(&bytes).unwrap();
        let trace = Trace::read(&path).unwrap();
        assert_eq!((trace.name(), trace.accesses().len()), (name, 1));
    }

    #[test]
    fn a_compressed_file_that_breaks_off_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("half.zst");
        let rows: String = (0..5000).map(|row| format!("{row},R,5,7,0,{},1\n", row * 7919 % 5000)).collect();
        let whole = zstd::encode_all(format!("{HEADER}{rows}").as_bytes(), 3).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let error = Trace::read(&path).unwrap_err();
        assert!(matches!(error, TraceError::Read { .. }), "{error}");
        assert!(error.to_string().contains("half.zst"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes: Vec<u8>, after_header: bool) {
            let mut text = if after_header { HEADER.as_bytes().to_vec() } else { Vec::new() };
            text.extend(bytes);
            let _ = read(&text);
        }
    }
}
