//! Metrics as Prometheus reads them: its text format, version 0.0.4.
//!
//! An encoder of our own, because those of libraries cannot print the type `untyped`. Dashboards know some counters
//! by names without `_total`, which Prometheus' rules allow neither a counter nor a gauge; untyped they may stay, and
//! `promtool check metrics` has nothing to say.

use std::fmt::Write;

use thermocline::metrics::{Family, Kind, Value};

/// Of the text, as in a header.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes families in their order; of one without a sample its name and what it is.
pub fn encode(families: &[Family]) -> String {
    let mut text = String::new();
    for family in families {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Untyped => "untyped",
        };
        let Family { name, .. } = family;
        // Writing to a string never fails.
        let _ = writeln!(text, "# HELP {name} {}", escaped(family.help, false));
        let _ = writeln!(text, "# TYPE {name} {kind}");
        for sample in &family.samples {
            match &sample.value {
                Value::Number(number) => line(&mut text, name, "", &sample.labels, None, *number),
                Value::Histogram(buckets) => {
                    for (bound, count) in &buckets.cumulative {
                        line(&mut text, name, "_bucket", &sample.labels, Some(*bound), exact(*count));
                    }
                    line(&mut text, name, "_bucket", &sample.labels, Some(f64::INFINITY), exact(buckets.count));
                    line(&mut text, name, "_sum", &sample.labels, None, buckets.sum);
                    line(&mut text, name, "_count", &sample.labels, None, exact(buckets.count));
                }
            }
        }
    }
    text
}

fn line(text: &mut String, name: &str, suffix: &str, labels: &[(&str, String)], bound: Option<f64>, value: f64) {
    text.push_str(name);
    text.push_str(suffix);
    let labels = labels.iter().map(|(name, value)| (*name, escaped(value, true)));
    let bound = bound.map(|bound| ("le", number(bound)));
    let mut before = '{';
    for (name, value) in labels.chain(bound) {
        let _ = write!(text, "{before}{name}=\"{value}\"");
        before = ',';
    }
    let _ = writeln!(text, "{} {}", if before == ',' { "}" } else { "" }, number(value));
}

/// What a line cannot carry as it is: line ends and backslashes, and in the value of a label also quotes.
fn escaped(text: &str, quoted: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quoted { text.replace('"', "\\\"") } else { text }
}

fn number(number: f64) -> String {
    match number {
        f64::INFINITY => "+Inf".into(),
        f64::NEG_INFINITY => "-Inf".into(),
        number if number.is_nan() => "NaN".into(),
        number => number.to_string(),
    }
}

#[allow(clippy::cast_precision_loss, reason = "the format's numbers are floats; counts below 2^53 are exact")]
fn exact(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use thermocline::metrics::{Buckets, Sample};

    use super::*;

    fn family(kind: Kind, samples: Vec<Sample>) -> Family {
        Family { name: "thermocline_x", help: "Says \\ and\nmore.", kind, samples }
    }

    #[test]
    fn every_kind_is_written_as_the_format_has_it() {
        let labels = vec![("tenant_id", "a\"\\\nb".to_owned()), ("shard_id", String::new())];
        let buckets = Buckets { cumulative: vec![(0.005, 1), (1.0, 3)], sum: 12.25, count: 4 };
        let families = [
            family(Kind::Counter, vec![Sample { labels: Vec::new(), value: Value::Number(1e15) }]),
            family(Kind::Gauge, vec![Sample { labels, value: Value::Number(f64::NEG_INFINITY) }]),
            family(Kind::Untyped, vec![Sample { labels: Vec::new(), value: Value::Number(f64::NAN) }]),
            family(Kind::Gauge, Vec::new()),
            family(
                Kind::Histogram,
                vec![
                    Sample { labels: Vec::new(), value: Value::Histogram(Buckets::default()) },
                    Sample { labels: vec![("call", "select".into())], value: Value::Histogram(buckets) },
                ],
            ),
        ];
        let expected = r#"# HELP thermocline_x Says \\ and\nmore.
# TYPE thermocline_x counter
thermocline_x 1000000000000000
# HELP thermocline_x Says \\ and\nmore.
# TYPE thermocline_x gauge
thermocline_x{tenant_id="a\"\\\nb",shard_id=""} -Inf
# HELP thermocline_x Says \\ and\nmore.
# TYPE thermocline_x untyped
thermocline_x NaN
# HELP thermocline_x Says \\ and\nmore.
# TYPE thermocline_x gauge
# HELP thermocline_x Says \\ and\nmore.
# TYPE thermocline_x histogram
thermocline_x_bucket{le="+Inf"} 0
thermocline_x_sum 0
thermocline_x_count 0
thermocline_x_bucket{call="select",le="0.005"} 1
thermocline_x_bucket{call="select",le="1"} 3
thermocline_x_bucket{call="select",le="+Inf"} 4
thermocline_x_sum{call="select"} 12.25
thermocline_x_count{call="select"} 4
"#;
        assert_eq!(encode(&families), expected);
    }
}
