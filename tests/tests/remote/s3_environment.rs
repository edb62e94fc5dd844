//! Credentials, region and endpoint from the environment: in processes that have nothing else in theirs.

use std::process::Output;

use rstest::rstest;
use thermocline::remote::{PutIf, Remote, S3, S3Options};
use thermocline_tests::servers::{BUCKET, S3sFs};

use crate::child;

const ENDPOINT_OPTION: &str = "THERMOCLINE_TEST_ENDPOINT";

/// Opens a bucket and writes an object into it, and prints what came of that.
pub(crate) async fn open_a_bucket_as_a_child() {
    let options = S3Options { endpoint: std::env::var(ENDPOINT_OPTION).ok(), ..S3Options::default() };
    match S3::new(BUCKET, "prefix", &options).await {
        Err(error) => println!("not opened: {error}"),
        Ok(remote) => match remote.put("object", "body".into(), PutIf::Absent).await {
            Ok(_) => println!("it was written"),
            Err(error) => println!("not written: {error}"),
        },
    }
}

fn open(environment: &[(&str, &str)]) -> String {
    let command = child::command("open a bucket");
    let roles: Vec<_> =
        command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    let mut command = child::command("open a bucket");
    // No instance metadata: that would be asked for over the network.
    command.env_clear().envs(roles).env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", "/nonexistent");
    let Output { status, stdout, stderr } = command.envs(environment.iter().copied()).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{stdout} {stderr}");
    stdout.into_owned()
}

const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "thermocline"), ("AWS_SECRET_ACCESS_KEY", "of-no-use-anywhere-else")];

#[test]
fn without_credentials_it_says_what_to_set() {
    let said = open(&[("AWS_REGION", "eu-central-1")]);
    assert!(said.contains("not opened: s3://thermocline/prefix: no credentials"), "{said}");
    assert!(said.contains("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"), "{said}");
}

#[test]
fn without_a_region_it_says_what_to_set() {
    let said = open(&KEYS);
    assert!(said.contains("not opened: s3://thermocline/prefix: no region"), "{said}");
    assert!(said.contains("AWS_REGION") && said.contains("AWS_ENDPOINT_URL"), "{said}");
}

#[rstest]
#[case::not_a_url("127.0.0.1:8333")]
#[case::not_http("ftp://127.0.0.1")]
fn an_endpoint_that_is_none_is_said_to_be_none(#[case] endpoint: &str) {
    let said = open(&[&KEYS[..], &[("AWS_ENDPOINT_URL", endpoint)]].concat());
    assert!(said.contains(&format!("{endpoint:?} is no endpoint")), "{said}");
}

#[rstest]
#[case::option(ENDPOINT_OPTION)]
#[case::variable("AWS_ENDPOINT_URL")]
#[case::variable_for_s3("AWS_ENDPOINT_URL_S3")]
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_all_that_is_needed_beside_credentials(#[case] variable: &'static str) {
    let folder = tempfile::tempdir().unwrap();
    let server = S3sFs::start(folder.path()).await.unwrap();
    let endpoint = server.access.endpoint.clone();
    let said =
        tokio::task::spawn_blocking(move || open(&[&KEYS[..], &[(variable, &endpoint)]].concat())).await.unwrap();
    assert!(said.contains("it was written"), "{said}");
    assert_eq!(std::fs::read(folder.path().join(BUCKET).join("prefix/object")).unwrap(), b"body");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_option_is_stronger_than_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3sFs::start(folder.path()).await.unwrap();
    let endpoint = server.access.endpoint.clone();
    let said = tokio::task::spawn_blocking(move || {
        let endpoints = [("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), (ENDPOINT_OPTION, endpoint.as_str())];
        open(&[&KEYS[..], &endpoints].concat())
    });
    let said = said.await.unwrap();
    assert!(said.contains("it was written"), "{said}");
}
