//! Our reader takes what the original's takes, refuses what it refuses, and reads the same.
//!
//! `data/pageserver/reader-accepts.txt` records what the original itself did. Beyond those cases, types that
//! derive their reader as the original's do stand for it: every damaged document is put before both.

mod original;
mod support;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use original::HeatMapTenant;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use thermocline::heatmap::{DecodeError, Heatmap};

/// A document, and what the original made of it.
#[derive(Debug)]
struct Case {
    name: String,
    document: String,
    outcome: Outcome,
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Refused,
    Accepted {
        written_anew: String,
        hot_layers: u64,
        hot_bytes: u64,
        identical: bool,
    },
    /// It read the document, and panicked over it afterwards: writing anew a time that it cannot hold, or
    /// adding up more bytes than 64 bits hold. That took its process down; we do both.
    Panicked,
}

fn outcome(lines: &[&str]) -> Outcome {
    match lines {
        [error] if error.starts_with("PARSE ERROR: ") => Outcome::Refused,
        [written_anew, sums] => {
            let numbers: Vec<u64> = sums.split([' ', ';']).filter_map(|word| word.parse().ok()).collect();
            let [hot_layers, hot_bytes] = numbers[..] else { panic!("{sums}") };
            let identical = sums.ends_with("true");
            Outcome::Accepted { written_anew: (*written_anew).into(), hot_layers, hot_bytes, identical }
        }
        lines if lines.iter().any(|line| line.contains("panicked at")) => Outcome::Panicked,
        lines => panic!("{lines:?}"),
    }
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/pageserver").join(name)
}

fn cases(text: &str) -> Vec<Case> {
    let blocks = text.split("-- ").filter(|block| !block.is_empty());
    let case = |block: &str| {
        let mut lines = block.lines();
        let name = lines.next().unwrap().to_owned();
        let document = lines.next().unwrap().strip_prefix("   in : ").unwrap().to_owned();
        let lines: Vec<_> = lines.map(|line| line.strip_prefix("   out: ").unwrap()).collect();
        Case { name, document, outcome: outcome(&lines) }
    };
    blocks.map(case).collect()
}

fn recorded() -> Vec<Case> {
    cases(&std::fs::read_to_string(data("reader-accepts.txt")).unwrap())
}

#[test]
fn every_recorded_case_ends_as_it_did_there() {
    let cases = recorded();
    assert_eq!(cases.len(), 45);
    for Case { name, document, outcome } in cases {
        match (outcome, Heatmap::decode(document.as_bytes())) {
            (Outcome::Refused, Err(DecodeError::Malformed { place, what, .. })) => {
                assert!(place.line == 1 && place.offset <= document.len() && !what.is_empty(), "{name}: {place}");
            }
            (Outcome::Accepted { written_anew, hot_layers, hot_bytes, identical }, Ok(heatmap)) => {
                let bytes = heatmap.to_bytes();
                assert_eq!(String::from_utf8_lossy(&bytes), written_anew, "{name}");
                assert_eq!(bytes == document.as_bytes(), identical, "{name}");
                let hot = heatmap.stats().layers.hot;
                assert_eq!((hot.layers, hot.bytes), (hot_layers, hot_bytes), "{name}");
            }
            (Outcome::Panicked, Ok(heatmap)) => {
                assert_eq!(Heatmap::decode(&heatmap.to_bytes()), Ok(heatmap.clone()), "{name}");
                assert_eq!(heatmap.stats().layers.hot.layers, heatmap.timelines[0].layers.len() as u64, "{name}");
            }
            (outcome, decoded) => panic!("{name}: there {outcome:?}, here {decoded:?}"),
        }
    }
}

#[test]
fn the_stand_in_for_the_original_does_as_it_did() {
    for Case { name, document, outcome } in recorded() {
        let read = HeatMapTenant::read(document.as_bytes());
        assert_eq!(read.is_err(), outcome == Outcome::Refused, "{name}");
        if let Outcome::Accepted { written_anew, .. } = outcome {
            assert_eq!(String::from_utf8(read.unwrap().write()).unwrap(), written_anew, "{name}");
        }
    }
}

