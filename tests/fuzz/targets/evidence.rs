//! What decodes as evidence is its only encoding.
#![no_main]

use quoth_attestation::evidence::Evidence;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(evidence) = Evidence::decode(bytes) {
        assert_eq!(evidence.encode(), bytes);
    }
});
