//! Any text is read as the name of a layer, or refused with the text; a name that was read reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use thermocline::layer::{Generation, LayerName};

fuzz_target!(|text: &str| {
    match LayerName::parse_with_generation(text) {
        Ok((name, generation)) => {
            let printed = name.to_string();
            assert_eq!(LayerName::parse_with_generation(&printed), Ok((name, Generation::NONE)));
            assert_eq!(
                LayerName::parse_with_generation(&format!("{printed}{}", generation.suffix())),
                Ok((name, generation))
            );
        }
        Err(error) => assert!(error.to_string().starts_with(&format!("{text:?}"))),
    }
});
