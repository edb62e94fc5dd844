//! What fuzz targets reach: the readers of files that a pageserver writes, and that are read nowhere else.

use crate::layer::{LayerMetadata, LayerName};

/// Reads an `index_part.json`: its layers, or what is wrong with it.
pub fn index_part(bytes: &[u8]) -> Result<Vec<(LayerName, LayerMetadata)>, String> {
    super::index_part::parse(bytes).map(|index| index.layers).map_err(|error| error.to_string())
}

/// Reads a `config-v1`, or says what is wrong with it.
pub fn tenant_config(text: &str) -> Result<(), String> {
    super::config::parse(text).map(|_| ()).map_err(|error| error.to_string())
}

/// Reads a `tenant-manifest.json`, or says what is wrong with it.
pub fn tenant_manifest(bytes: &[u8]) -> Result<(), String> {
    super::manifest::parse(bytes).map(|_| ()).map_err(|error| error.to_string())
}
