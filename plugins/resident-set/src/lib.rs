//! The default policy: every layer that is resident and visible.
//!
//! A standby that holds this heatmap holds what its pageserver holds, less what no read needs any
//! more. Layers that were hot in the heatmap this location took over when it was attached stay
//! listed as hot until they are downloaded or evicted here, so that a freshly attached, cold
//! pageserver does not tell its standbys to forget everything. It gives no scores.

mod order;
mod reasons;

use thermocline_policy::{Description, Layers, NO_SETTINGS, Policy, Selection, Tenant, no_settings, reasons_wanted};

/// The policy. It has no settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResidentSet;

impl Policy for ResidentSet {
    fn describe() -> Description {
        Description {
            name: "resident-set".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Lists every layer that is resident and visible, and what the last heatmap listed until it is."
                .into(),
            config_schema: NO_SETTINGS.into(),
        }
    }

    fn configure(config: &str) -> Result<Self, String> {
        no_settings(config)?;
        Ok(ResidentSet)
    }

    fn select(&self, _tenant: &Tenant, layers: &dyn Layers, _memory: &[u8]) -> Result<Selection, String> {
        let marks = layers.marks();
        if reasons_wanted() {
            reasons::give(&marks);
        }
        let lsn_ends = layers.lsn_ends().into_owned();
        let order::Listed { rows, cold_from } = order::listed(&marks, lsn_ends);
        Ok(Selection { rows, cold_from, ..Selection::default() })
    }
}

thermocline_policy::export!(ResidentSet);

#[cfg(test)]
mod tests {
    use thermocline_policy::{Columns, Marks, Queue};

    use super::*;

    fn tenant() -> Tenant {
        Tenant { shard: "a".repeat(32), generation: 1, now: 0, checkpoint_distance: 0 }
    }

    #[test]
    fn a_table_is_answered_without_scores_or_memory_and_for_ever() {
        let resident = Marks::RESIDENT | Marks::VISIBLE;
        let cold = Marks::VISIBLE | Marks::INHERITED_COLD;
        let table = Columns {
            marks: vec![cold.0, resident.0, Marks::RESIDENT.0, resident.0],
            lsn_ends: vec![9, 3, 4, 5],
            ..Columns::default()
        };
        let answer = ResidentSet.select(&tenant(), &table, b"ignored").unwrap();
        assert_eq!(answer, Selection::hot_and_cold(vec![3, 1], &[0]));
        assert_eq!((answer.heats, answer.valid_for, answer.memory), (None, None, vec![]));
    }

    #[test]
    fn a_setting_is_refused_by_name() {
        assert_eq!(ResidentSet::configure("{}"), Ok(ResidentSet));
        let refused = ResidentSet::configure(r#"{"horizon_s":60}"#).unwrap_err();
        assert!(refused.contains("\"horizon_s\""), "{refused}");
    }

    #[test]
    fn the_stalest_upload_is_first() {
        let queue = Queue {
            ages: vec![1_000, u64::MAX, 3_000, 3_000],
            periods: vec![1_000, 60_000, 1_000, 1_000],
            overdue: vec![0, 0, 1, 2],
            ..Queue::default()
        };
        assert_eq!(ResidentSet.rank_uploads(0, &queue), Ok(vec![1, 3, 2, 0]));
    }

    #[test]
    fn it_describes_itself_within_the_contract() {
        let description = ResidentSet::describe();
        assert_eq!(description.name, "resident-set");
        assert_eq!(description.version, env!("CARGO_PKG_VERSION"));
        assert!(description.summary.len() <= 1024);
    }
}
