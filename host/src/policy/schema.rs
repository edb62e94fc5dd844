//! What a policy's configuration may be, in the policy's own words: a JSON Schema.
//!
//! The schema comes from the component, so it may be hostile. What could make its use take long, or fetch anything, is
//! refused before the library that applies it sees it.

mod vet;

use std::sync::Arc;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use super::quote::quoted;
use super::stack::on_own_stack;

/// Values in a schema: names, numbers, lists and objects.
pub(super) const MAX_VALUES: u64 = 4 << 10;
/// Values in a schema once its references are followed.
pub(super) const MAX_EXPANDED: u64 = 16 << 10;
/// How deep a schema is nested, its references followed.
pub(super) const MAX_DEPTH: usize = 64;
/// Patterns in a schema. Each may compile to [`PATTERN_PROGRAM_BYTES`].
pub(super) const MAX_PATTERNS: usize = 64;
/// Bytes of a pattern.
pub(super) const MAX_PATTERN_BYTES: usize = 1 << 10;

/// Bytes of a compiled pattern, and of what is cached while it runs.
const PATTERN_PROGRAM_BYTES: usize = 256 << 10;

/// Values of a configuration times those of its expanded schema: about how many steps it takes to compare them. A
/// thousand values against a large schema are fine, and none takes a second.
const MAX_STEPS: u64 = 16 << 20;

/// Errors of a configuration that are told at once.
const SHOWN_ERRORS: usize = 8;
/// Bytes of one of them.
const SHOWN_BYTES: usize = 256;
/// Settings that are named where somebody set another.
const SHOWN_SETTINGS: usize = 16;

/// Who applies schemas, as errors call it.
const WHO: &str = "the schema check";

/// Why a schema cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSchema {
    /// Not JSON, or a list, or a number.
    #[error("must be a JSON object: {0}")]
    NotAnObject(String),
    /// Too many values.
    #[error("has {values} values: at most {MAX_VALUES}")]
    Values {
        /// How many.
        values: u64,
    },
    /// Too deep.
    #[error("is nested deeper than {MAX_DEPTH} levels, its references followed")]
    Depth,
    /// References to references to references.
    #[error("grows to more than {MAX_EXPANDED} values where its references are followed")]
    Expands,
    /// It ends in itself.
    #[error("refers to itself, by way of `{0}`")]
    Cycle(String),
    /// To elsewhere, or to nothing.
    #[error("refers to `{0}`, which is not a part of it: write `#/$defs/NAME`, and put that there")]
    Reference(String),
    /// Something that costs more than it is worth.
    #[error("uses `{0}`, which the schema of a configuration may not: leave it out")]
    Keyword(String),
    /// Another kind of schema.
    #[error("is of the kind `{0}`: use https://json-schema.org/draft/2020-12/schema")]
    Kind(String),
    /// Too many patterns, or one that is too long.
    #[error("has more than {MAX_PATTERNS} patterns, or one of more than {MAX_PATTERN_BYTES} bytes")]
    Patterns,
    /// Not what schemas are made of.
    #[error("is no JSON Schema: {0}")]
    Invalid(String),
}

/// What a configuration may be.
#[derive(Clone)]
pub(super) struct ConfigSchema(Arc<Inner>);

struct Inner {
    schema: Value,
    validator: Validator,
    expanded: u64,
}

impl ConfigSchema {
    /// Reads a schema, and refuses what could hurt.
    pub(super) fn parse(text: &str) -> Result<Self, BadSchema> {
        let object = serde_json::from_str::<serde_json::Map<String, Value>>(text);
        let schema = Value::Object(object.map_err(|error| BadSchema::NotAnObject(error.to_string()))?);
        let invalid = |why: String| BadSchema::Invalid(quoted(&why, SHOWN_BYTES));
        let read = on_own_stack(WHO, || -> Result<(Validator, u64), BadSchema> {
            let expanded = vet::expanded(&schema)?;
            let patterns = PatternOptions::regex();
            let patterns = patterns.size_limit(PATTERN_PROGRAM_BYTES).dfa_size_limit(PATTERN_PROGRAM_BYTES);
            let options = jsonschema::options().offline().should_validate_formats(false).with_pattern_options(patterns);
            let validator = options.build(&schema).map_err(|error| invalid(located(error.instance_path(), &error)))?;
            Ok((validator, expanded))
        });
        let (validator, expanded) = read.map_err(|error| invalid(error.to_string()))??;
        Ok(ConfigSchema(Arc::new(Inner { schema, validator, expanded })))
    }

