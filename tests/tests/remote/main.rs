//! Object storage: every remote keeps the same laws, and each of them its own promises.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "all of this is tests, also what stands outside of a test's function"
)]

mod child;
mod conformance;
mod doubles;
mod local;
mod s3;
mod s3_answers;
mod s3_environment;

use std::sync::Arc;

use bytes::Bytes;
use thermocline::remote::{Got, Object, Remote};

/// The object, which is there.
async fn object(remote: &Arc<dyn Remote>, key: &str) -> Object {
    match remote.get(key, None).await.unwrap() {
        Got::Object(object) => object,
        other => panic!("{}: {other:?}", remote.url(key)),
    }
}

async fn body(remote: &Arc<dyn Remote>, key: &str) -> Bytes {
    object(remote, key).await.body
}
