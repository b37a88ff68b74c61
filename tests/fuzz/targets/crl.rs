//! A revocation list is read or refused.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    quoth_verifier::fuzzing::revocation_list(bytes);
});
