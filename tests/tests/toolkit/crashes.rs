//! A policy that panics says in its own words why, and where it was.

use std::fs;

use crate::author::Author;
use crate::command::thermocline;
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

/// What a command that fails says. It says that something panicked, as no other may.
fn said(author: &Author, args: &[&str]) -> String {
    let output = author.in_folder(&mut thermocline(args)).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat()
}

#[test]
fn its_message_and_the_functions_it_was_in_are_shown_wherever_it_is_run() {
    let author = panicking();
    let node = Node::new();
    node.attached(SHARD, 1, &[image(0x10)]);
    let (data, remote) = (node.data().display().to_string(), node.remote_url());
    let file = "hot-window.wasm";
    let commands = [
        &["policy", "run", file, "--data-dir", &data][..],
        &["policy", "compare", "built-in", file, "--data-dir", &data],
        &["policy", "check", file],
        &["policy", "test", "."],
        &["policy", "bench", file, "--rows", "3"],
        &["upload", "--data-dir", &data, "--remote", &remote, "--policy", file],
    ];
    let source = fs::read_to_string(author.file("src/lib.rs")).unwrap();
    let line = 1 + source.lines().position(|line| line.contains("no room")).unwrap();
    for args in commands {
        let said = said(&author, args);
        let crash = "`select` crashed: wasm `unreachable` instruction executed in hot_window::too_many, called by ";
        assert!(said.contains(crash), "{args:?}: {said}");
        assert!(said.contains(&format!("panicked at src/lib.rs:{line}:5: no room for ")), "{args:?}: {said}");
    }
}
