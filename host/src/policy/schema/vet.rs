//! Whether a schema is small, whole and tame, found out before anything follows its references.

use std::collections::HashMap;

use serde_json::Value;

use super::{BadSchema, MAX_DEPTH, MAX_EXPANDED, MAX_PATTERN_BYTES, MAX_PATTERNS, MAX_VALUES, SHOWN_BYTES};
use crate::policy::quoted;

/// Kinds of schemas that are known, but for a `#` at their ends.
const KINDS: [&str; 3] = [
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
];

/// What would let references lead elsewhere than they say, or take more than one look at each value.
const REFUSED: [&str; 9] = [
    "$id",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$vocabulary",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// How many values there are, the outermost included.
pub(super) fn values(value: &Value) -> u64 {
    let within: u64 = match value {
        Value::Array(items) => items.iter().map(values).sum(),
        Value::Object(fields) => fields.values().map(values).sum(),
        _ => 0,
    };
    within + 1
}

/// How many values a schema has once its references are followed.
pub(super) fn expanded(schema: &Value) -> Result<u64, BadSchema> {
    let values = values(schema);
    if values > MAX_VALUES {
        return Err(BadSchema::Values { values });
    }
    if let Some(kind) = schema.get("$schema").and_then(Value::as_str)
        && !KINDS.contains(&kind.strip_suffix('#').unwrap_or(kind))
    {
        return Err(BadSchema::Kind(quoted(kind, SHOWN_BYTES)));
    }
    let mut patterns = Vec::new();
    look_through(schema, true, &mut patterns)?;
    if patterns.len() > MAX_PATTERNS || patterns.iter().any(|bytes| *bytes > MAX_PATTERN_BYTES) {
        return Err(BadSchema::Patterns);
    }
    let mut follow = Follow { root: schema, known: HashMap::new() };
    Ok(follow.measure(schema, "#", 0)?.values)
}

/// Refuses keywords wherever they stand, also where they would mean nothing: to tell that apart is what attackers hope
/// to be better at. Collects the lengths of patterns.
fn look_through(value: &Value, outermost: bool, patterns: &mut Vec<usize>) -> Result<(), BadSchema> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| look_through(item, false, patterns)),
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            if REFUSED.contains(&name.as_str()) || (name == "$schema" && !outermost) {
                return Err(BadSchema::Keyword(name.clone()));
            }
            match (name.as_str(), value) {
                ("pattern", Value::String(pattern)) => patterns.push(pattern.len()),
                ("patternProperties", Value::Object(fields)) => patterns.extend(fields.keys().map(String::len)),
                _ => {}
            }
            look_through(value, false, patterns)
        }),
        _ => Ok(()),
    }
}

/// Size and depth of a part, its references followed.
#[derive(Clone, Copy)]
struct Measure {
    values: u64,
    depth: usize,
}

struct Follow<'a> {
    root: &'a Value,
    /// Parts by where they are in memory. Absent within: it is being measured.
    known: HashMap<*const Value, Option<Measure>>,
}

impl<'a> Follow<'a> {
    /// Measures a part that `by_way_of` led to, so many levels down.
    fn measure(&mut self, part: &'a Value, by_way_of: &str, level: usize) -> Result<Measure, BadSchema> {
        let key = std::ptr::from_ref(part);
        match self.known.get(&key) {
            Some(Some(known)) if level + known.depth > MAX_DEPTH => return Err(BadSchema::Depth),
            Some(Some(known)) => return Ok(*known),
            Some(None) => return Err(BadSchema::Cycle(quoted(by_way_of, SHOWN_BYTES))),
            None => {}
        }
        if level >= MAX_DEPTH {
            return Err(BadSchema::Depth);
        }
        self.known.insert(key, None);
        let mut sum = Measure { values: 1, depth: 1 };
        let mut add = |within: Measure| {
            sum.values = sum.values.saturating_add(within.values);
            sum.depth = sum.depth.max(within.depth + 1);
            if sum.values > MAX_EXPANDED { Err(BadSchema::Expands) } else { Ok(()) }
        };
        match part {
            Value::Array(items) => {
                for item in items {
                    add(self.measure(item, by_way_of, level + 1)?)?;
                }
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (name.as_str(), value) {
                        ("$ref", Value::String(to)) => add(self.measure(self.target(to)?, to, level + 1)?)?,
                        _ => add(self.measure(value, by_way_of, level + 1)?)?,
                    }
                }
            }
            _ => {}
        }
        self.known.insert(key, Some(sum));
        Ok(sum)
    }

    fn target(&self, to: &str) -> Result<&'a Value, BadSchema> {
        // Escapes would be one more way to write what is compared here.
        let pointer = to.strip_prefix('#').filter(|pointer| !pointer.contains('%'));
        let target = pointer.and_then(|pointer| self.root.pointer(pointer));
        target.ok_or_else(|| BadSchema::Reference(quoted(to, SHOWN_BYTES)))
    }
}
