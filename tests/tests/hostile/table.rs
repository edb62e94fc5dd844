//! The table of hostile components, and their files.

use std::collections::BTreeSet;

use thermocline_tests::hostile::{Bites, folder};

use super::*;

#[test]
fn each_file_has_a_row_and_each_row_a_component() {
    let files: BTreeSet<_> = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path()).collect();
    let files = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "wat"));
    let files: BTreeSet<_> = files.map(|file| file.file_stem().unwrap().to_str().unwrap()).collect();
    let rows: BTreeSet<_> = ALL.iter().map(|hostile| hostile.name).chain(["prelude"]).collect();
    assert_eq!(rows.len(), ALL.len() + 1, "a name comes twice");
    let without: Vec<_> = files.difference(&rows).collect();
    assert!(without.is_empty(), "{without:?}");
    for hostile in &*ALL {
        let bytes = hostile.bytes().unwrap_or_else(|error| panic!("{}: {error:#}", hostile.name));
        assert!(!bytes.is_empty(), "{}", hostile.name);
    }
}

#[test]
fn there_are_some_of_each_kind_and_each_that_bites_is_told_of() {
    let count = |bites: Bites| ALL.iter().filter(|hostile| hostile.bites == bites).count();
    for bites in [Bites::Install, Bites::Configure, Bites::Select, Bites::Rank, Bites::Later, Bites::Never] {
        assert!(count(bites) >= 3, "{bites}: {}", count(bites));
    }
    for Hostile { name, bites, says, .. } in &*ALL {
        assert_eq!(says.is_empty(), *bites == Bites::Never, "{name}");
    }
}

#[test]
fn what_sleeps_is_another_component() {
    for hostile in ALL.iter().filter(|hostile| matches!(hostile.bites, Bites::Select | Bites::Rank)) {
        assert_ne!(hostile.asleep().unwrap(), hostile.bytes().unwrap(), "{}", hostile.name);
    }
}
