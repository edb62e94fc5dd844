//! A policy that panics says in its own words why, and where it was.

use std::fs;

use crate::author::Author;
use crate::command::run;
use crate::node::{Node, image};

const SHARD: &str = "0a110000000000000000000000000001";

/// A policy that panics in a function of its own where it sees a layer.
fn panicking() -> Author {
    let author = Author::new();
    let source = fs::read_to_string(author.file("src/lib.rs")).unwrap();
    let panics =
        "#[inline(never)]\nfn too_many(rows: usize) {\n    assert!(rows == 0, \"no room for {rows} layers\");\n}\n";
    let sorted = "        hot.sort_unstable();\n";
    assert!(source.contains(sorted));
    let source = source.replacen(sorted, &format!("        too_many(marks.len());\n{sorted}"), 1);
    fs::write(author.file("src/lib.rs"), format!("{source}\n{panics}")).unwrap();
    author.thermocline(&["policy", "build", "."]).exits_with(0);
    author
}

#[test]
fn its_message_and_the_functions_it_was_in_are_shown_wherever_it_is_run() {
    let author = panicking();
    let file = author.file("hot-window.wasm").display().to_string();
    let node = Node::new();
    node.attached(SHARD, 1, &[image(0x10)]);
    let data = node.data().display().to_string();
    let layers = ["--data-dir", &data];
    let commands = [
        run(["policy", "run", &file].iter().chain(&layers)).exits_with(1).text(),
        run(["policy", "compare", "built-in", &file].iter().chain(&layers)).exits_with(1).text(),
        run(["policy", "check", &file]).exits_with(1).text(),
        author.thermocline(&["policy", "test", "."]).exits_with(1).text(),
        run(["policy", "bench", &file, "--rows", "3"]).exits_with(1).stderr,
        node.upload(&["--policy", &file]).exits_with(1).text(),
    ];
    for said in commands {
        let crash = "`select` crashed: wasm `unreachable` instruction executed in hot_window::too_many, called by ";
        assert!(said.contains(crash), "{said}");
    }
    let ran = run(["policy", "run", &file].iter().chain(&layers)).exits_with(1).text();
    let line = 1 + fs::read_to_string(author.file("src/lib.rs"))
        .unwrap()
        .lines()
        .position(|line| line.contains("no room"))
        .unwrap();
    assert!(ran.contains(&format!("panicked at src/lib.rs:{line}:5: no room for 1 layers")), "{ran}");
}
