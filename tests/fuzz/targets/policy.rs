//! A policy is read or refused, and what is compiled is the same policy.
#![no_main]

use quoth_verifier::Policy;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(policy) = Policy::from_json(text.as_bytes()) {
        assert!(policy.platforms().count() > 0);
    }
    if let Ok(policy) = Policy::from_toml(text) {
        let json = Policy::compile(text).expect("a policy is compiled");
        assert_eq!(Policy::from_json(json.as_bytes()), Ok(policy));
    }
});
