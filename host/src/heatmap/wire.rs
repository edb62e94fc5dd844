//! The document as serde reads it.
//!
//! Readers that exist derive theirs, and so does this one as far as it can: whatever they take, we take.
//! The visitors written out below differ in one way only. Our extra fields are read here and ignored there,
//! so a field that is not as we would write it counts as absent, and a heatmap is never lost over it. For
//! the few things that nobody can read but everybody can skip (a number beyond all floats, half a surrogate
//! pair), `EXTRAS = false` skips them too.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Heatmap, HeatmapLayer, HeatmapTimeline, PolicyIdentity};
use crate::layer::{Generation, LayerMetadata, LayerName, ShardIndex, TimelineId};

/// Hex digits of a policy's digest.
const DIGEST_DIGITS: usize = 64;

pub(super) struct WireHeatmap<const EXTRAS: bool>(pub(super) Heatmap);

#[derive(Deserialize)]
struct WireTimeline<const EXTRAS: bool> {
    timeline_id: TimelineId,
    layers: Vec<WireLayer<EXTRAS>>,
}

struct WireLayer<const EXTRAS: bool>(HeatmapLayer);

#[derive(Deserialize)]
struct WireMetadata {
    file_size: u64,
    /// May be absent, but not null.
    #[serde(default, deserialize_with = "generation")]
    generation: Generation,
    #[serde(default)]
    shard: ShardIndex,
}

fn generation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Generation, D::Error> {
    u32::deserialize(deserializer).map(Generation::new)
}

impl<const EXTRAS: bool> From<WireTimeline<EXTRAS>> for HeatmapTimeline {
    fn from(wire: WireTimeline<EXTRAS>) -> Self {
        HeatmapTimeline {
            timeline_id: wire.timeline_id,
            layers: wire.layers.into_iter().map(|WireLayer(layer)| layer).collect(),
        }
    }
}

impl From<WireMetadata> for LayerMetadata {
    fn from(WireMetadata { file_size, generation, shard }: WireMetadata) -> Self {
        LayerMetadata { file_size, generation, shard }
    }
}

impl<'de, const EXTRAS: bool> Deserialize<'de> for WireHeatmap<EXTRAS> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const FIELDS: &[&str] = &["generation", "timelines", "upload_period_ms"];
        deserializer.deserialize_struct("Heatmap", FIELDS, HeatmapVisitor::<EXTRAS>)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum HeatmapField {
    Generation,
    Timelines,
    UploadPeriodMs,
    Policy,
    #[serde(other)]
    Unknown,
}

struct HeatmapVisitor<const EXTRAS: bool>;

impl<const EXTRAS: bool> HeatmapVisitor<EXTRAS> {
    fn heatmap(
        generation: u32,
        timelines: Vec<WireTimeline<EXTRAS>>,
        upload_period_ms: Option<u128>,
        policy: Option<PolicyIdentity>,
    ) -> WireHeatmap<EXTRAS> {
        let timelines = timelines.into_iter().map(HeatmapTimeline::from).collect();
        WireHeatmap(Heatmap { generation, timelines, upload_period_ms, policy })
    }
}

impl<'de, const EXTRAS: bool> Visitor<'de> for HeatmapVisitor<EXTRAS> {
    type Value = WireHeatmap<EXTRAS>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a heatmap: an object with generation, timelines and upload_period_ms")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        Ok(Self::heatmap(item(&mut items, 0, &self)?, item(&mut items, 1, &self)?, item(&mut items, 2, &self)?, None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut generation, mut timelines, mut upload_period_ms, mut policy) = (None, None, None, None);
        while let Some(field) = map.next_key()? {
            match field {
                HeatmapField::Generation => read(&mut map, &mut generation, "generation")?,
                HeatmapField::Timelines => read(&mut map, &mut timelines, "timelines")?,
                HeatmapField::UploadPeriodMs => read(&mut map, &mut upload_period_ms, "upload_period_ms")?,
                HeatmapField::Policy if EXTRAS => policy = map.next_value::<Loose>()?.into_policy(),
                HeatmapField::Policy | HeatmapField::Unknown => skip(&mut map)?,
            }
        }
        Ok(Self::heatmap(
            required(generation, "generation")?,
            required(timelines, "timelines")?,
            upload_period_ms.flatten(),
            policy,
        ))
    }
}

impl<'de, const EXTRAS: bool> Deserialize<'de> for WireLayer<EXTRAS> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const FIELDS: &[&str] = &["name", "metadata", "access_time", "cold"];
        deserializer.deserialize_struct("HeatmapLayer", FIELDS, LayerVisitor::<EXTRAS>)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum LayerField {
    Name,
    Metadata,
    AccessTime,
    Cold,
    Heat,
    #[serde(other)]
    Unknown,
}

