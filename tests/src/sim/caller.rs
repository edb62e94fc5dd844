//! Who asks a host for something, and waits for the answer.

use std::time::Duration;

use thermocline::clock::Clock as _;
use thermocline::host::DeleteError;
use thermocline::jobs::CommandError;
use thermocline::layer::TenantShardId;
use thermocline::upload::{GenerateError, Outcome, UploadError};

use super::event::{Deletion, Event, Reply};
use super::watch::Watch;
use super::world::Running;

/// How soon a deletion that failed is tried again.
const AGAIN: Duration = Duration::from_secs(7);

/// How often it is.
const TRIES: u64 = 200;

/// Asks for an upload.
pub(super) fn upload(running: &Running, watch: &Watch, command: u64, shard: TenantShardId) {
    let (host, handle, life, watch) = (running.id, running.handle.clone(), running.life.clone(), watch.clone());
    watch.see(&Event::Commanded { host, command, shard });
    tokio::spawn(async move {
        let reply = match life.lives(handle.upload_now(shard)).await {
            Ok(attempt) => of_outcome(&attempt.outcome),
            Err(CommandError::Busy { limit }) => Reply::Busy(limit),
            Err(CommandError::ShuttingDown) => Reply::ShuttingDown,
            Err(error) => Reply::Failed(error.to_string()),
        };
        watch.see(&Event::Replied { host, command, shard, reply });
    });
}

/// Asks for a deletion, and again where the bucket did not do it.
pub(super) fn delete(running: &Running, watch: &Watch, command: u64, shard: TenantShardId, generation: u32) {
    let (host, handle, life, clock, watch) =
        (running.id, running.handle.clone(), running.life.clone(), running.clock.clone(), watch.clone());
    tokio::spawn(async move {
        for number in 0..TRIES {
            life.lives(std::future::ready(())).await;
            let command = command * TRIES + number;
            watch.see(&Event::Deleting { host, command, shard });
            let reply = of_deletion(life.lives(handle.delete_now(shard, generation)).await);
            watch.see(&Event::Deleted { host, command, shard, reply: reply.clone() });
            if !matches!(reply, Deletion::Remote(_)) {
                break;
            }
            life.lives(clock.sleep(AGAIN)).await;
        }
    });
}

fn of_outcome(outcome: &Outcome) -> Reply {
    match outcome {
        Outcome::Uploaded => Reply::Uploaded,
        Outcome::Unchanged => Reply::Unchanged,
        Outcome::Skipped(_) => Reply::Skipped(outcome.code().to_owned()),
        Outcome::Failed(UploadError::Stale { bucket_generation, .. }) => Reply::Stale(*bucket_generation),
        Outcome::Failed(UploadError::Cancelled) => Reply::Cancelled,
        Outcome::Failed(error @ UploadError::Remote { .. }) => Reply::Remote(error.to_string()),
        Outcome::Failed(UploadError::Generate(GenerateError::Pageserver(error))) => Reply::Failed(error.to_string()),
        other => Reply::Failed(format!("{:?}", other.reason())),
    }
}

fn of_deletion(answer: Result<(), DeleteError>) -> Deletion {
    match answer {
        Ok(()) => Deletion::Done,
        Err(DeleteError::Attached(_)) => Deletion::Attached,
        Err(DeleteError::Stale { bucket_generation, .. }) => Deletion::Stale(bucket_generation),
        Err(DeleteError::Remote(error)) => Deletion::Remote(error.to_string()),
        Err(DeleteError::Command(CommandError::ShuttingDown)) => Deletion::ShuttingDown,
        Err(error) => Deletion::Failed(error.to_string()),
    }
}
