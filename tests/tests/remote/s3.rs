//! S3 against servers: what it promises beyond the suite.

use std::sync::Arc;

use thermocline::remote::{
    ETag, Got, Limits, ObjectUrl, PutIf, Remote, RemoteError, RemoteUrl, S3, S3Credentials, S3Options, open,
};
use thermocline_tests::servers::{Access, BUCKET, S3sFs, WEED_VARIABLE, Weed};

use crate::{body, object};

async fn refused(remote: Result<S3, thermocline::remote::OpenError>) -> Vec<String> {
    let remote = remote.unwrap();
    let outcomes = [
        remote.get("t/object", None).await.map(drop),
        remote.put("t/object", "body".into(), PutIf::Absent).await.map(drop),
        remote.put("t/object", "body".into(), PutIf::Matches(ETag("\"x\"".into()))).await.map(drop),
        remote.list("t/").await.map(drop),
        remote.delete("t/object").await,
    ];
    let messages = outcomes.into_iter().zip(["get", "create", "replace", "list", "delete"]).map(|(outcome, call)| {
        let message = match outcome {
            Err(error @ RemoteError::Refused { .. }) => error.to_string(),
            // SeaweedFS looks for the object's version before it looks for the bucket. Who then reads, learns why.
            Err(RemoteError::Conflict { .. }) if call == "replace" => return None,
            other => panic!("{call}: {other:?}"),
        };
        assert!(message.starts_with("s3://") && message.contains("/t/"), "{message}");
        Some(message)
    });
    messages.flatten().collect()
}

/// What both servers must show.
async fn behaves(access: &Access) {
    // Prefixes keep remotes apart, and the whole bucket has them all.
    let (here, there) = (access.remote("here").await.unwrap(), access.remote("there/too").await.unwrap());
    here.put("object", "here".into(), PutIf::Absent).await.unwrap();
    there.put("object", "there".into(), PutIf::Absent).await.unwrap();
    assert_eq!(body(&here, "object").await, "here");
    assert_eq!(here.list("").await.unwrap().len(), 1);
    assert_eq!(here.url("object"), format!("s3://{BUCKET}/here/object"));
    let all: Vec<_> = access.remote("").await.unwrap().list("").await.unwrap();
    let all: Vec<&str> = all.iter().map(|listed| listed.key.as_str()).collect();
    assert_eq!(all, ["here/object", "there/too/object"]);

    // The URL of an object leads back to it.
    let ObjectUrl { remote, key } = there.url("object").parse().unwrap();
    let again = open(&remote, &access.options()).await.unwrap();
    assert_eq!(body(&again, &key).await, "there");

    // Limits, at their edges.
    let limits = Limits { object_bytes: 4, listed_objects: 1 };
    let limited = S3::new(BUCKET, "here", &S3Options { limits, ..access.options() }).await.unwrap();
    assert!(matches!(limited.get("object", None).await, Ok(Got::Object(_))));
    assert_eq!(limited.list("").await.unwrap().len(), 1);
    limited.put("second", "1234".into(), PutIf::Absent).await.unwrap();
    let outcome = limited.list("").await;
    assert!(matches!(outcome, Err(RemoteError::TooMany { limit_objects: 1, .. })), "{outcome:?}");
    let outcome = limited.put("third", "12345".into(), PutIf::Absent).await;
    assert!(matches!(outcome, Err(RemoteError::TooLarge { size_bytes: 5, .. })), "{outcome:?}");
    let etag = object(&here, "object").await.etag;
    here.put("object", "heres".into(), PutIf::Matches(etag)).await.unwrap();
    let outcome = limited.get("object", None).await;
    assert!(matches!(outcome, Err(RemoteError::TooLarge { size_bytes: 5, limit_bytes: 4, .. })), "{outcome:?}");

    // What cannot work says why.
    for message in refused(S3::new("no-such-bucket", "", &access.options()).await).await {
        assert!(message.contains("NoSuchBucket") && message.contains("create the bucket"), "{message}");
    }
    let mut credentials = access.options().credentials.unwrap();
    credentials.secret_access_key = "not-the-secret".into();
    let options = S3Options { credentials: Some(credentials), ..access.options() };
    for message in refused(S3::new(BUCKET, "", &options).await).await {
        assert!(message.contains("SignatureDoesNotMatch (403)"), "{message}");
        assert!(message.contains("AWS_SECRET_ACCESS_KEY") && !message.contains("not-the-secret"), "{message}");
    }
    let credentials = S3Credentials {
        access_key_id: "nobody".into(),
        secret_access_key: "not-the-secret".into(),
        session_token: None,
    };
    let options = S3Options { credentials: Some(credentials), ..access.options() };
    for message in refused(S3::new(BUCKET, "", &options).await).await {
        assert!(message.contains("(403)") && !message.contains("not-the-secret"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s3s_fs_is_reached_and_its_refusals_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3sFs::start(folder.path()).await.unwrap();
    behaves(&server.access).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seaweedfs_is_reached_and_its_refusals_are_understood() {
    let Some(weed) = Weed::start().await.unwrap() else {
        println!("skipped: {WEED_VARIABLE} names no weed binary");
        return;
    };
    behaves(&weed.access).await;

    // The process ends with its value.
    let process = format!("/proc/{}", weed.process_id());
    assert!(std::path::Path::new(&process).exists());
    drop(weed);
    assert!(!std::path::Path::new(&process).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_goes_on_past_the_first_page() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3sFs::start(folder.path()).await.unwrap();
    let below = folder.path().join(BUCKET).join("many");
    std::fs::create_dir(&below).unwrap();
    for number in 0..2345 {
        std::fs::write(below.join(format!("{number:04}")), "x").unwrap();
    }
    // What is no key is left out: a folder's marker has none.
    std::fs::write(below.join("x.___temp"), "x").unwrap();
    let listed = server.access.remote("many").await.unwrap().list("").await.unwrap();
    assert_eq!(listed.len(), 2345);
    assert!(listed.iter().zip(0..).all(|(listed, number)| listed.key == format!("{number:04}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_is_opened_by_its_url_is_that_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3sFs::start(folder.path()).await.unwrap();
    let url: RemoteUrl = format!("s3://{BUCKET}/prefix/").parse().unwrap();
    let remote: Arc<dyn Remote> = open(&url, &server.access.options()).await.unwrap();
    remote.put("object", "body".into(), PutIf::Absent).await.unwrap();
    assert_eq!(std::fs::read(folder.path().join(BUCKET).join("prefix/object")).unwrap(), b"body");
}
