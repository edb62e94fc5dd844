//! Any bytes are read as an index, each layer once, or refused with a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use thermocline::datadir::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    match fuzzing::index_part(bytes) {
        Ok(layers) => assert!(layers.windows(2).all(|pair| pair[0].0 < pair[1].0)),
        Err(why) => assert!(!why.is_empty()),
    }
});
