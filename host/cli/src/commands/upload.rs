//! `thermocline upload`: every attached shard's heatmap to the bucket, in the policy's order.

use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use thermocline::clock::SystemClock;
use thermocline::datadir::DataDir;
use thermocline::layer::TenantShardId;
use thermocline::pageserver::Shard;
use thermocline::policy::DueUpload;
use thermocline::remote::RemoteUrl;
use thermocline::upload::{Generator, Trigger, Uploader};

use crate::Verdict;
use crate::args::{DataDirArgs, PolicyArgs, S3Args, UploadArgs};
use crate::location;
use crate::output::{self, Table, bytes, millis};
use crate::row::Row;

/// What to upload, from where to where.
pub(super) struct Sweep {
    pub(super) data_dir: DataDirArgs,
    pub(super) remote: RemoteUrl,
    pub(super) s3: S3Args,
    pub(super) tenants: Vec<TenantShardId>,
    pub(super) policy: PolicyArgs,
    pub(super) dry_run: bool,
    pub(super) concurrency: NonZeroUsize,
}

pub(crate) async fn run(args: UploadArgs) -> anyhow::Result<Verdict> {
    let json = args.json;
    let rows = sweep(Sweep {
        data_dir: args.data_dir,
        remote: args.remote,
        s3: args.s3,
        tenants: args.tenant,
        policy: args.policy,
        dry_run: args.dry_run,
        concurrency: args.concurrency,
    })
    .await?;
    if json {
        output::json(&rows)?;
    } else if rows.is_empty() {
        output::line("no tenants: there is nothing to upload")?;
    } else {
        output::line(table(&rows).to_string())?;
    }
    Ok(verdict(&rows))
}

/// Bad if a shard failed, or a policy did: its heatmap is whole, but not what was asked for.
pub(super) fn verdict(rows: &[Row]) -> Verdict {
    Verdict::good_if(rows.iter().all(|row| !row.is_failed() && row.policy_error.is_none()))
}

pub(super) async fn sweep(sweep: Sweep) -> anyhow::Result<Vec<Row>> {
    let judge = Arc::new(location::judge(&sweep.policy)?);
    let remote = location::open_remote(&sweep.remote, &sweep.s3).await?;
    let data_dir = Arc::new(location::data_dir(&sweep.data_dir, Some(Arc::clone(&remote)), !sweep.dry_run)?);
    let generator = Generator::new(Arc::clone(&data_dir) as _, judge, Arc::new(SystemClock::default()));
    let mut uploader = Uploader::new(generator, remote);
    if sweep.dry_run {
        uploader = uploader.dry_run();
    }

    let mut rows = Vec::new();
    if sweep.tenants.is_empty() {
        let (due, skipped) = location::due_shards(&data_dir, &sweep.data_dir.data_dir).await?;
        rows.extend(skipped.into_iter().map(|(shard, reason)| Row::skipped(shard.to_string(), reason)));
        rows.extend(all(&uploader, due, &sweep).await);
    } else {
        rows.extend(named(&uploader, &data_dir, &sweep).await);
    }
    rows.sort_by(|a, b| a.shard.cmp(&b.shard));
    Ok(rows)
}

/// A sweep over all attached shards.
async fn all(uploader: &Uploader, due: Vec<(Shard, DueUpload)>, sweep: &Sweep) -> Vec<Row> {
    let progress = progress_bar(due.len());
    let attempts = uploader.sweep(due, sweep.concurrency).await;
    let rows = attempts.map(|attempt| {
        progress.inc(1);
        Row::from_attempt(&attempt, sweep.dry_run)
    });
    let rows = rows.collect().await;
    progress.finish_and_clear();
    rows
}

/// Each shard that was named, in the order in which it was.
async fn named(uploader: &Uploader, data_dir: &DataDir, sweep: &Sweep) -> Vec<Row> {
    let progress = progress_bar(sweep.tenants.len());
    let mut rows = Vec::new();
    for tenant in &sweep.tenants {
        rows.push(match location::attached_shard(data_dir, &sweep.data_dir, *tenant).await {
            Ok(shard) => Row::from_attempt(&uploader.upload(&shard, Trigger::Command).await, sweep.dry_run),
            Err(error) => Row::failed(tenant.to_string(), output::told(&error)),
        });
        progress.inc(1);
    }
    progress.finish_and_clear();
    rows
}

/// Drawn on stderr, if that is a terminal.
fn progress_bar(shards: usize) -> ProgressBar {
    let bar = ProgressBar::new(shards as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} shards, {elapsed}, {eta} to go");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// One row a shard.
pub(super) fn table(rows: &[Row]) -> Table {
    let mut table =
        Table::new(&["TENANT SHARD", "OUTCOME", ">LAYERS", ">COLD", ">HOT DATA", ">HEATMAP", ">TIME", "WHY"]);
    for row in rows {
        let or_dash = |shown: Option<String>| shown.unwrap_or_else(|| "-".into());
        let fell_back = row.policy_error.as_ref().map(|error| format!("{error}; the built-in policy decided instead"));
        let why = [row.reason.clone(), fell_back].into_iter().flatten().collect::<Vec<_>>().join("; ");
        let elapsed = std::time::Duration::from_secs_f64(row.elapsed_ms / 1000.0);
        table.row([
            row.shard.clone(),
            row.outcome.into(),
            or_dash(row.layers.map(|layers| layers.to_string())),
            or_dash(row.cold_layers.map(|layers| layers.to_string())),
            or_dash(row.hot_bytes.map(bytes)),
            or_dash(row.bytes.map(|size| bytes(size as u64))),
            or_dash(row.layers.map(|_| millis(elapsed))),
            why,
        ]);
    }
    table
}
