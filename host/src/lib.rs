//! Thermocline tells a pageserver's warm standbys which layers to hold.
//!
//! A pageserver, as in Neon, keeps a database as immutable layers, some of them on its disk. A warm standby wants
//! to hold what the attached pageserver holds, and finds that in the *heatmap*: one JSON object per tenant shard
//! in the bucket. This crate makes heatmaps and uploads them. What they list is decided by a *policy*, a
//! WebAssembly component; the built-in one lists every layer that is resident and visible.
//!
//! # The flow
//!
//! ```text
//! Pageserver --layers--> LayerTable --> Judge, Policy --> Selection --> encode --> Uploader --> Remote
//! ```
//!
//! - [`Pageserver`] is what you implement: it lists your shards, hands out a shard's layers, and holds it open
//!   while an upload of it is under way. [`datadir`] is one over a data directory on disk.
//! - [`layer`] has ids and names, the table of a shard's layers as columns, and what of it is visible.
//! - [`policy`] runs policies, within limits. A policy that fails costs no heatmap: the built-in one answers
//!   for it, and the [`Judge`](policy::Judge) says so.
//! - [`heatmap`] writes, reads, checks and compares heatmaps, in the format that Neon's standbys read.
//! - [`Remote`](remote::Remote) is object storage: a folder, or S3.
//! - [`Uploader`] takes it from there: it replaces a heatmap in the bucket only where that is still the one it
//!   saw, and never a newer location's. [`Outcome`](upload::Outcome) says what came of it.
//! - [`Host`] does all this for every shard, over months: each within its period, none twice at once, in the order of
//!   the policy, and none that did not change. [`jobs`] is its loop, [`State`] what survives a restart.
//!
//! Time, chance, storage and the pageserver are handed in. Nothing here reads a clock or an environment variable on its
//! own, but for S3's usual chain of credentials; there is no global state; and nothing runs in the background, but for
//! the thread of the [`Engine`](policy::Engine) that ends calls of policies in time, and the future of a running
//! [`Host`].
//!
//! # Embedding it
//!
//! ```
//! use std::io;
//! use std::num::NonZeroU32;
//! use std::path::PathBuf;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use async_trait::async_trait;
//! use thermocline::layer::{
//!     Generation, Key, Layer, LayerMetadata, LayerName, LayerTable, Lsn, Marks, TenantShardId,
//! };
//! use thermocline::pageserver::{AttachMode, HeldOpen, PageserverError, Revision, Shard};
//! use thermocline::policy::{Engine, Judge, Limits, NO_CONFIG};
//! use thermocline::remote::LocalDir;
//! use thermocline::upload::Outcome;
//! use thermocline::{Host, Pageserver, State, keys};
//!
//! /// A pageserver with one tenant shard, which has one layer.
//! #[derive(Debug)]
//! struct Small {
//!     shard: Shard,
//!     folder: PathBuf,
//! }
//!
//! #[async_trait]
//! impl Pageserver for Small {
//!     async fn shards(&self) -> Result<Vec<Shard>, PageserverError> {
//!         Ok(vec![self.shard.clone()])
//!     }
//!
//!     async fn layers(&self, shard: TenantShardId) -> Result<LayerTable, PageserverError> {
//!         let generation = self.shard.generation;
//!         let mut table = LayerTable::builder();
//!         table.layer(Layer {
//!             timeline: "de200000000000000000000000000001".parse().unwrap(),
//!             name: LayerName::image(Key::MIN, Key::MAX, Lsn(0x1696070)),
//!             metadata: LayerMetadata { file_size: 23_289_856, generation, shard: shard.shard },
//!             access_time: 1_715_107_956,
//!             access_count: 1,
//!             resident_since: NonZeroU32::new(1_715_000_000),
//!             marks: Marks::RESIDENT | Marks::VISIBLE,
//!         });
//!         table.build().map_err(|error| PageserverError::Damaged { shard, why: error.to_string() })
//!     }
//!
//!     fn hold(&self, _: TenantShardId) -> Result<HeldOpen, PageserverError> {
//!         Ok(Box::new(())) // In earnest: a guard that shutting the tenant down waits for.
//!     }
//!
//!     async fn shard(&self, shard: TenantShardId) -> Result<Shard, PageserverError> {
//!         if shard == self.shard.id { Ok(self.shard.clone()) } else { Err(PageserverError::NotAttached(shard)) }
//!     }
//!
//!     async fn uploaded(&self, _: &Shard, heatmap: &[u8]) -> io::Result<()> {
//!         std::fs::write(self.folder.join("heatmap-v1.json"), heatmap) // In earnest: crash-safe.
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let folder = tempfile::tempdir()?;
//!     let shard = Shard {
//!         id: "de100000000000000000000000000001-0102".parse()?,
//!         generation: Generation::new(1),
//!         attach_mode: AttachMode::Single,
//!         active: true,
//!         upload_period: Duration::from_secs(60),
//!         checkpoint_distance_bytes: 256 << 20,
//!         revision: Revision::default(), // In earnest: moved by whatever changes layers or access times.
//!     };
//!     let id = shard.id;
//!     let pageserver = Arc::new(Small { shard, folder: folder.path().to_owned() });
//!
//!     // One engine for the process. Policies of your own: `Policy::load`, and `Judge::new`.
//!     let engine = Engine::new(Limits::default())?;
//!     let judge = Arc::new(Judge::built_in(&engine, NO_CONFIG)?);
//!     let remote = Arc::new(LocalDir::new(&folder.path().join("bucket"))?);
//!     let state = State::open(&folder.path().join("thermocline.redb"))?;
//!     let host = Host::builder(pageserver, remote, judge).state(state).build().spawn();
//!
//!     // It uploads by itself, within a period. Whoever cannot wait asks.
//!     let attempt = host.upload_now(id).await?;
//!     assert!(matches!(attempt.outcome, Outcome::Uploaded), "{:?}", attempt.outcome);
//!     let object = std::fs::read(folder.path().join("bucket").join(keys::heatmap(id)))?;
//!     assert!(object.starts_with(br#"{"generation":1,"timelines":[{"timeline_id":"de2"#));
//!
//!     host.shutdown().await;
//!     Ok(())
//! }
//! ```
//!
//! `examples/embed.rs` is a whole little pageserver. Once over many shards, without a host: [`Uploader::sweep`]. Own
//! storage, own policies: [`remote::conformance`] and [`policy::conformance`] tell whether they keep the promises that the rest
//! relies on.

mod atomic_file;
pub mod clock;
pub mod compute;
pub mod datadir;
mod digest;
pub mod heatmap;
pub mod host;
pub mod jobs;
pub mod keys;
pub mod layer;
pub mod metrics;
pub mod pageserver;
pub mod policies;
pub mod policy;
pub mod random;
pub mod remote;
mod state;
pub mod upload;

pub use digest::Digest;
pub use host::{Host, HostHandle};
pub use pageserver::Pageserver;
pub use state::{State, StateError};
pub use upload::Uploader;
