//! The log: what was appended is there after whatever happens, and what is not whole is not there.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::error::StoreError;
use super::line::{self, Line};
use super::log_file::LogFile;
use crate::policies::entry::Entry;
use crate::policies::standing::Standing;

/// Bytes of a log. A full one is kept as `log.1.jsonl`, and another begins with what it added up to.
pub const MAX_LOG_BYTES: usize = 64 << 20;

/// Bytes of one entry. A configuration and the reasons of a refusal fit in many times over.
pub const MAX_ENTRY_BYTES: usize = 1 << 20;

/// Bytes of entries that are handed out at once, so that a page of large ones does not take all memory.
const MAX_PAGE_BYTES: usize = 8 << 20;

/// What the last full log is called. The one before it goes.
const FULL_LOG: &str = "log.1.jsonl";

/// Damaged logs that are kept as they were. With as many there, damage is left where it is.
const MAX_ASIDE: usize = 4;

/// Damaged lines that a warning names.
const SHOWN_LINES: usize = 8;

/// The log. One append is one commit.
#[derive(Debug)]
pub(super) struct Log {
    file: Box<dyn LogFile>,
    limit: usize,
    /// Where the last whole line ends.
    end: u64,
    /// The entries, in order.
    places: Vec<Place>,
    /// Handed out as it is, and replaced with the next entry.
    standing: Arc<Standing>,
    /// Whether damage was found when it was opened.
    damaged: bool,
    doubt: Option<Doubt>,
}

/// Where an entry is.
#[derive(Clone, Copy, Debug)]
struct Place {
    seq: u64,
    start: u64,
    /// Without the end of the line.
    bytes: usize,
}

/// What an error left open. Nothing is appended before it is settled.
#[derive(Clone, Copy, Debug)]
enum Doubt {
    /// There may be something behind the end.
    Tail,
    /// It may have been replaced.
    Replaced,
}

/// What the bytes of a log are.
#[derive(Debug, Default)]
struct Scan {
    places: Vec<Place>,
    standing: Standing,
    /// Numbers of the lines that are damaged, counted from 1.
    damaged: Vec<usize>,
    /// Lines of a later version.
    later: usize,
    /// Where the last line ends.
    end: usize,
    /// The lines that are whole, one after the other.
    whole: Vec<u8>,
}

impl Scan {
    fn of(bytes: &[u8]) -> Self {
        let mut scan = Scan::default();
        for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
            // What has no end was not finished, and nobody was told that it is there.
            let Some(said) = line.strip_suffix(b"\n") else { break };
            let start = scan.end;
            scan.end += line.len();
            match line::read(said) {
                Some(Line::Entry(entry)) if entry.seq > scan.standing.seq => {
                    scan.standing.apply(&entry);
                    scan.places.push(Place { seq: entry.seq, start: start as u64, bytes: said.len() });
                }
                Some(Line::Standing(standing)) if standing.seq >= scan.standing.seq => scan.standing = *standing,
                Some(Line::Later(seq)) if seq > scan.standing.seq => {
                    scan.standing.seq = seq;
                    scan.later += 1;
                }
                _ => {
                    scan.damaged.push(number);
                    continue;
                }
            }
            scan.whole.extend_from_slice(line);
        }
        scan
    }
}

/// Whether somebody may have begun to write this as a line.
fn is_begun(tail: &[u8]) -> bool {
    line::BEGINNINGS.iter().any(|beginning| {
        let common = tail.len().min(beginning.len());
        tail.get(..common) == beginning.as_bytes().get(..common)
    })
}

impl Log {
    /// Reads what is there, cuts off what was not finished, and mends what is damaged.
    pub(super) fn open(file: Box<dyn LogFile>) -> Result<Self, StoreError> {
        Self::with_limit(file, MAX_LOG_BYTES)
    }

    fn with_limit(file: Box<dyn LogFile>, limit: usize) -> Result<Self, StoreError> {
        let mut log = Log { limit, ..Self::empty(file) };
        log.take_up()?;
        Ok(log)
    }

    /// A log over a file that has nothing in it.
    pub(super) fn empty(file: Box<dyn LogFile>) -> Self {
        let standing = Arc::default();
        Log { file, limit: MAX_LOG_BYTES, end: 0, places: Vec::new(), standing, damaged: false, doubt: None }
    }

