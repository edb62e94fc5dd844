//! Layers: ids, names, the column table, and what is visible.

mod generation;
mod hex;
mod id;
mod key;
mod lsn;
mod metadata;
mod name;
mod table;
mod text;
pub mod visibility;

pub use generation::Generation;
pub(crate) use hex::write_upper as write_hex_upper;
pub use id::{ParseIdError, ShardIndex, TenantId, TenantShardId, TimelineId};
pub use key::{Key, ParseKeyError};
pub use lsn::{Lsn, ParseLsnError};
pub use metadata::LayerMetadata;
pub use name::{LayerKind, LayerName, ParseLayerNameError};
pub(crate) use table::Column;
pub use table::{Layer, LayerTable, LayerTableBuilder, MAX_ROWS, TableError};
pub use thermocline_policy::Marks;