    /// Whether a configuration is what the policy says it may be. If not, where, and what it may be instead.
    pub(super) fn check(&self, config: &Value) -> Result<(), String> {
        let steps = vet::values(config).saturating_mul(self.0.expanded);
        if steps > MAX_STEPS {
            return Err("it has too many values for a schema of this size".into());
        }
        let checked = on_own_stack(WHO, || {
            let mut errors = self.0.validator.iter_errors(config);
            let mut told: Vec<String> =
                errors.by_ref().take(SHOWN_ERRORS).map(|error| self.told(&error, config)).collect();
            if errors.next().is_some() {
                told.push("and more".into());
            }
            told
        });
        match checked {
            Ok(errors) if errors.is_empty() => Ok(()),
            Ok(errors) => Err(errors.join("; ")),
            Err(error) => Err(error.to_string()),
        }
    }

    fn told(&self, error: &jsonschema::ValidationError<'_>, config: &Value) -> String {
        let nothing_else = error.schema_path().as_str().ends_with("/additionalProperties");
        let what = match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => self.no_such(unexpected, error),
            // Where no setting is known, the library speaks of the value, and not of its name.
            ValidationErrorKind::FalseSchema if nothing_else => {
                let set = config.pointer(error.instance_path().as_str()).and_then(Value::as_object);
                let names: Vec<String> = set.into_iter().flat_map(serde_json::Map::keys).cloned().collect();
                self.no_such(&names, error)
            }
            _ => error.to_string(),
        };
        quoted(&located(error.instance_path(), &what), SHOWN_BYTES)
    }

    /// Names the settings that there are, where somebody set others.
    fn no_such(&self, unexpected: &[String], error: &jsonschema::ValidationError<'_>) -> String {
        let path = error.schema_path().as_str();
        let within = path.rsplit_once('/').and_then(|(within, _)| self.0.schema.pointer(within));
        let known = within.and_then(|within| within.get("properties")?.as_object());
        let listed = |names: &mut dyn Iterator<Item = &String>| {
            names.take(SHOWN_SETTINGS).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        let there_are = match known {
            Some(known) if !known.is_empty() => listed(&mut known.keys()),
            _ => "none".into(),
        };
        format!("there is no setting {} (there are: {there_are})", listed(&mut unexpected.iter()))
    }
}

impl std::fmt::Debug for ConfigSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ConfigSchema").field(&self.0.schema).finish()
    }
}

