//! What an operator may set.

use thermocline_warmth::settings::{COMPACTION_THRESHOLD, DAY_S, Field, INHERITED_FOR_S, object, schema};

/// The configuration of the policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// What a standby is told to download, as a share of the bytes that are here or waited for.
    pub(crate) budget_share: f64,
    /// And in bytes, of which the smaller counts.
    pub(crate) budget_bytes: u64,
    /// After so many seconds a read counts half for what is read just now.
    pub(crate) half_life_s: u64,
    /// After so many seconds a read counts half for what is read in the long run.
    pub(crate) slow_half_life_s: u64,
    /// The share of the budget that goes to what every start reads.
    pub(crate) floor: f64,
    /// What was taken over and does not become resident is listed for so many seconds.
    pub(crate) inherited_for_s: u64,
    /// At so many L0 layers of a timeline the pageserver compacts them.
    pub(crate) compaction_threshold: u64,
}

/// More than any tenant has.
const NO_BOUND_BYTES: u64 = 1 << 50;

/// Half of what is here: on a trace of a real database that serves 0.71 of the reads of the first minute, where all
/// serves 0.90. What is over it is listed as cold, so that nothing is forgotten.
const BUDGET_SHARE: Field<f64> = Field {
    name: "budget_share",
    about: "What a standby is told to download, as a share of the bytes that are resident or inherited; 1 and more for \
            all of them. Of a tenant whose bytes are checkpoint_distance at most, it is all, whatever the share",
    least: 0.0,
    most: 100.0,
    default: 0.5,
};
const BUDGET_BYTES: Field<u64> = Field {
    name: "budget_bytes",
    about: "What a standby is told to download of a tenant shard, in bytes; the smaller of this and budget_share counts",
    least: 0,
    most: NO_BOUND_BYTES,
    default: NO_BOUND_BYTES,
};
const HALF_LIFE_S: Field<u64> = Field {
    name: "half_life_s",
    about: "Seconds after which a read counts half for what is read just now; at most slow_half_life_s",
    least: 10,
    most: 30 * DAY_S,
    default: 45,
};
const SLOW_HALF_LIFE_S: Field<u64> = Field {
    name: "slow_half_life_s",
    about: "Seconds after which a read counts half for what is read in the long run",
    least: 10,
    most: 30 * DAY_S,
    default: 600,
};
const FLOOR: Field<f64> = Field {
    name: "floor",
    about: "The share of the budget that goes to what every start of a tenant reads, before all else: images of \
            system catalogs, or where a timeline has none, its newest images; the first image in any case, unless this \
            is 0",
    least: 0.0,
    most: 1.0,
    default: 0.1,
};

impl Default for Settings {
    fn default() -> Self {
        Settings {
            budget_share: BUDGET_SHARE.default,
            budget_bytes: BUDGET_BYTES.default,
            half_life_s: HALF_LIFE_S.default,
            slow_half_life_s: SLOW_HALF_LIFE_S.default,
            floor: FLOOR.default,
            inherited_for_s: INHERITED_FOR_S.default,
            compaction_threshold: COMPACTION_THRESHOLD.default,
        }
    }
}

impl Settings {
    /// Reads JSON text.
    ///
    /// # Errors
    /// A message for operators, with the first field that is wrong.
    pub(crate) fn read(config: &str) -> Result<Self, String> {
        let names = [
            BUDGET_SHARE.name,
            BUDGET_BYTES.name,
            HALF_LIFE_S.name,
            SLOW_HALF_LIFE_S.name,
            FLOOR.name,
            INHERITED_FOR_S.name,
            COMPACTION_THRESHOLD.name,
        ];
        let object = object(config, &BUDGET_SHARE, &names)?;
        let (half_life_s, slow_half_life_s) = (HALF_LIFE_S.read(&object)?, SLOW_HALF_LIFE_S.read(&object)?);
        if half_life_s > slow_half_life_s {
            return Err(format!(
                "half_life_s is {half_life_s} and slow_half_life_s {slow_half_life_s}: what is read of late fades as \
                 fast as what is read in the long run, or faster; set both"
            ));
        }
        Ok(Settings {
            budget_share: BUDGET_SHARE.read(&object)?,
            budget_bytes: BUDGET_BYTES.read(&object)?,
            half_life_s,
            slow_half_life_s,
            floor: FLOOR.read(&object)?,
            inherited_for_s: INHERITED_FOR_S.read(&object)?,
            compaction_threshold: COMPACTION_THRESHOLD.read(&object)?,
        })
    }

