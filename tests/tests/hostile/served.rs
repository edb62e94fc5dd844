//! Each through a whole daemon, over HTTP: whatever is installed, the heatmaps are the built-in policy's.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use thermocline::Digest;
use thermocline::layer::{LayerName, Lsn};
use thermocline_tests::hostile::Bites;

use super::*;
use crate::daemon::{Daemon, agent, answer};
use crate::node::{Node, TestLayer, key};

/// What the daemon may take at most, whatever is installed: two calls at a time, a compiler, and the files that are
/// handed over.
const HOST_MEMORY_BYTES: u64 = 768 << 20;
/// Tenants whose uploads are asked for. As many failures as a policy is taken back for, and more.
const TENANTS: usize = 6;
/// How often all of them are asked for at most, until a policy must have been taken back.
const ROUNDS: usize = 6;
/// How often each is uploaded by schedule, and three times that, when it is late.
const PERIOD: &str = "10s";
const LATE_S: f64 = 30.0;

/// How requests name a component.
fn reference(component: Digest) -> String {
    format!("sha256:{component}")
}

fn shard(number: usize) -> String {
    format!("0a11{number:028}")
}

/// All alike but for their keys; the first tenant is large.
fn layers(number: usize) -> Vec<TestLayer> {
    let count = if number == 0 { LARGE } else { SMALL };
    (0..count).map(|row| TestLayer::new(LayerName::image(key(row), key(row + 1), Lsn(0x1000)))).collect()
}

/// A daemon, and what it should publish.
struct Bench {
    node: Node,
    daemon: Daemon,
    /// Whether the first layer of each tenant is there.
    whole: bool,
    /// The heatmaps without that layer, and with it.
    expected: [Vec<Vec<u8>>; 2],
    /// The last entry of the log that was looked at.
    seen: u64,
}

impl Bench {
    fn new() -> Self {
        let node = Node::new();
        for number in 0..TENANTS {
            node.attached(&shard(number), 1, &layers(number));
            let config = node.folder(&shard(number)).join("config-v1");
            let text = fs::read_to_string(&config).unwrap();
            fs::write(&config, text.replace("\"1m\"", &format!("{PERIOD:?}"))).unwrap();
        }
        let daemon = Daemon::start(&node, "");
        let mut bench = Bench { node, daemon, whole: true, expected: Default::default(), seen: 0 };
        for _ in 0..2 {
            bench.turn_over();
            bench.upload_all();
            bench.expected[usize::from(bench.whole)] = bench.published();
        }
        assert_ne!(bench.expected[0], bench.expected[1]);
        bench
    }

    /// Takes a layer of each tenant away, or puts it back. What there is is on the disk, too.
    fn turn_over(&mut self) {
        for number in 0..TENANTS {
            let all = layers(number);
            if self.whole {
                self.node.evict(&shard(number), &all[0]);
            } else {
                self.node.files(&shard(number), node::TIMELINE, &all[..1]);
            }
            self.node.index(&shard(number), node::TIMELINE, 1, &all[usize::from(self.whole)..]);
        }
        self.whole = !self.whole;
    }

    /// Uploads every tenant's heatmap, all at once.
    fn upload_all(&self) {
        let url = &self.daemon.url;
        std::thread::scope(|scope| {
            for number in 0..TENANTS {
                scope.spawn(move || {
                    let url = format!("{url}/v1/tenant/{}/heatmap_upload", shard(number));
                    let (status, body) = answer(agent().post(url).send_empty());
                    assert_eq!(status, 200, "{body}");
                });
            }
        });
    }

    /// What is in the bucket.
    fn published(&self) -> Vec<Vec<u8>> {
        (0..TENANTS).map(|number| fs::read(self.node.object(&shard(number))).unwrap()).collect()
    }

