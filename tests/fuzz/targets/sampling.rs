//! Bytes that decode as sampling parameters are their only encoding.
#![no_main]

use quoth_engine::Sampling;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(sampling) = Sampling::from_cbor(bytes) {
        assert_eq!(sampling.to_cbor(), bytes);
    }
});
