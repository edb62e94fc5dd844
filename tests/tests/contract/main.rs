//! The contract has versions: what is released stays as it is, head only adds, and what was built for any of them runs.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

mod components;
#[path = "../../contracts/0.1.0/src/lib.rs"]
#[allow(unreachable_pub, reason = "it is the root of a crate where it is built")]
mod long_lived;
#[path = "../../contracts/0.2.0/src/lib.rs"]
#[allow(unreachable_pub, reason = "it is the root of a crate where it is built")]
mod read_rate;
mod reasons;
mod semver;
mod versions;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use thermocline::policy::{Contract, Engine, Limits, NO_CONFIG, Policy, PolicyError};
use thermocline_policy::Tenant;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(Limits::default()).unwrap());

fn load(bytes: &[u8]) -> Result<Policy, PolicyError> {
    Policy::load(&ENGINE, bytes, NO_CONFIG)
}

fn fixture(contract: Contract) -> Policy {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts").join(contract.version()).join("policy.wasm");
    load(&fs::read(file).unwrap()).unwrap()
}

fn tenant(now: i64) -> Tenant {
    Tenant { shard: "1f359dd625e519a1a4e8d7509690f6fc".into(), generation: 1, now, checkpoint_distance: 64 << 20 }
}

/// After all in the samples was last read.
const NOW: i64 = 1_767_225_600;