    fn get(&self, path: &str) -> Value {
        let (status, body) = self.daemon.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    fn send(&self, path: &str, body: &[u8]) -> (u16, String) {
        // Whoever is too large is told before everything is sent.
        answer(agent().post(format!("{}{path}", self.daemon.url)).header("expect", "100-continue").send(body))
    }

    /// The roles of a component: `None` where it is not installed.
    fn roles(&self, component: Digest) -> Option<Vec<String>> {
        let policies = self.get("/v1/policy");
        let is = |policy: &&Value| policy["policy"] == reference(component);
        let found = policies["policies"].as_array().unwrap().iter().find(is)?;
        let roles = found["roles"].as_array().unwrap().iter();
        Some(roles.map(|role| role["role"].as_str().unwrap().to_owned()).collect())
    }

    /// Entries of the log that were not looked at.
    fn log(&mut self) -> Vec<Value> {
        let page = self.get(&format!("/v1/policy_log?limit=1000&after={}", self.seen));
        let entries = page["entries"].as_array().unwrap().clone();
        let numbers: Vec<_> = entries.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (self.seen + 1..=self.seen + numbers.len() as u64).collect::<Vec<_>>());
        self.seen += numbers.len() as u64;
        entries
    }

    /// The value of a metric of a policy; `None` where there is no such series.
    fn metric(&self, family: &str, label: &str) -> Option<f64> {
        let (_, text) = self.daemon.get("/metrics");
        let line = text.lines().find(|line| line.starts_with(family) && line.contains(label))?;
        line.rsplit(' ').next().unwrap().parse().ok()
    }

    /// Everybody has the heatmap that the built-in policy gives, and nobody is late.
    #[track_caller]
    fn is_well(&self, name: &str) {
        assert!(self.published() == self.expected[usize::from(self.whole)], "{name} is in a heatmap");
        for tenant in self.get("/v1/tenant")["tenants"].as_array().unwrap() {
            let age_s = tenant["age_s"].as_f64();
            assert!(age_s.is_some_and(|age_s| age_s < LATE_S), "with {name} a tenant is late: {tenant}");
        }
        let peak = self.daemon.memory_peak_bytes();
        assert!(peak < HOST_MEMORY_BYTES, "with {name} the daemon took {} MiB", peak >> 20);
    }

    /// Hands a component over. Answers whether it was installed; else the log says what was refused, and why.
    fn install(&mut self, name: &str, bytes: &[u8]) -> bool {
        let (status, body) = self.send("/v1/policy", bytes);
        let component = Digest::of(bytes);
        let log = self.log();
        let [entry] = &log[..] else { panic!("{name}: {log:?}") };
        assert_eq!((&entry["action"], &entry["size_bytes"]), (&"install".into(), &bytes.len().into()), "{entry}");
        assert_eq!(entry["to"], reference(component), "{entry}");
        if status == 201 {
            assert_eq!(entry["result"], "ok", "{entry}");
            assert_eq!(self.roles(component).unwrap(), [""; 0]);
            return true;
        }
        assert_eq!((status, &entry["result"]), (422, &"refused".into()), "{name}: {body}");
        let said: Value = serde_json::from_str(&body).unwrap();
        assert!(!said["msg"].as_str().unwrap().is_empty() && said["msg"] == entry["error"], "{said} {entry}");
        assert_eq!(self.roles(component), None);
        false
    }

    /// Lets a policy decide until it was taken back, or for some rounds. Answers whether it was.
    fn decides(&mut self, name: &str, component: Digest) -> bool {
        self.activate(component);
        for _ in 0..ROUNDS {
            self.turn_over();
            self.upload_all();
            self.is_well(name);
            let roles = self.roles(component).unwrap();
            if roles == ["rolled-back"] {
                self.was_taken_back(component);
                return true;
            }
            assert_eq!(roles, ["active"]);
        }
        false
    }

    /// The log says once that it was taken back, by whom and why; there is one metric to alert on.
    fn was_taken_back(&mut self, component: Digest) {
        let log = self.log();
        let [entry] = &log[..] else { panic!("{log:?}") };
        assert_eq!((&entry["action"], &entry["by"]), (&"rollback".into(), &"thermocline".into()), "{entry}");
        assert_eq!(entry["from"], reference(component), "{entry}");
        // The error that it was taken back for names it.
        let digits = component.to_string()[..12].to_owned();
        assert!(entry["why"].as_str().unwrap().contains(&digits), "{entry}");
        assert_eq!(self.metric("thermocline_policy_rolled_back{", &digits), Some(1.0));
        // Of more policies than there are series, the last are counted as others.
        let counted = [&digits, "policy=\"other\""].map(|label| self.metric("thermocline_policy_calls_total{", label));
        assert!(counted.iter().any(Option::is_some));
    }

