//! What was read lately is hot, and what was not is cold: a standby then downloads what a failover will be asked for
//! first, and knows of the rest.

#![forbid(unsafe_code)]

use std::cmp::Reverse;
use std::num::NonZeroU32;

use serde::Deserialize;
use serde_json::{Map, Value};
use thermocline_policy::{
    Description, Layers, Marks, Policy, Selection, Tenant, give_reason, reasons_wanted,
};

/// JSON Schema of the configuration: operators see it, and what does not fit it never gets here.
const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "hot_for_s": {
      "type": "integer",
      "minimum": 1,
      "maximum": 4294967295,
      "default": 86400,
      "description": "Seconds after its last read for which a layer is hot."
    }
  },
  "additionalProperties": false
}"#;

/// The configuration, as operators write it.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    hot_for_s: NonZeroU32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            hot_for_s: const { NonZeroU32::new(24 * 60 * 60).unwrap() },
        }
    }
}

/// The policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentReads {
    hot_for_s: i64,
}

/// Where a layer belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Hot,
    Cold,
    Unlisted,
}

/// A row that is listed, and what decides on its place. Sorts as it is listed.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Listed {
    /// Compaction soon replaces L0 deltas: whoever fetches them first fetches them in vain.
    is_l0: bool,
    age_s: i64,
    lsn_end: Reverse<u64>,
    row: u32,
}

impl RecentReads {
    /// Where a layer belongs, and why: in words for whoever asks.
    fn place(self, marks: Marks, age_s: i64) -> (Place, &'static str) {
        if !marks.is_visible() {
            (Place::Unlisted, "no read needs it any more")
        } else if marks.is_resident() || marks.is_inherited() {
            match age_s <= self.hot_for_s {
                true => (Place::Hot, "read lately"),
                false => (Place::Cold, "not read lately"),
            }
        } else if marks.is_inherited_cold() {
            (Place::Cold, "was cold when this location took over")
        } else {
            (Place::Unlisted, "not on disk")
        }
    }

    /// From 1, read just now, to almost 0, about to be cold.
    fn heat(self, age_s: i64) -> f32 {
        1.0 - age_s as f32 / (self.hot_for_s as f32 + 1.0)
    }
}

impl Policy for RecentReads {
    fn describe() -> Description {
        Description {
            name: env!("CARGO_PKG_NAME").into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Lists what was read lately as hot, and the rest of what is on disk as cold."
                .into(),
            config_schema: SCHEMA.into(),
        }
    }

    /// The first call of every instance. Operators read the error.
    fn configure(config: &str) -> Result<Self, String> {
        let fields: Map<String, Value> = serde_json::from_str(config)
            .map_err(|error| format!("the configuration must be a JSON object: {error}"))?;
        let settings: Settings = serde_json::from_value(fields.into()).map_err(|error| {
            format!("{error}: `hot_for_s` is a whole number of seconds, at least 1")
        })?;
        Ok(RecentReads {
            hot_for_s: settings.hot_for_s.get().into(),
        })
    }

    fn select(
        &self,
        tenant: &Tenant,
        layers: &dyn Layers,
        _memory: &[u8],
    ) -> Result<Selection, String> {
        // Each of these copies a column out of the host: once, and outside of loops.
        let (marks, times, lsn_ends) = (layers.marks(), layers.access_times(), layers.lsn_ends());
        let somebody_asks = reasons_wanted();

        let (mut hot, mut cold) = (Vec::new(), Vec::new());
        for (row, ((mark, read_at), lsn_end)) in
            (0..).zip(marks.iter().zip(times.iter()).zip(lsn_ends.iter()))
        {
            let mark = Marks(*mark);
            // Clocks of two machines differ: a read to come counts as one just now.
            let age_s = tenant.now.saturating_sub(*read_at).max(0);
            let (place, why) = self.place(mark, age_s);
            if somebody_asks {
                give_reason(row, why);
            }
            let listed = Listed {
                is_l0: mark.is_l0(),
                age_s,
                lsn_end: Reverse(*lsn_end),
                row,
            };
            match place {
                Place::Hot => hot.push(listed),
                Place::Cold => cold.push(listed),
                Place::Unlisted => {}
            }
        }
        hot.sort_unstable();
        cold.sort_unstable();

        let heats = hot
            .iter()
            .map(|layer| self.heat(layer.age_s))
            .chain(cold.iter().map(|_| 0.0));
        let heats = Some(heats.collect());
        // Until the first of the hot ones turns cold.
        let valid_for = hot
            .iter()
            .map(|layer| (self.hot_for_s - layer.age_s) as u64 + 1)
            .min();
        let cold_rows: Vec<u32> = cold.iter().map(|layer| layer.row).collect();
        let selection =
            Selection::hot_and_cold(hot.iter().map(|layer| layer.row).collect(), &cold_rows);
        Ok(Selection {
            heats,
            valid_for,
            ..selection
        })
    }

