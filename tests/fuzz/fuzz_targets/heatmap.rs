//! Any bytes are read as a heatmap or refused; what was read is written and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use thermocline::heatmap::{DecodeError, Heatmap, peek_generation};

fuzz_target!(|bytes: &[u8]| {
    let known = peek_generation(bytes);
    match Heatmap::decode(bytes) {
        Ok(heatmap) => {
            assert_eq!(known, Some(heatmap.generation));
            let written = heatmap.to_bytes();
            assert_eq!(Heatmap::decode(&written).as_ref(), Ok(&heatmap));
            assert!(heatmap.diff(&heatmap).is_empty());
            let mut complaints = heatmap.verify();
            complaints.compare_bytes(bytes, &written);
            assert!(complaints.complaints.len() + complaints.omitted() == complaints.errors + complaints.notes);
            assert!(heatmap.stats().layers.hot.layers as usize <= bytes.len());
        }
        Err(DecodeError::Malformed { place, what, .. }) => {
            assert!(place.line > 0 && place.offset <= bytes.len() && !what.is_empty(), "{place}: {what}");
        }
        Err(error) => panic!("{error}"),
    }
});