    /// JSON Schema of what [`read`](Self::read) takes.
    pub(crate) fn schema() -> String {
        schema([
            BUDGET_SHARE.schema(),
            BUDGET_BYTES.schema(),
            HALF_LIFE_S.schema(),
            SLOW_HALF_LIFE_S.schema(),
            FLOOR.schema(),
            INHERITED_FOR_S.schema(),
            COMPACTION_THRESHOLD.schema(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_is_not_set_is_the_default() {
        assert_eq!(Settings::read("{}"), Ok(Settings::default()));
        let set = r#"{"budget_share": 2.5, "budget_bytes": 7, "half_life_s": 10, "slow_half_life_s": 20, "floor": 0.5,
                      "inherited_for_s": 8, "compaction_threshold": 9}"#;
        let expected = Settings {
            budget_share: 2.5,
            budget_bytes: 7,
            half_life_s: 10,
            slow_half_life_s: 20,
            floor: 0.5,
            inherited_for_s: 8,
            compaction_threshold: 9,
        };
        assert_eq!(Settings::read(set), Ok(expected));
    }

    /// One setting, and with a half-life the other one at what it allows.
    fn set_with_the_other(name: &str, value: &str) -> String {
        match name {
            "half_life_s" => format!(r#"{{"half_life_s": {value}, "slow_half_life_s": 2592000}}"#),
            "slow_half_life_s" => format!(r#"{{"half_life_s": 10, "slow_half_life_s": {value}}}"#),
            _ => format!("{{\"{name}\": {value}}}"),
        }
    }

    #[rstest]
    #[case::share("budget_share", "0", "100", "-0.1", "100.1")]
    #[case::bytes("budget_bytes", "0", "1125899906842624", "-1", "1125899906842625")]
    #[case::half_life("half_life_s", "10", "2592000", "9", "2592001")]
    #[case::slow_half_life("slow_half_life_s", "10", "2592000", "9", "2592001")]
    #[case::floor("floor", "0", "1", "-0.1", "1.1")]
    #[case::inherited("inherited_for_s", "0", "31536000", "-1", "31536001")]
    #[case::compaction("compaction_threshold", "1", "1000", "0", "1001")]
    fn bounds_are_obeyed_and_violated(
        #[case] name: &str,
        #[case] least: &str,
        #[case] most: &str,
        #[case] less: &str,
        #[case] more: &str,
    ) {
        let read = |value: &str| Settings::read(&set_with_the_other(name, value));
        assert!(read(least).is_ok() && read(most).is_ok());
        for wrong in [less, more, "\"1\"", "null", "[]"] {
            let why = read(wrong).unwrap_err();
            assert!(why.contains(name) && why.contains(least) && why.contains(most), "{wrong}: {why}");
        }
    }

    #[rstest]
    #[case::a_word(r#"{"floor": "low"}"#, "floor must be a number from 0 to 1, and is \"low\"")]
    #[case::half_lives(
        r#"{"half_life_s": 601}"#,
        "half_life_s is 601 and slow_half_life_s 600: what is read of late fades as fast as what is read in the long run, or faster; set both"
    )]
    #[case::unknown(
        r#"{"budget": 60}"#,
        "there is no field \"budget\": the settings are budget_share, budget_bytes, half_life_s, slow_half_life_s, floor, inherited_for_s, compaction_threshold"
    )]
    #[case::no_object(
        "[]",
        "the configuration must be a JSON object, as in {\"budget_share\": 0.5}: invalid type: sequence, expected a map at line 1 column 0"
    )]
    fn what_is_wrong_is_named(#[case] config: &str, #[case] why: &str) {
        assert_eq!(Settings::read(config), Err(why.to_owned()));
    }

    #[test]
    fn the_schema_names_every_setting() {
        let schema: Value = serde_json::from_str(&Settings::schema()).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        assert_eq!(properties.len(), 7);
        for (name, property) in properties {
            for bound in ["minimum", "maximum", "default"] {
                let config = set_with_the_other(name, &property[bound].to_string());
                assert!(Settings::read(&config).is_ok(), "{config}");
            }
        }
    }
}
