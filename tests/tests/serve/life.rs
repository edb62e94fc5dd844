//! A daemon's life: it starts, uploads, reloads, and ends as it is told.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rstest::rstest;
use rustix::process::Signal;
use serde_json::{Value, json};
use thermocline_tests::by_hand::ByHand;

use crate::daemon::{Daemon, PATIENCE, serve, settings};
use crate::node::{Node, image};

const SHARD: &str = "0a110000000000000000000000000001";

fn node() -> Node {
    let node = Node::new();
    node.attached(SHARD, 1, &[image(0x1000)]);
    node
}

fn json_of((status, body): (u16, String)) -> (u16, Value) {
    (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
}

#[test]
fn a_command_uploads_and_everything_tells_of_it() {
    let node = node();
    let daemon = Daemon::start(&node, "heatmap_period = \"1h\"");
    assert_eq!(daemon.get("/healthz"), (200, "ok\n".to_owned()));

    let (status, uploaded) = json_of(daemon.post(&format!("/v1/tenant/{SHARD}/heatmap_upload")));
    assert_eq!((status, &uploaded["shard"], &uploaded["layers"]), (200, &json!(SHARD), &json!(1)), "{uploaded}");
    assert_eq!(node.heatmap(SHARD).generation, 1);

    let (status, heatmap) = daemon.get(&format!("/v1/tenant/{SHARD}/heatmap"));
    assert_eq!((status, heatmap.into_bytes()), (200, fs::read(node.object(SHARD)).unwrap()));

    let (status, tenant) = json_of(daemon.get(&format!("/v1/tenant/{SHARD}")));
    assert_eq!(
        (status, &tenant["heatmap"]["hot_layers"], &tenant["failures"]),
        (200, &json!(1), &json!(0)),
        "{tenant}"
    );
    let (status, tenants) = json_of(daemon.get("/v1/tenant"));
    assert_eq!((status, &tenants["tenants"][0]["shard"]), (200, &json!(SHARD)));
    let (status, host) = json_of(daemon.get("/v1/status"));
    assert_eq!((status, &host["shards"], &host["scheduled"]), (200, &json!(1), &json!(1)), "{host}");
}

#[rstest]
#[case::not_here("0a110000000000000000000000000009", 404)]
#[case::no_id("0a11", 400)]
fn a_command_for_what_is_not_here(#[case] shard: &str, #[case] status: u16) {
    let node = node();
    let daemon = Daemon::start(&node, "");
    let (answered, body) = json_of(daemon.post(&format!("/v1/tenant/{shard}/heatmap_upload")));
    assert_eq!(answered, status, "{body}");
    assert!(body["msg"].is_string());
}

#[rstest]
#[case::terminate(Signal::TERM)]
#[case::interrupt(Signal::INT)]
fn it_ends_as_it_is_told(#[case] signal: Signal) {
    let node = node();
    let mut daemon = Daemon::start(&node, "");
    daemon.signal(signal);
    daemon.logged("ended");
    assert_eq!(daemon.ended(), Some(0));
}

#[test]
fn a_reload_takes_over_what_can_change_and_names_what_cannot() {
    let node = node();
    let daemon = Daemon::start(&node, "");
    settings(&node, "heatmap_upload_concurrency = 3\nrescan_period = \"5m\"\nrecheck_period = \"5m\"");
    daemon.signal(Signal::HUP);
    let warned = daemon.logged("reloaded; what these settings say needs a restart");
    assert_eq!(warned["settings"], "recheck_period");
    assert_eq!(json_of(daemon.get("/v1/status")).1["heatmap_upload_concurrency"], 3);

    settings(&node, "heatmap_upload_concurrency = 0");
    daemon.signal(Signal::HUP);
    let refused = daemon.error();
    let said = "heatmap_upload_concurrency = 0 (line 5): expected a whole number from 1 to 1000";
    assert!(refused.starts_with("not reloaded, the old settings stay: ") && refused.contains(said), "{refused}");
    assert_eq!(json_of(daemon.get("/v1/status")).1["heatmap_upload_concurrency"], 3);

    settings(&node, "");
    daemon.signal(Signal::HUP);
    daemon.logged("reloaded");
    assert_eq!(json_of(daemon.get("/v1/status")).1["heatmap_upload_concurrency"], 8);
}

/// RFC 8410's example.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

#[test]
fn a_reload_without_the_key_is_refused_where_others_can_reach_the_address() {
    let node = node();
    fs::write(node.root().join("key.pem"), PUBLIC_KEY).unwrap();
    let file = settings(&node, "auth.public_key_file = \"key.pem\"");
    // This one only ever reaches the machine itself, but it is no loopback address as the settings have it.
    let listen = |address: &str| {
        let text = fs::read_to_string(&file).unwrap();
        let rest = text.split_once('\n').unwrap().1;
        fs::write(&file, format!("listen = {address:?}\n{rest}")).unwrap();
    };
    listen("[::ffff:127.0.0.1]:0");
    let daemon = Daemon::start_with(&mut serve(&file, &[]));
    assert_eq!(daemon.get("/v1/status").0, 401);
    let refused = |said: &str| {
        daemon.signal(Signal::HUP);
        let line = daemon.error();
        assert!(line.starts_with("not reloaded, the old settings stay: ") && line.contains(said), "{line}");
        assert_eq!(daemon.get("/v1/status").0, 401);
    };
    settings(&node, "");
    listen("[::ffff:127.0.0.1]:0");
    refused("anybody who reaches this address could give commands: set auth.public_key_file");
    // Nor where the new settings name an address that would do: the old one counts until a restart.
    settings(&node, "");
    refused("auth.public_key_file is gone, and [::ffff:127.0.0.1]:0 can be reached by others");
}

#[rstest]
#[case::terminate(Signal::TERM, 143)]
#[case::interrupt(Signal::INT, 130)]
fn a_second_signal_ends_it_at_once(#[case] second: Signal, #[case] code: i32) {
    let node = node();
    let config = node.folder(SHARD).join("config-v1");
    let text = fs::read_to_string(&config).unwrap().replace("heatmap_period = \"1m\"", "heatmap_period = \"1s\"");
    fs::write(&config, text).unwrap();
    // A store that takes a request and never answers.
    let store = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let file = settings(&node, "shutdown_timeout = \"10m\"");
    let text = fs::read_to_string(&file).unwrap();
    let local: String =
        text.lines().filter(|line| !line.contains("local_path")).map(|line| format!("{line}\n")).collect();
    let bucket = format!(
        "[remote_storage]\nbucket_name = \"bucket\"\nbucket_region = \"x\"\nendpoint = \"http://{}\"\n",
        store.local_addr().unwrap()
    );
    fs::write(&file, local + &bucket).unwrap();
    let mut command = serve(&file, &[]);
    command.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "y").env_remove("AWS_PROFILE");
    let mut daemon = Daemon::start_with(&mut command);
    let _asked = store.accept().unwrap();
    daemon.signal(Signal::TERM);
    daemon.logged("shutting down");
    daemon.signal(second);
    daemon.logged("ends at once");
    assert_eq!(daemon.ended(), Some(code));
}

