//! Policies of a daemon that runs, swapped from the command line.

use std::fs;
use std::path::Path;

use rstest::rstest;
use serde_json::{Value, json};
use thermocline_tests::by_hand::ByHand;

use crate::command::{Run, thermocline};
use crate::daemon::{Daemon, PATIENCE};
use crate::node::{Node, image};

const SHARD: &str = "0a110000000000000000000000000001";
const OTHER: &str = "0a220000000000000000000000000002";

/// Of whoever signed the tokens, EdDSA, valid until 2100. Nobody else uses it.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAkHQtniJKGx+RhhfYkYh0OayiBoVzgSIA/RB4XYEIGMY=
-----END PUBLIC KEY-----
";
/// Scope admin, sub alice.
const ADMIN: &str = "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInNjb3BlIjoiYWRtaW4iLCJzdWIiOiJhbGljZSJ9.ArT4h-10SohUFdBVp4xGM8q4F1QTC_qL6c2J_MysbjBWBVyb9O0YGl9OOq8iuX7fhoA31_kKE-bUwuIfN5x_DA";
/// Scope read, sub bob.
const READ: &str = "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInNjb3BlIjoicmVhZCIsInN1YiI6ImJvYiJ9.Ne0h8mfkRLOKHiu_BCIoEFlfVbWyH7w9Z4ps38RFHhla3AGMG9h24SwYv2euzwPEgA9Osq8bCcORie4rvzR8CQ";

fn node() -> Node {
    let node = Node::new();
    for shard in [SHARD, OTHER] {
        node.attached(shard, 1, &[image(0x1000)]);
        // The daemon's own: nothing is uploaded but by command.
        let config = node.folder(shard).join("config-v1");
        let text = fs::read_to_string(&config).unwrap().replace("heatmap_period = \"1m\"\n", "");
        fs::write(&config, text).unwrap();
    }
    node
}

/// A policy that lists nothing, so that it does not agree with the built-in one.
fn cold(node: &Node) -> String {
    component(node, "cold.wasm", &ByHand::conforming().name("cold").build().unwrap())
}

fn component(node: &Node, name: &str, bytes: &[u8]) -> String {
    let file = node.root().join(name);
    fs::write(&file, bytes).unwrap();
    file.to_str().unwrap().to_owned()
}

/// `thermocline policy`, asked of this daemon by alice.
fn policy(daemon: &Daemon, args: &[&str]) -> Run {
    policy_at(&daemon.url, args)
}

fn policy_at(url: &str, args: &[&str]) -> Run {
    let mut command = thermocline(["policy"].iter().chain(args));
    command.env("THERMOCLINE_URL", url).env("USER", "alice").env_remove("THERMOCLINE_TOKEN_FILE");
    Run::of(&mut command)
}

fn get(daemon: &Daemon, path: &str) -> Value {
    serde_json::from_str(&daemon.get(path).1).unwrap()
}

/// The name of the policy that decides for a shard.
fn decides(daemon: &Daemon, shard: &str) -> String {
    let policy = get(daemon, &format!("/v1/tenant/{shard}"))["policy"].as_str().unwrap().to_owned();
    policy.split(' ').next().unwrap().to_owned()
}

/// Layers that a shard's heatmap lists once it is uploaded.
fn uploaded(node: &Node, daemon: &Daemon, shard: &str) -> usize {
    let (status, body) = daemon.post(&format!("/v1/tenant/{shard}/heatmap_upload"));
    assert_eq!(status, 200, "{body}");
    node.listed(shard).len()
}

#[allow(clippy::disallowed_methods, reason = "what other processes do takes real time")]
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..PATIENCE.as_millis() / 50 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("it never came to it: {what}");
}

/// What was done, and to what, in the order of the log.
fn history(daemon: &Daemon) -> Vec<String> {
    let log = policy(daemon, &["log", "--json", "--limit", "1000"]).exits_with(0).json();
    let told = |entry: &Value| {
        let word = |field: &str| entry[field].as_str().map(|word| format!(" {word}")).unwrap_or_default();
        format!("{}{}{}{}", entry["action"].as_str().unwrap(), word("name"), word("tenant"), word("result"))
    };
    log["entries"].as_array().unwrap().iter().map(told).collect()
}

