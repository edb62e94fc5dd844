//! `thermocline heatmap show`, `verify` and `diff`.

use std::fs;
use std::path::PathBuf;

use insta::assert_snapshot;
use rstest::rstest;
use serde_json::json;
use tempfile::TempDir;

use crate::command::{Run, run};

const ZERO: &str = "000000000000000000000000000000000000";
const MAX: &str = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF";
const PAGE: &str = "000000067F00000001000004DF0000000006";
const TRUNK: &str = "11111111111111111111111111111111";
const BRANCH: &str = "22222222222222222222222222222222";

fn image() -> String {
    format!("{ZERO}-{PAGE}__00000000014FED58")
}

fn delta() -> String {
    format!("{ZERO}-{PAGE}__00000000014FED58-000000000154C481")
}

fn l0() -> String {
    format!("{ZERO}-{MAX}__000000000154C481-0000000001600000")
}

/// One layer; `more` goes before its end.
fn layer(name: &str, size: u64, access_time: i64, more: &str) -> String {
    format!(
        r#"{{"name":"{name}","metadata":{{"file_size":{size},"generation":1}},"access_time":{access_time},"cold":false{more}}}"#
    )
}

fn timeline(id: &str, layers: &[String]) -> String {
    format!(r#"{{"timeline_id":"{id}","layers":[{}]}}"#, layers.join(","))
}

fn document(timelines: &[String]) -> String {
    format!(r#"{{"generation":1,"timelines":[{}],"upload_period_ms":60000}}"#, timelines.join(","))
}

/// A small one, as the original writes it: two timelines, one without layers, and a cold layer.
fn plain() -> String {
    let cold = layer(&image(), 5 << 20, 1_715_107_956, "").replace("\"cold\":false", "\"cold\":true");
    let layers = [layer(&delta(), 23_289_856, 1_715_107_956, ""), layer(&l0(), 8192, 1_715_111_556, ""), cold];
    document(&[timeline(TRUNK, &layers), timeline(BRANCH, &[])])
}

/// One with heats.
fn scored() -> String {
    let layers =
        [layer(&l0(), 8192, 1_715_111_556, ",\"heat\":0.25"), layer(&delta(), 9000, 1_715_107_956, ",\"heat\":0.125")];
    let policy = format!(r#","policy":{{"name":"recency","version":"1.2.0","digest":"{}"}}}}"#, "ab".repeat(32));
    let document = document(&[timeline(TRUNK, &layers)]);
    format!("{}{policy}", document.strip_suffix('}').unwrap())
}

/// A folder of heatmaps, in which the command runs.
struct Heatmaps(TempDir);

impl Heatmaps {
    fn new(documents: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, document) in documents {
            fs::write(folder.path().join(name), document).unwrap();
        }
        Heatmaps(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `thermocline heatmap` in this folder.
    fn run(&self, args: &[&str]) -> Run {
        let mut command = crate::command::thermocline(["heatmap"].iter().chain(args));
        Run::of(command.current_dir(self.0.path()))
    }
}

#[test]
fn show_sums_up_and_names_the_first_layers() {
    let heatmaps = Heatmaps::new(&[("plain.json", &plain()), ("scored.json", &scored())]);
    let shown = heatmaps.run(&["show", "plain.json", "scored.json"]).exits_with(0);
    assert_eq!(shown.stderr, "");
    assert_snapshot!(shown.text());
    let first = heatmaps.run(&["show", "--top", "1", "plain.json"]).exits_with(0).text();
    assert!(first.contains(&l0()) ^ first.contains(&delta()), "{first}");
}

#[test]
fn show_says_the_same_in_json() {
    let heatmaps = Heatmaps::new(&[("plain.json", &plain()), ("scored.json", &scored())]);
    let shown = heatmaps.run(&["show", "--json", "plain.json", "scored.json"]).exits_with(0);
    let json = shown.json();
    assert_eq!(json[0]["file"], "plain.json");
    assert_eq!(json[0]["bytes"], plain().len());
    assert_eq!(json[0]["generation"], 1);
    assert_eq!(json[0]["upload_period_ms"], 60000);
    assert_eq!(json[0]["top"].as_array().unwrap().len(), 3);
    assert_eq!(json[0]["top"][0]["name"], delta());
    assert_eq!(json[1]["policy"]["name"], "recency");
    assert_eq!(json[1]["top"][0]["heat"], 0.25);
    assert_snapshot!(shown.text());
}

#[test]
fn verify_says_what_is_wrong_and_where() {
    let whole = plain();
    let cut = &whole[..whole.find("1715111556").unwrap() + 4];
    let twice = [layer(&l0(), 8192, 1_715_111_556, ""), layer(&l0(), 0, 1_715_111_556, "")];
    let bad_name = plain().replace(&l0(), "not-a-layer");
    let documents = [
        ("good.json", whole.as_str()),
        ("spaced.json", &format!("{whole}\n")),
        ("twice.json", &document(&[timeline(TRUNK, &twice)])),
        ("cut.json", cut),
        ("name.json", &bad_name),
        ("text.json", "Dear diary"),
        ("empty.json", ""),
    ];
    let heatmaps = Heatmaps::new(&documents);
    let names = documents.iter().map(|(name, _)| *name).chain(["missing.json"]);
    let args: Vec<_> = ["verify"].into_iter().chain(names.clone()).collect();
    let verified = heatmaps.run(&args).exits_with(1);
    assert_eq!(verified.stderr, "");
    assert_snapshot!(verified.text());

    // Each on its own: notes alone are no failure.
    for (name, code) in names.zip([0, 0, 1, 1, 1, 1, 1, 1]) {
        let verified = heatmaps.run(&["verify", "--json", name]).exits_with(code);
        let json = verified.json();
        assert_eq!((&json[0]["file"], &json[0]["valid"]), (&json!(name), &json!(code == 0)), "{json}");
    }
    let json = heatmaps.run(&["verify", "--json", "twice.json", "cut.json"]).exits_with(1).json();
    assert_eq!((&json[0]["errors"], &json[0]["notes"], &json[0]["error"]), (&json!(1), &json!(1), &json!(null)));
    assert_eq!(json[0]["complaints"][0]["path"], "timelines[0].layers[1]");
    assert_eq!(json[0]["complaints"][0]["severity"], "error");
    let place = format!("byte {}", cut.len());
    assert!(json[1]["error"].as_str().unwrap().contains(&place), "{json}");
}

#[test]
fn diff_says_what_changed() {
    let later = plain()
        .replace(&layer(&l0(), 8192, 1_715_111_556, ""), &layer(&l0(), 16384, 1_715_111_556, ""))
        .replace("\"cold\":true", "\"cold\":false")
        .replace("\"generation\":1,\"timelines\"", "\"generation\":2,\"timelines\"")
        .replace(BRANCH, "33333333333333333333333333333333")
        .replace(":60000", ":null");
    let heatmaps = Heatmaps::new(&[("before.json", &plain()), ("after.json", &later), ("scored.json", &scored())]);
    let compared = heatmaps.run(&["diff", "before.json", "before.json", "after.json", "scored.json"]).exits_with(0);
    assert_eq!(compared.stderr, "");
    assert_snapshot!(compared.text());

    let json = heatmaps.run(&["diff", "--json", "before.json", "before.json", "after.json"]).exits_with(0).json();
    assert_eq!((&json[0]["same"], &json[1]["same"]), (&json!(true), &json!(false)));
    assert_eq!((&json[1]["before"], &json[1]["after"]), (&json!("before.json"), &json!("after.json")));
    assert_eq!(json[1]["generation"], json!({"before": 1, "after": 2}));
    assert_eq!(json[1]["changed"].as_array().unwrap().len(), 2);
    assert_eq!(json[1]["timelines_removed"], json!([BRANCH]));
}

/// Of as many L0 layers as there are heats; each is cold that has a heat of 0.
fn of_heats(heats: impl Iterator<Item = f64>, more: &[String]) -> String {
    let layers = heats.enumerate().map(|(number, heat)| {
        let name = format!("{ZERO}-{MAX}__{:016X}-{:016X}", 100 + number, 101 + number);
        let layer = layer(&name, 1 << 20, 1_715_107_956, &format!(",\"heat\":{heat}"));
        if heat == 0.0 { layer.replace("\"cold\":false", "\"cold\":true") } else { layer }
    });
    let policy = format!(r#","policy":{{"name":"decay","version":"0.1.0","digest":"{}"}}}}"#, "ab".repeat(32));
    let document = document(&[timeline(TRUNK, &layers.chain(more.iter().cloned()).collect::<Vec<_>>())]);
    format!("{}{policy}", document.strip_suffix('}').unwrap())
}

#[test]
fn show_says_how_heat_is_spread() {
    let heats = || [512.0, 64.0, 8.0].into_iter().chain((0..17).map(|n| f64::from(n) / 128.0));
    let unscored = layer(&delta(), 9000, 1_715_107_956, "");
    let heatmaps = Heatmaps::new(&[("spread.json", &of_heats(heats(), &[unscored]))]);
    assert_snapshot!(heatmaps.run(&["show", "--top", "2", "spread.json"]).exits_with(0).text());
    let json = heatmaps.run(&["show", "--json", "spread.json"]).exits_with(0).json();
    assert_eq!(json[0]["hottest"][0], json!({"percent": 10, "heat": 64.0, "layers": 2, "bytes": 2 << 20}));
}

#[test]
fn heats_that_all_moved_a_little_do_not_drown_what_changed() {
    let before = of_heats((1..=200).map(f64::from), &[layer(&image(), 5 << 20, 0, ",\"heat\":3")]);
    let faded = (1..=200).map(|n| if n == 7 { 99.0 } else { f64::from(n) * 0.75 });
    let after = of_heats(faded, &[layer(&delta(), 6 << 20, 0, ",\"heat\":4")]);
    let heatmaps = Heatmaps::new(&[("before.json", &before), ("after.json", &after)]);
    assert_snapshot!(heatmaps.run(&["diff", "before.json", "after.json"]).exits_with(0).text());
    let json = heatmaps.run(&["diff", "--json", "before.json", "after.json"]).exits_with(0).json();
    assert_eq!(json[0]["heat_moved"].as_array().unwrap().len(), 200);
    let moves = json!({"hotter": 1, "cooler": 199, "newly_scored": 0, "no_longer_scored": 0, "median_factor": 0.75});
    assert_eq!(json[0]["heat_moves"], moves);
}

#[rstest]
#[case::as_many_as_are_told(10, 10, 0)]
#[case::one_more(11, 10, 1)]
fn so_many_heats_that_moved_have_a_line(#[case] moved: u32, #[case] lines: usize, #[case] more: usize) {
    let heats = |offset: f64| of_heats((1..=moved).map(move |n| f64::from(n) + offset), &[]);
    let heatmaps = Heatmaps::new(&[("before.json", &heats(0.0)), ("after.json", &heats(0.5))]);
    let text = heatmaps.run(&["diff", "before.json", "after.json"]).exits_with(0).text();
    let told = text.lines().filter(|line| line.contains(" heat ") && line.starts_with('~')).count();
    assert_eq!((told, text.matches("and 1 heat moved less; --json has all").count()), (lines, more), "{text}");
}

#[test]
fn a_heatmap_can_be_an_object() {
    let heatmaps = Heatmaps::new(&[("heatmap-v1.json", &plain())]);
    let url = format!("file://{}", heatmaps.path("heatmap-v1.json").display());
    let missing = url.replace("v1", "v2");
    assert_eq!(run(["heatmap", "verify", &url]).exits_with(0).text(), format!("{url}: good\n"));
    assert_eq!(
        run(["heatmap", "verify", &missing]).exits_with(1).text(),
        format!("{missing}: bad: there is no such object\n")
    );
    assert_eq!(run(["heatmap", "show", "--json", &url]).exits_with(0).json()[0]["file"], url);
    let file = heatmaps.path("heatmap-v1.json");
    assert!(run(["heatmap", "diff", &url, file.to_str().unwrap()]).exits_with(0).text().ends_with("no difference\n"));
    assert_eq!(
        run(["heatmap", "show", &missing]).exits_with(1).stderr,
        format!("error: {missing}: there is no such object\n")
    );
}

#[test]
fn show_and_diff_name_the_file_that_they_cannot_read() {
    let heatmaps = Heatmaps::new(&[("good.json", &plain()), ("bad.json", "{}")]);
    for args in [&["show", "good.json", "bad.json"][..], &["diff", "good.json", "bad.json"]] {
        let run = heatmaps.run(args).exits_with(1);
        assert_eq!(run.stdout, b"");
        assert!(run.stderr.starts_with("error: bad.json: not a heatmap: line 1, column 2"), "{}", run.stderr);
    }
    for args in [&["show", "gone.json"][..], &["diff", "gone.json", "good.json"]] {
        let run = heatmaps.run(args).exits_with(1);
        assert_eq!(run.stderr, "error: gone.json: cannot be read: No such file or directory (os error 2)\n");
    }
}
