//! The component in the host is the one that its source makes, and answers as its source does natively.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use thermocline::Digest;
use thermocline::layer::{Key, Layer, LayerMetadata, LayerName, LayerTable, Lsn, TimelineId};
use thermocline::policy::conformance::{self, Depth};
use thermocline::policy::{DueUpload, Engine, Limits, NO_CONFIG, Policy, RESIDENT_SET, UploadQueue};
use thermocline_cli::policy::build::{build, built_with};
use thermocline_policy::{Marks, Policy as _, Tenant};
use thermocline_resident_set::ResidentSet;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(Limits::default()).unwrap());

fn load(component: &[u8]) -> Policy {
    Policy::load(&ENGINE, component, NO_CONFIG).unwrap()
}

fn tenant() -> Tenant {
    Tenant { shard: "1f359dd625e519a1a4e8d7509690f6fc".into(), generation: 1, now: 0, checkpoint_distance: 1 << 28 }
}

/// A table whose rows are (marks, L0 delta or image, LSN end), less those that would be there twice.
fn table(rows: &[(u8, bool, u64)]) -> Arc<LayerTable> {
    let mut builder = LayerTable::builder();
    let mut seen = std::collections::HashSet::new();
    for &(marks, l0, lsn_end) in rows.iter().filter(|(_, l0, lsn_end)| seen.insert((*l0, *lsn_end))) {
        builder.layer(Layer {
            timeline: TimelineId::from_bytes([7; 16]),
            name: match l0 {
                true => LayerName::delta(Key::MIN, Key::MAX, Lsn(0), Lsn(lsn_end)).unwrap(),
                false => LayerName::image(Key::MIN, Key::MAX, Lsn(lsn_end - 1)),
            },
            metadata: LayerMetadata::default(),
            access_time: 0,
            access_count: 0,
            resident_since: None,
            marks: Marks(marks),
        });
    }
    Arc::new(builder.build().unwrap())
}

fn assert_answers_as_native(policy: &Policy, table: &Arc<LayerTable>) {
    let native = ResidentSet.select(&tenant(), &**table, &[]).unwrap();
    let answer = policy.select(&tenant(), table, &[]).unwrap().answer;
    assert_eq!((answer.rows(), answer.cold_from()), (&*native.rows, native.cold_from as usize));
    assert_eq!((answer.heats(), answer.valid_for_s(), answer.memory()), (None, None, &[][..]));
}

/// Rows of every combination of marks, some LSNs twice, over `lsn_step` times as many bytes of WAL.
fn many_rows(count: u64, lsn_step: u64) -> Vec<(u8, bool, u64)> {
    let row = |row: u64| (u8::try_from(row % 61).unwrap(), row.is_multiple_of(3), (row * 7919 % count + 1) * lsn_step);
    (0..count).map(row).collect()
}

#[test]
fn the_component_is_what_its_source_makes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rebuilt.wasm");
    let rebuilt = build(&root().join("plugins/resident-set"), Some(&file)).unwrap();
    if built_with(RESIDENT_SET).as_deref() == Some(&*rebuilt.rustc) {
        assert_eq!(
            Digest::of(RESIDENT_SET),
            rebuilt.digest,
            "host/src/policy/resident-set.wasm is older than its source: run `cargo run -p thermocline-cli -- \
             policy build plugins/resident-set -o host/src/policy/resident-set.wasm`"
        );
    } else {
        println!("built with {:?}, and here is {}: comparing answers", built_with(RESIDENT_SET), rebuilt.rustc);
    }
    let rebuilt = load(&std::fs::read(&file).unwrap());
    let answers = |policy| conformance::check(policy, Depth::Full).answers;
    assert_eq!(answers(&rebuilt), answers(&load(RESIDENT_SET)));
    for (count, lsn_step) in [(1, 1), (1_000, 8), (100_000, 1 << 20), (10_000, 1 << 48)] {
        assert_answers_as_native(&rebuilt, &table(&many_rows(count, lsn_step)));
    }
}

#[test]
fn the_component_answers_as_the_native_policy() {
    let embedded = load(RESIDENT_SET);
    assert_answers_as_native(&embedded, &table(&[]));
    for (count, lsn_step) in [(1, 1), (1_000, 8), (100_000, 1 << 20), (10_000, 1 << 48)] {
        assert_answers_as_native(&embedded, &table(&many_rows(count, lsn_step)));
    }
}

proptest! {
    #[test]
    fn the_component_answers_as_the_native_policy_over_any_table(
        rows in prop::collection::vec((any::<u8>(), any::<bool>(), 1..u64::MAX), 0..100),
        mask in prop::sample::select(vec![0xff, 0xffff_ff00, u64::MAX]),
    ) {
        static EMBEDDED: LazyLock<Policy> = LazyLock::new(|| load(RESIDENT_SET));
        let rows: Vec<_> = rows.into_iter().map(|(marks, l0, lsn)| (marks, l0, (lsn & mask).max(1))).collect();
        assert_answers_as_native(&EMBEDDED, &table(&rows));
    }

    #[test]
    fn the_component_ranks_as_the_native_policy(due: Vec<(Option<u64>, u64, u64)>) {
        static EMBEDDED: LazyLock<Policy> = LazyLock::new(|| load(RESIDENT_SET));
        let upload = |&(age_ms, period_ms, overdue_ms): &_| DueUpload { age_ms, period_ms, overdue_ms, ..DueUpload::default() };
        let queue = Arc::new(UploadQueue::from_iter(due.iter().map(upload)));
        let ranked = EMBEDDED.rank_uploads(0, &queue).unwrap().answer;
        prop_assert_eq!(ranked.order(), ResidentSet.rank_uploads(0, &*queue).unwrap());
    }
}

#[test]
fn the_component_is_small_and_imports_nothing_but_the_contract() {
    let embedded = load(RESIDENT_SET);
    assert!(RESIDENT_SET.len() < 96 << 10, "{} bytes", RESIDENT_SET.len());
    assert_eq!(*embedded.description(), ResidentSet::describe());
    let imports = &embedded.shape().imports;
    assert!(imports.iter().all(|import| import.starts_with("thermocline:policy/")), "{imports:?}");
}

#[test]
fn a_setting_is_refused_by_name() {
    let refused = Policy::load(&ENGINE, RESIDENT_SET, r#"{"horizon_s": 60}"#).unwrap_err().to_string();
    assert!(refused.contains("resident-set") && refused.contains("horizon_s"), "{refused}");
}
