//! Any text is read as a tenant's configuration, or refused with a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use thermocline::datadir::fuzzing;

fuzz_target!(|text: &str| {
    if let Err(why) = fuzzing::tenant_config(text) {
        assert!(!why.is_empty());
    }
});
