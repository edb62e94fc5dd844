//! A data directory and bucket that a pageserver wrote: what is told of them is what that pageserver told.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use rstest::rstest;
use support::real_data;
use thermocline::datadir::{DataDir, DataDirOptions, Location, Look, Note, Skip};
use thermocline::heatmap::Heatmap;
use thermocline::layer::{Layer, LayerMetadata, LayerName, TenantShardId, TimelineId};
use thermocline::pageserver::{AttachMode, Pageserver, PageserverError, Shard};
use thermocline::remote::{ETag, Got, LocalDir, PutIf, Remote, RemoteError};

const ATTACHED: &str = "0a220000000000000000000000000002";

/// Two pageservers' data directories, `ps1` and `ps2`, and their bucket, `remote1`; unpacked.
struct State(tempfile::TempDir);

impl State {
    fn unpack() -> Option<State> {
        let archive = real_data("pageserver/state.tar.zst")?;
        let folder = tempfile::tempdir().unwrap();
        let mut tar = Command::new("tar").args(["-x", "-C"]).arg(folder.path()).stdin(Stdio::piped()).spawn().unwrap();
        zstd::stream::copy_decode(File::open(archive).unwrap(), tar.stdin.take().unwrap()).unwrap();
        assert!(tar.wait().unwrap().success());
        Some(State(folder))
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    fn remote(&self) -> Arc<dyn Remote> {
        Arc::new(LocalDir::new(&self.path("remote1")).unwrap())
    }

    fn open(&self, pageserver: &str) -> DataDir {
        self.open_with(pageserver, DataDirOptions::default())
    }

    fn open_with(&self, pageserver: &str, options: DataDirOptions) -> DataDir {
        let options = DataDirOptions { remote: Some(self.remote()), ..options };
        DataDir::open(&self.path(pageserver), options).unwrap()
    }

    fn heatmap(&self, path: &str) -> Heatmap {
        Heatmap::decode(&fs::read(self.path(path)).unwrap()).unwrap()
    }

    /// The index parts of the attached tenant's main timeline: the older and the newest.
    fn indexes(&self) -> [PathBuf; 2] {
        let timeline = format!("remote1/tenants/{ATTACHED}/timelines/21212121212121212121212121212121");
        ["index_part.json-00000001", "index_part.json-00000002"].map(|name| self.path(&timeline).join(name))
    }
}

fn id(text: &str) -> TenantShardId {
    text.parse().unwrap()
}

type Listed = BTreeMap<TimelineId, BTreeMap<LayerName, (LayerMetadata, bool)>>;

/// What the default policy lists, by timeline: each layer's metadata, and whether it is cold.
fn listed(look: &Look) -> Listed {
    let mut listed: Listed = look.table.timeline_ids().iter().map(|&timeline| (timeline, BTreeMap::new())).collect();
    for Layer { timeline, name, metadata, marks, .. } in look.table.layers() {
        let hot = marks.is_resident() && marks.is_visible() || marks.is_inherited();
        if hot || marks.is_inherited_cold() {
            listed.get_mut(&timeline).unwrap().insert(name, (metadata, !hot));
        }
    }
    listed
}

fn listed_in(heatmap: &Heatmap) -> Listed {
    let layers = |layers: &[thermocline::heatmap::HeatmapLayer]| {
        layers.iter().map(|layer| (layer.name, (layer.metadata, layer.cold))).collect()
    };
    heatmap.timelines.iter().map(|timeline| (timeline.timeline_id, layers(&timeline.layers))).collect()
}

fn count(look: &Look, which: impl Fn(&Layer) -> bool) -> usize {
    look.table.layers().filter(which).count()
}

fn inherited(layer: &Layer) -> bool {
    layer.marks.is_inherited() || layer.marks.is_inherited_cold()
}

#[rstest]
#[case::shard_of_a_split("ps1", "0a330000000000000000000000000003-0002", "remote1", 0)]
#[case::its_sibling("ps1", "0a330000000000000000000000000003-0102", "remote1", 0)]
#[case::after_a_migration("ps2", "0a110000000000000000000000000001", "remote1", 0)]
#[case::with_much_inherited("ps2", ATTACHED, "remote1", 11)]
// The bucket holds the heatmap of a later attachment, so this one's own is the local one.
#[case::of_an_older_attachment("ps1", ATTACHED, "ps1", 1)]
#[tokio::test]
async fn each_attached_shard_lists_what_the_original_listed(
    #[case] pageserver: &str,
    #[case] shard: &str,
    #[case] written_to: &str,
    #[case] expected_inherited: usize,
) {
    let Some(state) = State::unpack() else { return };
    let look = state.open(pageserver).look(id(shard)).await.unwrap();
    let original = state.heatmap(&format!("{written_to}/tenants/{shard}/heatmap-v1.json"));
    assert_eq!(listed(&look), listed_in(&original));
    assert_eq!(count(&look, inherited), expected_inherited);
    assert_eq!(look.notes, []);
    for layer in look.table.layers().filter(inherited) {
        let timeline = original.timelines.iter().find(|timeline| timeline.timeline_id == layer.timeline).unwrap();
        let entry = timeline.layers.iter().find(|entry| entry.name == layer.name).unwrap();
        assert_eq!(layer.access_time, entry.access_time);
    }
}

#[tokio::test]
async fn every_tenant_is_told_with_its_location() {
    let Some(state) = State::unpack() else { return };
    let tenants = state.path("ps1/tenants");
    for (name, config) in [
        ("0a440000000000000000000000000004", "[mode.Attached]\ngeneration = 7\nattach_mode = 'Stale'\n"),
        ("0a550000000000000000000000000005", "[mode.Attached]\nattach_mode = 'Single'\n"),
        ("0a660000000000000000000000000006", "[mode.Atta"),
    ] {
        fs::create_dir(tenants.join(name)).unwrap();
        fs::write(tenants.join(name).join("config-v1"), config).unwrap();
    }
    fs::create_dir(tenants.join("0a770000000000000000000000000007")).unwrap();
    fs::create_dir(tenants.join("no tenant")).unwrap();

    let datadir = state.open("ps1");
    let told: Vec<_> = datadir.tenants().await.unwrap();
    let told: Vec<_> = told
        .into_iter()
        .map(|tenant| match tenant.location {
            Location::Attached(shard) => (
                tenant.id.to_string(),
                format!("{:?} {} {:?}", shard.attach_mode, shard.generation, shard.upload_period),
            ),
            Location::Skipped(skip) => (tenant.id.to_string(), skip.to_string()),
        })
        .collect();
    let expected = [
        ("0a110000000000000000000000000001", "secondary: its attached location uploads the heatmap"),
        ("0a220000000000000000000000000002", "Single 2 60s"),
        ("0a330000000000000000000000000003-0002", "Single 2 10s"),
        ("0a330000000000000000000000000003-0102", "Single 2 10s"),
        ("0a440000000000000000000000000004", "Stale 7 60s"),
        ("0a550000000000000000000000000005", "attached without a generation, which a heatmap has to carry"),
    ];
    for ((id, location), (expected_id, expected_location)) in told.iter().zip(expected) {
        assert_eq!((&id[..], &location[..]), (expected_id, expected_location));
    }
    assert!(told[6].1.starts_with("damaged: ") && told[6].1.contains("config-v1"), "{}", told[6].1);
    assert_eq!(told[7].1, "detached: there is no config-v1");
    assert_eq!(told.len(), 8);

    let shards = datadir.shards().await.unwrap();
    assert_eq!(shards.len(), 4);
    assert_eq!(shards[0].checkpoint_distance_bytes, 1_048_576);
    assert_eq!(shards[3].attach_mode, AttachMode::Stale);
    assert_ne!(shards[0].revision, datadir.shards().await.unwrap()[0].revision);

    let not_attached = |error| matches!(error, PageserverError::NotAttached(_));
    assert!(not_attached(datadir.look(id(expected[0].0)).await.unwrap_err()));
    assert!(not_attached(datadir.look(id("0a770000000000000000000000000007")).await.unwrap_err()));
    assert!(not_attached(datadir.look(id("0a880000000000000000000000000008")).await.unwrap_err()));
    let error = datadir.look(id("0a660000000000000000000000000006")).await.unwrap_err().to_string();
    assert!(error.contains("0a66") && error.contains("config-v1"), "{error}");
    let Location::Skipped(Skip::Damaged { .. }) =
        datadir.tenant(id("0a660000000000000000000000000006")).await.unwrap().location
    else {
        panic!("damaged")
    };
    assert!(datadir.hold(id(ATTACHED)).is_ok());
    assert!(datadir.hold(id("0a770000000000000000000000000007")).is_err());
}

#[tokio::test]
async fn the_period_is_the_tenants_or_the_pageservers_or_ours() {
    let Some(state) = State::unpack() else { return };
    let config = state.path(&format!("ps2/tenants/{ATTACHED}/config-v1"));
    let text = fs::read_to_string(&config).unwrap().replace("heatmap_period", "no_period");
    fs::write(&config, text).unwrap();
    let period = async || {
        let datadir = state.open("ps2");
        let shards = datadir.shards().await.unwrap();
        shards.iter().find(|shard| shard.id == id(ATTACHED)).unwrap().upload_period.as_secs()
    };
    assert_eq!(period().await, 60);
    fs::write(state.path("ps2/pageserver.toml"), "[tenant_config]\nheatmap_period = '5m'\n").unwrap();
    assert_eq!(period().await, 300);
    fs::write(state.path("ps2/pageserver.toml"), "[tenant_config").unwrap();
    assert_eq!(period().await, 60);
}

/// A resident, visible layer of the attached tenant on `ps2`, and its file.
async fn some_resident(state: &State, datadir: &DataDir) -> (LayerName, PathBuf) {
    let look = datadir.look(id(ATTACHED)).await.unwrap();
    let layer = look.table.layers().find(|layer| layer.marks.is_resident() && layer.marks.is_visible()).unwrap();
    let Layer { timeline, name, metadata, .. } = layer;
    let file = format!("ps2/tenants/{ATTACHED}/timelines/{timeline}/{name}-v1{}", metadata.generation.suffix());
    (name, state.path(&file))
}

async fn is_inherited(datadir: &DataDir, name: LayerName) -> bool {
    let look = datadir.look(id(ATTACHED)).await.unwrap();
    look.table.layers().any(|layer| layer.name == name && inherited(&layer))
}

#[tokio::test]
async fn a_layer_that_was_seen_and_is_gone_was_evicted() {
    let Some(state) = State::unpack() else { return };
    let datadir = state.open("ps2");
    let (name, file) = some_resident(&state, &datadir).await;
    fs::remove_file(&file).unwrap();
    for _ in 0..2 {
        let look = datadir.look(id(ATTACHED)).await.unwrap();
        assert_eq!((count(&look, inherited), look.notes), (11, vec![]));
    }
    assert!(!is_inherited(&state.open("ps2"), name).await, "after a restart, too");

    // Attached anew, nothing of before counts.
    let config = state.path(&format!("ps2/tenants/{ATTACHED}/config-v1"));
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("generation = 3", "generation = 4")).unwrap();
    assert!(is_inherited(&datadir, name).await);
}

