//! The laws that every [`Remote`] keeps, as one suite that runs on any of them.
//!
//! Everything in here uses a remote only through its trait, so that an embedder's own store can be held to the
//! same promises: `conformance::check(store).await`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::task::JoinSet;

use super::{ETag, Got, Listed, MAX_COMPONENT_BYTES, MAX_KEY_BYTES, Object, PutIf, Remote, RemoteError};

/// Objects that are listed at once.
const LISTED: usize = 300;
/// Writers that race for one object.
const RACERS: usize = 16;
/// How often they race.
const ROUNDS: usize = 3;
/// Tries of a put that finds the store busy.
const TRIES: u32 = 200;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(10);
/// Size of the largest body.
const LARGE_BYTES: usize = 5 << 20;

/// A law that a remote does not keep.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{law}: {why}")]
pub struct Broken {
    /// What should hold.
    pub law: &'static str,
    /// What was seen.
    pub why: String,
}

type Outcome = Result<(), String>;
type Law = fn(Store) -> BoxFuture<'static, Outcome>;

const LAWS: [(&str, Law); 13] = [
    ("what was never written is missing", |store| missing(store).boxed()),
    ("put-if-absent creates an object once", |store| create(store).boxed()),
    ("put-if-matches replaces that version only", |store| replace(store).boxed()),
    ("put-if-matches never creates an object", |store| never_create(store).boxed()),
    ("a read of an unchanged object sends nothing", |store| unless(store).boxed()),
    ("delete removes an object, and a second one does no harm", |store| delete(store).boxed()),
    ("every body comes back as it was", |store| bodies(store).boxed()),
    ("every key names an object of its own", |store| keys(store).boxed()),
    ("what is no key is refused", |store| no_keys(store).boxed()),
    ("a listing has the keys that begin with the prefix, in order, with sizes", |store| list(store).boxed()),
    ("of racing writers exactly one wins", |store| race(store).boxed()),
    ("no update is lost", |store| count(store).boxed()),
    ("a reader sees an object whole", |store| whole(store).boxed()),
];

/// Runs every law on a remote that holds nothing below `conformance/`, and leaves its objects there.
///
/// # Errors
/// All the laws that it broke. A law that could not be tried because the store fails counts as broken.
pub async fn check(remote: Arc<dyn Remote>) -> Result<(), Vec<Broken>> {
    check_up_to(remote, MAX_KEY_BYTES).await
}

/// The same for a remote that does not take the longest keys, for example because of its prefix.
///
/// # Errors
/// As [`check`].
pub async fn check_up_to(remote: Arc<dyn Remote>, longest_key_bytes: usize) -> Result<(), Vec<Broken>> {
    let mut broken = Vec::new();
    for (number, (law, run)) in LAWS.iter().enumerate() {
        let folder = format!("conformance/{number}");
        let store = Store { remote: Arc::clone(&remote), folder, longest_key_bytes };
        if let Err(why) = run(store).await {
            broken.push(Broken { law, why });
        }
    }
    if broken.is_empty() { Ok(()) } else { Err(broken) }
}

/// A remote, and the folder of one law in it.
#[derive(Clone)]
struct Store {
    remote: Arc<dyn Remote>,
    folder: String,
    longest_key_bytes: usize,
}

impl Store {
    fn key(&self, name: impl fmt::Display) -> String {
        format!("{}/{name}", self.folder)
    }

    /// A store may always say that it is busy.
    async fn put(&self, name: &str, body: impl Into<Bytes>, condition: PutIf) -> Result<ETag, RemoteError> {
        let (key, body) = (self.key(name), body.into());
        for _ in 1..TRIES {
            match self.remote.put(&key, body.clone(), condition.clone()).await {
                Err(RemoteError::Busy { .. }) => tokio::time::sleep(PAUSE).await,
                settled => return settled,
            }
        }
        self.remote.put(&key, body, condition).await
    }

    async fn create(&self, name: &str, body: impl Into<Bytes>) -> Result<ETag, String> {
        self.put(name, body, PutIf::Absent).await.map_err(|error| format!("a put failed: {error}"))
    }

    async fn get(&self, name: &str, unless: Option<&ETag>) -> Result<Got, String> {
        self.remote.get(&self.key(name), unless).await.map_err(|error| format!("a get failed: {error}"))
    }

