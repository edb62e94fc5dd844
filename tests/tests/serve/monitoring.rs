//! The dashboard and the alert rules: they name only metrics that exist.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::daemon::Daemon;
use crate::node::{Node, image};

/// The variable of the environment that names the `promtool` binary.
const PROMTOOL_VARIABLE: &str = "THERMOCLINE_PROMTOOL";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/cli/monitoring").join(name)
}

fn promtool() -> Option<Command> {
    let binary = std::env::var_os(PROMTOOL_VARIABLE).filter(|binary| !binary.is_empty());
    if binary.is_none() {
        println!("skipped: {PROMTOOL_VARIABLE} names no promtool binary");
    }
    binary.map(Command::new)
}

/// What a daemon counts once it has uploaded a heatmap.
fn metrics() -> String {
    let shard = "0a110000000000000000000000000001";
    let node = Node::new();
    node.attached(shard, 1, &[image(0x1000)]);
    let daemon = Daemon::start(&node, "");
    assert_eq!(daemon.post(&format!("/v1/tenant/{shard}/heatmap_upload")).0, 200);
    let (status, text) = daemon.get("/metrics");
    assert_eq!(status, 200);
    text
}

/// The names of families, with what a histogram adds to its own.
fn exported(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        match kind {
            "histogram" => names.extend(["_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}"))),
            _ => drop(names.insert(name.to_owned())),
        }
    }
    names
}

/// The words of a text that begin as our metrics do.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let prefixes = ["thermocline_", "pageserver_"];
    // A setting that a rule tells of, and no metric.
    let other = ["pageserver_error"];
    let is_ours = |word: &&str| prefixes.iter().any(|prefix| word.starts_with(prefix)) && !other.contains(word);
    words.filter(is_ours).map(String::from).collect()
}

#[test]
fn dashboard_and_alerts_name_only_metrics_that_exist_and_show_them_all() {
    let text = metrics();
    let exported = exported(&text);
    let (dashboard, alerts) = (file("grafana-dashboard.json"), file("alerts.yml"));
    let dashboard = std::fs::read_to_string(dashboard).unwrap();
    let parsed: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    assert_eq!(parsed["title"], "Thermocline");
    let shown = named(&dashboard);
    for named in [&shown, &named(&std::fs::read_to_string(alerts).unwrap())] {
        assert!(named.len() > 10, "{named:?}");
        let unknown: Vec<_> = named.difference(&exported).collect();
        assert!(unknown.is_empty(), "{unknown:?} are none of {exported:?}");
    }
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(shown.iter().any(|shown| shown.starts_with(name)), "{name} is not on the dashboard");
    }
}

#[test]
fn promtool_has_nothing_to_say_of_the_metrics() {
    let Some(mut promtool) = promtool() else { return };
    let pipes = promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    child.stdin.take().unwrap().write_all(metrics().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert_eq!((output.status.code(), String::from_utf8(said).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn promtool_takes_the_rules() {
    let Some(mut promtool) = promtool() else { return };
    let output = promtool.args(["check", "rules"]).arg(file("alerts.yml")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn each_alert_fires_where_it_should_and_is_silent_where_it_should() {
    let Some(mut promtool) = promtool() else { return };
    let output = promtool.args(["test", "rules"]).arg(file("alerts_test.yml")).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent() {
    let text = |name: &str| std::fs::read_to_string(file(name)).unwrap();
    let (alerts, cases) = (text("alerts.yml"), text("alerts_test.yml"));
    // Behind each name: when it is looked at, and what is expected.
    let expected: BTreeSet<_> = cases
        .split("- alertname: ")
        .skip(1)
        .filter_map(|case| Some((case.lines().next()?, case.contains("exp_labels: "))))
        .collect();
    let alerts: Vec<_> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    for alert in alerts {
        assert!(expected.contains(&(alert, true)) && expected.contains(&(alert, false)), "{alert}");
    }
}
