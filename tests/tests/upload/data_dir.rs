//! From a data directory to a folder: what is on disk afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use thermocline::datadir::{DataDir, DataDirOptions};
use thermocline::remote::LocalDir;
use thermocline::upload::Outcome;

use super::*;

const LAYER: &str = "000000000000000000000000000000000000-FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF__0000000000000010";

/// A data directory with a tenant of one layer, and a bucket beside it.
struct Disk {
    root: TempDir,
    bucket: Arc<dyn Remote>,
}

impl Disk {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let tenant = root.path().join("data").join("tenants").join(id(1).to_string());
        let timeline = tenant.join("timelines").join("22".repeat(16));
        fs::create_dir_all(&timeline).unwrap();
        fs::write(tenant.join("config-v1"), "[mode.Attached]\ngeneration = 5\nattach_mode = \"Single\"\n").unwrap();
        fs::write(timeline.join(format!("{LAYER}-v1-00000001")), "layer").unwrap();
        let bucket = Arc::new(LocalDir::new(&root.path().join("bucket")).unwrap());
        Disk { root, bucket }
    }

    fn local(&self) -> PathBuf {
        self.root.path().join("data").join(keys::heatmap(id(1)))
    }

    fn object(&self) -> PathBuf {
        self.root.path().join("bucket").join(keys::heatmap(id(1)))
    }

    async fn upload(&self) -> Attempt {
        self.upload_by(true, |uploader| uploader).await
    }

    async fn upload_by(&self, note_sightings: bool, change: fn(Uploader) -> Uploader) -> Attempt {
        let options = DataDirOptions { note_sightings, ..DataDirOptions::default() };
        let data_dir = Arc::new(DataDir::open(&self.root.path().join("data"), options).unwrap());
        let shard = data_dir.shards().await.unwrap().remove(0);
        let generator = Generator::new(data_dir, Arc::clone(&BUILT_IN), Arc::new(FakeClock::new(NOW)));
        change(Uploader::new(generator, Arc::clone(&self.bucket))).upload(&shard, Trigger::Schedule).await
    }
}

/// Every file and folder below `root`, with what changes whenever somebody writes there.
fn everything(root: &Path) -> BTreeMap<PathBuf, (u64, i64, i64, u64)> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let version = (metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len());
            found.insert(entry.path(), version);
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    found
}

#[tokio::test]
async fn the_object_and_the_local_heatmap_have_the_same_bytes() {
    let disk = Disk::new();
    let attempt = disk.upload().await;
    assert_outcome!(attempt, Outcome::Uploaded);
    assert_eq!(fs::read(disk.object()).unwrap(), bytes(&attempt));
    assert_eq!(fs::read(disk.local()).unwrap(), bytes(&attempt));
    assert!(bytes(&attempt).windows(LAYER.len()).any(|part| part == LAYER.as_bytes()));
}

#[tokio::test]
async fn a_second_upload_writes_nothing_anywhere() {
    let disk = Disk::new();
    disk.upload().await;
    let before = everything(disk.root.path());
    assert_outcome!(disk.upload().await, Outcome::Unchanged);
    assert_eq!(everything(disk.root.path()), before);
}

#[tokio::test]
async fn a_local_heatmap_that_is_not_the_buckets_is_mended() {
    let disk = Disk::new();
    disk.upload().await;
    let object = everything(disk.root.path())[&disk.object()];
    for spoil in [|file: &Path| fs::remove_file(file), |file: &Path| fs::write(file, "{}")] {
        spoil(&disk.local()).unwrap();
        let attempt = disk.upload().await;
        assert_outcome!(attempt, Outcome::Unchanged);
        assert_eq!(fs::read(disk.local()).unwrap(), bytes(&attempt));
    }
    assert_eq!(everything(disk.root.path())[&disk.object()], object, "nothing was written there");
}

#[tokio::test]
async fn a_local_heatmap_that_cannot_be_written_only_warns() {
    let disk = Disk::new();
    // No rename replaces a folder that is not empty.
    fs::create_dir_all(disk.local().join("inside")).unwrap();
    let attempt = disk.upload().await;
    assert_outcome!(attempt, Outcome::Uploaded);
    assert_eq!(fs::read(disk.object()).unwrap(), bytes(&attempt));
    assert!(disk.local().join("inside").is_dir());
}

#[tokio::test]
async fn a_dry_run_writes_nothing_anywhere() {
    let disk = Disk::new();
    let before = everything(disk.root.path());
    assert_outcome!(disk.upload_by(false, Uploader::dry_run).await, Outcome::Uploaded);
    assert_eq!(everything(disk.root.path()), before);
}

#[tokio::test]
async fn a_detached_tenant_is_not_held_open() {
    let disk = Disk::new();
    let data_dir = DataDir::open(&disk.root.path().join("data"), DataDirOptions::default()).unwrap();
    assert!(data_dir.hold(id(1)).is_ok());
    fs::remove_file(disk.local().with_file_name("config-v1")).unwrap();
    assert!(data_dir.hold(id(1)).is_err());
}