#[test]
fn what_is_logged_while_a_policy_computes_names_the_tenant() {
    let node = node();
    // It passes the checks, which are made at other times than this.
    let traps_today = "(if (i32.and (i64.gt_s (local.get $now) (i64.const 1767300000))
        (i64.lt_s (local.get $now) (i64.const 4000000000))) (then unreachable))";
    let policy = ByHand::conforming().name("broken").before_select(traps_today).build().unwrap();
    fs::write(node.root().join("broken.wasm"), policy).unwrap();
    let daemon = Daemon::start(&node, "policy.file = \"broken.wasm\"");
    assert_eq!(daemon.post(&format!("/v1/tenant/{SHARD}/heatmap_upload")).0, 200);
    let line = loop {
        let line = daemon.next();
        if line["message"].as_str().is_some_and(|said| said.ends_with("the built-in policy answers instead")) {
            break line;
        }
    };
    let span = &line["spans"][0];
    assert_eq!(
        (&span["name"], &span["tenant"], &span["trigger"]),
        (&json!("upload"), &json!(SHARD), &json!("command"))
    );
}

#[test]
#[allow(clippy::disallowed_methods, reason = "what other processes do takes real time")]
fn a_reload_changes_the_period_of_tenants_that_do_not_say() {
    let node = node();
    let config = node.folder(SHARD).join("config-v1");
    let text = fs::read_to_string(&config).unwrap().replace("heatmap_period = \"1m\"\n", "");
    fs::write(&config, text).unwrap();
    let daemon = Daemon::start(&node, "heatmap_period = \"1h\"");
    let period = || json_of(daemon.get(&format!("/v1/tenant/{SHARD}"))).1["upload_period_s"].as_f64();
    // The host lists its tenants when it starts, and again when it reloads.
    let becomes = |seconds: f64| {
        let polls = PATIENCE.as_millis() / 50;
        (0..polls).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            period() == Some(seconds)
        })
    };
    assert!(becomes(3600.0), "{:?}", period());
    settings(&node, "heatmap_period = \"2h\"");
    daemon.signal(Signal::HUP);
    assert!(becomes(7200.0), "{:?}", period());
}

/// A service manager, which hears what it is told.
struct Manager(UnixDatagram);

impl Manager {
    fn new(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Manager(socket)
    }

    fn next(&self) -> String {
        let mut told = [0; 512];
        let bytes = self.0.recv(&mut told).unwrap();
        String::from_utf8(told[..bytes].to_vec()).unwrap()
    }
}

#[test]
fn the_service_manager_is_told_again_and_again_that_it_lives_where_it_asks_for_that() {
    let node = node();
    let path = node.root().join("notify");
    let manager = Manager::new(&path);
    let mut command = serve(&settings(&node, ""), &[]);
    let _daemon = Daemon::start_with(command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000"));
    let told: Vec<_> = (0..4).map(|_| manager.next()).collect();
    let count = |what: &str| told.iter().filter(|told| told.trim_end() == what).count();
    assert_eq!((count("READY=1"), count("WATCHDOG=1")), (1, 3), "{told:?}");
}

#[test]
fn the_service_manager_is_told() {
    let node = node();
    let path = node.root().join("notify");
    let manager = Manager::new(&path);
    let next = || manager.next();
    let mut daemon = Daemon::start_with(serve(&settings(&node, ""), &[]).env("NOTIFY_SOCKET", &path));
    assert_eq!(next().trim_end(), "READY=1");
    daemon.signal(Signal::HUP);
    let reloading = next();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(next().trim_end(), "READY=1");
    daemon.signal(Signal::TERM);
    assert_eq!(next().trim_end(), "STOPPING=1");
    assert_eq!(daemon.ended(), Some(0));
}