#[tokio::test]
async fn a_look_that_is_not_noted_leaves_no_trace() {
    let Some(state) = State::unpack() else { return };
    let datadir = state.open_with("ps2", DataDirOptions { note_sightings: false, ..DataDirOptions::default() });
    let (name, file) = some_resident(&state, &datadir).await;
    assert!(!state.path("ps2/thermocline").exists());
    fs::remove_file(&file).unwrap();
    assert!(is_inherited(&datadir, name).await);
}

#[tokio::test]
async fn a_damaged_state_file_is_as_none_and_is_written_anew() {
    let Some(state) = State::unpack() else { return };
    let datadir = state.open("ps2");
    let (name, file) = some_resident(&state, &datadir).await;
    let seen = state.path(&format!("ps2/thermocline/{ATTACHED}.seen"));
    let whole = fs::read(&seen).unwrap();
    for end in (0..whole.len()).step_by(97) {
        fs::write(&seen, &whole[..end]).unwrap();
        let look = datadir.look(id(ATTACHED)).await.unwrap();
        assert!(matches!(&look.notes[..], [Note::DamagedState { why }] if why.contains(".seen")), "{:?}", look.notes);
        assert_eq!(fs::read(&seen).unwrap(), whole);
    }
    fs::write(&seen, &whole[..97]).unwrap();
    fs::remove_file(&file).unwrap();
    assert!(is_inherited(&datadir, name).await);
}

