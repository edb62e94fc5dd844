//! Pictures and pages, opened in a browser.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rstest::rstest;
use thermocline_tests::browser::{self, Opened};

use crate::command::run;

/// A page without errors, as the browser has it.
fn opened(page: &Path) -> Opened {
    let opened = browser::open(page).unwrap();
    assert_eq!(opened.console, [""; 0], "{}", page.display());
    opened
}

fn marks(dom: &str, class: &str) -> usize {
    dom.matches(&format!("class=\"{class}\"")).count()
}

/// Of images side by side and deltas above, each with a heat; every tenth is cold.
fn heatmap(layers: u32) -> String {
    let key = |block: u32| format!("000000067F000000050000400000{block:08X}");
    let mut text =
        String::from(r#"{"generation":1,"timelines":[{"timeline_id":"11111111111111111111111111111111","layers":["#);
    for layer in 0..layers {
        let place = layer / 2 * 10;
        let lsns = if layer % 2 == 0 { "0000000001000000" } else { "0000000001000010-0000000001000090" };
        let comma = if layer == 0 { "" } else { "," };
        let (cold, heat) = (layer % 10 == 9, f64::from(layer % 97) + 0.5);
        write!(
            text,
            r#"{comma}{{"name":"{}-{}__{lsns}","metadata":{{"file_size":{},"generation":1}},"access_time":0,"cold":{cold},"heat":{heat}}}"#,
            key(place),
            key(place + 10),
            1000 + layer,
        )
        .unwrap();
    }
    text.push_str(r#"]}],"upload_period_ms":60000,"policy":{"name":"decay","version":"0.1.0","digest":""#);
    text.push_str(&"0".repeat(64));
    text.push_str(r#""}}"#);
    text
}

fn draw(heatmap: &Path, folder: &Path, name: &str) -> PathBuf {
    let out = folder.join(name);
    run([Path::new("heatmap"), Path::new("draw"), heatmap, Path::new("-o"), &out]).exits_with(0);
    out
}

#[rstest]
#[case::a_picture("map.svg")]
#[case::a_page("map.html")]
fn a_layer_is_a_rectangle_with_its_name(#[case] name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heatmap-v1.json");
    std::fs::write(&file, heatmap(20)).unwrap();
    let dom = opened(&draw(&file, folder.path(), name)).dom;
    assert_eq!((marks(&dom, "m layer"), marks(&dom, "m layer cold"), marks(&dom, "m cell")), (18, 2, 0));
    for layer in 0..10 {
        let name = format!("000000067F000000050000400000{:08X}-", layer * 10);
        assert!(dom.contains(&name), "{name}");
    }
    assert_eq!(marks(&dom, "legend"), 1);
    assert!(dom.contains("20 layers, 2 of them cold, scored by decay"), "{dom}");
    // The page's script has taken the names over.
    assert_eq!(dom.matches("data-tip=").count(), if name.ends_with("html") { 20 } else { 0 });
}

#[test]
fn fifty_thousand_layers_are_gathered_into_what_can_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heatmap-v1.json");
    std::fs::write(&file, heatmap(50_000)).unwrap();
    let dom = opened(&draw(&file, folder.path(), "map.html")).dom;
    let cells = marks(&dom, "m cell");
    assert!((200..2_000).contains(&cells), "{cells}");
    let tips = dom.split("data-tip=\"").skip(1).filter_map(|tip| tip.split_once(" layers,"));
    let gathered: u32 = tips.filter_map(|(count, _)| count.parse::<u32>().ok()).sum();
    let single = marks(&dom, "m layer") + marks(&dom, "m layer cold");
    assert_eq!(gathered as usize + single, 50_000);
}

#[test]
fn a_heatmap_of_a_real_pageserver_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let real = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/data/pageserver/heatmap-v1.json"));
    let dom = opened(&draw(real, folder.path(), "map.svg")).dom;
    assert_eq!((marks(&dom, "panel"), marks(&dom, "m layer") + marks(&dom, "m layer cold")), (2, 41));
    assert!(dom.contains("hot: the policy does not score"), "{dom}");
}

#[test]
fn what_was_simulated_is_plotted() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let args = ["simulate", "--generate", "append", "--failovers", "4", "--budget", "0.25,0.5", "--html"];
    run(args.iter().map(Path::new).chain([page.as_path()])).exits_with(0);
    let dom = opened(&page).dom;
    assert_eq!(dom.matches("<svg").count(), 5);
    for (policy, plots) in [("resident-set", 5), ("decay", 5), ("clairvoyant", 3)] {
        let rows = 2;
        let named = dom.matches(&format!("<td>{policy}</td>")).count();
        assert_eq!(named, rows, "{policy}");
        let plotted = dom.matches(&format!("\n{policy}\n")).count();
        assert_eq!(plotted, plots, "{policy}: {dom}");
    }
    assert!(dom.matches("<circle").count() >= 2 * (3 * 3 + 2 * 2), "{dom}");
}

#[rstest]
#[case::an_error("<script>undefined_function();</script>", "undefined_function is not defined")]
#[case::a_complaint("<script>console.error('out of ink');</script>", "out of ink")]
fn what_is_wrong_with_a_page_is_seen(#[case] page: &str, #[case] says: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    std::fs::write(&file, format!("<!doctype html><body>{page}</body>")).unwrap();
    let console = browser::open(&file).unwrap().console;
    assert!(console.iter().any(|line| line.contains(says)), "{console:?}");
}

#[test]
fn a_picture_has_the_kind_that_its_name_says() {
    let real = concat!(env!("CARGO_MANIFEST_DIR"), "/data/pageserver/heatmap-v1.json");
    let run = run(["heatmap", "draw", real, "-o", "map.png"]).exits_with(1);
    assert!(run.stderr.contains("map.png: a picture's name ends in .svg, or in .html"), "{}", run.stderr);
}
