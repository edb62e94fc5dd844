//! A line of the log: a JSON object whose last field is a sum over what stands before it, so that a line that was
//! damaged is never taken for another.

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::policies::entry::Entry;
use crate::policies::standing::Standing;

/// Hex digits of a line's sum: the first ones of a SHA-256.
const SUM_DIGITS: usize = 16;
const SUM_FIELD: &str = ",\"sum\":\"";
const SUM_END: &str = "\"}";
/// Bytes of a line behind what its sum is of.
const TAIL_BYTES: usize = SUM_FIELD.len() + SUM_DIGITS + SUM_END.len();

/// How every line begins.
pub(super) const BEGINNINGS: [&str; 2] = ["{\"seq\":", CARRIED_OVER];
const CARRIED_OVER: &str = "{\"standing\":";

/// What a line says.
#[derive(Debug)]
pub(super) enum Line {
    /// One change.
    Entry(Box<Entry>),
    /// What the log before this one added up to.
    Standing(Box<Standing>),
    /// Something with this number that a later version of the host wrote.
    Later(u64),
}

/// The first line of a log that goes on where another was full.
#[derive(Serialize, Deserialize)]
struct CarriedOver {
    standing: Standing,
}

/// As much as every version says of an entry.
#[derive(Deserialize)]
struct Numbered {
    seq: u64,
}

/// An entry's line, its end included.
pub(super) fn of_entry(entry: &Entry) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(entry).map(summed)
}

/// The line that says what the log before added up to, its end included.
pub(super) fn of_standing(standing: &Standing) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&CarriedOver { standing: standing.clone() }).map(summed)
}

/// Puts the sum in.
fn summed(mut object: Vec<u8>) -> Vec<u8> {
    // A configuration is written as it was given. Between its tokens it may have line breaks, and nowhere else.
    object.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
    object.pop();
    let tail = tail(&object);
    object.extend_from_slice(tail.as_bytes());
    object.push(b'\n');
    object
}

fn tail(body: &[u8]) -> String {
    let sum = Digest::of(body).to_string();
    format!("{SUM_FIELD}{}{SUM_END}", sum.get(..SUM_DIGITS).unwrap_or_default())
}

/// What a line says, given without its end. `None` if it is damaged.
pub(super) fn read(line: &[u8]) -> Option<Line> {
    let (body, found) = line.split_at_checked(line.len().checked_sub(TAIL_BYTES)?)?;
    if tail(body).as_bytes() != found {
        return None;
    }
    let object = [body, b"}"].concat();
    if object.starts_with(CARRIED_OVER.as_bytes()) {
        let CarriedOver { standing } = serde_json::from_slice(&object).ok()?;
        return Some(Line::Standing(Box::new(standing)));
    }
    match serde_json::from_slice(&object) {
        Ok(entry) => Some(Line::Entry(Box::new(entry))),
        // The sum is right, so this is what somebody wrote.
        Err(_) => serde_json::from_slice(&object).ok().map(|Numbered { seq }| Line::Later(seq)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policies::entry::Action;
    use crate::policies::standing::tests::any_entry;

    fn said(line: &[u8]) -> &[u8] {
        line.strip_suffix(b"\n").unwrap()
    }

    #[test]
    fn a_line_is_json_that_others_can_read() {
        let entry = Entry { seq: 1, why: Some("it is better".into()), ..Entry::plain(Action::EndShadow) };
        assert_eq!(
            String::from_utf8(of_entry(&entry).unwrap()).unwrap(),
            "{\"seq\":1,\"at\":\"2026-11-22T12:30:00Z\",\"action\":\"end-shadow\",\"by\":\"anna\",\"why\":\"it is better\",\
             \"result\":\"ok\",\"sum\":\"82bd8fb10bdcaee3\"}\n"
        );
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let line = of_entry(&Entry { seq: 1, ..Entry::plain(Action::EndShadow) }).unwrap();
        let line = said(&line);
        assert!(matches!(read(line), Some(Line::Entry(_))));
        for at in 0..line.len() {
            for flip in [0x01, 0x20, 0x80] {
                let mut damaged = line.to_vec();
                damaged[at] ^= flip;
                assert!(read(&damaged).is_none(), "byte {at}");
            }
            assert!(read(&line[..at]).is_none(), "{at} bytes");
            assert!(read(&line[at + 1..]).is_none(), "without the first {}", at + 1);
        }
    }

    #[test]
    fn what_a_later_version_wrote_is_told_from_damage() {
        let later = summed(br#"{"seq":7,"action":"verify-signature","by":"anna","result":"ok"}"#.to_vec());
        assert!(matches!(read(said(&later)), Some(Line::Later(7))));
        let unnumbered = summed(br#"{"action":"verify-signature"}"#.to_vec());
        assert!(read(said(&unnumbered)).is_none());
        // A field more is no reason to pass a line over.
        let more = br#"{"seq":7,"at":"","action":"end-shadow","by":"anna","key":1,"result":"ok"}"#;
        assert!(matches!(read(said(&summed(more.to_vec()))), Some(Line::Entry(_))));
    }

    proptest! {
        #[test]
        fn an_entry_reads_as_it_was_written(entry in any_entry()) {
            let line = of_entry(&entry).unwrap();
            prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
            let Some(Line::Entry(again)) = read(said(&line)) else { panic!("{}", String::from_utf8_lossy(&line)) };
            prop_assert_eq!(again.json(), entry.json().replace('\n', " "));
        }

        #[test]
        fn what_was_carried_over_reads_as_it_was(entries in prop::collection::vec(any_entry(), 0..16)) {
            let mut standing = Standing::default();
            entries.iter().for_each(|entry| standing.apply(entry));
            let line = of_standing(&standing).unwrap();
            let Some(Line::Standing(again)) = read(said(&line)) else { panic!("{}", String::from_utf8_lossy(&line)) };
            prop_assert_eq!(*again, standing);
        }

        #[test]
        fn nothing_else_is_a_line(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&bytes).is_none());
        }
    }
}