    async fn object(&self, name: &str) -> Result<Object, String> {
        match self.get(name, None).await? {
            Got::Object(object) => Ok(object),
            other => Err(format!("{name} should be there, but is {other:?}")),
        }
    }

    async fn list(&self, below: &str) -> Result<Vec<Listed>, String> {
        let prefix = self.key(below);
        self.remote.list(&prefix).await.map_err(|error| format!("list {prefix:?} failed: {error}"))
    }
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(why()) }
}

fn ensure_conflict(outcome: Result<ETag, RemoteError>, what: &str) -> Outcome {
    ensure(matches!(outcome, Err(RemoteError::Conflict { .. })), || format!("{what} should conflict: {outcome:?}"))
}

async fn missing(store: Store) -> Outcome {
    for unless in [None, Some(ETag("\"d41d8cd98f00b204e9800998ecf8427e\"".into()))] {
        for name in ["nothing", "no/folder/either"] {
            let got = store.get(name, unless.as_ref()).await?;
            ensure(got == Got::Missing, || format!("{name}, unless {unless:?}: {got:?}"))?;
        }
    }
    let listed = store.list("").await?;
    ensure(listed.is_empty(), || format!("{listed:?}"))
}

async fn create(store: Store) -> Outcome {
    let etag = store.create("object", "first").await?;
    ensure_conflict(store.put("object", "second", PutIf::Absent).await, "a second put-if-absent")?;
    ensure_conflict(store.put("object", "first", PutIf::Absent).await, "the same put-if-absent again")?;
    let object = store.object("object").await?;
    ensure(object == Object { body: "first".into(), etag: etag.clone() }, || {
        format!("put answered {etag:?}, get {object:?}")
    })
}

async fn replace(store: Store) -> Outcome {
    let first = store.create("object", "first").await?;
    let second = store.put("object", "second", PutIf::Matches(first.clone())).await;
    let second = second.map_err(|error| format!("a put with the object's own ETag failed: {error}"))?;
    ensure(first != second, || format!("two versions have one ETag, {first:?}"))?;
    ensure_conflict(store.put("object", "third", PutIf::Matches(first)).await, "a put with a stale ETag")?;
    let object = store.object("object").await?;
    ensure(object == Object { body: "second".into(), etag: second.clone() }, || {
        format!("after a conflict: {object:?}, expected \"second\", {second:?}")
    })?;
    let third = store.put("object", "third", PutIf::Matches(object.etag)).await;
    third.map(drop).map_err(|error| format!("a put with the ETag that was read failed: {error}"))
}

async fn never_create(store: Store) -> Outcome {
    let elsewhere = store.create("elsewhere", "body").await?;
    for name in ["nothing", "no/folder/either"] {
        let outcome = store.put(name, "body", PutIf::Matches(elsewhere.clone())).await;
        ensure_conflict(outcome, "a put with an ETag where nothing is")?;
        let got = store.get(name, None).await?;
        ensure(got == Got::Missing, || format!("after the conflict: {got:?}"))?;
    }
    Ok(())
}

async fn unless(store: Store) -> Outcome {
    let first = store.create("object", "first").await?;
    let got = store.get("object", Some(&first)).await?;
    ensure(got == Got::Unchanged, || format!("with the object's own ETag: {got:?}"))?;
    let second = store.put("object", "second", PutIf::Matches(first.clone())).await;
    let etag = second.map_err(|error| format!("a put failed: {error}"))?;
    let got = store.get("object", Some(&first)).await?;
    let expected = Got::Object(Object { body: "second".into(), etag });
    ensure(got == expected, || format!("with a stale ETag: {got:?}, expected {expected:?}"))
}

async fn delete(store: Store) -> Outcome {
    let etag = store.create("object", "body").await?;
    for _ in 0..2 {
        let deleted = store.remote.delete(&store.key("object")).await;
        deleted.map_err(|error| format!("a delete failed: {error}"))?;
        let got = store.get("object", None).await?;
        ensure(got == Got::Missing, || format!("after a delete: {got:?}"))?;
    }
    let listed = store.list("").await?;
    ensure(listed.is_empty(), || format!("after a delete, listed: {listed:?}"))?;
    ensure_conflict(store.put("object", "new", PutIf::Matches(etag)).await, "a put with a deleted object's ETag")?;
    store.create("object", "new").await.map(drop)
}

