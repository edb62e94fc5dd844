//! A folder as a remote: what it promises beyond the suite.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rstest::rstest;
use rustix::fs::FlockOperation;
use thermocline::remote::{
    ETag, Got, Limits, LocalDir, MAX_OBJECT_BYTES, ObjectUrl, OpenError, PutIf, Remote, RemoteError, RemoteUrl,
    S3Options, open,
};

use crate::{body, child, object};

/// The folder that a child works in.
const FOLDER: &str = "THERMOCLINE_TEST_FOLDER";
/// How often a child counts.
const COUNTS: u32 = 25;
/// Size of what a child writes for ever: large enough to be killed in the middle.
const BODY_BYTES: usize = 1 << 20;

fn local(folder: &Path) -> Arc<dyn Remote> {
    Arc::new(LocalDir::new(folder).unwrap())
}

fn folder_of_a_child() -> Arc<dyn Remote> {
    local(Path::new(&std::env::var_os(FOLDER).unwrap()))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn an_object_is_a_file_and_its_etag_the_digest_of_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    // The remote's own folder comes into being with the first object.
    let root = folder.path().join("remote");
    let remote = local(&root);
    assert_eq!(remote.get("a/b", None).await.unwrap(), Got::Missing);
    assert_eq!(remote.list("").await.unwrap(), []);
    remote.delete("a/b").await.unwrap();
    assert!(!root.exists());

    let etag = remote.put("a/b", "abc".into(), PutIf::Absent).await.unwrap();
    assert_eq!(etag, ETag("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".into()));
    assert_eq!(fs::read(root.join("a/b")).unwrap(), b"abc");
    assert_eq!(names(&root.join("a")), ["b"]);
}

#[tokio::test]
async fn what_is_put_there_by_hand_is_an_object_too() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("empty folder")).unwrap();
    fs::write(folder.path().join("file"), "abc").unwrap();
    std::os::unix::fs::symlink("file", folder.path().join("link")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).unwrap();
    std::os::unix::fs::symlink(".", folder.path().join("loop")).unwrap();
    let remote = local(folder.path());

    let keys: Vec<String> = remote.list("").await.unwrap().into_iter().map(|listed| listed.key).collect();
    assert_eq!(keys, ["file", "link"]);
    assert_eq!(body(&remote, "link").await, "abc");
    assert_eq!(remote.get("empty folder", None).await.unwrap(), Got::Missing);
    let etag = object(&remote, "file").await.etag;
    remote.put("file", "new".into(), PutIf::Matches(etag)).await.unwrap();
    assert_eq!(body(&remote, "file").await, "new");
}

#[tokio::test]
async fn unfinished_files_are_no_objects_and_the_next_put_removes_those_of_writers() {
    let folder = tempfile::tempdir().unwrap();
    let remote = local(folder.path());
    remote.put("t/object", "old".into(), PutIf::Absent).await.unwrap();
    let leftovers = ["object.4711-0.___temp", "other.json.1-23.___temp"];
    for name in leftovers.into_iter().chain(["not ours.___temp"]) {
        fs::write(folder.path().join("t").join(name), "half").unwrap();
        let outcome = remote.get(&format!("t/{name}"), None).await;
        assert!(matches!(outcome, Err(RemoteError::BadKey { .. })), "{outcome:?}");
    }
    assert_eq!(remote.list("").await.unwrap().len(), 1);

    remote.put("t/another", "new".into(), PutIf::Absent).await.unwrap();
    assert_eq!(names(&folder.path().join("t")), ["another", "not ours.___temp", "object"]);
}

#[tokio::test]
async fn a_key_cannot_be_both_an_object_and_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let remote = local(folder.path());
    let etag = remote.put("a/b", "object".into(), PutIf::Absent).await.unwrap();

    for (key, why) in [("a/b/c", "a file is where a folder must be"), ("a", "a folder is where the object must be")] {
        let error = remote.put(key, "body".into(), PutIf::Absent).await.unwrap_err();
        let RemoteError::Refused { object, why: said } = &error else { panic!("{error:?}") };
        assert_eq!(object, &remote.url(key));
        assert!(said.contains(why) && said.contains(folder.path().to_str().unwrap()), "{said}");
        assert_eq!(remote.get(key, None).await.unwrap(), Got::Missing);
        let outcome = remote.put(key, "body".into(), PutIf::Matches(etag.clone())).await;
        assert!(matches!(outcome, Err(RemoteError::Conflict { .. })), "{outcome:?}");
        remote.delete(key).await.unwrap();
    }
    assert_eq!(body(&remote, "a/b").await, "object");
    assert_eq!(names(folder.path()), ["a"]);
}

