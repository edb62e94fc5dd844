//! The guide for authors, run as a script from an empty folder.

use std::env;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::author::target;
use crate::command::binary;

const GUIDE: &str = include_str!("../../../plugins/README.md");

/// Blocks whose fence opens so are the script, in order.
const RUN: &str = "```sh";

/// The guide's commands.
fn script() -> String {
    let mut script = String::new();
    let mut lines = GUIDE.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let block = lines.by_ref().take_while(|line| *line != "```");
            let block: Vec<_> = block.collect();
            if line == RUN {
                script.extend(block.iter().flat_map(|line| [*line, "\n"]));
            }
        }
    }
    script
}

/// Ends whatever a script left running, also where the test fails.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}

#[test]
fn the_guide_leads_from_nothing_to_a_policy_in_a_running_host() {
    let folder = tempfile::tempdir().unwrap();
    let inherited = env::var_os("PATH").unwrap_or_default();
    let beside = binary().parent().map(Path::to_owned).unwrap();
    let path = env::join_paths([beside].into_iter().chain(env::split_paths(&inherited))).unwrap();
    // The guide's port may be taken here. This one was free a moment ago.
    let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();

    let mut shell = Command::new("sh");
    shell.args(["-eux", "-c", &script()]).current_dir(folder.path()).stdin(Stdio::null()).process_group(0);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("THERMOCLINE_")) {
        shell.env_remove(name);
    }
    shell.env("PATH", path).env("CARGO_TARGET_DIR", target()).env("TMPDIR", folder.path()).env_remove("RUST_LOG");
    shell.env("THERMOCLINE_LISTEN", &listen).env("THERMOCLINE_URL", format!("http://{listen}"));
    // Into files: a daemon that was left behind would hold pipes open.
    let (out, error) = (folder.path().join("script.out"), folder.path().join("script.err"));
    shell.stdout(std::fs::File::create(&out).unwrap()).stderr(std::fs::File::create(&error).unwrap());
    let mut running = shell.spawn().unwrap();
    let group = Group(Pid::from_child(&running));
    let status = running.wait().unwrap();
    drop(group);
    let said = || [&out, &error].map(|file| std::fs::read_to_string(file).unwrap()).join("\n---\n");
    assert!(status.success(), "{status}\n{}", said());
    assert!(!said().contains("panicked"), "{}", said());
}

#[test]
fn the_guide_shows_every_command_for_authors_and_operators() {
    let script = script();
    for command in [
        "new", "build", "inspect", "check", "test", "run", "compare", "bench", "install", "list", "show", "shadow",
        "activate", "rollback", "log", "remove",
    ] {
        let command = format!("thermocline policy {command} ");
        assert!(script.lines().any(|line| format!("{line} ").contains(&command)), "{command}");
    }
}
