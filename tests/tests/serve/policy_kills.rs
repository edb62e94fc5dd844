//! `kill -9` while policies are installed and activated: the store is whole, and the policy of before decides, or the
//! new one.

use std::collections::BTreeMap;
use std::fs;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use thermocline::Digest;
use thermocline_tests::by_hand::ByHand;

use crate::daemon::{Daemon, PATIENCE};
use crate::node::{Node, attached};

const KILLS: usize = 100;

/// Long enough for an installation, an activation and a removal on most machines.
const LATEST_KILL_MS: u64 = 250;

fn name(number: usize) -> String {
    format!("policy-{number}")
}

fn component(number: usize) -> Vec<u8> {
    ByHand::conforming().lists(0, 1.0).name(name(number)).build().unwrap()
}

/// What a client got done before the daemon was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Done {
    Installed(usize),
    Asked(usize),
    Activated(usize),
}

fn request(agent: &ureq::Agent, url: String, body: &[u8]) -> Result<Value, String> {
    let mut answer = agent.post(url).send(body).map_err(|error| error.to_string())?;
    let text = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
    assert!(answer.status().is_success(), "{text}");
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// Installs a policy, activates it, and removes the one before the last, until nobody answers.
fn change(url: &str, number: usize, done: &Sender<Done>) -> Result<(), String> {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
    let agent = ureq::Agent::from(agent);
    let tell = |what: Done| done.send(what).map_err(|error| error.to_string());
    request(&agent, format!("{url}/v1/policy"), &component(number))?;
    tell(Done::Installed(number))?;
    tell(Done::Asked(number))?;
    request(&agent, format!("{url}/v1/policy/{}/activate", name(number)), b"{}")?;
    tell(Done::Activated(number))?;
    if number >= 2 {
        // It need not be there: the one before may have been killed while it was installed.
        let answer = agent.delete(format!("{url}/v1/policy/{}", name(number - 2))).call();
        answer.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// What `/v1/policy` says: the active policy's name, and all of them with their digests.
fn policies(daemon: &Daemon) -> (String, BTreeMap<String, String>) {
    let (status, text) = daemon.get("/v1/policy");
    assert_eq!(status, 200, "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    let mut active = String::new();
    let mut all = BTreeMap::new();
    for policy in answer["policies"].as_array().unwrap() {
        let name = policy["name"].as_str().unwrap().to_owned();
        if policy["roles"].to_string().contains("active") {
            active.clone_from(&name);
        }
        all.insert(name, policy["sha256"].as_str().unwrap().to_owned());
    }
    (active, all)
}

/// The numbers of the log's entries.
fn log(daemon: &Daemon) -> Vec<u64> {
    let mut numbers: Vec<u64> = Vec::new();
    loop {
        let after = numbers.last().copied().unwrap_or_default();
        let (status, text) = daemon.get(&format!("/v1/policy_log?limit=1000&after={after}"));
        assert_eq!(status, 200, "{text}");
        let page: Value = serde_json::from_str(&text).unwrap();
        let entries = page["entries"].as_array().unwrap();
        if entries.is_empty() {
            return numbers;
        }
        numbers.extend(entries.iter().map(|entry| entry["seq"].as_u64().unwrap()));
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "what other processes do takes real time")]
fn whoever_is_killed_leaves_a_whole_store_and_the_old_policy_or_the_new_one() {
    let node = Node::new();
    node.tenant("0a010000000000000000000000000000", &attached(1, "Single"));
    let folder = node.data().join("thermocline/policies");
    let mut random = fastrand::Rng::with_seed(13);
    let (mut may_be, mut installed) = (vec!["resident-set".to_owned()], Vec::new());
    let (mut cut_off, mut done_whole) = (0, 0);
    for kill in 0..KILLS {
        let daemon = Daemon::start(&node, "");
        let (active, all) = policies(&daemon);
        assert!(may_be.contains(&active), "{active} decides after kill {kill}, and should {may_be:?}");
        for number in &installed {
            assert!(all.contains_key(&name(*number)), "{number} was installed before kill {kill}, and is gone");
        }
        assert_eq!(log(&daemon), (1..=log(&daemon).len() as u64).collect::<Vec<_>>(), "after kill {kill}");
        for (policy, digest) in all.iter().filter(|(policy, _)| *policy != "resident-set") {
            let bytes = fs::read(folder.join("components").join(format!("{digest}.wasm"))).unwrap();
            assert_eq!(Digest::of(&bytes).to_string(), *digest, "{policy}");
        }

        let (tell, told) = channel();
        let client = thread::spawn({
            let url = daemon.url.clone();
            move || change(&url, kill, &tell)
        });
        thread::sleep(Duration::from_millis(random.u64(0..LATEST_KILL_MS)));
        // Its end is a `kill -9`.
        drop(daemon);
        let whole = client.join().unwrap().is_ok();
        *if whole { &mut done_whole } else { &mut cut_off } += 1;
        may_be = vec![active];
        for done in told.try_iter() {
            match done {
                Done::Installed(number) => installed.push(number),
                Done::Asked(number) => may_be.push(name(number)),
                Done::Activated(number) => may_be = vec![name(number)],
            }
        }
        // What it removes, or may have removed.
        installed.retain(|number| number + 2 > kill);
    }
    assert!(cut_off > KILLS / 10 && done_whole > 0, "{cut_off} were cut off, {done_whole} were not");

    // After all of that it still does what it should.
    let daemon = Daemon::start(&node, "");
    request(&ureq::Agent::new_with_defaults(), format!("{}/v1/policy", daemon.url), &component(KILLS)).unwrap();
    request(&ureq::Agent::new_with_defaults(), format!("{}/v1/policy/{}/activate", daemon.url, name(KILLS)), b"{}")
        .unwrap();
    assert_eq!(policies(&daemon).0, name(KILLS));
    let leftovers = fs::read_dir(folder.join("components")).unwrap().count();
    assert!(leftovers < 64, "{leftovers} components are left");
}
