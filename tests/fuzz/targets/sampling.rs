//! Bytes that decode as sampling parameters are their only encoding.
#![no_main]

use quoth_attestation::sampling::Sampling;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(sampling) = Sampling::decode(bytes) {
        assert_eq!(sampling.encode(), bytes);
    }
});
