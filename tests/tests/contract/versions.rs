//! The files in `wit/`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rstest::rstest;
use thermocline::Digest;
use thermocline::policy::Contract;

use crate::semver::semver_check;

/// SHA-256 of what is released. A line is added with a release, and never changed: components in the world were built
/// against these files.
const FROZEN: [(Contract, &str); 1] =
    [(Contract::V0_1, "e45657301f54103a6a2c4af231699707d692e148e0a0e166e5ce2e519ee16802")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn released(contract: Contract) -> String {
    fs::read_to_string(root().join("wit").join(contract.version()).join("policy.wit")).unwrap()
}

fn head() -> String {
    fs::read_to_string(root().join("wit/policy.wit")).unwrap()
}

#[test]
fn what_is_released_is_frozen() {
    for (contract, digest) in FROZEN {
        let now = Digest::of(released(contract).as_bytes()).to_string();
        assert_eq!(now, digest, "wit/{contract}/policy.wit is released: put it back, and change wit/policy.wit");
    }
}

#[test]
fn the_host_knows_head_and_every_version_that_is_released() {
    let folders = fs::read_dir(root().join("wit")).unwrap().map(Result::unwrap);
    let folders = folders.filter(|entry| entry.file_type().unwrap().is_dir());
    let folders: BTreeSet<_> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    assert_eq!(folders, FROZEN.map(|(contract, _)| contract.version().to_owned()).into());
    let known = FROZEN.map(|(contract, _)| contract).into_iter().chain([Contract::NEWEST]);
    assert!(known.eq(Contract::ALL));
    for (contract, text) in [(Contract::NEWEST, head()), (Contract::V0_1, released(Contract::V0_1))] {
        assert!(text.contains(&format!("\npackage thermocline:policy@{contract};\n")), "{contract}");
    }
}

#[test]
fn head_only_adds_to_what_is_released() {
    for (contract, _) in FROZEN {
        semver_check(&released(contract), &head()).unwrap_or_else(|why| panic!("{contract} to head: {why:#}"));
    }
}

#[rstest]
#[case::an_export_more("    export describe:", "    export explain: func() -> string;\n    export describe:")]
#[case::a_field_more_in_an_answer(
    "        memory: list<u8>,\n    }",
    "        memory: list<u8>,\n        why: string,\n    }"
)]
#[case::a_field_more_in_a_question(
    "        checkpoint-distance: u64,\n",
    "        checkpoint-distance: u64,\n        region: u32,\n"
)]
#[case::an_enum_case_more("        warn,\n", "        warn,\n        error,\n")]
#[case::a_parameter_more("write: func(level: level,", "write: func(level: level, row: u32,")]
#[case::another_type("file-sizes: func() -> list<u64>", "file-sizes: func() -> list<u32>")]
#[case::a_column_less("        ids: func() -> list<u64>;\n", "")]
#[case::an_import_less("    import log;\n", "")]
fn the_check_refuses_what_breaks_components(#[case] from: &str, #[case] to: &str) {
    assert!(head().contains(from));
    let broken = head().replacen(from, to, 1);
    let as_before = broken.replacen("@0.2.0", "@0.1.9", 1);
    semver_check(&as_before, &broken).expect("it is a contract, only another one");
    assert!(semver_check(&released(Contract::V0_1), &broken).is_err());
}

#[rstest]
#[case::a_column_more("        ids: func() -> list<u64>;\n", "        checksums: func() -> list<u64>;\n")]
#[case::an_import_more("    import log;\n", "    import clock: interface { now: func() -> s64; }\n")]
// Marks cross as bytes: the flags only name their bits.
#[case::a_mark_more("        inherited-cold,\n", "        uploaded,\n")]
fn the_check_allows_what_only_adds(#[case] line: &str, #[case] added: &str) {
    assert!(head().contains(line));
    semver_check(&released(Contract::V0_1), &head().replacen(line, &format!("{line}{added}"), 1)).unwrap();
}
