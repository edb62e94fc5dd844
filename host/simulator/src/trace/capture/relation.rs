//! Which page of which relation a place in a file of Postgres is.

use std::str;

use super::super::Fork;

/// What a file of a data directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Pages that a compute asks its pageserver for.
    Relation {
        fork: Fork,
        /// Counts from 0.
        segment: u32,
    },
    /// Of temporary tables, sorts and hashes: they stay on the compute.
    Temporary,
    /// Catalogs of the whole cluster, in `global/`: few pages, of no database.
    Shared,
    /// The write-ahead log.
    Wal,
    /// Everything else.
    Other,
}

impl Kind {
    /// Of the file at `path`: `…/base/DB/FILE`, or in a tablespace `…/PG_15_202209061/DB/FILE`.
    pub(super) fn of(path: &[u8]) -> Self {
        let mut parts = path.rsplit(|byte| *byte == b'/');
        let (file, folder, above) = (parts.next(), parts.next(), parts.next());
        let (file, folder, above) = (file.unwrap_or_default(), folder.unwrap_or_default(), above.unwrap_or_default());
        if [file, folder, above].iter().any(|part| part.starts_with(b"pgsql_tmp")) {
            return Kind::Temporary;
        }
        match folder {
            b"global" => Kind::Shared,
            b"pg_wal" => Kind::Wal,
            _ if above == b"base" || above.starts_with(b"PG_") => in_database(folder, file).unwrap_or(Kind::Other),
            _ => Kind::Other,
        }
    }
}

/// `16384`, `16384.1`, `16384_vm`, `16384_fsm.2`, `t3_16384`.
fn in_database(folder: &[u8], file: &[u8]) -> Option<Kind> {
    let db = number(str::from_utf8(folder).ok()?)?;
    let file = str::from_utf8(file).ok()?;
    if let Some((backend, _)) = file.strip_prefix('t').and_then(|rest| rest.split_once('_'))
        && number(backend).is_some()
    {
        return Some(Kind::Temporary);
    }
    let (name, segment) = match file.split_once('.') {
        Some((name, segment)) => (name, number(segment)?),
        None => (file, 0),
    };
    let (rel, fork) = match name.split_once('_') {
        None => (name, 0),
        Some((rel, "fsm")) => (rel, 1),
        Some((rel, "vm")) => (rel, 2),
        Some((rel, "init")) => (rel, 3),
        Some(_) => return None,
    };
    Some(Kind::Relation { fork: Fork { db, rel: number(rel)?, fork }, segment })
}

/// Digits and nothing else.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const fn page_of(rel: u32, fork: u8, segment: u32) -> Kind {
        Kind::Relation { fork: Fork { db: 5, rel, fork }, segment }
    }

    #[rstest]
    #[case::a_relation("/data/base/5/1259", page_of(1259, 0, 0))]
    #[case::its_second_segment("/data/base/5/1259.1", page_of(1259, 0, 1))]
    #[case::free_space("/data/base/5/1259_fsm", page_of(1259, 1, 0))]
    #[case::visibility("/data/base/5/1259_vm.2", page_of(1259, 2, 2))]
    #[case::what_an_unlogged_one_begins_with("/data/base/5/1259_init", page_of(1259, 3, 0))]
    #[case::a_tablespace("/data/pg_tblspc/16390/PG_15_202209061/5/1259", page_of(1259, 0, 0))]
    #[case::a_tablespace_where_it_is("/mnt/fast/PG_15_202209061/5/1259", page_of(1259, 0, 0))]
    #[case::a_relative_name("base/5/1259", page_of(1259, 0, 0))]
    #[case::a_temporary_table("/data/base/5/t3_16400", Kind::Temporary)]
    #[case::free_space_of_a_temporary_table("/data/base/5/t3_16400_fsm", Kind::Temporary)]
    #[case::a_sort("/data/base/pgsql_tmp/pgsql_tmp123.0", Kind::Temporary)]
    #[case::a_sort_of_several("/data/base/pgsql_tmp/pgsql_tmp123.0.fileset/1.0", Kind::Temporary)]
    #[case::a_shared_catalog("/data/global/1262", Kind::Shared)]
    #[case::the_log("/data/pg_wal/000000010000000000000001", Kind::Wal)]
    #[case::transactions("/data/pg_xact/0000", Kind::Other)]
    #[case::a_version("/data/base/5/PG_VERSION", Kind::Other)]
    #[case::a_map("/data/base/5/pg_filenode.map", Kind::Other)]
    #[case::an_unknown_fork("/data/base/5/1259_new", Kind::Other)]
    #[case::no_number("/data/base/5/+1259", Kind::Other)]
    #[case::a_number_too_great("/data/base/5/4294967296", Kind::Other)]
    #[case::no_database("/data/base/x/1259", Kind::Other)]
    #[case::elsewhere("/usr/lib/5/1259", Kind::Other)]
    #[case::no_segment("/data/base/5/1259.", Kind::Other)]
    #[case::nothing("", Kind::Other)]
    fn a_files_name_says_what_it_holds(#[case] path: &str, #[case] kind: Kind) {
        assert_eq!(Kind::of(path.as_bytes()), kind);
    }
}