#[tokio::test]
async fn that_nothing_can_be_noted_is_told_once() {
    let Some(state) = State::unpack() else { return };
    fs::write(state.path("in the way"), "").unwrap();
    let options = DataDirOptions { state_dir: Some(state.path("in the way")), ..DataDirOptions::default() };
    let datadir = state.open_with("ps2", options);
    let told = async || {
        let notes = datadir.look(id(ATTACHED)).await.unwrap().notes;
        notes.iter().filter(|note| matches!(note, Note::StateNotKept { .. })).count()
    };
    assert_eq!(told().await, 1);
    assert_eq!(told().await, 0);
}

#[tokio::test]
async fn an_uploaded_heatmap_becomes_the_local_one() {
    let Some(state) = State::unpack() else { return };
    let datadir = state.open("ps2");
    let shard = datadir.shard(id(ATTACHED)).await.unwrap();
    datadir.uploaded(&shard, b"the new one").await.unwrap();
    let folder = state.path(&format!("ps2/tenants/{ATTACHED}"));
    assert_eq!(fs::read(folder.join("heatmap-v1.json")).unwrap(), b"the new one");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
    // Detached meanwhile: no folder is made for it again.
    let gone = Shard { id: id("0a880000000000000000000000000008"), ..shard };
    datadir.uploaded(&gone, b"").await.unwrap();
    assert!(!state.path("ps2/tenants").join(gone.id.to_string()).exists());
}

