//! A policy is read or refused.
#![no_main]

use quoth_verifier::Policy;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(policy) = Policy::from_toml(text) {
        assert!(policy.platforms().count() > 0);
    }
});