async fn bodies(store: Store) -> Outcome {
    // Not compressible, and no text.
    let mut state = 1u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    let large: Vec<u8> = noise.take(LARGE_BYTES).collect();
    let all_bytes: Vec<u8> = (0..=u8::MAX).collect();
    for (name, body) in [("empty", vec![]), ("newline", b"\r\n".to_vec()), ("bytes", all_bytes), ("large", large)] {
        let etag = store.create(name, body.clone()).await?;
        let object = store.object(name).await?;
        ensure(object.body == body, || format!("the body {name}: {} bytes read, not the same", object.body.len()))?;
        ensure(object.etag == etag, || format!("the body {name}: {etag:?} became {:?}", object.etag))?;
    }
    Ok(())
}

async fn keys(store: Store) -> Outcome {
    let long = "n".repeat(MAX_COMPONENT_BYTES);
    let room = store.longest_key_bytes.saturating_sub(store.key("").len());
    let longest: String = "0123456/".chars().cycle().take(room.saturating_sub(1)).chain(['z']).collect();
    let mut names = vec![
        "a b",
        "a+b",
        "a%20b",
        "a%2Fb",
        "?query=1&x#fragment",
        "...",
        "..a",
        "a..",
        ".hidden",
        "-dash",
        "~tilde",
        "ümläut-日本",
        "quote\"'<&>",
        "semi;colon:at@eq=",
        "(paren)[bracket]{brace}",
        "*star!$,",
        "Case",
        "case",
        long.as_str(),
        longest.as_str(),
        "000000067F000032BE0000400000000B0000-000000067F000032BE0000400000000C0000__0000000001EAF4B8-00000008",
    ];
    names.retain(|name| name.len() <= room);
    for &name in &names {
        store.create(name, name.to_owned()).await.map_err(|why| format!("{name:?}: {why}"))?;
    }
    for &name in &names {
        let body = store.object(name).await?.body;
        ensure(body == name, || format!("{name:?} holds {body:?}"))?;
    }
    let mut expected: Vec<String> = names.iter().map(|name| store.key(name)).collect();
    expected.sort_unstable();
    let listed: Vec<String> = store.list("").await?.into_iter().map(|listed| listed.key).collect();
    ensure(listed == expected, || format!("listed {listed:?}, expected {expected:?}"))?;
    for &name in &names {
        let deleted = store.remote.delete(&store.key(name)).await;
        deleted.map_err(|error| format!("deleting {name:?}: {error}"))?;
    }
    let listed = store.list("").await?;
    ensure(listed.is_empty(), || format!("after all were deleted: {listed:?}"))
}

async fn no_keys(store: Store) -> Outcome {
    let remote = &store.remote;
    for key in ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\0b", "a\nb", "a.___temp"] {
        let outcomes = [
            remote.get(key, None).await.map(drop),
            remote.put(key, Bytes::new(), PutIf::Absent).await.map(drop),
            remote.delete(key).await,
        ];
        for (outcome, what) in outcomes.into_iter().zip(["get", "put", "delete"]) {
            let refused = matches!(outcome, Err(RemoteError::BadKey { .. }));
            ensure(refused, || format!("{what} of {key:?}: {outcome:?}"))?;
        }
    }
    for prefix in ["/", "../", "a/../", "a//"] {
        let outcome = remote.list(prefix).await;
        ensure(matches!(outcome, Err(RemoteError::BadKey { .. })), || format!("list of {prefix:?}: {outcome:?}"))?;
    }
    Ok(())
}

async fn list(store: Store) -> Outcome {
    // Among them names before and after `/` in the order of bytes: folders must not be sorted apart.
    let mut sizes = BTreeMap::new();
    for number in 0..LISTED {
        let name = match number % 3 {
            0 => format!("a/{number:03}"),
            1 => format!("a-{number:03}"),
            _ => format!("a0/b/{number:03}"),
        };
        store.create(&name, vec![b'x'; number]).await?;
        sizes.insert(store.key(name), number as u64);
    }
    for below in ["", "a", "a/", "a-", "a/00", "a0/b", "a0/b/", "a-001", "b", "a/b/c"] {
        let prefix = store.key(below);
        let expected: Vec<Listed> = sizes
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix))
            .map(|(key, &size_bytes)| Listed { key: key.clone(), size_bytes })
            .collect();
        let listed = store.list(below).await?;
        ensure(listed == expected, || {
            let differ = listed.iter().zip(&expected).find(|(listed, expected)| listed != expected);
            format!("{below:?}: {} listed, {} expected; first other: {differ:?}", listed.len(), expected.len())
        })?;
    }
    Ok(())
}

