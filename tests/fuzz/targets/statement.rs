//! Bytes that decode as a statement are its only encoding.
#![no_main]

use quoth_attestation::statement::Statement;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(statement) = Statement::decode(bytes) {
        assert_eq!(statement.encode(), bytes);
    }
});
