//! The one place that knows how a heatmap looks, byte for byte.

use super::{HeatmapLayer, PolicyIdentity};
use crate::layer::TimelineId;

/// Appends the parts of a heatmap to a buffer: compact JSON, fields in the order of the format.
///
/// Callers write `begin`, then for each timeline `begin_timeline`, its layers and `end_timeline`, then
/// `end`.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) out: Vec<u8>,
    digits: itoa::Buffer,
    any_timeline: bool,
    any_layer: bool,
}

impl Writer {
    pub(super) fn begin(&mut self, generation: u32) {
        self.text("{\"generation\":");
        self.number(generation);
        self.text(",\"timelines\":[");
    }

    pub(super) fn begin_timeline(&mut self, timeline_id: TimelineId) {
        if std::mem::replace(&mut self.any_timeline, true) {
            self.out.push(b',');
        }
        self.any_layer = false;
        self.text("{\"timeline_id\":\"");
        self.text(&timeline_id.to_string());
        self.text("\",\"layers\":[");
    }

    #[inline]
    pub(super) fn layer(&mut self, layer: &HeatmapLayer) {
        let HeatmapLayer { name, metadata, access_time, cold, heat } = layer;
        if std::mem::replace(&mut self.any_layer, true) {
            self.out.push(b',');
        }
        self.text("{\"name\":\"");
        name.write_to(&mut self.out);
        self.text("\",\"metadata\":{\"file_size\":");
        self.number(metadata.file_size);
        if let Some(generation) = metadata.generation.get() {
            self.text(",\"generation\":");
            self.number(generation);
        }
        if !metadata.shard.is_unsharded() {
            self.text(",\"shard\":\"");
            self.text(&metadata.shard.to_string());
            self.out.push(b'"');
        }
        self.text("},\"access_time\":");
        self.number(*access_time);
        self.text(if *cold { ",\"cold\":true" } else { ",\"cold\":false" });
        if let Some(heat) = heat {
            self.text(",\"heat\":");
            self.json(heat);
        }
        self.out.push(b'}');
    }

    pub(super) fn end_timeline(&mut self) {
        self.text("]}");
    }

    pub(super) fn end(&mut self, upload_period_ms: Option<u128>, policy: Option<&PolicyIdentity>) {
        self.text("],\"upload_period_ms\":");
        match upload_period_ms {
            Some(period_ms) => self.number(period_ms),
            None => self.text("null"),
        }
        if let Some(policy) = policy {
            self.text(",\"policy\":{\"name\":");
            self.json(&policy.name);
            self.text(",\"version\":");
            self.json(&policy.version);
            self.text(",\"digest\":");
            self.json(&policy.digest);
            self.out.push(b'}');
        }
        self.out.push(b'}');
    }

    #[inline]
    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    #[inline]
    fn number(&mut self, number: impl itoa::Integer) {
        self.out.extend_from_slice(self.digits.format(number).as_bytes());
    }

    /// Text that may need escapes, and floats in their shortest form.
    fn json<T: serde::Serialize + ?Sized>(&mut self, value: &T) {
        // Writing text or a finite float to memory cannot fail.
        let written = serde_json::to_writer(&mut self.out, value);
        debug_assert!(written.is_ok());
    }
}
