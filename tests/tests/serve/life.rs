//! A daemon's life: it starts, uploads, reloads, and ends as it is told.

use std::fs;
use std::os::unix::net::UnixDatagram;

use rstest::rstest;
use rustix::process::Signal;
use serde_json::{Value, json};

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
    let daemon = Daemon::start(&node(), "");
    let (answered, body) = json_of(daemon.post(&format!("/v1/tenant/{shard}/heatmap_upload")));
    assert_eq!(answered, status, "{body}");
    assert!(body["msg"].is_string());
}

#[rstest]
#[case::terminate(Signal::TERM)]
#[case::interrupt(Signal::INT)]
fn it_ends_as_it_is_told(#[case] signal: Signal) {
    let mut daemon = Daemon::start(&node(), "");
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
    let refused = loop {
        let line = daemon.next();
        if line["level"] == "ERROR" {
            break line["message"].as_str().unwrap().to_owned();
        }
    };
    let said = "heatmap_upload_concurrency = 0 (line 5): expected a whole number from 1 to 1000";
    assert!(refused.starts_with("not reloaded, the old settings stay: ") && refused.contains(said), "{refused}");
    assert_eq!(json_of(daemon.get("/v1/status")).1["heatmap_upload_concurrency"], 3);

    settings(&node, "");
    daemon.signal(Signal::HUP);
    daemon.logged("reloaded");
    assert_eq!(json_of(daemon.get("/v1/status")).1["heatmap_upload_concurrency"], 8);
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

#[test]
fn the_service_manager_is_told() {
    let node = node();
    let path = node.root().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let next = || {
        let mut told = [0; 512];
        let bytes = socket.recv(&mut told).unwrap();
        String::from_utf8(told[..bytes].to_vec()).unwrap()
    };
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