    fn activate(&mut self, component: Digest) {
        let (status, body) = self.send(&format!("/v1/policy/{}/activate", reference(component)), b"{}");
        assert_eq!(status, 200, "{body}");
        let log = self.log();
        assert!(log.len() == 1 && log[0]["action"] == "activate" && log[0]["to"] == reference(component), "{log:?}");
    }

    fn remove(&mut self, component: Digest) {
        let answered = answer(agent().delete(format!("{}/v1/policy/{}", self.daemon.url, reference(component))).call());
        assert_eq!(answered.0, 200, "{}", answered.1);
        self.log();
    }
}

/// Those that bite while they are installed, whichever it is that they bite in.
#[test]
fn what_the_checks_find_is_refused_and_changes_nothing() {
    let mut bench = Bench::new();
    for hostile in &*ALL {
        let bites_at_once = matches!(hostile.bites, Bites::Install | Bites::Configure | Bites::Check);
        // The checks ask a good dozen times, and each that never ends takes a second.
        let decides = matches!(hostile.bites, Bites::Select | Bites::Rank) && !hostile.says.contains("stopped");
        if !bites_at_once && !decides {
            continue;
        }
        let bytes = hostile.bytes().unwrap();
        if hostile.says.contains("at most 16777216") {
            assert_eq!(bench.send("/v1/policy", &bytes).0, 413);
        } else {
            assert!(!bench.install(hostile.name, &bytes), "{} was installed", hostile.name);
        }
    }
    bench.turn_over();
    bench.upload_all();
    bench.is_well("all that were refused");
    assert_eq!(bench.get("/v1/status")["policy"]["name"], "resident-set");
}

/// Those that behave until they decide.
#[test]
fn what_the_checks_cannot_find_is_taken_back_and_harms_nobody() {
    let mut bench = Bench::new();
    let mut taken_back = BTreeSet::new();
    for hostile in &*ALL {
        println!("{}", hostile.name);
        let bytes = match hostile.bites {
            Bites::Select | Bites::Rank => hostile.asleep().unwrap(),
            // It takes a test of its own.
            Bites::Later if hostile.name == THOUSAND => continue,
            Bites::Later | Bites::Never => hostile.bytes().unwrap(),
            Bites::Install | Bites::Configure | Bites::Check => continue,
        };
        if !bench.install(hostile.name, &bytes) {
            assert!(!matches!(hostile.bites, Bites::Select | Bites::Rank), "{} does not sleep", hostile.name);
            continue;
        }
        let component = Digest::of(&bytes);
        if bench.decides(hostile.name, component) {
            taken_back.insert(hostile.name);
        } else {
            // Whether it ranks is up to how much is due.
            assert!(matches!(hostile.bites, Bites::Never | Bites::Rank), "{} was not taken back", hostile.name);
            assert_eq!(bench.send("/v1/policy_rollback", b"{}").0, 200);
            bench.log();
        }
        bench.remove(component);
    }
    assert!(taken_back.len() >= 30, "{taken_back:?}");
    let automatic = bench.metric("thermocline_policy_rollbacks_total{", "automatic").unwrap();
    assert_eq!(automatic, taken_back.len() as f64);
}

const THOUSAND: &str = "fails-after-a-thousand";

#[test]
fn what_fails_long_after_it_was_activated_is_taken_back_and_not_tried_again() {
    let mut bench = Bench::new();
    let hostile = ALL.iter().find(|hostile| hostile.name == THOUSAND).unwrap();
    let bytes = hostile.bytes().unwrap();
    let component = Digest::of(&bytes);
    assert!(bench.install(THOUSAND, &bytes));
    bench.activate(component);
    let upload = format!("/v1/tenant/{}/heatmap_upload", shard(1));
    for call in 0..1_100 {
        assert_eq!(bench.daemon.post(&upload).0, 200);
        let healthy = call < 900;
        if (healthy && call % 100 == 0) || call > 990 {
            let roles = bench.roles(component).unwrap();
            assert!(!healthy || roles == ["active"], "after {call} calls: {roles:?}");
            if roles == ["rolled-back"] {
                break;
            }
        }
    }
    bench.was_taken_back(component);
    for _ in 0..3 {
        bench.turn_over();
        bench.upload_all();
        bench.is_well(THOUSAND);
    }
    assert_eq!(bench.roles(component).unwrap(), ["rolled-back"]);
    assert!(bench.log().is_empty(), "it is taken back once");
    assert_eq!(bench.get("/v1/status")["policy"]["name"], "resident-set");
}
