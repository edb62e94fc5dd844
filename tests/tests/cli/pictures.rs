//! Pictures and pages, opened in a browser.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rstest::rstest;
use thermocline_tests::browser::{Browser, CHROMIUM_VARIABLE};

use crate::command::run;

/// The browser, where this environment is to have one.
fn browser() -> Option<Browser> {
    let browser = Browser::found();
    if browser.is_none() {
        println!("skipped: {CHROMIUM_VARIABLE} says that there is no Chromium");
    }
    browser
}

/// What a page without errors consists of.
fn opened(browser: &Browser, page: &Path) -> String {
    let opened = browser.open(page).unwrap();
    assert_eq!(opened.console, [""; 0], "{}", page.display());
    opened.dom
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
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heatmap-v1.json");
    std::fs::write(&file, heatmap(20)).unwrap();
    let dom = opened(&browser, &draw(&file, folder.path(), name));
    assert_eq!((marks(&dom, "m layer"), marks(&dom, "m layer cold"), marks(&dom, "m several")), (18, 2, 0));
    // One rectangle each, and one more over the cold.
    let drawn = dom.split_once("class=\"marks\"").unwrap().1.split_once("class=\"axes").unwrap().0;
    assert_eq!(drawn.matches("<rect ").count(), 22);
    for layer in 0..10 {
        let name = format!("000000067F000000050000400000{:08X}-", layer * 10);
        assert!(dom.contains(&name), "{name}");
    }
    assert_eq!(marks(&dom, "legend"), 1);
    assert!(dom.contains("20 layers, 19.7 KiB, 2 of them cold; scored by decay 0.1.0"), "{dom}");
    assert!(dom.contains(">1663/5/16384<"), "the relation is named: {dom}");
    // The page's script has taken the names over.
    let is_page = name.ends_with("html");
    assert_eq!(dom.matches("data-tip=").count(), if is_page { 20 } else { 0 });
    assert_eq!(dom.matches("default-src 'none'").count(), usize::from(is_page));
    assert!(!dom.contains(" src=") && !dom.contains(" href=") && !dom.contains("@import"), "nothing is fetched: {dom}");
}

#[rstest]
#[case::a_picture("map.svg", "<title>")]
#[case::a_page("map.html", "data-tip=\"")]
fn fifty_thousand_layers_are_gathered_into_what_can_be_seen(#[case] name: &str, #[case] told: &str) {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heatmap-v1.json");
    std::fs::write(&file, heatmap(50_000)).unwrap();
    let dom = opened(&browser, &draw(&file, folder.path(), name));
    let gathered = marks(&dom, "m several");
    assert!((200..2_000).contains(&gathered), "{gathered}");
    let counts = dom.split(told).skip(1).filter_map(|tip| tip.split_once(" layers,"));
    let gathered: u32 = counts.filter_map(|(count, _)| count.parse::<u32>().ok()).sum();
    let single = marks(&dom, "m layer") + marks(&dom, "m layer cold");
    assert_eq!(gathered as usize + single, 50_000);
}

#[test]
fn a_heatmap_of_a_real_pageserver_is_drawn() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let real = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/data/pageserver/heatmap-v1.json"));
    let dom = opened(&browser, &draw(real, folder.path(), "map.svg"));
    assert_eq!((marks(&dom, "panel"), marks(&dom, "m layer") + marks(&dom, "m layer cold")), (2, 41));
    assert!(dom.contains("not scored by the policy"), "{dom}");
}

#[test]
fn one_timeline_can_be_drawn_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (real, out) =
        (concat!(env!("CARGO_MANIFEST_DIR"), "/data/pageserver/heatmap-v1.json"), folder.path().join("a.svg"));
    let drawn = |timeline: &str| run(["heatmap", "draw", real, "-o", out.to_str().unwrap(), "--timeline", timeline]);
    let all = run(["heatmap", "draw", real, "-o", out.to_str().unwrap()]).exits_with(0);
    assert_eq!(all.stderr, "");
    let picture = std::fs::read_to_string(&out).unwrap();
    let of_panel = picture.split(">timeline ").nth(2).unwrap();
    let (timeline, layers) = (&of_panel[..32], of_panel[34..].split_once(',').unwrap().0);
    drawn(timeline).exits_with(0);
    let picture = std::fs::read_to_string(&out).unwrap();
    assert_eq!(marks(&picture, "panel"), 1);
    assert!(picture.contains(&format!("heatmap-v1.json: {layers}, ")), "the title is of what is drawn: {layers}");
    let refused = drawn("99999999999999999999999999999999").exits_with(1);
    assert!(refused.stderr.contains("lists no timeline 9999"), "{}", refused.stderr);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), picture, "what there was stays");
}

#[test]
fn what_was_simulated_is_plotted() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let args = ["simulate", "--generate", "append", "--failovers", "4", "--budget", "0.25,0.5", "--html"];
    run(args.iter().map(Path::new).chain([page.as_path()])).exits_with(0);
    let dom = opened(&browser, &page);
    assert_eq!(dom.matches("<svg").count(), 5);
    for (policy, colour, legends, plots) in
        [("resident-set", "#333333", 2, 5), ("decay", "#D55E00", 2, 5), ("clairvoyant", "#999999", 1, 3)]
    {
        let rows = 2;
        assert_eq!(dom.matches(&format!("<td>{policy}</td>")).count(), rows, "{policy}");
        assert_eq!(dom.matches(&format!("</i>{policy}</li>")).count(), legends, "{policy}: {dom}");
        let lines = dom.lines().filter(|line| line.contains("<polyline") && line.contains(colour));
        assert_eq!(lines.count(), plots, "{policy}: {dom}");
    }
    assert!(dom.matches("<circle").count() >= 2 * (3 * 3 + 2 * 2), "{dom}");
}

#[rstest]
#[case::an_error("<script>undefined_function();</script>", "undefined_function is not defined")]
#[case::a_complaint("<script>console.error('out of ink');</script>", "out of ink")]
#[case::what_its_rules_forbid(
    "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\"><img src=data:,>",
    "Content Security Policy"
)]
fn what_is_wrong_with_a_page_is_seen(#[case] page: &str, #[case] says: &str) {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    std::fs::write(&file, format!("<!doctype html><body>{page}</body>")).unwrap();
    let console = browser.open(&file).unwrap().console;
    assert!(console.iter().any(|line| line.contains(says)), "{console:?}");
}

#[test]
fn a_page_that_never_comes_to_an_end_is_given_up() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    std::fs::write(&file, "<!doctype html><body><script>for (;;);</script></body>").unwrap();
    // All that holds its output has ended when this returns.
    let error = browser.patience(Duration::from_secs(5)).open(&file).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains("page.html: the page did not come to an end in 5 s"), "{error}");
}

#[test]
fn a_picture_has_the_kind_that_its_name_says() {
    let real = concat!(env!("CARGO_MANIFEST_DIR"), "/data/pageserver/heatmap-v1.json");
    let run = run(["heatmap", "draw", real, "-o", "map.png"]).exits_with(1);
    assert!(run.stderr.contains("map.png: a picture's name ends in .svg, or in .html"), "{}", run.stderr);
}