    // `rank_uploads` has a default: the stalest upload first.
}

thermocline_policy::export!(RecentReads);

/// Native tests, where a debugger reaches the policy. `fixtures/` has those of the component.
#[cfg(test)]
mod tests {
    use thermocline_policy::{Columns, Queue, with_reasons};

    use super::*;

    const NOW: i64 = 1_767_225_600;
    const HERE: Marks = Marks(Marks::RESIDENT.0 | Marks::VISIBLE.0);

    fn policy() -> RecentReads {
        RecentReads { hot_for_s: 60 }
    }

    fn tenant() -> Tenant {
        Tenant {
            shard: "1f359dd625e519a1a4e8d7509690f6fc".into(),
            generation: 1,
            now: NOW,
            checkpoint_distance: 1 << 28,
        }
    }

    /// Layers with these marks, read so many seconds ago.
    fn table(layers: &[(Marks, i64)]) -> Columns {
        Columns {
            marks: layers.iter().map(|(marks, _)| marks.0).collect(),
            access_times: layers.iter().map(|(_, age_s)| NOW - age_s).collect(),
            lsn_ends: vec![16; layers.len()],
            ..Columns::default()
        }
    }

    #[test]
    fn what_was_read_lately_is_hot_and_the_latest_read_first() {
        let table = table(&[
            (HERE, 60),
            (HERE, 61),
            (HERE, 0),
            (HERE, -5),
            (HERE | Marks::DELTA | Marks::L0, 1),
        ]);
        let answer = policy().select(&tenant(), &table, &[]).unwrap();
        assert_eq!(
            (&answer.rows[..], answer.cold_from),
            (&[2, 3, 0, 4, 1][..], 4)
        );
        let heats = answer.heats.unwrap();
        assert_eq!((heats[0], heats[4]), (1.0, 0.0));
        assert!(heats[2] > 0.0, "hot to the last second");
        assert_eq!(answer.valid_for, Some(1), "row 0 turns cold");
    }

    #[test]
    fn what_no_standby_needs_is_not_listed_and_the_reason_is_said() {
        let table = table(&[
            (Marks::RESIDENT, 0),
            (Marks::VISIBLE, 0),
            (Marks::VISIBLE | Marks::INHERITED, 0),
        ]);
        let (answer, reasons) = with_reasons(|| policy().select(&tenant(), &table, &[]).unwrap());
        assert_eq!(answer.rows, [2]);
        assert_eq!(
            reasons.into_values().collect::<Vec<_>>(),
            ["no read needs it any more", "not on disk", "read lately"]
        );
    }

    #[test]
    fn a_configuration_is_read_or_refused_by_name() {
        assert_eq!(
            RecentReads::configure("{}"),
            Ok(RecentReads { hot_for_s: 86_400 })
        );
        assert_eq!(RecentReads::configure(r#"{"hot_for_s": 60}"#), Ok(policy()));
        for refused in [
            r#"{"hot_for_s": 0}"#,
            r#"{"hot_for_s": "1h"}"#,
            r#"{"hot": 60}"#,
        ] {
            let why = RecentReads::configure(refused).unwrap_err();
            assert!(
                why.contains("`hot_for_s` is a whole number of seconds"),
                "{why}"
            );
        }
        assert!(RecentReads::configure("[]").is_err());
    }

    #[test]
    fn the_stalest_upload_is_first() {
        let queue = Queue {
            ages: vec![60_000, u64::MAX, 180_000],
            periods: vec![60_000; 3],
            overdue: vec![0; 3],
            ..Queue::default()
        };
        assert_eq!(policy().rank_uploads(NOW, &queue), Ok(vec![1, 2, 0]));
    }
}