struct LayerVisitor<const EXTRAS: bool>;

impl<const EXTRAS: bool> LayerVisitor<EXTRAS> {
    fn layer(
        name: LayerName,
        metadata: WireMetadata,
        access_time: i64,
        cold: Option<bool>,
        heat: Option<f32>,
    ) -> WireLayer<EXTRAS> {
        let cold = cold.unwrap_or_default();
        WireLayer(HeatmapLayer { name, metadata: metadata.into(), access_time, cold, heat })
    }
}

impl<'de, const EXTRAS: bool> Visitor<'de> for LayerVisitor<EXTRAS> {
    type Value = WireLayer<EXTRAS>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a layer: an object with name, metadata, access_time and cold")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let (name, metadata) = (item(&mut items, 0, &self)?, item(&mut items, 1, &self)?);
        Ok(Self::layer(name, metadata, item(&mut items, 2, &self)?, items.next_element()?, None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut name, mut metadata, mut access_time, mut cold, mut heat) = (None, None, None, None, None);
        while let Some(field) = map.next_key()? {
            match field {
                LayerField::Name => read(&mut map, &mut name, "name")?,
                LayerField::Metadata => read(&mut map, &mut metadata, "metadata")?,
                LayerField::AccessTime => read(&mut map, &mut access_time, "access_time")?,
                LayerField::Cold => read(&mut map, &mut cold, "cold")?,
                LayerField::Heat if EXTRAS => heat = map.next_value::<Loose>()?.into_heat(),
                LayerField::Heat | LayerField::Unknown => skip(&mut map)?,
            }
        }
        let metadata = required(metadata, "metadata")?;
        Ok(Self::layer(required(name, "name")?, metadata, required(access_time, "access_time")?, cold, heat))
    }
}

fn item<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(
    items: &mut A,
    index: usize,
    expected: &impl Visitor<'de>,
) -> Result<T, A::Error> {
    items.next_element()?.ok_or_else(|| A::Error::invalid_length(index, expected))
}

#[inline]
fn read<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    map: &mut A,
    slot: &mut Option<T>,
    field: &'static str,
) -> Result<(), A::Error> {
    if slot.is_some() {
        return Err(A::Error::duplicate_field(field));
    }
    *slot = Some(map.next_value()?);
    Ok(())
}

fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}

fn required<T, E: Error>(slot: Option<T>, field: &'static str) -> Result<T, E> {
    slot.ok_or_else(|| E::missing_field(field))
}

/// Whatever stands in one of our extra fields.
pub(super) enum Loose {
    Number(f64),
    Text(String),
    Object { name: Option<String>, version: Option<String>, digest: Option<String> },
    Other,
}

impl Loose {
    #[allow(clippy::cast_possible_truncation, reason = "what f32 cannot hold becomes infinite, and is refused")]
    pub(super) fn into_heat(self) -> Option<f32> {
        let Loose::Number(heat) = self else { return None };
        Some(heat as f32).filter(|heat| heat.is_finite() && *heat >= 0.0)
    }

    fn into_text(self) -> Option<String> {
        if let Loose::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn into_policy(self) -> Option<PolicyIdentity> {
        let Loose::Object { name, version, digest } = self else { return None };
        let (name, version, digest) = (name?, version?, digest?);
        let is_digest = digest.len() == DIGEST_DIGITS && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_digest.then_some(PolicyIdentity { name, version, digest })
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum PolicyField {
    Name,
    Version,
    Digest,
    #[serde(other)]
    Unknown,
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Loose, E> {
        Ok(Loose::Number(number))
    }

    #[allow(clippy::cast_precision_loss, reason = "a heat has fewer digits than either")]
    fn visit_u64<E: Error>(self, number: u64) -> Result<Loose, E> {
        Ok(Loose::Number(number as f64))
    }

    #[allow(clippy::cast_precision_loss, reason = "a heat has fewer digits than either")]
    fn visit_i64<E: Error>(self, number: i64) -> Result<Loose, E> {
        Ok(Loose::Number(number as f64))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Loose, E> {
        Ok(Loose::Text(text.into()))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Loose, E> {
        Ok(Loose::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Loose, E> {
        Ok(Loose::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Loose, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
        let (mut name, mut version, mut digest) = (None, None, None);
        while let Some(field) = map.next_key()? {
            let slot = match field {
                PolicyField::Name => &mut name,
                PolicyField::Version => &mut version,
                PolicyField::Digest => &mut digest,
                PolicyField::Unknown => {
                    skip(&mut map)?;
                    continue;
                }
            };
            *slot = map.next_value::<Loose>()?.into_text();
        }
        Ok(Loose::Object { name, version, digest })
    }
}
