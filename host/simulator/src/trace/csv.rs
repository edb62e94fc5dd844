//! Traces in files.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};

use super::{Fork, MAX_ACCESSES, Op, Page, Trace, TraceError};

/// What stands before a file that zstd compressed.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Most pages that one row stands for: a segment of a relation.
const MAX_BLOCKS_OF_A_ROW: u32 = 131_072;

/// The columns, in the order in which they are read here. A file may have them in any order, and others.
const COLUMNS: [&str; 7] = ["t_ms", "op", "db", "rel", "fork", "block", "nblocks"];

impl Trace {
    /// Reads a CSV file, plain or compressed by zstd, whatever its name: a header with the columns `t_ms`, `op` (`R`,
    /// `W`), `db`, `rel`, `fork`, `block` and, if there is one, `nblocks`; then a row for each access.
    ///
    /// # Errors
    /// If it cannot be read, or a row is no access: with the file and the line.
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        let failed = |source| TraceError::Read { path: path.to_owned(), source };
        let mut file = BufReader::new(File::open(path).map_err(failed)?);
        let mut start = [0; 4];
        let known = read_up_to(&mut file, &mut start).map_err(failed)?;
        let start = start.get(..known).unwrap_or_default();
        let whole = start.chain(file);
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        if start == ZSTD_MAGIC {
            let plain = zstd::Decoder::new(whole).map_err(failed)?;
            parse(plain, name, path)
        } else {
            parse(whole, name, path)
        }
    }
}

/// Fills as much of `buffer` as there is.
fn read_up_to(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
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
        let blocks = if blocks.is_some() { number("nblocks", blocks, MAX_BLOCKS_OF_A_ROW)? } else { 1 };
        let block = number("block", block, u32::MAX - MAX_BLOCKS_OF_A_ROW)?;
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