    /// The same, and from before its first entry on this holds.
    pub(super) fn beginning_with(self, standing: Standing) -> Self {
        Log { standing: Arc::new(standing), ..self }
    }

    /// What the entries add up to.
    pub(super) const fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    /// Whether damage was found when it was opened, so that it may not tell everything.
    pub(super) const fn is_damaged(&self) -> bool {
        self.damaged
    }

    fn path(&self) -> &Path {
        self.file.path()
    }

    fn io(&self, source: io::Error) -> StoreError {
        StoreError::Io { path: self.path().to_owned(), source }
    }

    fn not_appended(&self, source: io::Error) -> StoreError {
        StoreError::Append { path: self.path().to_owned(), source }
    }

    fn take_up(&mut self) -> Result<(), StoreError> {
        let len = self.file.len().map_err(|error| self.io(error))?;
        let fits = usize::try_from(len).ok().filter(|len| *len <= self.limit);
        let Some(len) = fits else {
            return Err(StoreError::Foreign { path: self.path().to_owned(), bytes: len, limit: self.limit });
        };
        let bytes = self.file.read_at(0, len).map_err(|error| self.io(error))?;
        let mut scan = Scan::of(&bytes);
        let path = self.path().display().to_string();
        let tail = bytes.get(scan.end..).unwrap_or_default();
        if scan.later > 0 {
            tracing::warn!("{path}: {} lines are of a later version of the host, and are passed over", scan.later);
        }
        if !scan.damaged.is_empty() || !is_begun(tail) {
            self.damaged = true;
            scan = self.mend(scan, tail.len());
        } else if !tail.is_empty() {
            tracing::warn!("{path}: the last line was not finished: its {} bytes are cut off", tail.len());
        }
        self.end = scan.end as u64;
        // What could not be put aside stays as it is.
        if self.doubt.is_none() && self.file.len().map_err(|error| self.io(error))? != self.end {
            self.file.cut(self.end).map_err(|error| self.io(error))?;
        }
        (self.places, self.standing) = (scan.places, Arc::new(scan.standing));
        Ok(())
    }

    /// Puts a damaged log aside, as it is, and goes on with the lines that are whole.
    fn mend(&mut self, scan: Scan, tail: usize) -> Scan {
        let path = self.path().display().to_string();
        let mut lines: Vec<String> = scan.damaged.iter().take(SHOWN_LINES).map(usize::to_string).collect();
        if scan.damaged.len() > SHOWN_LINES {
            lines.push(format!("{} more", scan.damaged.len() - SHOWN_LINES));
        }
        if tail > 0 {
            lines.push(format!("{tail} bytes at its end"));
        }
        let lines = lines.join(", ");
        let aside = (1..=MAX_ASIDE).map(|number| format!("log.damaged-{number}.jsonl"));
        let Some(aside) = aside.into_iter().find(|name| !self.file.is_taken(name)) else {
            tracing::error!(
                "{path}: damaged, and passed over: line {lines}. {MAX_ASIDE} damaged logs lie beside it already: move \
                 them away to have this one mended"
            );
            return scan;
        };
        match self.file.replace(&scan.whole, &aside) {
            Ok(()) => {
                tracing::error!("{path}: damaged: line {lines}. The rest counts. As it was, it is kept as {aside}");
                Scan::of(&scan.whole)
            }
            Err(error) => {
                tracing::error!("{path}: damaged, and passed over: line {lines}. It could not be mended: {error}");
                self.doubt = Some(Doubt::Replaced);
                scan
            }
        }
    }

