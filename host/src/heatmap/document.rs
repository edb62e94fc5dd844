//! A heatmap as it is read: every field of the format, in order.

use serde::Serialize;

use crate::layer::{LayerMetadata, LayerName, TimelineId};

/// The heatmap of one tenant shard.
#[derive(Clone, Debug, PartialEq)]
pub struct Heatmap {
    /// The generation of the location that wrote it.
    pub generation: u32,
    /// In the order of the document.
    pub timelines: Vec<HeatmapTimeline>,
    /// How often its writer uploads, milliseconds.
    pub upload_period_ms: Option<u128>,
    /// Who scored. Existing readers ignore it, and it is absent where no layer has a heat.
    pub policy: Option<PolicyIdentity>,
}

/// What a heatmap lists of one timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatmapTimeline {
    /// Which timeline.
    pub timeline_id: TimelineId,
    /// The first to download first.
    pub layers: Vec<HeatmapLayer>,
}

/// A listed layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeatmapLayer {
    /// Its rectangle of keys and LSNs.
    pub name: LayerName,
    /// Which physical file it is.
    pub metadata: LayerMetadata,
    /// Last read, seconds since the Unix epoch.
    pub access_time: i64,
    /// Known, but not to be downloaded.
    pub cold: bool,
    /// Larger is hotter; absent where the policy does not score. Existing readers ignore it.
    pub heat: Option<f32>,
}

/// The policy that scored a heatmap.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct PolicyIdentity {
    /// What operators call it.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// SHA-256 of its component, 64 hex digits.
    pub digest: String,
}

impl From<&crate::policy::PolicyIdentity> for PolicyIdentity {
    fn from(identity: &crate::policy::PolicyIdentity) -> Self {
        PolicyIdentity {
            name: identity.name().unwrap_or_default().into(),
            version: identity.version().unwrap_or_default().into(),
            digest: identity.digest().to_string(),
        }
    }
}
