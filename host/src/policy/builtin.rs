//! The policy that comes with the host.

/// The component of the crate `thermocline-resident-set`, which is built along natively too: the one is
/// the default policy, the other answers where a policy fails. A test builds the component again from
/// its source and compares. After a change there:
///
/// ```text
/// cargo run -p thermocline-cli -- policy build plugins/resident-set -o host/src/policy/resident-set.wasm
/// ```
pub const RESIDENT_SET: &[u8] = include_bytes!("resident-set.wasm");
