//! The suite, on every remote there is; and on remotes that break one law each, to see that it notices.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rstest::rstest;
use thermocline::remote::conformance::{Broken, check, check_up_to};
use thermocline::remote::{ETag, Got, Listed, LocalDir, MAX_KEY_BYTES, Object, PutIf, Remote, RemoteError};
use thermocline_tests::doubles::{Gated, Memory, Recording};
use thermocline_tests::servers::{LONGEST_KEY_BYTES, S3sFs, WEED_VARIABLE, Weed};

fn passed(outcome: Result<(), Vec<Broken>>) {
    if let Err(broken) = outcome {
        let lines: Vec<String> = broken.iter().map(Broken::to_string).collect();
        panic!("{} laws broken:\n{}", lines.len(), lines.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_folder_keeps_every_law() {
    let folder = tempfile::tempdir().unwrap();
    passed(check(Arc::new(LocalDir::new(folder.path()).unwrap())).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_and_what_is_put_around_it_keep_every_law() {
    passed(check(Arc::new(Memory::new())).await);
    passed(check(Arc::new(Recording::new(Arc::new(Memory::new())))).await);
    passed(check(Arc::new(Gated::new(Arc::new(Memory::new()), &[]))).await);
}

#[rstest]
#[case::the_whole_bucket("")]
#[case::below_a_prefix("some/prefix")]
#[tokio::test(flavor = "multi_thread")]
async fn s3_over_s3s_fs_keeps_every_law(#[case] prefix: &str) {
    let folder = tempfile::tempdir().unwrap();
    let server = S3sFs::start(folder.path()).await.unwrap();
    let longest = LONGEST_KEY_BYTES - prefix.len() - 1;
    passed(check_up_to(server.access.remote(prefix).await.unwrap(), longest).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_over_seaweedfs_keeps_every_law() {
    let Some(weed) = Weed::start().await.unwrap() else {
        println!("skipped: {WEED_VARIABLE} names no weed binary");
        return;
    };
    passed(check(weed.access.remote("").await.unwrap()).await);
    let prefix = "some/prefix";
    passed(check_up_to(weed.access.remote(prefix).await.unwrap(), MAX_KEY_BYTES - prefix.len() - 1).await);
}

/// What a remote gets wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Defect {
    WritesAlways,
    ChecksThenWrites,
    ForgetsUnless,
    ListsUnordered,
    ListsByFolder,
    ListsOnePage,
    MixesUpCase,
    DropsEmptyBodies,
    TakesAnyKey,
    KeepsDeleted,
    CreatesForAnETag,
    SameETagForAll,
    TearsReads,
}

struct Defective {
    inner: Memory,
    defect: Defect,
}

impl fmt::Debug for Defective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.defect)
    }
}

impl Defective {
    fn is(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    fn key(&self, key: &str) -> String {
        if self.is(Defect::MixesUpCase) { key.to_lowercase() } else { key.into() }
    }

    async fn current(&self, key: &str) -> Option<Object> {
        match self.inner.get(key, None).await {
            Ok(Got::Object(object)) => Some(object),
            _ => None,
        }
    }

    async fn overwrite(&self, key: &str, body: Bytes) -> Result<ETag, RemoteError> {
        loop {
            let condition = match self.current(key).await {
                Some(object) => PutIf::Matches(object.etag),
                None => PutIf::Absent,
            };
            match self.inner.put(key, body.clone(), condition).await {
                Err(RemoteError::Conflict { .. }) => {}
                settled => return settled,
            }
        }
    }
}

#[async_trait]
impl Remote for Defective {
    async fn get(&self, key: &str, unless: Option<&ETag>) -> Result<Got, RemoteError> {
        let unless = unless.filter(|_| !self.is(Defect::ForgetsUnless));
        let unless = unless.filter(|_| !self.is(Defect::SameETagForAll));
        let got = self.inner.get(&self.key(key), unless).await?;
        let Got::Object(mut object) = got else { return Ok(got) };
        if self.is(Defect::TearsReads) && object.body.len() > 1000 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            if let Some(newer) = self.current(key).await.filter(|newer| newer.body.len() == object.body.len()) {
                object.body = [&object.body[..500], &newer.body[500..]].concat().into();
            }
        }
        if self.is(Defect::SameETagForAll) {
            object.etag = ETag("1".into());
        }
        Ok(Got::Object(object))
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutIf) -> Result<ETag, RemoteError> {
        let key = &self.key(key);
        let current = self.current(key).await.map(|object| object.etag);
        match self.defect {
            Defect::WritesAlways => return self.overwrite(key, body).await,
            Defect::ChecksThenWrites if current.is_none() == (condition == PutIf::Absent) => {
                if let PutIf::Matches(etag) = &condition
                    && Some(etag) != current.as_ref()
                {
                    return Err(RemoteError::Conflict { object: key.clone() });
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
                return self.overwrite(key, body).await;
            }
            Defect::CreatesForAnETag if current.is_none() => return self.overwrite(key, body).await,
            Defect::DropsEmptyBodies if body.is_empty() => return Ok(ETag("\"empty\"".into())),
            Defect::TakesAnyKey if body.is_empty() && key.contains("..") => return Ok(ETag("\"any\"".into())),
            Defect::SameETagForAll => {
                let condition = current.map_or(PutIf::Absent, PutIf::Matches);
                return self.inner.put(key, body, condition).await.map(|_| ETag("1".into()));
            }
            _ => {}
        }
        self.inner.put(key, body, condition).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, RemoteError> {
        let mut listed = self.inner.list(prefix).await?;
        match self.defect {
            Defect::ListsUnordered => listed.reverse(),
            Defect::ListsByFolder => listed.sort_by_key(|listed| listed.key.replace('/', "\0")),
            Defect::ListsOnePage => listed.truncate(100),
            _ => {}
        }
        Ok(listed)
    }

    async fn delete(&self, key: &str) -> Result<(), RemoteError> {
        if self.is(Defect::KeepsDeleted) { Ok(()) } else { self.inner.delete(&self.key(key)).await }
    }

    fn url(&self, key: &str) -> String {
        self.inner.url(key)
    }
}

#[rstest]
#[case(Defect::WritesAlways, "put-if-absent creates an object once")]
#[case(Defect::ChecksThenWrites, "of racing writers exactly one wins")]
#[case(Defect::ChecksThenWrites, "no update is lost")]
#[case(Defect::ForgetsUnless, "a read of an unchanged object sends nothing")]
#[case(Defect::ListsUnordered, "a listing has the keys that begin with the prefix, in order, with sizes")]
#[case(Defect::ListsByFolder, "a listing has the keys that begin with the prefix, in order, with sizes")]
#[case(Defect::ListsOnePage, "a listing has the keys that begin with the prefix, in order, with sizes")]
#[case(Defect::MixesUpCase, "every key names an object of its own")]
#[case(Defect::DropsEmptyBodies, "every body comes back as it was")]
#[case(Defect::TakesAnyKey, "what is no key is refused")]
#[case(Defect::KeepsDeleted, "delete removes an object, and a second one does no harm")]
#[case(Defect::CreatesForAnETag, "put-if-matches never creates an object")]
#[case(Defect::SameETagForAll, "put-if-matches replaces that version only")]
#[case(Defect::TearsReads, "a reader sees an object whole")]
#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_breaks_a_law_is_found_out(#[case] defect: Defect, #[case] law: &str) {
    // What shows in a race only may take more than one, on a machine that has much to do.
    for _ in 0..20 {
        if let Err(broken) = check(Arc::new(Defective { inner: Memory::new(), defect })).await
            && broken.iter().any(|broken| broken.law == law)
        {
            return;
        }
    }
    panic!("it is not found out that this does not hold: {law}");
}
