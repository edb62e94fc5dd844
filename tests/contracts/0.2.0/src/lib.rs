//! A policy against version 0.2.0 of the contract that uses what is new in it: it scores layers by how often they are
//! read since they are resident, and says so where somebody asks.

use thermocline_policy::{
    Description, Layers, Marks, NO_SETTINGS, Policy, Selection, Tenant, give_reason, no_settings, reasons_wanted,
};

/// The policy. It has no settings.
pub struct ReadRate;

impl Policy for ReadRate {
    fn describe() -> Description {
        Description {
            name: "read-rate".into(),
            version: "1.0.0".into(),
            summary: "Scores resident layers by reads an hour since they are resident.".into(),
            config_schema: NO_SETTINGS.into(),
        }
    }

    fn configure(config: &str) -> Result<Self, String> {
        no_settings(config)?;
        Ok(ReadRate)
    }

    fn select(&self, tenant: &Tenant, layers: &dyn Layers, _memory: &[u8]) -> Result<Selection, String> {
        let (marks, counts, since) = (layers.marks(), layers.access_counts(), layers.resident_times());
        let rows = (0_u32..).zip(marks.iter()).zip(counts.iter().zip(since.iter()));
        let mut listed = Vec::new();
        let asked = reasons_wanted();
        for ((row, &mark), (&count, &since)) in rows {
            let marks = Marks(mark);
            if !(marks.is_visible() && marks.is_resident()) {
                if asked {
                    give_reason(row, if marks.is_visible() { "not resident" } else { "covered" });
                }
                continue;
            }
            let hours = if since == 0 { 0 } else { tenant.now.saturating_sub(since).max(0) / 3600 };
            // Not negative, so that the bits have the order of the numbers.
            let heat = count as f32 / (hours as f32 + 1.0);
            if asked {
                give_reason(row, &format!("{count} reads in {hours} hours"));
            }
            listed.push((std::cmp::Reverse(heat.to_bits()), row));
        }
        listed.sort_unstable();
        let heats = listed.iter().map(|(heat, _)| f32::from_bits(heat.0)).collect();
        let rows = listed.into_iter().map(|(_, row)| row).collect();
        Ok(Selection { heats: Some(heats), ..Selection::hot(rows) })
    }
}

thermocline_policy::export!(ReadRate);