#[test]
fn a_policy_is_installed_watched_activated_and_taken_back() {
    let node = node();
    let daemon = Daemon::start(&node, "heatmap_period = \"1h\"");
    until("both are served", || (get(&daemon, "/v1/status")["shards"] == 2).then_some(()));
    let cold = cold(&node);

    let text = policy(&daemon, &["install", &cold, "--why", "a first try"]).exits_with(0).text();
    assert!(text.starts_with("cold 1.2.3 is installed (sha256:"), "{text}");
    assert_eq!(decides(&daemon, SHARD), "resident-set", "it decides nothing yet");
    let list = policy(&daemon, &["list"]).exits_with(0).text();
    assert!(list.lines().any(|line| line.starts_with("cold ") && line.contains(" installed ")), "{list}");
    assert!(list.contains("alice@") && list.contains("(says 127.0.0.1)"), "{list}");

    let text = policy(&daemon, &["shadow", "cold", "--why", "does it agree?"]).exits_with(0).text();
    assert!(text.starts_with("cold 1.2.3 (sha256:") && text.contains("is watched on calls for all tenants"), "{text}");
    assert_eq!(uploaded(&node, &daemon, SHARD), 1, "nothing of it is used");
    let shown = until("a call is compared", || {
        let shown = policy(&daemon, &["show", "cold", "--json"]).exits_with(0).json();
        (shown["shadow"]["agreement"]["compared"].as_u64()? > 0).then_some(shown)
    });
    let agreement = &shown["shadow"]["agreement"];
    assert_eq!((&agreement["same_layers"], &agreement["failures"]), (&json!(0), &json!({})), "{shown}");
    assert!(agreement["dropped_bytes"].as_u64().unwrap() > 0, "{shown}");
    for args in [&["show", "cold"][..], &["shadow"]] {
        let text = policy(&daemon, args).exits_with(0).text();
        assert!(text.contains("only by the active one (8.0 KiB)"), "{text}");
    }

    let text = policy(&daemon, &["activate", "cold@1.2.3", "--tenant", SHARD]).exits_with(0).text();
    assert!(text.contains(&format!("decides for tenant {SHARD} now, before it was built-in")), "{text}");
    assert_eq!([SHARD, OTHER].map(|shard| decides(&daemon, shard)), ["cold", "resident-set"]);
    assert_eq!([SHARD, OTHER].map(|shard| uploaded(&node, &daemon, shard)), [0, 1]);

    policy(&daemon, &["activate", "cold"]).exits_with(0);
    assert_eq!(get(&daemon, "/v1/policy_shadow")["shadow"], json!(null), "nobody need watch what decides");
    assert_eq!(get(&daemon, "/v1/status")["policy"]["name"], "cold");
    assert_eq!(uploaded(&node, &daemon, OTHER), 0);
    policy(&daemon, &["rollback", "--tenant", SHARD]).exits_with(0);
    let text = policy(&daemon, &["rollback", "--why", "heatmaps are empty"]).exits_with(0).text();
    assert!(text.starts_with("resident-set ") && text.contains(" (built-in) decides for all tenants again"), "{text}");
    assert_eq!([SHARD, OTHER].map(|shard| uploaded(&node, &daemon, shard)), [1, 1]);

    policy(&daemon, &["shadow", "cold"]).exits_with(0);
    let run = policy(&daemon, &["remove", "cold"]).exits_with(1);
    assert!(run.stderr.contains("cold is in use"), "{}", run.stderr);
    policy(&daemon, &["shadow", "--end"]).exits_with(0);
    policy(&daemon, &["remove", "cold"]).exits_with(0);
    assert_eq!(policy(&daemon, &["list", "--json"]).exits_with(0).json()["policies"].as_array().unwrap().len(), 1);

    let tenant = format!(" {SHARD}");
    assert_eq!(
        history(&daemon),
        [
            "install cold ok".to_owned(),
            "shadow cold ok".to_owned(),
            format!("activate cold{tenant} ok"),
            "activate cold ok".to_owned(),
            format!("rollback cold{tenant} ok"),
            "rollback resident-set ok".to_owned(),
            "shadow cold ok".to_owned(),
            "remove cold refused".to_owned(),
            "end-shadow ok".to_owned(),
            "remove cold ok".to_owned(),
        ]
    );
    let text = policy(&daemon, &["log", "--limit", "5"]).exits_with(0).text();
    assert!(text.contains("because: heatmaps are empty") && !text.contains("does it agree?"), "{text}");
    let text = policy(&daemon, &["log", "--after", "1", "--limit", "1"]).exits_with(0).text();
    assert!(text.contains("because: does it agree?") && text.lines().count() == 2, "{text}");
}

#[test]
fn what_is_refused_changes_nothing_and_is_in_the_log() {
    let node = node();
    let daemon = Daemon::start(&node, "");
    let cold = cold(&node);
    let broken = component(&node, "broken.wasm", &ByHand::conforming().before_select("unreachable").build().unwrap());
    let text = component(&node, "text.wasm", b"text");
    let other = format!("{cold}@sha256:{}", "0".repeat(64));
    for (file, said) in [
        (&other, "sha256 0000000000000000000000000000000000000000000000000000000000000000 is what was asked for"),
        (&broken, "conformance tables"),
        (&text, "this is not WebAssembly"),
    ] {
        let run = policy(&daemon, &["install", file]).exits_with(1);
        assert!(run.stderr.starts_with(&format!("error: {}: ", daemon.url)) && run.stderr.contains(said), "{run:?}");
    }
    let run = policy(&daemon, &["activate", "cold"]).exits_with(1);
    assert!(run.stderr.contains("there is no policy cold here: install it"), "{}", run.stderr);
    let run = policy(&daemon, &["rollback"]).exits_with(1);
    assert!(run.stderr.contains("no policy decided before"), "{}", run.stderr);
    assert_eq!(policy(&daemon, &["list", "--json"]).exits_with(0).json()["policies"].as_array().unwrap().len(), 1);
    assert_eq!(history(&daemon).iter().filter(|told| told.ends_with("refused")).count(), 5);
    let log = policy(&daemon, &["log"]).exits_with(0).text();
    assert!(log.contains("REFUSED: ") && log.contains("text.wasm"), "{log}");
}

