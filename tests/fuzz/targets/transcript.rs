//! Bytes that decode as a transcript or as details are their only encoding, and verifying them ends in a verdict.
#![no_main]

use std::sync::LazyLock;

use quoth_attestation::transcript::{Details, Transcript};
use quoth_verifier::{Policy, TimeChoice, Verifier};

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let policy = format!(
        "version = 1\nplatforms = [\"none\"]\n[none]\nreceipt_keys = [\"58{}\"]\n\
         [models]\naccept = \"any\"\n[config]\naccept = \"any\"\n",
        "66".repeat(31),
    );
    Verifier::new(Policy::from_toml(&policy).unwrap())
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(transcript) = Transcript::decode(bytes) {
        assert_eq!(transcript.encode().as_bytes(), bytes);
    }
    if let Ok(details) = Details::decode(bytes) {
        assert_eq!(details.encode().as_bytes(), bytes);
    }
    // The private half of that key is unknown.
    assert!(VERIFIER.verify_transcript(bytes, TimeChoice::Archived).is_err());
});