/// All results of tasks, in no order.
async fn join<T: 'static>(mut tasks: JoinSet<Result<T, String>>) -> Result<Vec<T>, String> {
    let mut results = Vec::new();
    while let Some(result) = tasks.join_next().await {
        results.push(result.map_err(|error| error.to_string())??);
    }
    Ok(results)
}

async fn race(store: Store) -> Outcome {
    let mut condition = PutIf::Absent;
    for round in 0..ROUNDS {
        let mut tasks = JoinSet::new();
        for racer in 0..RACERS {
            let (store, condition) = (store.clone(), condition.clone());
            tasks.spawn(async move {
                let body = format!("round {round}, racer {racer}");
                match store.put("object", body.clone(), condition).await {
                    Ok(etag) => Ok(Some((body, etag))),
                    Err(RemoteError::Conflict { .. }) => Ok(None),
                    Err(error) => Err(format!("a racing put failed: {error}")),
                }
            });
        }
        let winners: Vec<(String, ETag)> = join(tasks).await?.into_iter().flatten().collect();
        let [(body, etag)] = winners.as_slice() else {
            return Err(format!("round {round}, {condition:?}: {} won: {winners:?}", winners.len()));
        };
        let object = store.object("object").await?;
        ensure(object.body == *body && object.etag == *etag, || {
            format!("{body}, {etag:?} won, but {object:?} is there")
        })?;
        condition = PutIf::Matches(object.etag);
    }
    Ok(())
}

async fn count(store: Store) -> Outcome {
    const WRITERS: u64 = 4;
    const EACH: u64 = 8;
    store.create("counter", "0").await?;
    let mut tasks = JoinSet::new();
    for _ in 0..WRITERS {
        let store = store.clone();
        tasks.spawn(async move {
            let mut left = EACH;
            while left > 0 {
                let object = store.object("counter").await?;
                let text = std::str::from_utf8(&object.body).map_err(|error| error.to_string())?;
                let count: u64 = text.parse().map_err(|_| format!("the counter reads {text:?}"))?;
                match store.put("counter", (count + 1).to_string(), PutIf::Matches(object.etag)).await {
                    Ok(_) => left -= 1,
                    Err(RemoteError::Conflict { .. }) => tokio::task::yield_now().await,
                    Err(error) => return Err(format!("a put failed: {error}")),
                }
            }
            Ok(())
        });
    }
    join(tasks).await?;
    let body = store.object("counter").await?.body;
    ensure(body == (WRITERS * EACH).to_string(), || format!("{WRITERS} x {EACH} updates, but the counter is {body:?}"))
}

async fn whole(store: Store) -> Outcome {
    const BODY_BYTES: usize = 256 << 10;
    const WRITES: u8 = 24;
    let mut etag = store.create("object", vec![0; BODY_BYTES]).await?;
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let (store, done) = (store.clone(), Arc::clone(&done));
        readers.spawn(async move {
            // At least once, also where writing is done before reading has begun.
            loop {
                let last = done.load(Ordering::Acquire);
                let Object { body, etag } = store.object("object").await?;
                let first = body.first().copied().unwrap_or_default();
                ensure(body.len() == BODY_BYTES && body.iter().all(|byte| *byte == first), || {
                    format!("a mixture of two versions, {} bytes, {etag:?}", body.len())
                })?;
                if last {
                    return Ok((first, etag));
                }
                // A remote that never waits must not keep the writer from its turn.
                tokio::task::yield_now().await;
            }
        });
    }
    for number in 1..=WRITES {
        let put = store.put("object", vec![number; BODY_BYTES], PutIf::Matches(etag)).await;
        // Readers stop, whatever comes.
        done.store(put.is_err() || number == WRITES, Ordering::Release);
        etag = put.map_err(|error| format!("a put failed: {error}"))?;
    }
    for last in join(readers).await? {
        ensure(last == (WRITES, etag.clone()), || format!("after all writes, a reader saw {last:?}"))?;
    }
    Ok(())
}