#[test]
fn a_component_larger_than_one_may_be_is_refused() {
    let node = node();
    let daemon = Daemon::start(&node, "");
    let large = node.root().join("large.wasm");
    fs::File::create(&large).unwrap().set_len((16 << 20) + 1).unwrap();
    let run = policy(&daemon, &["install", large.to_str().unwrap()]).exits_with(1);
    assert!(run.stderr.contains("are more than a policy may have: at most 16777216"), "{}", run.stderr);
}

#[test]
fn a_restart_keeps_what_was_decided() {
    let node = node();
    let daemon = Daemon::start(&node, "");
    policy(&daemon, &["install", &cold(&node)]).exits_with(0);
    policy(&daemon, &["activate", "cold", "--tenant", OTHER]).exits_with(0);
    policy(&daemon, &["shadow", "cold", "--share", "0.5"]).exits_with(0);
    let all = |daemon: &Daemon| {
        let list = policy(daemon, &["list", "--json"]).exits_with(0).json();
        (
            list,
            policy(daemon, &["log", "--json"]).exits_with(0).json(),
            get(daemon, "/v1/policy_shadow")["shadow"]["share"].clone(),
        )
    };
    let before = all(&daemon);
    // It is killed.
    drop(daemon);
    let daemon = Daemon::start(&node, "");
    assert_eq!(all(&daemon), before);
    until("it is served again", || (daemon.get(&format!("/v1/tenant/{OTHER}")).0 == 200).then_some(()));
    assert_eq!(decides(&daemon, OTHER), "cold");
}

#[test]
fn only_who_has_a_token_for_it_changes_policies() {
    let node = node();
    let file = |name: &str, text: &str| {
        fs::write(node.root().join(name), text).unwrap();
        node.root().join(name).to_str().unwrap().to_owned()
    };
    let (admin, read) = (file("admin", ADMIN), file("read", &format!("{READ}\n")));
    file("key.pem", PUBLIC_KEY);
    let daemon = Daemon::start(&node, "auth.public_key_file = \"key.pem\"");
    let cold = cold(&node);

    let run = policy(&daemon, &["install", &cold]).exits_with(1);
    assert!(run.stderr.contains("a token is needed") && run.stderr.contains("--token-file"), "{}", run.stderr);
    let run = policy(&daemon, &["install", &cold, "--token-file", &read]).exits_with(1);
    assert!(run.stderr.contains("the token's scope does not allow this: read"), "{}", run.stderr);
    policy(&daemon, &["list", "--token-file", &read]).exits_with(0);
    policy(&daemon, &["install", &cold, "--token-file", &admin]).exits_with(0);
    let log = policy(&daemon, &["log", "--json", "--token-file", &read]).exits_with(0).json();
    assert_eq!(log["entries"].as_array().unwrap().len(), 1, "who may not is not in the log: {log}");
    assert_eq!(log["entries"][0]["by"], "alice");
}

#[rstest]
#[case::a_file(&["activate", "./cold.wasm"], "this is the name of a file: `thermocline policy install ./cold.wasm` brings it")]
#[case::no_share(&["shadow", "cold", "--share", "0"], "expected a number above 0 and at most 1")]
#[case::no_pin(&["install", "cold.wasm@sha256:12"], "expected all 64 hex digits")]
#[case::no_tenant(&["rollback", "--tenant", "0a"], "is not a tenant shard id")]
#[case::end_of_one(&["shadow", "cold", "--end"], "cannot be used with")]
#[case::share_of_nothing(&["shadow", "--share", "0.5"], "required arguments were not provided")]
#[case::no_entries(&["log", "--limit", "0"], "0 is not in 1..=1000")]
fn wrong_usage_is_exit_code_2(#[case] args: &[&str], #[case] said: &str) {
    let run = policy_at("http://127.0.0.1:1", args).exits_with(2);
    assert!(run.stderr.contains(said), "{}", run.stderr);
}

#[test]
fn where_no_daemon_is_the_command_says_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let run = policy_at(&url, &["list"]).exits_with(1);
    let said = format!(
        "error: {url}: nobody listens there: is `thermocline serve` running, and is this its `listen`? --url names another\n"
    );
    assert_eq!(run.stderr, said);
    let run = policy_at("https://127.0.0.1:1", &["list"]).exits_with(1);
    assert!(run.stderr.contains("without TLS, and so does this command: go through a tunnel"), "{}", run.stderr);
    let run = policy_at(&url, &["install", Path::new("/nowhere.wasm").to_str().unwrap()]).exits_with(1);
    assert!(run.stderr.contains("cannot read /nowhere.wasm"), "{}", run.stderr);
}
