//! Bytes that decode as evidence are its only encoding, and the policy refuses the node.
#![no_main]

use std::sync::LazyLock;

use quoth_attestation::evidence::Evidence;
use quoth_verifier::{Policy, Time, Verifier};

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| Verifier::new(Policy::hardware_only()));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(evidence) = Evidence::decode(bytes) {
        assert_eq!(evidence.encode(), bytes);
    }
    assert!(VERIFIER.verify_node(bytes, None, Time::Live { now: 1_755_000_000 }).is_err());
});
