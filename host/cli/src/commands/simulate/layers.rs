//! The layers of a database, from a file.

use std::path::Path;

use anyhow::{Context, bail};
use thermocline::datadir::index_part_layers;
use thermocline::layer::LayerName;
use thermocline_simulator::GivenLayer;

/// Reads an `index_part.json`, or a list with the name of a layer a line.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<GivenLayer>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    if text.trim_start().starts_with('{') {
        let layers = index_part_layers(text.as_bytes())
            .map_err(|why| anyhow::anyhow!("{} is no index_part.json: {why}", path.display()))?;
        let given = layers.into_iter().map(|(name, metadata)| GivenLayer { name, size_bytes: Some(metadata.file_size) });
        return Ok(given.collect());
    }
    let mut layers = Vec::new();
    for (line, name) in (1_usize..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let (name, _) = LayerName::parse_with_generation(name.trim())
            .with_context(|| format!("{}, line {line}", path.display()))?;
        layers.push(GivenLayer { name, size_bytes: None });
    }
    if layers.is_empty() {
        bail!("{}: there is no layer in it", path.display());
    }
    Ok(layers)
}
