//! Every hostile component there is, against the engine, against the judge, and against a daemon.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    dead_code,
    reason = "all of this is tests, also what stands outside of a test's function; they share more than each uses"
)]

#[path = "../support/command.rs"]
mod command;
#[path = "../serve/daemon.rs"]
mod daemon;
mod engine;
mod judge;
#[path = "../support/node.rs"]
mod node;
mod served;
mod table;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use thermocline::layer::{Key, Layer, LayerMetadata, LayerName, LayerTable, Lsn, TimelineId};
use thermocline::policy::{DueUpload, Engine, Limits, UploadQueue};
use thermocline_policy::{Marks, Tenant};
use thermocline_tests::hostile::{Hostile, all};

/// Rows of a tenant as most are.
const SMALL: u32 = 10;
/// Rows of a large one.
const LARGE: u32 = 6000;
/// Calls for those that answer well for a while.
const CALLS: usize = 1100;

/// As in production, but for the time: what never ends is ended soon.
fn limits() -> Limits {
    Limits { time: Duration::from_millis(300), ..Limits::default() }
}

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(limits()).unwrap());
static ALL: LazyLock<Vec<Hostile>> = LazyLock::new(|| all().unwrap());

/// Layers that are all alike but for their keys.
fn table(rows: u32) -> Arc<LayerTable> {
    let key = |number: u32| {
        let mut bytes = [0; 18];
        bytes[14..].copy_from_slice(&number.to_be_bytes());
        Key::from_bytes(bytes)
    };
    let mut builder = LayerTable::builder();
    for row in 0..rows {
        builder.layer(Layer {
            timeline: TimelineId::from_bytes([7; 16]),
            name: LayerName::image(key(row), key(row + 1), Lsn(64)),
            metadata: LayerMetadata::default(),
            access_time: 0,
            access_count: 0,
            resident_since: None,
            marks: Marks::RESIDENT | Marks::VISIBLE,
        });
    }
    Arc::new(builder.build().unwrap())
}

fn tenant() -> Tenant {
    Tenant { shard: "0a110000000000000000000000000001".into(), generation: 1, now: 1, checkpoint_distance: 1 << 28 }
}

/// Shards whose heatmaps are older and older.
fn queue(rows: u64) -> Arc<UploadQueue> {
    let due = |row| DueUpload { age_ms: Some(1000 * row), period_ms: 60_000, ..DueUpload::default() };
    Arc::new((1..=rows).map(due).collect())
}