#[rstest]
#[case::attached_anew(Some("[mode.Attached]\ngeneration = 4\nattach_mode = 'Single'\n"), true)]
#[case::secondary(Some("[mode.Secondary]\nwarm = true\n"), true)]
#[case::without_generation(Some("[mode.Attached]\nattach_mode = 'Single'\n"), true)]
#[case::detached(None, true)]
#[case::damaged(Some("[mode.Atta"), false)]
#[tokio::test]
async fn an_upload_of_another_location_leaves_the_local_heatmap_alone(
    #[case] becomes: Option<&str>,
    #[case] told: bool,
) {
    let Some(state) = State::unpack() else { return };
    let datadir = state.open("ps2");
    let shard = datadir.shard(id(ATTACHED)).await.unwrap();
    let folder = state.path(&format!("ps2/tenants/{ATTACHED}"));
    let before = fs::read(folder.join("heatmap-v1.json")).unwrap();
    match becomes {
        Some(config) => fs::write(folder.join("config-v1"), config).unwrap(),
        None => fs::remove_file(folder.join("config-v1")).unwrap(),
    }
    let names = fs::read_dir(&folder).unwrap().count();
    assert_eq!(datadir.uploaded(&shard, b"late").await.is_ok(), told);
    assert!(fs::read(folder.join("heatmap-v1.json")).unwrap() == before);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), names);
}

