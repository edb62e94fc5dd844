//! The policy that comes with the host.

use std::sync::LazyLock;

use thermocline_policy::Policy as _;
use thermocline_resident_set::ResidentSet;

use super::identity::PolicyIdentity;
use crate::Digest;

/// The component of the crate `thermocline-resident-set`, which is built along natively too: the one is
/// the default policy, the other answers where a policy fails. A test builds the component again from
/// its source and compares. After a change there:
///
/// ```text
/// cargo run -p thermocline-cli -- policy build plugins/resident-set -o host/src/policy/resident-set.wasm
/// ```
pub const RESIDENT_SET: &[u8] = include_bytes!("resident-set.wasm");

/// Who it is, without asking it.
pub(crate) static BUILT_IN: LazyLock<PolicyIdentity> =
    LazyLock::new(|| PolicyIdentity::named(Digest::of(RESIDENT_SET), &ResidentSet::describe()));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Contract, Engine, Limits, NO_CONFIG, Policy};

    #[test]
    fn it_is_known_who_it_is() {
        let engine = Engine::new(Limits::default()).unwrap();
        let policy = Policy::load(&engine, RESIDENT_SET, NO_CONFIG).unwrap();
        assert_eq!(policy.identity(), &*BUILT_IN);
        assert_eq!(policy.contract(), Contract::NEWEST);
    }
}