#[tokio::test]
async fn a_pipe_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let status = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap();
    assert!(status.success());
    let remote = local(folder.path());
    let got = tokio::time::timeout(Duration::from_secs(10), remote.get("pipe", None)).await.unwrap();
    assert!(matches!(got, Err(RemoteError::Refused { .. })), "{got:?}");
    assert_eq!(remote.list("").await.unwrap(), []);
}

#[tokio::test]
async fn the_limit_on_objects_is_obeyed_and_violated() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { object_bytes: 1000, ..Limits::default() };
    let remote = LocalDir::new(folder.path()).unwrap().with_limits(limits);
    let etag = remote.put("object", vec![b'x'; 1000].into(), PutIf::Absent).await.unwrap();
    assert!(matches!(remote.get("object", None).await.unwrap(), Got::Object(object) if object.body.len() == 1000));

    let outcome = remote.put("object", vec![b'x'; 1001].into(), PutIf::Matches(etag)).await;
    assert!(matches!(outcome, Err(RemoteError::TooLarge { size_bytes: 1001, limit_bytes: 1000, .. })), "{outcome:?}");
    fs::write(folder.path().join("object"), vec![b'x'; 1001]).unwrap();
    let outcome = remote.get("object", None).await;
    assert!(matches!(outcome, Err(RemoteError::TooLarge { size_bytes: 1001, .. })), "{outcome:?}");
}

#[tokio::test]
async fn an_object_over_the_default_limit_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    File::create(folder.path().join("sparse")).unwrap().set_len(MAX_OBJECT_BYTES + 1).unwrap();
    let start = Instant::now();
    let error = local(folder.path()).get("sparse", None).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    assert!(error.to_string().contains("1610612737 bytes are more than the limit of 1610612736"), "{error}");
}