    /// Adds an entry, and answers it with its number. On disk when this answers; if it fails, nothing changed.
    pub(super) fn append(&mut self, mut entry: Entry) -> Result<Entry, StoreError> {
        self.settle()?;
        entry.seq = self.standing.seq.saturating_add(1);
        let line = line::of_entry(&entry).map_err(|error| self.not_appended(error.into()))?;
        if line.len() > MAX_ENTRY_BYTES {
            let path = self.path().to_owned();
            return Err(StoreError::TooLong { path, bytes: line.len(), limit: MAX_ENTRY_BYTES });
        }
        // What counts is what the next start will read.
        let said = line.strip_suffix(b"\n").unwrap_or(&line);
        let Some(Line::Entry(entry)) = line::read(said) else {
            return Err(self.not_appended(io::Error::other("it would not be read again")));
        };
        if self.end.saturating_add(line.len() as u64) > self.limit as u64 {
            self.begin_another()?;
        }
        if let Err(error) = self.file.append(self.end, &line) {
            if let Err(error) = self.file.cut(self.end) {
                tracing::warn!("{}: what was half written could not be taken back: {error}", self.path().display());
                self.doubt = Some(Doubt::Tail);
            }
            return Err(self.not_appended(error));
        }
        self.places.push(Place { seq: entry.seq, start: self.end, bytes: said.len() });
        self.end += line.len() as u64;
        Arc::make_mut(&mut self.standing).apply(&entry);
        Ok(*entry)
    }

    /// Sees to what an error left open.
    fn settle(&mut self) -> Result<(), StoreError> {
        match self.doubt {
            None => return Ok(()),
            Some(Doubt::Tail) => self.file.cut(self.end).map_err(|error| self.not_appended(error))?,
            Some(Doubt::Replaced) => {
                self.file.reopen().map_err(|error| self.not_appended(error))?;
                self.doubt = None;
                // May be in doubt again.
                self.take_up()?;
                return match self.doubt {
                    Some(_) => Err(self.not_appended(io::Error::other("the damaged log could not be mended"))),
                    None => Ok(()),
                };
            }
        }
        self.doubt = None;
        Ok(())
    }

    /// Puts the full log aside, and begins another with what it added up to.
    fn begin_another(&mut self) -> Result<(), StoreError> {
        let line = line::of_standing(&self.standing).map_err(|error| self.not_appended(error.into()))?;
        // Half of it is for entries, so that this does not happen with each.
        let limit = self.limit / 2;
        if line.len() > limit {
            return Err(StoreError::Full { path: self.path().to_owned(), bytes: line.len(), limit });
        }
        if let Err(error) = self.file.replace(&line, FULL_LOG) {
            self.doubt = Some(Doubt::Replaced);
            return Err(self.not_appended(error));
        }
        tracing::info!("{}: the log was full, and is kept as {FULL_LOG}; another begins", self.path().display());
        self.places.clear();
        self.end = line.len() as u64;
        Ok(())
    }

    /// At most `limit` entries after number `after`, in order. Fewer if they are large, but never none of those that are
    /// there.
    pub(super) fn entries(&self, after: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let first = self.places.partition_point(|place| place.seq <= after);
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for place in self.places.iter().skip(first).take(limit) {
            bytes += place.bytes;
            if bytes > MAX_PAGE_BYTES && !entries.is_empty() {
                break;
            }
            let line = self.file.read_at(place.start, place.bytes).map_err(|error| self.io(error))?;
            match line::read(&line) {
                Some(Line::Entry(entry)) => entries.push(*entry),
                _ => return Err(StoreError::DamagedEntry { path: self.path().to_owned(), seq: place.seq }),
            }
        }
        Ok(entries)
    }
}