fn located(path: &jsonschema::paths::Location, what: &impl std::fmt::Display) -> String {
    match path.as_str() {
        "" => what.to_string(),
        path => format!("{path}: {what}"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn schema(schema: &Value) -> ConfigSchema {
        ConfigSchema::parse(&schema.to_string()).unwrap()
    }

    fn refused(schema: &Value) -> String {
        ConfigSchema::parse(&schema.to_string()).unwrap_err().to_string()
    }

    fn heat() -> Value {
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "days": { "type": "integer", "minimum": 1, "maximum": 30 },
                "mode": { "enum": ["wide", "narrow"] },
                "tables": { "type": "array", "items": { "$ref": "#/$defs/table" } },
            },
            "$defs": {
                "table": {
                    "type": "object",
                    "properties": { "name": { "type": "string", "pattern": "^[a-z]+$" } },
                    "required": ["name"],
                    "additionalProperties": false,
                },
            },
        })
    }

    #[rstest]
    #[case::nothing(json!({}), None)]
    #[case::all(json!({"days": 30, "mode": "wide", "tables": [{"name": "a"}]}), None)]
    #[case::no_object(json!([]), Some(r#"[] is not of type "object""#))]
    #[case::a_type(json!({"days": "7"}), Some(r#"/days: "7" is not of type "integer""#))]
    #[case::a_maximum(json!({"days": 31}), Some("/days: 31 is greater than the maximum of 30"))]
    #[case::a_choice(json!({"mode": "x"}), Some(r#"/mode: "x" is not one of "wide" or "narrow""#))]
    #[case::a_pattern(json!({"tables": [{"name": "A"}]}), Some(r#"/tables/0/name: "A" does not match "^[a-z]+$""#))]
    #[case::missing(json!({"tables": [{}]}), Some(r#"/tables/0: "name" is a required property"#))]
    #[case::unknown(json!({"day": 1}), Some("there is no setting `day` (there are: `days`, `mode`, `tables`)"))]
    #[case::unknown_within(
        json!({"tables": [{"name": "a", "size": 1}]}),
        Some("/tables/0: there is no setting `size` (there are: `name`)")
    )]
    #[case::several(json!({"days": 0, "mode": 1}), Some("; /mode: "))]
    fn a_configuration_is_what_the_schema_says(#[case] config: Value, #[case] why: Option<&str>) {
        match (schema(&heat()).check(&config), why) {
            (Ok(()), None) => {}
            (Err(error), Some(why)) => assert!(error.contains(why), "{error}"),
            (checked, why) => panic!("{checked:?} {why:?}"),
        }
    }

    #[test]
    fn a_policy_without_settings_says_so() {
        let none = schema(&json!({"type": "object", "additionalProperties": false}));
        assert_eq!(none.check(&json!({})), Ok(()));
        assert_eq!(none.check(&json!({"a": 1})).unwrap_err(), "there is no setting `a` (there are: none)");
        let none_within = schema(&json!({"properties": {"a": {"additionalProperties": false}}}));
        let error = none_within.check(&json!({"a": {"b": 1, "c": 2}})).unwrap_err();
        assert_eq!(error, "/a: there is no setting `b`, `c` (there are: none)");
    }

    #[rstest]
    #[case::as_many(SHOWN_ERRORS, false)]
    #[case::more(SHOWN_ERRORS + 1, true)]
    fn not_all_errors_are_told(#[case] errors: usize, #[case] more: bool) {
        let numbers = schema(&json!({"items": {"type": "integer"}}));
        let error = numbers.check(&json!(vec!["x".repeat(SHOWN_BYTES); errors])).unwrap_err();
        assert_eq!(error.ends_with("; and more"), more, "{error}");
        assert!(error.len() <= SHOWN_ERRORS * (SHOWN_BYTES + 10), "{error}");
    }

    #[rstest]
    #[case::no_json("none", "must be a JSON object: expected ident")]
    #[case::no_object("[]", "must be a JSON object: invalid type: sequence")]
    #[case::too_deep_to_read(&"{\"a\":".repeat(200), "must be a JSON object: recursion limit")]
    #[case::no_type(r#"{"type": "numbr"}"#, "is no JSON Schema: /type:")]
    #[case::no_properties(r#"{"properties": 3}"#, "is no JSON Schema: /properties: 3 is not of type")]
    #[case::elsewhere(r#"{"$ref": "https://example.com/a.json"}"#, "refers to `https://example.com/a.json`")]
    #[case::a_file(r#"{"$ref": "file:///etc/passwd"}"#, "refers to `file:///etc/passwd`")]
    #[case::nothing(r##"{"$ref": "#/$defs/a"}"##, "refers to `#/$defs/a`, which is not a part of it")]
    #[case::an_anchor(r##"{"$ref": "#a", "$defs": {"a": {"$anchor": "a"}}}"##, "uses `$anchor`")]
    #[case::a_name(r##"{"$ref": "#a", "$defs": {"a": {}}}"##, "refers to `#a`, which is not a part of it")]
    #[case::escaped(r##"{"$ref": "#/%24defs/a", "$defs": {"a": {}}}"##, "which is not a part of it")]
    #[case::no_reference(r#"{"$ref": 3}"#, "is no JSON Schema")]
    #[case::itself(r##"{"$ref": "#"}"##, "refers to itself, by way of `#`")]
    #[case::by_way_of_another(
        r##"{"$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"not": {"$ref": "#/$defs/a"}}}}"##,
        "refers to itself"
    )]
    #[case::by_way_of_what_holds_it(r##"{"properties": {"a": {"$ref": "#/properties"}}}"##, "refers to itself")]
    #[case::another_base(r#"{"$id": "https://example.com"}"#, "uses `$id`")]
    #[case::dynamic(r##"{"$dynamicRef": "#a"}"##, "uses `$dynamicRef`")]
    #[case::unevaluated(r#"{"items": {"unevaluatedItems": false}}"#, "uses `unevaluatedItems`")]
    #[case::old(r#"{"$schema": "http://json-schema.org/draft-04/schema#"}"#, "is of the kind")]
    #[case::kinds_within(r#"{"not": {"$schema": "https://json-schema.org/draft/2020-12/schema"}}"#, "uses `$schema`")]
    #[case::no_pattern(r#"{"pattern": "("}"#, "is no JSON Schema")]
    #[case::looks_ahead(r#"{"pattern": "a(?=b)"}"#, "is no JSON Schema")]
    #[case::a_pattern_that_explodes(r#"{"pattern": "((a{1000}){1000}){1000}"}"#, "is no JSON Schema")]
    fn what_is_no_schema_is_refused(#[case] text: &str, #[case] why: &str) {
        let error = ConfigSchema::parse(text).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[rstest]
    #[case::draft_7("http://json-schema.org/draft-07/schema#")]
    #[case::draft_2019("https://json-schema.org/draft/2019-09/schema")]
    #[case::draft_2020("https://json-schema.org/draft/2020-12/schema")]
    fn kinds_of_schemas_that_are_known(#[case] kind: &str) {
        let schema = schema(&json!({"$schema": kind, "type": "object"}));
        assert!(schema.check(&json!(1)).is_err());
    }

    #[rstest]
    #[case::obeyed(0)]
    #[case::violated(1)]
    fn the_number_of_values(#[case] more: u64) {
        // The schema, the list and what is in it.
        let list: Vec<u64> = (2..MAX_VALUES + more).collect();
        match ConfigSchema::parse(&json!({ "enum": list }).to_string()) {
            Ok(_) => assert_eq!(more, 0),
            Err(error) => assert_eq!((more, error), (1, BadSchema::Values { values: MAX_VALUES + 1 })),
        }
    }

    #[rstest]
    #[case::obeyed(0)]
    #[case::violated(1)]
    fn the_depth_with_references(#[case] more: usize) {
        // A chain of definitions, two levels each, below the schema and its list of definitions.
        let links = (MAX_DEPTH - 4) / 2;
        let mut definitions = serde_json::Map::new();
        for link in 0..links {
            definitions.insert(format!("d{link}"), json!({"not": {"$ref": format!("#/$defs/d{}", link + 1)}}));
        }
        let last = if more == 0 { json!({"not": {}}) } else { json!({"not": {"not": {}}}) };
        definitions.insert(format!("d{links}"), last);
        match ConfigSchema::parse(&json!({ "$defs": definitions }).to_string()) {
            Ok(_) => assert_eq!(more, 0),
            Err(error) => assert_eq!((more, error), (1, BadSchema::Depth)),
        }
    }

    /// Ten references to ten references to ...: a billion, if anybody counted them.
    #[test]
    fn a_billion_laughs_are_not_counted() {
        let mut definitions = serde_json::Map::new();
        for level in 0..9 {
            let next = json!({"$ref": format!("#/$defs/l{}", level + 1)});
            definitions.insert(format!("l{level}"), json!({ "allOf": vec![next; 10] }));
        }
        definitions.insert("l9".into(), json!({"type": "string"}));
        let bomb = json!({"$ref": "#/$defs/l0", "$defs": definitions});
        assert_eq!(
            refused(&bomb),
            format!("grows to more than {MAX_EXPANDED} values where its references are followed")
        );
    }

    #[rstest]
    #[case::number_obeyed(MAX_PATTERNS, 1, true)]
    #[case::number_violated(MAX_PATTERNS + 1, 1, false)]
    #[case::size_obeyed(1, MAX_PATTERN_BYTES, true)]
    #[case::size_violated(1, MAX_PATTERN_BYTES + 1, false)]
    fn patterns_are_few_and_short(#[case] number: usize, #[case] bytes: usize, #[case] fine: bool) {
        let properties: serde_json::Map<String, Value> =
            (0..number).map(|number| (format!("{number:a>bytes$}"), json!({}))).collect();
        for text in [
            json!({ "patternProperties": properties }),
            json!({ "allOf": vec![json!({"pattern": "a".repeat(bytes)}); number] }),
        ] {
            match ConfigSchema::parse(&text.to_string()) {
                Ok(_) => assert!(fine),
                Err(error) => assert!(!fine && error == BadSchema::Patterns, "{error}"),
            }
        }
    }

    #[test]
    fn a_pattern_takes_as_long_as_its_text() {
        let backtracks = schema(&json!({"pattern": "^(a+)+$"}));
        assert!(backtracks.check(&json!("a".repeat(60_000) + "!")).is_err());
    }

    #[rstest]
    #[case::obeyed(0)]
    #[case::violated(1)]
    fn a_large_configuration_and_a_large_schema(#[case] more: u64) {
        let values = 4095;
        let large = schema(&json!({ "enum": (2..values).collect::<Vec<u64>>() }));
        assert_eq!(large.0.expanded, values);
        let config: Vec<u64> = (1..MAX_STEPS / values + more).collect();
        let error = large.check(&json!(config)).unwrap_err();
        assert_eq!(error.contains("too many values"), more == 1, "{error}");
    }
}
