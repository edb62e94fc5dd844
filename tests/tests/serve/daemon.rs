//! A daemon that runs for a test.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::command::thermocline;
use crate::node::Node;

/// Longest wait for a line of the log: policies are compiled before the first.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon over a node, with a log in JSON. It ends with this value, also when a test panics.
pub(crate) struct Daemon {
    child: Child,
    log: Receiver<Value>,
    pub(crate) url: String,
}

/// Writes the settings of a daemon over `node`, and `more` of them.
pub(crate) fn settings(node: &Node, more: &str) -> PathBuf {
    let (data, remote) = (node.data(), node.remote());
    fs::create_dir_all(&remote).unwrap();
    let file = node.root().join("thermocline.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\npageserver.data_dir = {data:?}\nremote_storage.local_path = {remote:?}\n\
         log.format = \"json\"\n{more}\n"
    );
    fs::write(&file, text).unwrap();
    file
}

/// The command, with a configuration and more arguments, and nothing in the environment that it would read.
pub(crate) fn serve(file: &std::path::Path, more: &[&str]) -> Command {
    let mut command = thermocline(["serve", "--config"]);
    command.arg(file).args(more).env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("THERMOCLINE_")) {
        command.env_remove(name);
    }
    command
}

impl Daemon {
    /// Starts one, and waits until it serves.
    pub(crate) fn start(node: &Node, more: &str) -> Self {
        Daemon::start_with(&mut serve(&settings(node, more), &[]))
    }

    pub(crate) fn start_with(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let (lines, log) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // What is no JSON is a panic, or an error before the log was there.
                let _ = lines.send(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        let mut daemon = Daemon { child, log, url: String::new() };
        let started = daemon.logged("started");
        daemon.url = format!("http://{}", started["listen"].as_str().unwrap());
        daemon
    }

    /// The next line of the log with this message.
    #[track_caller]
    pub(crate) fn logged(&self, message: &str) -> Value {
        let mut before = Vec::new();
        loop {
            match self.log.recv_timeout(PATIENCE) {
                Ok(line) if line["message"] == message => return line,
                Ok(line) => before.push(line.to_string()),
                Err(error) => panic!("no line {message:?}: {error}\n{}", before.join("\n")),
            }
        }
    }

    /// The next line of the log.
    #[track_caller]
    pub(crate) fn next(&self) -> Value {
        self.log.recv_timeout(PATIENCE).unwrap()
    }

    /// The message of the next error in the log.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        loop {
            let line = self.next();
            if line["level"] == "ERROR" {
                return line["message"].as_str().unwrap().to_owned();
            }
        }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// The most memory that it ever had.
    pub(crate) fn memory_peak_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// How it ended; none where a signal did it.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        answer(agent().get(format!("{}{path}", self.url)).call())
    }

    pub(crate) fn post(&self, path: &str) -> (u16, String) {
        answer(agent().post(format!("{}{path}", self.url)).send_empty())
    }
}

/// For requests that are no plain ones: an answer is one, whatever its status.
pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn answer(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, String) {
    let mut answer = answer.unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}
