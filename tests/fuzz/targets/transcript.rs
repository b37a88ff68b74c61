//! What decodes as a transcript, or as details, is its only encoding.
#![no_main]

use quoth_attestation::transcript::{Details, Transcript};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(transcript) = Transcript::decode(bytes) {
        assert_eq!(transcript.encode().as_bytes(), bytes);
    }
    if let Ok(details) = Details::decode(bytes) {
        assert_eq!(details.encode().as_bytes(), bytes);
    }
});
