//! The layers of real tenants, to be shown to policies by people who look.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use thermocline::Pageserver as _;
use thermocline::clock::{Clock as _, SystemClock};
use thermocline::datadir::DataDir;
use thermocline::heatmap::Heatmap;
use thermocline::layer::{Layer, LayerTable, Marks, ShardIndex, TenantId, TenantShardId};
use thermocline::pageserver::Shard;
use thermocline::policy::Tenant;

use crate::args::{DataDirArgs, TableArgs};
use crate::location;

/// A tenant's checkpoint distance where nobody says, as a heatmap does not.
const CHECKPOINT_DISTANCE_BYTES: u64 = 256 << 20;

/// A tenant shard's layers, as a policy is shown them.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) tenant: Tenant,
    pub(crate) table: Arc<LayerTable>,
}

/// The tenant shards that the arguments name. Leaves no trace where it looks.
///
/// # Errors
/// If there are none, or one of them cannot be read.
pub(crate) async fn read(args: &TableArgs) -> anyhow::Result<Vec<Shown>> {
    let now = args.now.unwrap_or_else(|| SystemClock::default().unix_s());
    match (&args.heatmap, &args.data_dir) {
        (Some(file), _) => {
            let bytes = location::read(file, &args.s3.options()).await.with_context(|| file.clone())?;
            Ok(vec![of_heatmap(file, &bytes, now).with_context(|| file.clone())?])
        }
        (None, Some(data_dir)) => of_data_dir(args, data_dir, now).await,
        (None, None) => bail!("no layers: name a --data-dir or a --heatmap"),
    }
}

async fn of_data_dir(args: &TableArgs, path: &Path, now: i64) -> anyhow::Result<Vec<Shown>> {
    let remote = match &args.remote {
        Some(url) => Some(location::open_remote(url, &args.s3).await?),
        None => None,
    };
    let named = DataDirArgs { data_dir: path.to_owned(), state_dir: None };
    let data_dir = location::data_dir(&named, remote, false)?;
    let shards = match args.tenant {
        Some(tenant) => {
            let shard = location::attached_shard(&data_dir, &named, tenant).await;
            vec![shard.with_context(|| format!("there are no layers of tenant {tenant}"))?]
        }
        None => data_dir.shards().await?,
    };
    if shards.is_empty() {
        bail!("{}: no tenant shard is attached here", path.display());
    }
    let mut shown = Vec::new();
    for shard in shards {
        shown.push(of_shard(&data_dir, &shard, now).await?);
    }
    Ok(shown)
}

async fn of_shard(data_dir: &DataDir, shard: &Shard, now: i64) -> anyhow::Result<Shown> {
    let tenant = Tenant {
        shard: shard.id.to_string(),
        generation: shard.generation.get().unwrap_or_default(),
        now,
        checkpoint_distance: shard.checkpoint_distance_bytes,
    };
    Ok(Shown { tenant, table: Arc::new(data_dir.layers(shard.id).await?) })
}

/// The table of a pageserver that holds what the heatmap lists as hot, and took over the rest as cold.
fn of_heatmap(file: &str, bytes: &[u8], now: i64) -> anyhow::Result<Shown> {
    let heatmap = Heatmap::decode(bytes)?;
    let mut table = LayerTable::builder();
    for timeline in &heatmap.timelines {
        table.timeline(timeline.timeline_id);
        for layer in &timeline.layers {
            let marks = if layer.cold { Marks::INHERITED_COLD } else { Marks::RESIDENT };
            table.layer(Layer {
                timeline: timeline.timeline_id,
                name: layer.name,
                metadata: layer.metadata,
                access_time: layer.access_time,
                access_count: 0,
                resident_since: None,
                marks: Marks::VISIBLE | marks,
            });
        }
    }
    let tenant = Tenant {
        shard: shard_of(file).to_string(),
        generation: heatmap.generation,
        now,
        checkpoint_distance: CHECKPOINT_DISTANCE_BYTES,
    };
    Ok(Shown { tenant, table: Arc::new(table.build()?) })
}

/// Whose heatmap it is, which only its place says: that is a folder called as the shard. Else nobody's.
fn shard_of(file: &str) -> TenantShardId {
    let folder = Path::new(file).parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let nobody = TenantShardId { tenant: TenantId::from_bytes([0; 16]), shard: ShardIndex::UNSHARDED };
    folder.and_then(|folder| folder.parse().ok()).unwrap_or(nobody)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use thermocline::policy::Layers as _;

    use super::*;

    const NOBODY: &str = "00000000000000000000000000000000";

    #[rstest]
    #[case::in_a_bucket(
        "s3://b/tenants/0a110000000000000000000000000001-0102/heatmap-v1.json",
        "0a110000000000000000000000000001-0102"
    )]
    #[case::on_a_disk(
        "/d/tenants/0a110000000000000000000000000001/heatmap-v1.json",
        "0a110000000000000000000000000001"
    )]
    #[case::alone("heatmap-v1.json", NOBODY)]
    #[case::elsewhere("/tmp/heatmap-v1.json", NOBODY)]
    fn whose_heatmap_it_is(#[case] file: &str, #[case] shard: &str) {
        assert_eq!(shard_of(file).to_string(), shard);
    }

    #[test]
    fn what_a_heatmap_lists_as_hot_is_resident_and_visible() {
        let keys = format!("{}-{}", "0".repeat(36), "F".repeat(36));
        let layer = |lsn: u64, cold: bool| {
            format!(r#"{{"name":"{keys}__{lsn:016X}","metadata":{{"file_size":{lsn}}},"access_time":7,"cold":{cold}}}"#)
        };
        let text = format!(
            r#"{{"generation":3,"timelines":[{{"timeline_id":"{}","layers":[{},{}]}}],"upload_period_ms":null}}"#,
            "1".repeat(32),
            layer(32, false),
            layer(16, true),
        );
        let shown = of_heatmap("heatmap-v1.json", text.as_bytes(), 9).unwrap();
        assert_eq!((shown.tenant.generation, shown.tenant.now), (3, 9));
        let (cold, hot) = (Marks::VISIBLE | Marks::INHERITED_COLD, Marks::VISIBLE | Marks::RESIDENT);
        assert_eq!(*shown.table.marks(), [cold.0, hot.0]);
        assert_eq!(*shown.table.file_sizes(), [16, 32]);
    }
}