#[test]
fn where_the_original_panicked_we_do_not() {
    let cases = recorded();
    let panicked: Vec<_> = cases.iter().filter(|case| case.outcome == Outcome::Panicked).collect();
    let [time, sum] = panicked[..] else { panic!("{panicked:?}") };

    let heatmap = Heatmap::decode(time.document.as_bytes()).unwrap();
    assert_eq!(heatmap.timelines[0].layers[0].access_time, i64::MIN);
    assert!(String::from_utf8(heatmap.to_bytes()).unwrap().contains(r#""access_time":-9223372036854775808"#));

    let stats = Heatmap::decode(sum.document.as_bytes()).unwrap().stats();
    assert_eq!((stats.layers.hot.layers, stats.layers.hot.bytes), (2, u64::MAX));
}

/// Both read `bytes` alike; returns whether they took it.
fn agree(bytes: &[u8]) -> bool {
    match (HeatMapTenant::read(bytes), Heatmap::decode(bytes)) {
        (Ok(theirs), Ok(ours)) => {
            assert_eq!(HeatMapTenant::from(&ours), theirs);
            true
        }
        (Err(_), Err(DecodeError::Malformed { place, what, .. })) => {
            assert!(place.line > 0 && place.offset <= bytes.len() && !what.is_empty(), "{place}: {what}");
            false
        }
        (theirs, ours) => panic!("{}: there {theirs:?}, here {ours:?}", String::from_utf8_lossy(bytes)),
    }
}

/// A document with all that can be in one, extra fields and all.
fn scored() -> Vec<u8> {
    let mut heatmap = Heatmap::decode(&std::fs::read(data("heatmap-v1.json")).unwrap()).unwrap();
    for timeline in &mut heatmap.timelines {
        timeline.layers.truncate(2);
        timeline.layers.iter_mut().for_each(|layer| layer.heat = Some(0.75));
    }
    heatmap.policy = Some(thermocline::heatmap::PolicyIdentity {
        name: "recency".into(),
        version: "1.0.0".into(),
        digest: "ab".repeat(32),
    });
    heatmap.to_bytes()
}

#[test]
fn extra_fields_are_ignored_there_whatever_they_hold() {
    let scored = String::from_utf8(scored()).unwrap();
    assert!(agree(scored.as_bytes()));
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let odd = ["null", "-1", "1e999", "\"\\ud800\"", "{\"name\":1e999}", "{\"a\":1,\"a\":2}", "1,\"heat\":2", &deep];
    for value in odd {
        for (field, written) in [("heat", "0.75"), ("policy", r#"{"name":"recency","version":"1.0.0""#)] {
            let from = format!("\"{field}\":{written}");
            let document = if field == "policy" {
                scored.replace(&from, &format!("\"policy\":{value},\"x\":{{\"version\":\"1.0.0\""))
            } else {
                scored.replacen(&from, &format!("\"heat\":{value}"), 1)
            };
            assert_ne!(document, scored);
            assert!(agree(document.as_bytes()), "{document}");
        }
    }
    assert!(agree(&[b"{\"generation\":1,\"heat\":\"\xff\",\"policy\":\"\xff\",\"timelines\":[]}".as_slice()].concat()));
}

#[test]
fn a_heatmap_of_the_original_is_written_as_it_was_read() {
    let bytes = std::fs::read(data("heatmap-v1.json")).unwrap();
    assert!(agree(&bytes));
    let heatmap = Heatmap::decode(&bytes).unwrap();
    assert!(heatmap.to_bytes() == bytes);
    let stats = heatmap.stats();
    assert_eq!((stats.generation, stats.timelines, stats.layers.cold.layers), (3, 3, 1));
    assert_eq!(heatmap.verify().errors, 0);
}

#[test]
fn a_heatmap_cut_off_at_every_97th_byte_is_refused_with_its_place() {
    for bytes in [std::fs::read(data("heatmap-v1.json")).unwrap(), scored()] {
        for length in (0..bytes.len()).step_by(97) {
            assert!(!agree(&bytes[..length]), "{length}");
            let error = Heatmap::decode(&bytes[..length]).unwrap_err().to_string();
            assert!(error.contains(&format!("(byte {length})")), "{length}: {error}");
        }
    }
}

#[test]
fn all_heatmaps_that_the_original_wrote_are_written_as_they_were_read() {
    let Some(archive) = support::real_data("pageserver/state.tar.zst") else { return };
    let scratch = tempfile::tempdir().unwrap();
    let tar = Command::new("tar")
        .args(["--extract", "--file=-", "--wildcards", "*/heatmap-v1.json"])
        .current_dir(scratch.path())
        .stdin(unpacked(&archive, scratch.path()))
        .status()
        .unwrap();
    assert!(tar.success());
    let mut found = 0;
    for location in ["ps1", "ps2", "remote1"] {
        for tenant in std::fs::read_dir(scratch.path().join(location).join("tenants")).unwrap() {
            let bytes = std::fs::read(tenant.unwrap().path().join("heatmap-v1.json")).unwrap();
            assert!(agree(&bytes));
            assert!(Heatmap::decode(&bytes).unwrap().to_bytes() == bytes);
            found += 1;
        }
    }
    assert_eq!(found, 13);
}

fn unpacked(archive: &Path, scratch: &Path) -> std::fs::File {
    let mut tar = Vec::new();
    zstd::Decoder::new(std::fs::File::open(archive).unwrap()).unwrap().read_to_end(&mut tar).unwrap();
    let path = scratch.join("state.tar");
    std::fs::write(&path, tar).unwrap();
    std::fs::File::open(path).unwrap()
}

/// Something that a document may hold, where another thing was expected.
fn fragments() -> impl Strategy<Value = String> {
    let fixed = [
        "null",
        "true",
        "0",
        "-0",
        "1",
        "-1",
        "1.0",
        "1e3",
        "01",
        "18446744073709551616",
        "[]",
        "{}",
        "\"\"",
        "\"AABB\"",
        "\"0102\"",
        "[1,[],null]",
        "[5]",
        "[5,1,\"0000\"]",
        "\"heat\":1,",
        "\"cold\":true,",
        "\"generation\":1,",
        "\"policy\":{},",
        "\"x\":[{}],",
        ",",
        ":",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        "\\u0030",
        " ",
        "\n",
        "\u{feff}",
        "é",
    ];
    prop_oneof![3 => select(fixed.to_vec()).prop_map(str::to_owned), 1 => "\\PC{1,4}"]
}

/// Where a value, a field or a mark of punctuation begins: damage there is what a parser notices.
fn joints(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|at| b"{}[],:\"".contains(&bytes[*at])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_documents_are_read_alike(
        start in select(vec![0, 1]),
        edits in proptest::collection::vec((any::<Index>(), any::<Index>(), fragments(), 0u8..4), 1..4),
    ) {
        let mut bytes = if start == 0 { scored() } else {
            let cases = recorded();
            let at = edits[0].1.index(cases.len());
            cases[at].document.clone().into_bytes()
        };
        for (at, to, fragment, kind) in edits {
            let joints = joints(&bytes);
            if joints.is_empty() { break }
            let at = *at.get(&joints);
            let next = joints.iter().copied().find(|joint| *joint > at).unwrap_or(bytes.len());
            match kind {
                // In place of what is between two joints, before one, ...
                0 => drop(bytes.splice((at + 1).min(next)..next, fragment.into_bytes())),
                1 => drop(bytes.splice(at..at, fragment.into_bytes())),
                // ... or a stretch is lost, or is there twice.
                2 => drop(bytes.drain(at..next)),
                _ => {
                    let end = *to.get(&joints);
                    let stretch = bytes[at.min(end)..at.max(end)].to_vec();
                    bytes.splice(at..at, stretch);
                }
            }
            agree(&bytes);
        }
    }
}
