//! Metrics as text, read back.

use proptest::prelude::*;
use thermocline::metrics::{Family, Kind, Sample, Value};
use thermocline_cli::serve::exposition::encode;

/// The labels and the value of a line, read as Prometheus does.
fn read(line: &str) -> (Vec<(String, String)>, String) {
    let Some((_, rest)) = line.split_once('{') else {
        return (Vec::new(), line.split_once(' ').unwrap().1.to_owned());
    };
    let mut labels = Vec::new();
    let mut rest = rest.chars();
    loop {
        let name: String = rest.by_ref().take_while(|c| *c != '=').collect();
        assert_eq!(rest.next(), Some('"'));
        let mut value = String::new();
        loop {
            match rest.next().unwrap() {
                '"' => break,
                '\\' => value.push(match rest.next().unwrap() {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    other => panic!("\\{other}"),
                }),
                other => value.push(other),
            }
        }
        labels.push((name, value));
        match rest.next().unwrap() {
            ',' => {}
            '}' => break,
            other => panic!("{other}"),
        }
    }
    assert_eq!(rest.next(), Some(' '));
    (labels, rest.collect())
}

proptest! {
    #[test]
    fn labels_and_numbers_read_back(
        values in proptest::collection::vec("[\\\\\"\n{}=, a]{0,8}|\\PC{0,12}", 0..4),
        number in prop_oneof![any::<f64>(), (0..1_u64 << 53).prop_map(|count| count as f64)],
        help in "[\\\\\n\"a ]{0,8}",
    ) {
        let names = ["a", "b", "c", "d"];
        let labels: Vec<_> = names.into_iter().zip(values.clone()).collect();
        let help: &'static str = help.leak();
        let samples = vec![Sample { labels, value: Value::Number(number) }];
        let text = encode(&[Family { name: "x", help, kind: Kind::Untyped, samples }]);
        prop_assert!(text.ends_with('\n'));
        let lines: Vec<&str> = text.split_terminator('\n').collect();
        prop_assert_eq!(lines.len(), 3, "{}", text);
        let (labels, value) = read(lines[2]);
        let expected: Vec<_> = names.into_iter().map(String::from).zip(values).collect();
        prop_assert_eq!(labels, expected);
        let value: f64 = value.replace("+Inf", "inf").parse().unwrap();
        prop_assert!(value == number || (value.is_nan() && number.is_nan()));
    }
}
