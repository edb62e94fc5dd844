//! Settings of a policy: numbers with bounds.

use std::fmt::Display;

use serde_json::{Map, Value, json};

/// A setting: what it is called, and what it may be.
#[derive(Clone, Copy, Debug)]
pub struct Field<T> {
    /// Its name in the configuration.
    pub name: &'static str,
    /// What it does, for operators.
    pub about: &'static str,
    /// The least it may be.
    pub least: T,
    /// The most it may be.
    pub most: T,
    /// What it is where nothing is said.
    pub default: T,
}

/// A day.
pub const DAY_S: u64 = 86_400;

/// For how long layers are waited for.
pub const INHERITED_FOR_S: Field<u64> = Field {
    name: "inherited_for_s",
    about: "Seconds for which a layer stays listed that an earlier heatmap listed and that does not become resident; 0 \
            to list none of them, so that a standby of a location that was just attached forgets what it holds",
    least: 0,
    most: 365 * DAY_S,
    default: DAY_S,
};

/// When L0 layers go.
pub const COMPACTION_THRESHOLD: Field<u64> = Field {
    name: "compaction_threshold",
    about: "L0 layers of a timeline at which the pageserver compacts them, as set there",
    least: 1,
    most: 1000,
    default: 10,
};

/// Reads JSON text of an object that has no fields but those with these `names`. `example` is one of them, for the error.
///
/// # Errors
/// A message for operators.
pub fn object<T: Number>(config: &str, example: &Field<T>, names: &[&str]) -> Result<Map<String, Value>, String> {
    let object: Map<String, Value> = serde_json::from_str(config).map_err(|error| {
        let (name, value) = (example.name, example.default);
        format!("the configuration must be a JSON object, as in {{\"{name}\": {value}}}: {error}")
    })?;
    match object.keys().find(|name| !names.contains(&name.as_str())) {
        Some(unknown) => {
            Err(format!("there is no field \"{}\": the settings are {}", start_of(unknown), names.join(", ")))
        }
        None => Ok(object),
    }
}

/// JSON Schema of an object of fields, each as [`Field::schema`] says.
pub fn schema(properties: impl IntoIterator<Item = (String, Value)>) -> String {
    let properties: Map<String, Value> = properties.into_iter().collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties }).to_string()
}

/// Numbers that settings are.
pub trait Number: Copy + PartialOrd + Display + Into<Value> {
    /// As errors call them.
    const KIND: &str;
    /// As JSON Schema calls them.
    const TYPE: &str;

    /// The number, if it is one.
    fn of(value: &Value) -> Option<Self>;
}

/// Above that a floating point number does not tell which whole number was meant.
const MOST_WHOLE: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;

impl Number for u64 {
    const KIND: &str = "a whole number";
    const TYPE: &str = "integer";

    /// Some write whole numbers with a point, and `60.0` is one.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and from 0 to MOST_WHOLE")]
    fn of(value: &Value) -> Option<Self> {
        let whole = |number: &f64| number.fract() == 0.0 && (0.0..=MOST_WHOLE).contains(number);
        value.as_u64().or_else(|| value.as_f64().filter(whole).map(|number| number as u64))
    }
}

impl Number for f64 {
    const KIND: &str = "a number";
    const TYPE: &str = "number";

    fn of(value: &Value) -> Option<Self> {
        value.as_f64()
    }
}

impl<T: Number> Field<T> {
    /// What `object` says, or the default.
    ///
    /// # Errors
    /// A message for operators, where it is not within bounds.
    pub fn read(&self, object: &Map<String, Value>) -> Result<T, String> {
        let Field { name, least, most, default, .. } = self;
        let Some(value) = object.get(*name) else { return Ok(*default) };
        T::of(value).filter(|number| least <= number && number <= most).ok_or_else(|| {
            format!("{name} must be {} from {least} to {most}, and is {}", T::KIND, start_of(&value.to_string()))
        })
    }

    /// Its name, and JSON Schema of what it may be.
    pub fn schema(&self) -> (String, Value) {
        let [least, most, default]: [Value; 3] = [self.least, self.most, self.default].map(Into::into);
        let schema = json!({
            "type": T::TYPE, "description": self.about, "minimum": least, "maximum": most, "default": default,
        });
        (self.name.into(), schema)
    }
}

/// Enough of a wrong text to recognise it.
const SHOWN_CHARS: usize = 40;

fn start_of(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::whole("60", Some(60))]
    #[case::with_a_point("60.0", Some(60))]
    #[case::with_an_exponent("6e1", Some(60))]
    #[case::the_most_with_a_point("9007199254740992.0", Some(1 << 53))]
    #[case::more_with_a_point("9007199254740994.0", None)]
    #[case::a_fraction("60.5", None)]
    #[case::negative("-60.0", None)]
    #[case::a_word("\"60\"", None)]
    fn whole_numbers_are_told_from_others(#[case] text: &str, #[case] number: Option<u64>) {
        assert_eq!(u64::of(&serde_json::from_str(text).unwrap()), number);
    }
}
