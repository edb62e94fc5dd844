//! What a policy answered, in the names of the test.

use std::time::Duration;

use thermocline::policy::{LogLine, Report, Selection};

/// What a policy answered, and what it took.
#[derive(Clone, Debug)]
pub struct Answer {
    selection: Selection,
    names: Vec<String>,
    report: Report,
}

impl Answer {
    pub(crate) const fn new(selection: Selection, names: Vec<String>, report: Report) -> Self {
        Answer { selection, names, report }
    }

    /// All listed layers, the first to download first.
    pub fn listed(&self) -> Vec<&str> {
        self.selection.rows().iter().filter_map(|row| self.names.get(*row as usize)).map(String::as_str).collect()
    }

    /// Layers listed to be downloaded, the first to download first.
    pub fn hot(&self) -> Vec<&str> {
        let mut listed = self.listed();
        listed.truncate(self.selection.cold_from());
        listed
    }

    /// Layers listed as known, but not to be downloaded.
    pub fn cold(&self) -> Vec<&str> {
        self.listed().split_off(self.selection.cold_from())
    }

    /// The heat of a layer. `None` where it is not listed, or the policy does not score.
    pub fn heat(&self, layer: &str) -> Option<f32> {
        let place = self.listed().iter().position(|name| *name == layer)?;
        self.selection.heats()?.get(place).copied()
    }

    /// Seconds for which the answer stays right if no layer changes. `None` for ever.
    pub const fn valid_for_s(&self) -> Option<u64> {
        self.selection.valid_for_s()
    }

    /// What the policy wants to be handed at the next call, see
    /// [`Subject::select_again`](crate::Subject::select_again).
    pub fn memory(&self) -> &[u8] {
        self.selection.memory()
    }

    /// Why a layer is where it is, in the policy's words; of calls that
    /// [asked](crate::Subject::select_with_reasons).
    pub fn reason(&self, layer: &str) -> Option<&str> {
        let row = self.names.iter().position(|name| name == layer)?;
        self.report.reasons.of(u32::try_from(row).ok()?)
    }

    /// What the policy logged. Always empty where it ran natively.
    pub fn log(&self) -> &[LogLine] {
        &self.report.log
    }

    /// Instructions that the call took, roughly; the same on every machine. `None` where it ran natively.
    pub const fn fuel(&self) -> Option<u64> {
        self.report.fuel
    }

    /// Memory of the component at its largest. 0 where it ran natively.
    pub const fn memory_bytes(&self) -> usize {
        self.report.memory_bytes
    }

    /// How long the call took.
    pub const fn elapsed(&self) -> Duration {
        self.report.elapsed
    }

    /// The answer in row numbers.
    pub const fn selection(&self) -> &Selection {
        &self.selection
    }
}
