//! Which physical file a layer is.

use super::{Generation, ShardIndex};

/// What a heatmap and an index say of a layer's file. Together with the name it is the layer's identity:
/// the same name can exist in several incarnations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerMetadata {
    /// Bytes.
    pub file_size: u64,
    /// The generation that wrote it.
    pub generation: Generation,
    /// The shard that wrote it. After a split, a child lists layers of its parent: the shard is the
    /// layer's, not the tenant's.
    pub shard: ShardIndex,
}
