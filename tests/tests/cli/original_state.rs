//! The data directories and the bucket of two original pageservers, through the command.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use thermocline::heatmap::Heatmap;
use thermocline::layer::TimelineId;

use crate::command::{Run, run};
use crate::files::traces;
use crate::support::real_data;

/// Attached on both pageservers: in generation 2 on the first, in 3 on the second, whose heatmap is the bucket's.
const MIGRATED: &str = "0a220000000000000000000000000002";
const FIRST: &str = "ps1";
const SECOND: &str = "ps2";

/// Two pageservers' data directories, and the bucket of both.
struct State(TempDir);

impl State {
    fn unpack() -> Option<Self> {
        let packed = real_data("pageserver/state.tar.zst")?;
        let folder = tempfile::tempdir().unwrap();
        let tar = Command::new("tar").args(["-x", "-C"]).arg(folder.path()).stdin(Stdio::piped()).spawn();
        let mut tar = tar.unwrap();
        let mut unpacked = zstd::Decoder::new(File::open(packed).unwrap()).unwrap();
        io::copy(&mut unpacked, &mut tar.stdin.take().unwrap()).unwrap();
        assert!(tar.wait().unwrap().success());
        Some(State(folder))
    }

    fn data(&self, pageserver: &str) -> PathBuf {
        self.0.path().join(pageserver)
    }

    fn object(&self, shard: &str) -> PathBuf {
        self.0.path().join("remote1/tenants").join(shard).join("heatmap-v1.json")
    }

    fn run(&self, command: &str, pageserver: &str, more: &[&str]) -> Run {
        let (data, remote) = (self.data(pageserver), self.0.path().join("remote1"));
        let args = [command, "--data-dir", data.to_str().unwrap(), "--remote", remote.to_str().unwrap()];
        run(args.iter().chain(more))
    }

    fn generate(&self, pageserver: &str, shard: &str) -> Heatmap {
        let run = self.run("generate", pageserver, &["--tenant", shard]).exits_with(0);
        Heatmap::decode(&run.stdout).unwrap()
    }
}

fn decode(path: &Path) -> Heatmap {
    Heatmap::decode(&fs::read(path).unwrap()).unwrap()
}

/// All that a heatmap says of each timeline, but for access times and order.
fn content(heatmap: &Heatmap) -> BTreeMap<TimelineId, BTreeSet<String>> {
    let timelines = heatmap.timelines.iter().map(|timeline| {
        let layers = timeline.layers.iter();
        let layers: BTreeSet<_> = layers.map(|l| format!("{} {:?} cold {}", l.name, l.metadata, l.cold)).collect();
        assert_eq!(layers.len(), timeline.layers.len(), "a layer is listed twice");
        (timeline.timeline_id, layers)
    });
    timelines.collect()
}

#[test]
fn every_attached_shard_has_the_heatmap_that_the_original_wrote() {
    let Some(state) = State::unpack() else { return };
    let attached = [
        (FIRST, MIGRATED),
        (FIRST, "0a330000000000000000000000000003-0002"),
        (FIRST, "0a330000000000000000000000000003-0102"),
        (SECOND, "0a110000000000000000000000000001"),
        (SECOND, MIGRATED),
    ];
    let mut left: BTreeSet<_> = [FIRST, SECOND]
        .into_iter()
        .flat_map(|pageserver| {
            let rows = state.run("upload", pageserver, &["--dry-run", "--json"]).json();
            let rows = rows.as_array().unwrap().clone().into_iter();
            let here = rows.filter(|row| row["outcome"] != "skipped");
            here.map(move |row| (pageserver, row["shard"].as_str().unwrap().to_owned())).collect::<Vec<_>>()
        })
        .collect();
    for (pageserver, shard) in attached {
        assert!(left.remove(&(pageserver, shard.to_owned())), "{shard} is not attached on {pageserver}");
        // The bucket has the second one's of the tenant that moved; the first one's is still in its folder.
        let theirs = match (pageserver, shard) {
            (FIRST, MIGRATED) => state.data(FIRST).join("tenants").join(shard).join("heatmap-v1.json"),
            _ => state.object(shard),
        };
        let (ours, theirs) = (state.generate(pageserver, shard), decode(&theirs));
        assert_eq!(content(&ours), content(&theirs), "{shard} on {pageserver}");
        assert_eq!((ours.generation, ours.upload_period_ms), (theirs.generation, theirs.upload_period_ms));
    }
    assert!(left.is_empty(), "attached as well: {left:?}");
}

#[test]
fn the_location_of_an_older_generation_is_refused() {
    let Some(state) = State::unpack() else { return };
    let (bucket, kept) = (fs::read(state.object(MIGRATED)).unwrap(), state.data(FIRST).join("tenants").join(MIGRATED));
    let before = (traces(&state.object(MIGRATED)), traces(&kept));
    for more in [&["--json"][..], &["--json", "--tenant", MIGRATED], &["--json", "--dry-run"]] {
        let row = state.run("upload", FIRST, more).exits_with(1).row(MIGRATED);
        assert_eq!(row["outcome"], "failed");
        assert_eq!(
            row["reason"],
            "stale: the heatmap in the bucket is of generation 3, this location is attached in generation 2; it was \
             not replaced. Upload from the location of generation 3"
        );
    }
    assert!(fs::read(state.object(MIGRATED)).unwrap() == bucket);
    assert_eq!((traces(&state.object(MIGRATED)), traces(&kept)), before);

    // The location of the newer generation may.
    let row = state.run("upload", SECOND, &["--json", "--tenant", MIGRATED]).exits_with(0).row(MIGRATED);
    assert!(row["outcome"] == "uploaded" || row["outcome"] == "unchanged", "{row}");
}

#[test]
fn what_was_inherited_stays_and_what_was_evicted_leaves() {
    let Some(state) = State::unpack() else { return };
    let folder = state.data(SECOND).join("tenants").join(MIGRATED).join("timelines");
    let on_disk = |timeline: TimelineId, name: &str| {
        let entries = fs::read_dir(folder.join(timeline.to_string())).unwrap();
        let mut files = entries.map(|entry| entry.unwrap().path());
        files.find(|file| file.file_name().unwrap().to_str().unwrap().starts_with(&format!("{name}-v1-")))
    };
    let upload = || state.run("upload", SECOND, &["--tenant", MIGRATED]).exits_with(0);
    upload();
    let first = decode(&state.object(MIGRATED));
    let listed = first
        .timelines
        .iter()
        .flat_map(|timeline| timeline.layers.iter().map(|layer| (timeline.timeline_id, layer.name.to_string())));
    let (resident, inherited): (Vec<_>, Vec<_>) =
        listed.partition(|(timeline, name)| on_disk(*timeline, name).is_some());
    assert_eq!(inherited.len(), 11);

    let (timeline, name) = &resident[0];
    fs::remove_file(on_disk(*timeline, name).unwrap()).unwrap();
    upload();
    let mut expected = content(&first);
    expected.get_mut(timeline).unwrap().retain(|layer| !layer.starts_with(name.as_str()));
    assert_eq!(content(&decode(&state.object(MIGRATED))), expected);
}
