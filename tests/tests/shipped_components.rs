//! The components that ship with the command are those that their sources make, and answer as these do natively.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use rstest::rstest;
use thermocline::Digest;
use thermocline::layer::{Layer, LayerTable};
use thermocline::policy::conformance::{self, Depth, sample_layers, sample_tenant};
use thermocline::policy::{Engine, Limits, NO_CONFIG, Policy, Selection};
use thermocline_budget::Budget;
use thermocline_cli::policy::build::{build, built_with};
use thermocline_cli::policy::shipped::{SHIPPED, Shipped, shipped};
use thermocline_decay::Decay;
use thermocline_policy::{Layers as _, Marks, Policy as NativePolicy, Tenant};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(Limits::default()).unwrap());

fn load(component: &[u8]) -> Policy {
    Policy::load(&ENGINE, component, NO_CONFIG).unwrap()
}

fn table(layers: &[Layer]) -> Arc<LayerTable> {
    let mut builder = LayerTable::builder();
    layers.iter().for_each(|layer| builder.layer(*layer));
    Arc::new(builder.build().unwrap())
}

fn at(now: i64) -> Tenant {
    Tenant { now, ..sample_tenant() }
}

/// The answer of the component, which must be that of the same code natively.
fn answer<P: NativePolicy>(policy: &Policy, now: i64, layers: &[Layer], memory: &[u8]) -> Selection {
    let table = table(layers);
    let native = P::configure(NO_CONFIG).unwrap().select(&at(now), &*table, memory).unwrap();
    let native = Selection::check(native, table.rows()).unwrap();
    let answer = policy.select(&at(now), &table, memory).unwrap().answer;
    assert_eq!(answer, native);
    answer
}

#[rstest]
fn each_is_what_its_source_makes(#[values("budget", "decay")] name: &str) {
    let Shipped { component, .. } = shipped(name).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rebuilt.wasm");
    let rebuilt = build(&root().join("plugins").join(name), Some(&file)).unwrap();
    if built_with(component).as_deref() == Some(&*rebuilt.rustc) {
        assert_eq!(
            Digest::of(component),
            rebuilt.digest,
            "host/cli/src/policy/shipped/{name}.wasm is older than its source: run `cargo run -p thermocline-cli -- \
             policy build plugins/{name} -o host/cli/src/policy/shipped/{name}.wasm`"
        );
    } else {
        println!("built with {:?}, and here is {}: comparing answers", built_with(component), rebuilt.rustc);
    }
    let answers = |policy| conformance::check(policy, Depth::Full).answers;
    assert_eq!(answers(&load(&std::fs::read(&file).unwrap())), answers(&load(component)));
}

#[test]
fn each_says_that_it_is_who_it_ships_as_and_imports_nothing_but_the_contract() {
    assert!(SHIPPED.is_sorted_by_key(|shipped| shipped.name));
    for Shipped { name, component } in SHIPPED {
        let policy = load(component);
        assert_eq!(policy.description().name, *name);
        assert!(component.len() < 512 << 10, "{name}: {} bytes", component.len());
        let imports = &policy.shape().imports;
        assert!(imports.iter().all(|import| import.starts_with("thermocline:policy/")), "{name}: {imports:?}");
    }
    assert_eq!(shipped("nobody"), None);
}

/// Layers that are read, come, go, and come back, over three calls of 100,000.
#[rstest]
#[case::budget(assert_answers_as_natively::<Budget>)]
#[case::decay(assert_answers_as_natively::<Decay>)]
fn each_answers_as_it_does_natively(#[case] assert_answers: fn()) {
    assert_answers();
}

fn assert_answers_as_natively<P: NativePolicy>() {
    let description = P::describe();
    let policy = load(shipped(&description.name).unwrap().component);
    assert_eq!(*policy.description(), description);
    let now = sample_tenant().now;
    let mut layers = sample_layers(100_000);
    let memory = answer::<P>(&policy, now, &layers, &[]).memory().to_vec();
    for (number, layer) in (0..).zip(&mut layers).filter(|(number, _)| number % 3 == 0) {
        layer.access_count += number % 100;
    }
    let memory = answer::<P>(&policy, now + 60, &layers, &memory).memory().to_vec();
    assert!(memory.len() <= 4096 + 24 * 100_000);
    let mut number = 0;
    layers.retain(|_| {
        number += 1;
        number % 7 != 0 && !(50_000..60_000).contains(&number)
    });
    answer::<P>(&policy, now + 600, &layers, &memory);
    answer::<P>(&policy, now + 600, &[], &memory);
}

proptest! {
    #[test]
    fn each_answers_as_it_does_natively_over_any_layers_and_memory(
        rows in prop::collection::vec((any::<u8>(), any::<i64>(), any::<u64>(), 0..4_u8), 0..60),
        cut in 0..60_usize,
        garbage in prop::option::of(any::<Vec<u8>>()),
        later_s in 0..1_000_000_i64,
    ) {
        static BUDGET: LazyLock<Policy> = LazyLock::new(|| load(shipped("budget").unwrap().component));
        static DECAY: LazyLock<Policy> = LazyLock::new(|| load(shipped("decay").unwrap().component));
        let now = sample_tenant().now;
        let mut layers = sample_layers(rows.len());
        for (layer, (marks, access_time, access_count, kind)) in layers.iter_mut().zip(&rows) {
            // What the marks say of its kind follows from its name.
            layer.marks = Marks(marks & !(Marks::DELTA | Marks::L0).0);
            match kind {
                0 => layer.access_time = *access_time,
                1 => layer.access_count = *access_count,
                _ => layer.access_count %= 3,
            }
        }
        let from = cut.min(layers.len());
        let before = answer::<Budget>(&BUDGET, now, &layers[from..], &[]).memory().to_vec();
        answer::<Budget>(&BUDGET, now + later_s, &layers, garbage.as_ref().unwrap_or(&before));
        let before = answer::<Decay>(&DECAY, now, &layers[from..], &[]).memory().to_vec();
        answer::<Decay>(&DECAY, now + later_s, &layers, garbage.as_ref().unwrap_or(&before));
    }
}