#[cfg(test)]
pub(in crate::policies) mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;
    use rstest::rstest;

    use super::super::log_file::{InMemory, OnDisk};
    use super::*;
    use crate::policies::entry::Action;
    use crate::policies::lock;
    use crate::policies::standing::tests::{any_entry, digest};
    use crate::policies::which::Which;

    /// A file that does as it is told, and shows what is in it.
    #[derive(Clone, Debug, Default)]
    pub(in crate::policies) struct Faulty(Arc<Mutex<Faults>>);

    #[derive(Debug, Default)]
    struct Faults {
        bytes: Vec<u8>,
        aside: BTreeMap<String, Vec<u8>>,
        /// Appends fail once they have written so many bytes.
        full_after: Option<usize>,
        cuts_fail: bool,
        replaces_fail: bool,
        /// What fails has been done nevertheless.
        replaced_first: bool,
    }

    fn refused<T>() -> io::Result<T> {
        Err(io::ErrorKind::StorageFull.into())
    }

    impl LogFile for Faulty {
        fn path(&self) -> &Path {
            Path::new("log.jsonl")
        }

        fn len(&self) -> io::Result<u64> {
            Ok(lock(&self.0).bytes.len() as u64)
        }

        fn read_at(&self, start: u64, bytes: usize) -> io::Result<Vec<u8>> {
            let start = usize::try_from(start).unwrap();
            Ok(lock(&self.0).bytes[start..start + bytes].to_vec())
        }

        fn append(&mut self, end: u64, bytes: &[u8]) -> io::Result<()> {
            let mut faults = lock(&self.0);
            faults.bytes.truncate(usize::try_from(end).unwrap());
            let written = faults.full_after.map_or(bytes.len(), |full| full.min(bytes.len()));
            faults.bytes.extend_from_slice(&bytes[..written]);
            if faults.full_after.is_some() { refused() } else { Ok(()) }
        }

        fn cut(&mut self, end: u64) -> io::Result<()> {
            let mut faults = lock(&self.0);
            if faults.cuts_fail {
                return refused();
            }
            faults.bytes.truncate(usize::try_from(end).unwrap());
            Ok(())
        }

        fn replace(&mut self, bytes: &[u8], aside: &str) -> io::Result<()> {
            let mut faults = lock(&self.0);
            if faults.replaces_fail && !faults.replaced_first {
                return refused();
            }
            let old = std::mem::replace(&mut faults.bytes, bytes.to_vec());
            faults.aside.insert(aside.to_owned(), old);
            if faults.replaces_fail { refused() } else { Ok(()) }
        }

        fn is_taken(&self, aside: &str) -> bool {
            lock(&self.0).aside.contains_key(aside)
        }

        fn reopen(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Faulty {
        fn with(bytes: &[u8]) -> Self {
            let file = Faulty::default();
            lock(&file.0).bytes = bytes.to_vec();
            file
        }

        /// Whether the disk has no room.
        pub(in crate::policies) fn set_full(&self, full: bool) {
            lock(&self.0).full_after = full.then_some(0);
        }

        fn bytes(&self) -> Vec<u8> {
            lock(&self.0).bytes.clone()
        }

        fn open(&self) -> Log {
            Log::open(Box::new(self.clone())).unwrap()
        }
    }

    fn install(number: u8) -> Entry {
        Entry { to: Some(Which::Component(digest(number))), ..Entry::plain(Action::Install) }
    }

    fn told(log: &Log) -> Vec<String> {
        log.entries(0, usize::MAX).unwrap().iter().map(Entry::json).collect()
    }

    /// A log of some entries, and what it tells.
    fn written(entries: impl IntoIterator<Item = Entry>) -> (Vec<u8>, Vec<String>) {
        let file = Faulty::default();
        let mut log = file.open();
        for entry in entries {
            log.append(entry).unwrap();
        }
        (file.bytes(), told(&log))
    }

    fn lines(bytes: &[u8]) -> Vec<&[u8]> {
        bytes.split_inclusive(|byte| *byte == b'\n').collect()
    }

    #[test]
    fn entries_are_numbered_told_and_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let open = || Log::open(Box::new(OnDisk::open(&path).unwrap())).unwrap();
        let mut log = open();
        for number in 1..=3 {
            assert_eq!(log.append(install(number)).unwrap().seq, u64::from(number));
        }
        let (before, standing) = (told(&log), log.standing().clone());
        assert_eq!(standing.installed.len(), 3);
        drop(log);
        let mut log = open();
        assert_eq!((told(&log), log.standing()), (before, &standing));
        assert_eq!(log.append(install(4)).unwrap().seq, 4);
    }

    #[rstest]
    #[case::all(0, usize::MAX, &[1, 2, 3, 4])]
    #[case::a_page(1, 2, &[2, 3])]
    #[case::the_last(3, 2, &[4])]
    #[case::no_more(4, 2, &[])]
    #[case::beyond(u64::MAX, 2, &[])]
    #[case::none(0, 0, &[])]
    fn a_page_is_told(#[case] after: u64, #[case] limit: usize, #[case] expected: &[u64]) {
        let mut log = Log::empty(Box::new(InMemory::default()));
        (1..=4).for_each(|number| drop(log.append(install(number)).unwrap()));
        let told: Vec<u64> = log.entries(after, limit).unwrap().iter().map(|entry| entry.seq).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_page_of_large_entries_is_short_and_never_empty() {
        let why = "x".repeat(MAX_ENTRY_BYTES - 1024);
        let mut log = Log::empty(Box::new(InMemory::default()));
        for _ in 0..12 {
            log.append(Entry { why: Some(why.clone()), ..install(1) }).unwrap();
        }
        let (mut after, mut pages) = (0, Vec::new());
        while let page @ [.., last] = log.entries(after, 100).unwrap().as_slice() {
            pages.push(page.len());
            after = last.seq;
        }
        assert_eq!(pages, [8, 4]);
    }

    #[rstest]
    #[case::obeyed(0)]
    #[case::violated(1)]
    fn an_entry_has_a_size(#[case] more: usize) {
        let mut log = Log::empty(Box::new(InMemory::default()));
        let said = |why: usize| Entry { why: Some("x".repeat(why)), ..install(1) };
        let other = line::of_entry(&Entry { seq: 1, ..said(0) }).unwrap().len();
        let appended = log.append(said(MAX_ENTRY_BYTES - other + more));
        match appended {
            Ok(_) => assert_eq!(more, 0),
            Err(error) => {
                let text = error.to_string();
                assert!(
                    more == 1 && text.contains("an entry of 1048577 bytes is not written, at most 1048576"),
                    "{text}"
                );
            }
        }
        assert_eq!(log.append(install(2)).unwrap().seq, 2 - more as u64, "nothing came of it");
    }

    /// However much of the last entry is on disk when the host is killed, it is there as a whole or not at all.
    #[test]
    fn a_kill_at_any_byte_leaves_the_old_or_the_new() {
        let (bytes, all) = written((1..=3).map(install));
        let start = bytes.len() - lines(&bytes).last().unwrap().len();
        for end in start..=bytes.len() {
            let file = Faulty::with(&bytes[..end]);
            let mut log = file.open();
            let whole = if end == bytes.len() { 3 } else { 2 };
            assert_eq!(told(&log), all[..whole], "killed at {end}");
            assert!(!log.is_damaged(), "it is no damage");
            assert_eq!(lock(&file.0).aside.len(), 0);
            // And what is appended is glued to nothing.
            log.append(install(9)).unwrap();
            assert_eq!(told(&file.open()), told(&log));
            assert_eq!(told(&log).len(), whole + 1);
        }
    }

    #[test]
    fn damage_costs_what_is_damaged_and_is_kept() {
        let (bytes, all) = written((1..=5).map(install));
        let mut damaged: Vec<Vec<u8>> = lines(&bytes).iter().map(|line| line.to_vec()).collect();
        damaged[1][20] ^= 1;
        damaged[3] = b"{\n".to_vec();
        let damaged = damaged.concat();
        let file = Faulty::with(&damaged);
        let mut log = file.open();
        let rest = [&all[0], &all[2], &all[4]].map(String::clone);
        assert_eq!(told(&log), rest);
        assert!(log.is_damaged());
        assert_eq!(log.standing().installed.keys().len(), 3);
        assert_eq!(lock(&file.0).aside, BTreeMap::from([("log.damaged-1.jsonl".to_owned(), damaged)]));
        assert_eq!(log.append(install(6)).unwrap().seq, 6);
        let mended = file.open();
        assert!(!mended.is_damaged());
        assert_eq!(told(&mended), told(&log));
    }

    #[rstest]
    #[case::nothing_of_a_log(b"#!/bin/sh\n\x00\xff\n", 1)]
    #[case::without_an_end(b"#!/bin/sh", 1)]
    #[case::zeros(&[0; 4096], 1)]
    #[case::an_empty_line(b"\n", 1)]
    #[case::a_line_begun(b"{\"se", 0)]
    #[case::nothing(b"", 0)]
    fn what_is_no_log_is_kept_aside_and_bricks_nothing(#[case] bytes: &[u8], #[case] aside: usize) {
        let file = Faulty::with(bytes);
        let mut log = file.open();
        assert_eq!(lock(&file.0).aside.values().filter(|kept| *kept == bytes).count(), aside);
        assert_eq!(**log.standing(), Standing::default());
        assert_eq!(log.append(install(1)).unwrap().seq, 1);
        assert_eq!(told(&file.open()).len(), 1);
    }

    #[rstest]
    #[case::obeyed(MAX_ASIDE - 1)]
    #[case::violated(MAX_ASIDE)]
    fn as_many_damaged_logs_are_kept(#[case] kept: usize) {
        let (bytes, all) = written((1..=2).map(install));
        let damaged = [b"damage\n", &bytes[..]].concat();
        let file = Faulty::with(&damaged);
        for number in 1..=kept {
            lock(&file.0).aside.insert(format!("log.damaged-{number}.jsonl"), vec![]);
        }
        let mut log = file.open();
        assert_eq!(told(&log), all, "whole lines count in any case");
        assert_eq!(lock(&file.0).aside.len(), MAX_ASIDE);
        assert_eq!(file.bytes() == damaged, kept == MAX_ASIDE, "left as it is only where it cannot be kept");
        log.append(install(3)).unwrap();
        assert_eq!(told(&file.open()).len(), 3);
    }

    #[test]
    fn what_cannot_be_mended_now_is_mended_later() {
        let (bytes, all) = written((1..=2).map(install));
        let file = Faulty::with(&[&bytes[..], b"damage\ntail"].concat());
        lock(&file.0).replaces_fail = true;
        let mut log = file.open();
        assert_eq!(told(&log), all);
        assert!(log.append(install(3)).unwrap_err().to_string().contains("could not be written down"));
        assert_eq!(file.bytes(), [&bytes[..], b"damage\ntail"].concat(), "untouched");
        lock(&file.0).replaces_fail = false;
        assert_eq!(log.append(install(3)).unwrap().seq, 3);
        assert_eq!(lines(&file.bytes()).len(), 3);
        assert_eq!(told(&file.open()), told(&log));
    }

    #[test]
    fn lines_of_a_later_version_are_passed_over_and_stay() {
        let (bytes, all) = written((1..=3).map(install));
        let lines = lines(&bytes);
        // As a later version would have written it.
        let later = String::from_utf8(lines[1].to_vec()).unwrap().replace("install", "certify");
        let body = later.split(",\"sum\"").next().unwrap();
        let sum = crate::Digest::of(body.as_bytes()).to_string();
        let later = format!("{body},\"sum\":\"{}\"}}\n", &sum[..16]);
        let file = Faulty::with(&[lines[0], later.as_bytes(), lines[2]].concat());
        let mut log = file.open();
        assert!(!log.is_damaged());
        assert_eq!(told(&log), [&all[0], &all[2]].map(String::clone));
        assert_eq!(log.append(install(4)).unwrap().seq, 4);
        assert!(String::from_utf8(file.bytes()).unwrap().contains("certify"));
    }

    #[test]
    fn a_line_that_comes_twice_counts_once() {
        let (bytes, all) = written((1..=3).map(install));
        let twice = [&bytes[..], lines(&bytes)[1]].concat();
        let log = Faulty::with(&twice).open();
        assert_eq!(told(&log), all);
    }

    /// A full disk, at any byte of an entry.
    #[rstest]
    #[case::taken_back(false)]
    #[case::taken_back_later(true)]
    fn what_could_not_be_written_was_never_there(#[case] cuts_fail: bool) {
        let (bytes, _) = written((1..=2).map(install));
        for written in 0..=lines(&bytes)[1].len() {
            let file = Faulty::with(&bytes);
            let mut log = file.open();
            let before = log.standing().clone();
            (lock(&file.0).full_after, lock(&file.0).cuts_fail) = (Some(written), cuts_fail);
            let error = log.append(install(3)).unwrap_err().to_string();
            assert!(error.contains("log.jsonl: the change could not be written down, so it does not hold"), "{error}");
            assert_eq!(log.standing(), &before);
            if cuts_fail {
                // Space alone does not help: the half line is still there.
                lock(&file.0).full_after = None;
                assert!(log.append(install(4)).is_err());
            } else {
                assert_eq!(file.bytes(), bytes);
            }
            (lock(&file.0).full_after, lock(&file.0).cuts_fail) = (None, false);
            assert_eq!(log.append(install(5)).unwrap().seq, 3);
            assert_eq!(told(&file.open()), told(&log));
            assert_eq!(told(&log).len(), 3);
        }
    }

    #[test]
    fn a_full_log_is_kept_and_another_goes_on() {
        // Room for twenty and no more; after them, two policies are installed.
        let (file, limit) = (Faulty::default(), written((0..20).map(|number| install(number % 2))).0.len());
        let open = || Log::with_limit(Box::new(file.clone()), limit).unwrap();
        let mut log = open();
        for number in 0..20 {
            log.append(install(number % 2)).unwrap();
        }
        let first = file.bytes();
        assert_eq!(first.len(), limit, "limit obeyed");
        assert_eq!(lock(&file.0).aside.len(), 0);
        let before = log.standing().clone();
        assert_eq!(log.append(install(1)).unwrap().seq, 21);
        assert_eq!(lock(&file.0).aside, BTreeMap::from([(FULL_LOG.to_owned(), first)]), "limit violated");
        assert_eq!(log.entries(0, 9).unwrap().len(), 1);
        assert_eq!(log.standing().installed, before.installed);
        let again = open();
        assert_eq!((told(&again), again.standing()), (told(&log), log.standing()));
        for number in 22..=100 {
            assert_eq!(log.append(install(0)).unwrap().seq, number);
            assert!(file.bytes().len() <= limit);
        }
        assert_eq!(open().standing(), log.standing());
        assert_eq!(lock(&file.0).aside.len(), 1, "the last full one only");
    }

    #[rstest]
    #[case::before(false)]
    #[case::after(true)]
    fn a_log_that_could_not_be_begun_is_begun_later(#[case] replaced_first: bool) {
        let (file, limit) = (Faulty::default(), 4096);
        let open = || Log::with_limit(Box::new(file.clone()), limit).unwrap();
        let mut log = open();
        lock(&file.0).replaces_fail = true;
        lock(&file.0).replaced_first = replaced_first;
        let failed = (0..100).find_map(|_| log.append(install(1)).err()).unwrap();
        assert!(failed.to_string().contains("could not be written down"), "{failed}");
        let seq = log.standing().seq;
        assert_eq!(open().standing(), log.standing());
        lock(&file.0).replaces_fail = false;
        assert_eq!(log.append(install(2)).unwrap().seq, seq + 1);
        assert_eq!(open().standing(), log.standing());
    }

    #[test]
    fn what_fits_into_no_log_is_refused() {
        let file = Faulty::default();
        let mut log = Log::with_limit(Box::new(file.clone()), 2048).unwrap();
        let error = (1..=u8::MAX).find_map(|number| log.append(install(number)).err()).unwrap();
        assert!(error.to_string().contains("the log is full, and what is installed"), "{error}");
        assert_eq!(Log::with_limit(Box::new(file), 2048).unwrap().standing(), log.standing());
    }

    #[rstest]
    #[case::obeyed(0)]
    #[case::violated(1)]
    fn a_file_that_is_too_large_is_no_log(#[case] more: u64) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        fs::File::create(&path).unwrap().set_len(MAX_LOG_BYTES as u64 + more).unwrap();
        let opened = Log::open(Box::new(OnDisk::open(&path).unwrap()));
        match opened {
            Ok(log) => assert!(more == 0 && log.is_damaged()),
            Err(error) => assert!(more == 1 && error.to_string().contains("move it away"), "{error}"),
        }
    }

    proptest! {
        /// Whatever happens to the bytes, what is told was written, in this order.
        #[test]
        fn damage_makes_nothing_up(
            entries in prop::collection::vec(any_entry(), 1..8),
            end in any::<prop::sample::Index>(),
            flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 0..4),
        ) {
            let (mut bytes, all) = written(entries);
            bytes.truncate(end.index(bytes.len() + 1));
            for (at, flip) in flips {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] ^= flip;
                }
            }
            let file = Faulty::with(&bytes);
            let mut log = file.open();
            let mut rest = all.iter();
            for entry in told(&log) {
                prop_assert!(rest.any(|written| *written == entry), "{entry}");
            }
            let seq = log.standing().seq;
            prop_assert_eq!(log.append(install(1)).unwrap().seq, seq + 1);
            let again = file.open();
            prop_assert_eq!(told(&again), told(&log));
            prop_assert_eq!(again.standing(), log.standing());
        }
    }
}
