//! `thermocline demo`: a whole round on real layer names, with nothing to set up.

mod layout;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use thermocline::layer::{Generation, TenantShardId};
use thermocline::remote::RemoteUrl;

use super::upload::{self, Sweep};
use crate::Verdict;
use crate::args::{DataDirArgs, DemoArgs, PolicyArgs, S3Args};
use crate::output::{self, bytes, count, quoted};

/// How a demo's folder is called where the user gave none.
const FOLDER_PREFIX: &str = "thermocline-demo-";

/// Where the daemon of a demo listens.
const LISTEN: &str = "127.0.0.1:9899";

pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<Verdict> {
    let dir = folder(args.dir)?;
    let (data_dir, remote_dir) = (dir.join("data"), dir.join("remote"));
    let laid_out = layout::lay_out(&data_dir, &remote_dir)
        .with_context(|| format!("cannot lay out the demo in {}", dir.display()))?;
    output::line(format!(
        "A pageserver's data directory with {} in {} ({} of layers, as sparse files), and its bucket.\n",
        count(laid_out.layers as u64, "layer"),
        count(laid_out.tenant_shards as u64, "tenant shard"),
        bytes(laid_out.layer_bytes),
    ))?;

    let remote = RemoteUrl::File { path: remote_dir.clone() };
    let sweep = Sweep {
        data_dir: DataDirArgs { data_dir: data_dir.clone(), state_dir: None },
        remote: remote.clone(),
        s3: S3Args::default(),
        tenants: Vec::new(),
        policy: PolicyArgs::default(),
        dry_run: false,
        concurrency: thermocline::upload::DEFAULT_CONCURRENCY,
    };
    let rows = upload::sweep(sweep).await?;
    output::line(upload::table(&rows).to_string())?;
    let config = dir.join("thermocline.toml");
    let settings = serve_settings(&data_dir, &remote_dir)?;
    std::fs::write(&config, settings).with_context(|| format!("cannot write {}", config.display()))?;
    output::line(next_steps(&data_dir, &remote_dir, &remote, &config))?;
    Ok(upload::verdict(&rows))
}

/// The folder to work in, existing and empty.
fn folder(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let Some(dir) = given else {
        let temporary = tempfile::Builder::new().prefix(FOLDER_PREFIX).tempdir();
        return Ok(temporary.context("cannot make a temporary folder; name one with --dir")?.keep());
    };
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let mut entries = std::fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))?;
    if entries.next().is_some() {
        bail!("{} is not empty; give a new folder, so that nothing in it is touched", dir.display());
    }
    dir.canonicalize().with_context(|| format!("cannot find {}", dir.display()))
}

/// The smallest file with which the daemon serves this.
fn serve_settings(data_dir: &Path, remote_dir: &Path) -> anyhow::Result<String> {
    let text = |path: &Path| toml::Value::String(path.to_string_lossy().into_owned());
    let table = |name: &str, path: &Path| (name.to_owned(), text(path));
    let settings = toml::Table::from_iter([
        ("listen".to_owned(), toml::Value::String(LISTEN.into())),
        ("pageserver".to_owned(), toml::Table::from_iter([table("data_dir", data_dir)]).into()),
        ("remote_storage".to_owned(), toml::Table::from_iter([table("local_path", remote_dir)]).into()),
    ]);
    Ok(toml::to_string(&settings)?)
}

fn next_steps(data_dir: &Path, remote_dir: &Path, remote: &RemoteUrl, config: &Path) -> String {
    let tenant = |root: &Path, shard: TenantShardId| root.join("tenants").join(shard.to_string());
    let word = |path: &Path| quoted(&path.to_string_lossy()).into_owned();
    let branched = layout::BRANCHED.shard();
    // What the user typed, so that the lines below can be pasted.
    let typed = std::env::args().next().unwrap_or_else(|| "thermocline".into());
    let thermocline = quoted(&typed);
    let upload = format!("{thermocline} upload --data-dir {} --remote {}", word(data_dir), quoted(&remote.to_string()));
    let uploaded = word(&tenant(remote_dir, branched).join("heatmap-v1.json"));
    let kept = word(&tenant(data_dir, branched).join("heatmap-v1.json"));
    let layers = word(&tenant(data_dir, branched).join("timelines").join(layout::MAIN_TIMELINE));
    format!(
        "\nWhere to look:\n  \
           {data}    what a pageserver has on disk\n  \
           {remote}  what is in its bucket: a heatmap-v1.json beside each attached shard's timelines\n\
         \nWhat to try next:\n  \
           {thermocline} heatmap show {uploaded}\n  \
           {thermocline} heatmap verify {kept}\n  \
           {upload}    # all unchanged\n  \
           rm {layers}/*-v1{evicted}    # evict layers, and\n  \
           {upload}    # they leave the heatmap\n  \
           {thermocline} serve --config {config} --check    # without --check: keeps them fresh, and answers at http://{LISTEN}\n  \
           {thermocline} --help",
        config = word(config),
        data = data_dir.display(),
        remote = remote_dir.display(),
        evicted = Generation::new(layout::EVICTED_GENERATION).suffix(),
    )
}
