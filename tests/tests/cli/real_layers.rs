//! Layers of real databases, through the command.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use rstest::rstest;
use serde_json::Value;
use thermocline::heatmap::Heatmap;
use thermocline::layer::{LayerName, Lsn, visibility};

use crate::files::traces;
use crate::node::{Node, TIMELINE, TestLayer, attached};
use crate::support::real_data;

const UNSHARDED: &str = "0a110000000000000000000000000001";
const SHARD: &str = "0a220000000000000000000000000002-0008";
const GENERATION: u32 = 239;

fn sample(name: &str) -> Option<PathBuf> {
    Some([env!("CARGO_MANIFEST_DIR"), "data", "layers", name].iter().collect())
}

/// The names as one timeline's files, of which no index tells: the remote is empty.
fn without_index(names: &str) -> (Node, &'static str, Vec<TestLayer>, Lsn) {
    let named = |(number, line): (usize, &str)| TestLayer {
        size: 8192 * (1 + number as u64 % 7),
        generation: GENERATION,
        ..TestLayer::new(line.parse().unwrap())
    };
    let layers: Vec<_> = names.lines().enumerate().map(named).collect();
    let node = Node::new();
    node.tenant(UNSHARDED, &attached(GENERATION, "Single"));
    node.files(UNSHARDED, TIMELINE, &layers);
    let deltas = layers.iter().filter(|layer| layer.name.is_delta());
    let tip = deltas.map(|layer| layer.name.lsn_end().0 - 1).max().unwrap();
    (node, UNSHARDED, layers, Lsn(tip))
}

/// The layers of an index that was found in a bucket, four of five on disk.
fn with_index(index: &str) -> (Node, &'static str, Vec<TestLayer>, Lsn) {
    let parsed: Value = serde_json::from_str(index).unwrap();
    let entries = parsed["layer_metadata"].as_object().unwrap();
    let named = |(number, (name, metadata)): (usize, (&String, &Value))| TestLayer {
        name: name.parse().unwrap(),
        size: metadata["file_size"].as_u64().unwrap(),
        generation: metadata["generation"].as_u64().unwrap().try_into().unwrap(),
        resident: number % 5 != 2,
    };
    let layers: Vec<_> = entries.iter().enumerate().map(named).collect();
    assert!(layers.iter().all(|layer| layer.generation <= GENERATION));
    let node = Node::new();
    node.tenant(SHARD, &attached(GENERATION, "Single"));
    node.files(SHARD, TIMELINE, &layers);
    fs::write(node.index(SHARD, TIMELINE, GENERATION, &[]), index).unwrap();
    (node, SHARD, layers, parsed["disk_consistent_lsn"].as_str().unwrap().parse().unwrap())
}

#[rstest]
#[case::odd_brook_sample(sample("odd-brook-sample.names"), without_index)]
#[case::odd_brook(real_data("layers/odd-brook-layernames.txt"), without_index)]
#[case::mixed_workload_sample(sample("mixed-workload-index_part.json"), with_index)]
#[case::mixed_workload(real_data("layers/mixed-workload-index_part.json"), with_index)]
fn what_is_resident_and_visible_is_uploaded_once(
    #[case] data: Option<PathBuf>,
    #[case] lay_out: fn(&str) -> (Node, &'static str, Vec<TestLayer>, Lsn),
) {
    let Some(data) = data else { return };
    let (node, shard, layers, tip) = lay_out(&fs::read_to_string(data).unwrap());

    // A dry run touches nothing.
    let before = traces(node.root());
    let dry = node.upload(&["--dry-run", "--json"]).exits_with(0);
    assert_eq!(dry.row(shard)["outcome"], "would upload");
    assert_eq!(traces(node.root()), before);

    let uploaded = node.upload(&["--json"]).exits_with(0);
    assert_eq!(uploaded.row(shard)["outcome"], "uploaded");
    let object = fs::read(node.object(shard)).unwrap();
    let heatmap = Heatmap::decode(&object).unwrap();
    assert_eq!(heatmap.verify().complaints, []);
    assert_eq!(heatmap.to_bytes(), object);
    assert_eq!(heatmap.generation, GENERATION);
    assert_eq!(heatmap.timelines.len(), 1);

    // Whatever order they are in: each layer once, none that is covered or missing from disk, and all others.
    let names: Vec<LayerName> = layers.iter().map(|layer| layer.name).collect();
    let visible = visibility::visible(&names, &[tip]);
    let wanted = layers.iter().zip(&visible).filter(|(layer, visible)| **visible && layer.resident);
    let wanted: BTreeSet<_> = wanted.map(|(layer, _)| (layer.name, layer.size, Some(layer.generation))).collect();
    let listed = heatmap.timelines[0].layers.iter();
    let listed: Vec<_> =
        listed.map(|layer| (layer.name, layer.metadata.file_size, layer.metadata.generation.get())).collect();
    assert_eq!(listed.len(), wanted.len());
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), wanted);
    assert!(visible.contains(&false), "the data has no covered layer, and proves nothing of them");

    assert_eq!(fs::read(node.local_heatmap(shard)).unwrap(), object);
    assert!(node.generate(shard, &[]).exits_with(0).stdout == object);

    // Once more, and nothing is written, neither here nor there.
    let before = traces(node.root());
    let again = node.upload(&["--json"]).exits_with(0);
    assert_eq!(again.row(shard)["outcome"], "unchanged");
    assert_eq!(traces(node.root()), before);
}

#[test]
fn without_a_remote_the_folders_have_to_do_and_that_is_said() {
    let names = fs::read_to_string(sample("odd-brook-sample.names").unwrap()).unwrap();
    let (node, shard, layers, tip) = without_index(&names);
    let generated =
        crate::command::run(["generate", "--tenant", shard, "--data-dir", node.data().to_str().unwrap()]).exits_with(0);
    assert!(generated.stderr.contains("no remote is given: assumed that"), "{}", generated.stderr);
    let heatmap = Heatmap::decode(&generated.stdout).unwrap();
    let names: Vec<LayerName> = layers.iter().map(|layer| layer.name).collect();
    let visible = visibility::visible(&names, &[tip]).into_iter().filter(|visible| *visible).count();
    assert_eq!(heatmap.timelines[0].layers.len(), visible);
    assert!(!node.remote().exists());
}
