//! Reading a data directory, against `find`.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use thermocline::datadir::{DataDir, DataDirOptions};
use thermocline::layer::TenantShardId;

use super::measure::{Measurement, Pair, timed};
use super::sample;

pub(super) fn all() -> Vec<Box<dyn Measurement>> {
    vec![Box::new(Scan { files: 100_000 })]
}

struct Scan {
    files: usize,
}

const SHARD: &str = "de300000000000000000000000000001";

impl Measurement for Scan {
    fn name(&self) -> String {
        format!("scan-{}", self.files)
    }

    fn yardstick(&self) -> &'static str {
        "find -printf '%f %s %A@': the names alone, without visibility or a table"
    }

    fn target(&self) -> f64 {
        1.2
    }

    fn prepare(&self) -> anyhow::Result<Pair> {
        let folder = tempfile::tempdir()?;
        lay_out(folder.path(), self.files)?;
        let files = self.files;
        let root = folder.path().to_owned();
        let options = DataDirOptions { note_sightings: false, ..DataDirOptions::default() };
        let data_dir = DataDir::open(folder.path(), options)?;
        let shard: TenantShardId = SHARD.parse()?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let ours = move || {
            // Lives as long as the measurement.
            let _kept = &folder;
            let (elapsed, look) = timed(|| Ok(runtime.block_on(data_dir.look(shard))?))?;
            ensure!(look.table.len() == files, "not every file was found");
            Ok(elapsed.into())
        };
        let yardstick = move || {
            let (elapsed, output) = timed(|| {
                let mut find = Command::new("find");
                find.arg(&root).args(["-type", "f", "-printf", "%f %s %A@\n"]).stdin(Stdio::null());
                find.output().context("cannot run find")
            })?;
            ensure!(output.stdout.iter().filter(|byte| **byte == b'\n').count() > files, "not every file was found");
            Ok(elapsed.into())
        };
        Ok(Pair { ours: Box::new(ours), yardstick: Box::new(yardstick) })
    }
}

fn lay_out(root: &Path, files: usize) -> anyhow::Result<()> {
    let tenant = root.join("tenants").join(SHARD);
    fs::create_dir_all(&tenant)?;
    fs::write(tenant.join("config-v1"), "[mode.Attached]\ngeneration = 1\nattach_mode = \"Single\"\n")?;
    for layer in sample::resident_layers(files) {
        let timeline = tenant.join("timelines").join(layer.timeline.to_string());
        let file = timeline.join(format!("{}-v1-00000001", layer.name));
        let made = File::create(&file).or_else(|_| {
            fs::create_dir_all(&timeline)?;
            File::create(&file)
        });
        made?.set_len(layer.metadata.file_size)?;
    }
    Ok(())
}
