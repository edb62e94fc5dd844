//! The input of the measurements.

use std::sync::Arc;

use anyhow::anyhow;
use thermocline::layer::{Layer, LayerTable};
use thermocline::policy::conformance::sample_layers;
use thermocline_policy::Marks;

/// `count` layers that are all listed, so that a measurement of so many layers is one of so many.
pub(super) fn resident_layers(count: usize) -> Vec<Layer> {
    let mut layers = sample_layers(count);
    layers.iter_mut().for_each(|layer| layer.marks = Marks::RESIDENT | Marks::VISIBLE);
    layers
}

pub(super) fn table(layers: &[Layer]) -> anyhow::Result<Arc<LayerTable>> {
    let mut builder = LayerTable::builder();
    layers.iter().for_each(|layer| builder.layer(*layer));
    Ok(Arc::new(builder.build().map_err(|error| anyhow!("{error}"))?))
}
