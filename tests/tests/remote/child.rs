//! Tests that need a process of their own: one that is killed, has no environment, or a disk of its own.
//!
//! Such a process is this very binary, told by its environment to do one thing.

use std::process::Command;

const ROLE: &str = "THERMOCLINE_TEST_ROLE";

/// This binary, to be run as `role`. It exits with 0 if the role did not panic.
pub(crate) fn command(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child::play_a_role", "--exact", "--ignored", "--nocapture", "--test-threads=1"]).env(ROLE, role);
    command
}

#[test]
#[ignore = "run by other tests, as a process of its own"]
fn play_a_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        match role.as_str() {
            "count" => crate::local::count_as_a_child().await,
            "write for ever" => crate::local::write_for_ever_as_a_child().await,
            "hold a lock" => crate::local::hold_a_lock_as_a_child(),
            "full disk" => crate::local::fill_a_disk_as_a_child().await,
            "read-only disk" => crate::local::write_to_a_read_only_disk_as_a_child().await,
            "open a bucket" => crate::s3_environment::open_a_bucket_as_a_child().await,
            other => panic!("no role {other:?}"),
        }
    });
}
