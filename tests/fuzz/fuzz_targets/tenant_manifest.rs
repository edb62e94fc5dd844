//! Any bytes are read as a tenant's manifest, or refused with a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use thermocline::datadir::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    if let Err(why) = fuzzing::tenant_manifest(bytes) {
        assert!(!why.is_empty());
    }
});