#[tokio::test]
async fn the_limit_on_listings_is_obeyed_and_violated() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { listed_objects: 3, ..Limits::default() };
    let remote = LocalDir::new(folder.path()).unwrap().with_limits(limits);
    for key in ["a/1", "a/2", "b"] {
        remote.put(key, "".into(), PutIf::Absent).await.unwrap();
    }
    assert_eq!(remote.list("").await.unwrap().len(), 3);
    remote.put("a/3", "".into(), PutIf::Absent).await.unwrap();
    let error = remote.list("").await.unwrap_err();
    assert!(matches!(error, RemoteError::TooMany { limit_objects: 3, .. }), "{error:?}");
    assert!(error.to_string().contains("list a longer prefix"), "{error}");
    assert_eq!(remote.list("a/").await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_file_in_place_of_the_folder_is_no_remote() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = LocalDir::new(file.path()).unwrap_err();
    assert!(matches!(error, OpenError::NotAFolder { .. }), "{error:?}");
    assert!(error.to_string().contains(file.path().to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn the_url_of_an_object_leads_back_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let root: RemoteUrl = format!("file://{}/100%25%20%C3%BC", folder.path().display()).parse().unwrap();
    let remote = open(&root, &S3Options::default()).await.unwrap();
    remote.put("a b/heatmap-v1.json", "{}".into(), PutIf::Absent).await.unwrap();
    assert!(folder.path().join("100% ü/a b/heatmap-v1.json").exists());

    let ObjectUrl { remote: there, key } = remote.url("a b/heatmap-v1.json").parse().unwrap();
    assert_eq!(key, "heatmap-v1.json");
    let again = open(&there, &S3Options::default()).await.unwrap();
    assert_eq!(body(&again, &key).await, "{}");
    assert_eq!(again.url(&key), remote.url("a b/heatmap-v1.json"));
}

/// Locks the folder as a writer does.
fn lock(folder: &Path) -> File {
    let folder = File::open(folder).unwrap();
    rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).unwrap();
    folder
}

#[tokio::test]
async fn a_writer_waits_for_another_one_and_readers_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let remote = local(folder.path());
    remote.put("object", "old".into(), PutIf::Absent).await.unwrap();
    let held = lock(folder.path());
    let put = {
        let remote = Arc::clone(&remote);
        let etag = object(&remote, "object").await.etag;
        tokio::spawn(async move { remote.put("object", "new".into(), PutIf::Matches(etag)).await })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!put.is_finished());
    assert_eq!(body(&remote, "object").await, "old");
    // Other folders are other writers'.
    remote.put("elsewhere/object", "new".into(), PutIf::Absent).await.unwrap();

    drop(held);
    put.await.unwrap().unwrap();
    assert_eq!(body(&remote, "object").await, "new");
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_never_released_makes_the_store_busy() {
    let folder = tempfile::tempdir().unwrap();
    let remote = local(folder.path());
    let _held = lock(folder.path());
    let start = tokio::time::Instant::now();
    for outcome in [remote.put("object", "new".into(), PutIf::Absent).await.map(drop), remote.delete("object").await] {
        let Err(RemoteError::Busy { object, why }) = outcome else { panic!("{outcome:?}") };
        assert!(object.ends_with("/object") && why.contains("10s"), "{why}");
    }
    let waited = start.elapsed();
    assert!((20..22).contains(&waited.as_secs()), "{waited:?}");
    assert_eq!(names(folder.path()), [""; 0]);
}

/// Says so on stdout once it holds the lock.
pub(crate) fn hold_a_lock_as_a_child() {
    let _held = lock(Path::new(&std::env::var_os(FOLDER).unwrap()));
    println!("locked");
    std::thread::sleep(Duration::from_secs(600));
}

#[tokio::test]
async fn the_lock_of_a_killed_writer_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = child::command("hold a lock");
    let mut child = command.env(FOLDER, folder.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut stdout = child.stdout.take().unwrap();
    while !said.contains("locked\n") {
        let mut byte = [0];
        assert_eq!(stdout.read(&mut byte).unwrap(), 1, "{said}");
        said.push(char::from(byte[0]));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    local(folder.path()).put("object", "new".into(), PutIf::Absent).await.unwrap();
}

pub(crate) async fn count_as_a_child() {
    let remote = folder_of_a_child();
    for _ in 0..COUNTS {
        loop {
            let counter = object(&remote, "counter").await;
            let count: u32 = std::str::from_utf8(&counter.body).unwrap().parse().unwrap();
            match remote.put("counter", (count + 1).to_string().into(), PutIf::Matches(counter.etag)).await {
                Ok(_) => break,
                Err(RemoteError::Conflict { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test]
async fn no_update_is_lost_between_processes() {
    let folder = tempfile::tempdir().unwrap();
    let remote = local(folder.path());
    remote.put("counter", "0".into(), PutIf::Absent).await.unwrap();
    let count = || child::command("count").env(FOLDER, folder.path()).stdout(Stdio::null()).spawn().unwrap();
    for mut child in [count(), count(), count()] {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(body(&remote, "counter").await, (3 * COUNTS).to_string());
}

pub(crate) async fn write_for_ever_as_a_child() {
    let remote = folder_of_a_child();
    for number in (0..=u8::MAX).cycle() {
        let etag = object(&remote, "t/object").await.etag;
        remote.put("t/object", vec![number; BODY_BYTES].into(), PutIf::Matches(etag)).await.unwrap();
    }
}

#[tokio::test]
async fn a_killed_writer_leaves_the_old_object_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let remote = local(folder.path());
    remote.put("t/object", vec![0; BODY_BYTES].into(), PutIf::Absent).await.unwrap();
    let mut seen = Vec::new();
    for round in 0..12 {
        let mut command = child::command("write for ever");
        let mut child = command.env(FOLDER, folder.path()).stdout(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(20 + 7 * round)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let body = body(&remote, "t/object").await;
        assert_eq!(body.len(), BODY_BYTES);
        assert!(body.iter().all(|byte| *byte == body[0]), "round {round}");
        seen.push(body[0]);
    }
    seen.dedup();
    assert!(seen.len() > 1, "no child ever wrote");
    let etag = object(&remote, "t/object").await.etag;
    remote.put("t/object", "last".into(), PutIf::Matches(etag)).await.unwrap();
    assert_eq!(names(&folder.path().join("t")), ["object"]);
}

/// Runs a child in a mount namespace of its own, where a small disk is mounted on `folder`; none where the system
/// does not allow that.
fn on_a_small_disk(role: &str, folder: &Path) -> Option<bool> {
    let binary = child::command(role);
    let args: Vec<_> = binary.get_args().map(|arg| arg.to_str().unwrap()).collect();
    let script = format!(
        "mount -t tmpfs -o size=256k tmpfs '{folder}' || exit 77; exec '{}' {}",
        binary.get_program().to_str().unwrap(),
        args.join(" "),
        folder = folder.display()
    );
    let mut command = std::process::Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", &script]).env(FOLDER, folder);
    command.envs(binary.get_envs().filter_map(|(name, value)| Some((name, value?))));
    match command.status() {
        Ok(status) if matches!(status.code(), Some(0 | 101)) => Some(status.success()),
        _ => None,
    }
}

#[rstest]
#[case::full("full disk")]
#[case::read_only("read-only disk")]
fn a_disk_that_takes_nothing_is_an_error_that_says_so(#[case] role: &str) {
    let folder = tempfile::tempdir().unwrap();
    match on_a_small_disk(role, folder.path()) {
        Some(success) => assert!(success),
        None => println!("skipped: no mount namespaces here"),
    }
}

pub(crate) async fn fill_a_disk_as_a_child() {
    let remote = folder_of_a_child();
    let etag = remote.put("t/object", "old".into(), PutIf::Absent).await.unwrap();
    let large = Bytes::from(vec![b'x'; 512 << 10]);
    let outcome = remote.put("t/object", large.clone(), PutIf::Matches(etag.clone())).await;
    let Err(RemoteError::Busy { object, why }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(object, remote.url("t/object"));
    assert!(why.contains("No space left on device") && why.contains("make room"), "{why}");
    // Nothing has changed, nothing is left, and a smaller object still fits.
    assert_eq!(body(&remote, "t/object").await, "old");
    assert_eq!(remote.list("").await.unwrap().len(), 1);
    remote.put("t/object", vec![b'x'; 100 << 10].into(), PutIf::Matches(etag)).await.unwrap();
}

pub(crate) async fn write_to_a_read_only_disk_as_a_child() {
    let remote = folder_of_a_child();
    let etag = remote.put("t/object", "old".into(), PutIf::Absent).await.unwrap();
    let folder = std::env::var_os(FOLDER).unwrap();
    let status = std::process::Command::new("mount").args(["-o", "remount,ro"]).arg(folder).status().unwrap();
    assert!(status.success());
    let outcomes = [
        remote.put("t/object", "new".into(), PutIf::Matches(etag)).await.map(drop),
        remote.put("u/object", "new".into(), PutIf::Absent).await.map(drop),
        remote.delete("t/object").await,
    ];
    for outcome in outcomes {
        let Err(RemoteError::Refused { why, .. }) = outcome else { panic!("{outcome:?}") };
        assert!(why.contains("Read-only file system") && why.contains("can be written"), "{why}");
    }
    assert_eq!(body(&remote, "t/object").await, "old");
}

#[tokio::test]
async fn a_folder_that_is_gone_is_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("mounted");
    // Until it was there once, the first put makes it.
    let remote = LocalDir::new(&root).unwrap();
    assert_eq!(remote.get("object", None).await.unwrap(), Got::Missing);
    remote.put("object", "here".into(), PutIf::Absent).await.unwrap();
    assert!(matches!(remote.get("object", None).await.unwrap(), Got::Object(_)));

    std::fs::rename(&root, folder.path().join("elsewhere")).unwrap();
    let error = remote.put("other", "lost".into(), PutIf::Absent).await.unwrap_err();
    assert!(matches!(error, RemoteError::Busy { .. }) && error.to_string().contains("is gone"), "{error}");
    assert!(matches!(remote.get("object", None).await, Err(RemoteError::Busy { .. })));
    assert!(matches!(remote.list("").await, Err(RemoteError::Busy { .. })));
    assert!(!root.exists());

    std::fs::rename(folder.path().join("elsewhere"), &root).unwrap();
    assert!(matches!(remote.get("object", None).await.unwrap(), Got::Object(_)));
}