#[tokio::test]
async fn one_shard_is_told_as_it_is_now_or_why_it_is_not() {
    let Some(state) = State::unpack() else { return };
    let datadir = state.open("ps2");
    let config = state.path(&format!("ps2/tenants/{ATTACHED}/config-v1"));
    let shard = datadir.shard(id(ATTACHED)).await.unwrap();
    assert_eq!((shard.id, shard.generation.get()), (id(ATTACHED), Some(3)));

    fs::write(&config, "[mode.Attached]\nattach_mode = 'Single'\n").unwrap();
    let error = datadir.shard(id(ATTACHED)).await.unwrap_err();
    assert!(matches!(error, PageserverError::NotReady { .. }), "{error}");
    fs::write(&config, "[mode.Atta").unwrap();
    let error = datadir.shard(id(ATTACHED)).await.unwrap_err();
    assert!(matches!(error, PageserverError::Damaged { .. }) && error.to_string().contains("config-v1"), "{error}");
    fs::write(&config, "[mode.Secondary]\nwarm = true\n").unwrap();
    assert!(matches!(datadir.shard(id(ATTACHED)).await.unwrap_err(), PageserverError::NotAttached(_)));
    fs::remove_file(&config).unwrap();
    assert!(matches!(datadir.shard(id(ATTACHED)).await.unwrap_err(), PageserverError::NotAttached(_)));

    // A disk that is not mounted has detached nobody.
    fs::rename(state.path("ps2/tenants"), state.path("ps2/away")).unwrap();
    let error = datadir.shard(id(ATTACHED)).await.unwrap_err();
    assert!(matches!(error, PageserverError::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn a_truncated_local_heatmap_is_told_and_counts_as_none() {
    let Some(state) = State::unpack() else { return };
    let file = state.path(&format!("ps2/tenants/{ATTACHED}/heatmap-v1.json"));
    let whole = fs::read(&file).unwrap();
    let datadir = state.open("ps2");
    for end in (0..whole.len()).step_by(97) {
        fs::write(&file, &whole[..end]).unwrap();
        let look = datadir.look(id(ATTACHED)).await.unwrap();
        assert!(matches!(&look.notes[..], [Note::DamagedHeatmap { .. }]), "{:?}", look.notes);
        assert_eq!(count(&look, inherited), 0);
    }
    fs::remove_file(&file).unwrap();
    assert_eq!(datadir.look(id(ATTACHED)).await.unwrap().notes, []);
}

#[tokio::test]
async fn a_truncated_index_falls_back_to_an_older_one_or_is_an_error_that_names_it() {
    let Some(state) = State::unpack() else { return };
    let [older, newest] = state.indexes();
    let whole = fs::read(&newest).unwrap();
    let datadir = state.open("ps2");
    let expected = listed(&datadir.look(id(ATTACHED)).await.unwrap());
    for end in (0..whole.len()).step_by(97) {
        fs::write(&newest, &whole[..end]).unwrap();
        let look = datadir.look(id(ATTACHED)).await.unwrap();
        let [Note::OlderObject { damaged, .. }, ..] = &look.notes[..] else { panic!("{:?}", look.notes) };
        assert!(damaged.ends_with("index_part.json-00000002"), "{damaged}");
    }
    fs::remove_file(&older).unwrap();
    for end in (0..whole.len()).step_by(97) {
        fs::write(&newest, &whole[..end]).unwrap();
        let error = datadir.look(id(ATTACHED)).await.unwrap_err();
        assert!(matches!(error, PageserverError::Damaged { .. }));
        assert!(error.to_string().contains("index_part.json-00000002"), "{error}");
    }
    fs::write(&newest, &whole).unwrap();
    assert_eq!(listed(&datadir.look(id(ATTACHED)).await.unwrap()), expected);
}

#[tokio::test]
async fn a_truncated_configuration_is_an_error_or_reads_the_same() {
    let Some(state) = State::unpack() else { return };
    let file = state.path(&format!("ps2/tenants/{ATTACHED}/config-v1"));
    let whole = fs::read(&file).unwrap();
    let datadir = state.open("ps2");
    for end in 0..whole.len() {
        fs::write(&file, &whole[..end]).unwrap();
        match datadir.tenant(id(ATTACHED)).await.unwrap().location {
            Location::Attached(shard) => assert_eq!(shard.generation.get(), Some(3)),
            Location::Skipped(Skip::Damaged { file, .. }) => assert!(file.ends_with("config-v1")),
            Location::Skipped(other) => panic!("{other:?} at {end}"),
        }
    }
}

#[tokio::test]
async fn an_index_of_an_attachment_to_come_is_not_read() {
    let Some(state) = State::unpack() else { return };
    let [older, newest] = state.indexes();
    let datadir = state.open("ps2");
    let expected = listed(&datadir.look(id(ATTACHED)).await.unwrap());
    fs::write(older.with_file_name("index_part.json-00000004"), "not read").unwrap();
    fs::write(older.with_file_name("index_part.json"), "not read either, being the oldest").unwrap();
    fs::write(older.with_file_name("index_part.json-0000000z"), "not one").unwrap();
    let look = datadir.look(id(ATTACHED)).await.unwrap();
    assert_eq!((listed(&look), look.notes), (expected.clone(), vec![]));

    // A legacy index counts where there is no other.
    fs::remove_file(&older).unwrap();
    fs::rename(&newest, older.with_file_name("index_part.json")).unwrap();
    assert_eq!(listed(&datadir.look(id(ATTACHED)).await.unwrap()), expected);
}

/// A bucket in which a migration goes on: whoever lists it finds the tenant attached anew afterwards.
#[derive(Debug)]
struct Migrating {
    bucket: Arc<dyn Remote>,
    config: PathBuf,
    becomes: String,
}

#[async_trait::async_trait]
impl Remote for Migrating {
    async fn get(&self, key: &str, unless: Option<&ETag>) -> Result<Got, RemoteError> {
        self.bucket.get(key, unless).await
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutIf) -> Result<ETag, RemoteError> {
        self.bucket.put(key, body, condition).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<thermocline::remote::Listed>, RemoteError> {
        fs::write(&self.config, &self.becomes).unwrap();
        self.bucket.list(prefix).await
    }

    async fn delete(&self, key: &str) -> Result<(), RemoteError> {
        self.bucket.delete(key).await
    }

    fn url(&self, key: &str) -> String {
        self.bucket.url(key)
    }
}

#[rstest]
#[case::attached_anew("generation = 3", "generation = 4")]
#[case::detached("[mode.Attached]\ngeneration = 3\nattach_mode = \"Single\"", "[mode.Secondary]\nwarm = true")]
#[tokio::test]
async fn a_tenant_that_migrates_while_it_is_read_is_not_ready(#[case] from: &str, #[case] to: &str) {
    let Some(state) = State::unpack() else { return };
    let config = state.path(&format!("ps2/tenants/{ATTACHED}/config-v1"));
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains(from));
    let becomes = text.replace(from, to);
    let remote: Arc<dyn Remote> = Arc::new(Migrating { bucket: state.remote(), config, becomes });
    let options = DataDirOptions { remote: Some(remote), ..DataDirOptions::default() };
    let datadir = DataDir::open(&state.path("ps2"), options).unwrap();
    let error = datadir.look(id(ATTACHED)).await.unwrap_err();
    assert!(matches!(error, PageserverError::NotReady { .. }), "{error}");
    assert!(!state.path("ps2/thermocline").exists(), "nothing is noted of what was not seen");
}

#[tokio::test]
async fn without_a_remote_it_says_what_it_assumed() {
    let Some(state) = State::unpack() else { return };
    let datadir = DataDir::open(&state.path("ps2"), DataDirOptions::default()).unwrap();
    let look = datadir.look(id(ATTACHED)).await.unwrap();
    assert_eq!(look.notes, [Note::NoRemote]);
    // Only where branches are read is not known: what only they need is not listed, and nothing else is.
    let original = listed_in(&state.heatmap(&format!("ps2/tenants/{ATTACHED}/heatmap-v1.json")));
    let ours = listed(&look);
    assert!(ours.keys().eq(original.keys()));
    for (timeline, layers) in &ours {
        assert!(layers.iter().all(|(name, entry)| original[timeline].get(name) == Some(entry)), "{timeline}");
    }
    assert_eq!(look.table.len(), original.values().map(BTreeMap::len).sum::<usize>());

    // The layers of a shard's parent are known as such only by the heatmap.
    let shard = "0a330000000000000000000000000003-0102";
    let datadir = DataDir::open(&state.path("ps1"), DataDirOptions::default()).unwrap();
    let of_parent = |layer: &Layer| layer.metadata.shard.is_unsharded();
    assert_eq!(count(&datadir.look(id(shard)).await.unwrap(), of_parent), 57);
    fs::remove_file(state.path(&format!("ps1/tenants/{shard}/heatmap-v1.json"))).unwrap();
    assert_eq!(count(&datadir.look(id(shard)).await.unwrap(), of_parent), 0);
}

#[test]
fn a_folder_that_is_no_data_directory_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let error = DataDir::open(folder.path(), DataDirOptions::default()).unwrap_err().to_string();
    assert!(error.contains(&folder.path().display().to_string()) && error.contains("`tenants`"), "{error}");
}

/// A tenant's folder in a new data directory, attached in generation 3.
fn lay_out(root: &Path, shard: &str) -> PathBuf {
    let tenant = root.join("tenants").join(shard);
    fs::create_dir_all(&tenant).unwrap();
    let index = id(shard).shard;
    let config = format!(
        "[mode.Attached]\ngeneration = 3\nattach_mode = 'Single'\n[shard]\nnumber = {}\ncount = {}\n",
        index.number, index.count
    );
    fs::write(tenant.join("config-v1"), config).unwrap();
    tenant
}

#[tokio::test]
async fn the_layers_of_a_real_database_are_all_found() {
    let Some(names) = real_data("layers/odd-brook-layernames.txt") else { return };
    let names = fs::read_to_string(names).unwrap();
    let root = tempfile::tempdir().unwrap();
    let shard = "0b110000000000000000000000000001";
    let timeline = lay_out(root.path(), shard).join("timelines").join("11111111111111111111111111111111");
    fs::create_dir_all(&timeline).unwrap();
    for name in names.lines() {
        File::create(timeline.join(format!("{name}-v1-00000002"))).unwrap().set_len(1 << 20).unwrap();
    }
    let datadir = DataDir::open(root.path(), DataDirOptions::default()).unwrap();
    let look = datadir.look(id(shard)).await.unwrap();
    assert_eq!(look.notes, [Note::NoRemote]);
    assert_eq!(look.table.len(), 26_690);
    assert!(look.table.layers().map(|layer| layer.name.to_string()).eq(names.lines().map(str::to_owned)));
    assert!(look.table.layers().all(|layer| layer.marks.is_resident() && layer.metadata.file_size == 1 << 20));
    let visible = count(&look, |layer| layer.marks.is_visible());
    assert!(0 < visible && visible < 26_690, "{visible}");
}

#[tokio::test]
async fn the_metadata_of_a_shard_is_that_of_its_index() {
    let Some(index) = real_data("layers/mixed-workload-index_part.json") else { return };
    let root = tempfile::tempdir().unwrap();
    let shard = "0b220000000000000000000000000002-0008";
    let timeline = Path::new("tenants").join(shard).join("timelines").join("22222222222222222222222222222222");
    let in_bucket = root.path().join("remote").join(&timeline);
    fs::create_dir_all(&in_bucket).unwrap();
    fs::copy(&index, in_bucket.join("index_part.json-00000002")).unwrap();

    let index: serde_json::Value = serde_json::from_slice(&fs::read(index).unwrap()).unwrap();
    let layers = index["layer_metadata"].as_object().unwrap();
    lay_out(&root.path().join("data"), shard);
    let on_disk = root.path().join("data").join(&timeline);
    fs::create_dir_all(&on_disk).unwrap();
    for (name, metadata) in layers.iter().step_by(2) {
        let generation = metadata["generation"].as_u64().unwrap_or_default();
        let file = File::create(on_disk.join(format!("{name}-v1-{generation:08x}"))).unwrap();
        file.set_len(metadata["file_size"].as_u64().unwrap()).unwrap();
    }

    let remote: Arc<dyn Remote> = Arc::new(LocalDir::new(&root.path().join("remote")).unwrap());
    let options = DataDirOptions { remote: Some(remote), ..DataDirOptions::default() };
    let look = DataDir::open(&root.path().join("data"), options).unwrap().look(id(shard)).await.unwrap();
    assert_eq!(look.notes, []);
    assert_eq!((look.table.len(), layers.len()), (1564, 1564));
    assert_eq!(count(&look, |layer| layer.marks.is_resident()), 782);
    for layer in look.table.layers() {
        let expected = &layers[&layer.name.to_string()];
        assert_eq!(Some(layer.metadata.file_size), expected["file_size"].as_u64());
        assert_eq!(layer.metadata.generation.get().map(u64::from), expected["generation"].as_u64());
        assert_eq!(layer.metadata.shard.to_string(), expected["shard"].as_str().unwrap_or("0000"));
    }
}
