//! What an operator may set.

use thermocline_warmth::settings::{COMPACTION_THRESHOLD, DAY_S, Field, INHERITED_FOR_S, object, schema};

/// The configuration of the policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// After so many seconds a read counts half.
    pub(crate) half_life_s: u64,
    /// A resident layer of less heat is cold.
    pub(crate) cold_below: f64,
    /// What was taken over and does not become resident is listed for so many seconds.
    pub(crate) inherited_for_s: u64,
    /// At so many L0 layers of a timeline the pageserver compacts them.
    pub(crate) compaction_threshold: u64,
}

const HALF_LIFE_S: Field<u64> = Field {
    name: "half_life_s",
    about: "Seconds after which a read counts half",
    least: 60,
    most: 30 * DAY_S,
    default: 3600,
};
const COLD_BELOW: Field<f64> = Field {
    name: "cold_below",
    about: "Reads an hour and MiB: a resident layer that is expected to be read less is cold; 0 for none",
    least: 0.0,
    most: 1e9,
    default: 0.0,
};

impl Default for Settings {
    fn default() -> Self {
        Settings {
            half_life_s: HALF_LIFE_S.default,
            cold_below: COLD_BELOW.default,
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
        let names = [HALF_LIFE_S.name, COLD_BELOW.name, INHERITED_FOR_S.name, COMPACTION_THRESHOLD.name];
        let object = object(config, &HALF_LIFE_S, &names)?;
        Ok(Settings {
            half_life_s: HALF_LIFE_S.read(&object)?,
            cold_below: COLD_BELOW.read(&object)?,
            inherited_for_s: INHERITED_FOR_S.read(&object)?,
            compaction_threshold: COMPACTION_THRESHOLD.read(&object)?,
        })
    }

    /// JSON Schema of what [`read`](Self::read) takes.
    pub(crate) fn schema() -> String {
        schema([HALF_LIFE_S.schema(), COLD_BELOW.schema(), INHERITED_FOR_S.schema(), COMPACTION_THRESHOLD.schema()])
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
        let set = r#"{"half_life_s": 600, "cold_below": 0.5, "inherited_for_s": 7, "compaction_threshold": 20}"#;
        let expected = Settings { half_life_s: 600, cold_below: 0.5, inherited_for_s: 7, compaction_threshold: 20 };
        assert_eq!(Settings::read(set), Ok(expected));
    }

    #[rstest]
    #[case::half_life("half_life_s", "60", "2592000", "59", "2592001")]
    #[case::cold("cold_below", "0", "1000000000", "-0.1", "1000000001")]
    #[case::inherited("inherited_for_s", "0", "31536000", "-1", "31536001")]
    #[case::compaction("compaction_threshold", "1", "1000", "0", "1001")]
    fn bounds_are_obeyed_and_violated(
        #[case] name: &str,
        #[case] least: &str,
        #[case] most: &str,
        #[case] less: &str,
        #[case] more: &str,
    ) {
        let read = |value: &str| Settings::read(&format!("{{\"{name}\": {value}}}"));
        assert!(read(least).is_ok() && read(most).is_ok());
        for wrong in [less, more, "\"1\"", "null", "[]", "1e999"] {
            let why = read(wrong).unwrap_err();
            assert!(
                wrong == "1e999" || why.contains(name) && why.contains(least) && why.contains(most),
                "{wrong}: {why}"
            );
        }
    }

    #[rstest]
    #[case::a_fraction(
        r#"{"half_life_s": 60.5}"#,
        "half_life_s must be a whole number from 60 to 2592000, and is 60.5"
    )]
    #[case::a_word(r#"{"cold_below": "low"}"#, "cold_below must be a number from 0 to 1000000000, and is \"low\"")]
    #[case::unknown(
        r#"{"half_live_s": 60}"#,
        "there is no field \"half_live_s\": the settings are half_life_s, cold_below, inherited_for_s, compaction_threshold"
    )]
    #[case::no_object(
        "[]",
        "the configuration must be a JSON object, as in {\"half_life_s\": 3600}: invalid type: sequence, expected a map at line 1 column 0"
    )]
    #[case::nothing(
        "",
        "the configuration must be a JSON object, as in {\"half_life_s\": 3600}: EOF while parsing a value at line 1 column 0"
    )]
    fn what_is_wrong_is_named(#[case] config: &str, #[case] why: &str) {
        assert_eq!(Settings::read(config), Err(why.to_owned()));
    }

    #[test]
    fn the_schema_names_every_setting() {
        let schema: Value = serde_json::from_str(&Settings::schema()).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        assert_eq!(properties.len(), 4);
        for (name, property) in properties {
            for bound in ["minimum", "maximum", "default"] {
                let config = format!("{{\"{name}\": {}}}", property[bound]);
                assert!(Settings::read(&config).is_ok(), "{config}");
            }
        }
    }
}
