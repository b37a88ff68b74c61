//! Strict JSON: an accepted value is the same after it is written and read again.
//! Reading a request never panics.
#![no_main]

use quoth_engine::json::parse;
use quoth_engine::request::{Chat, Completion, Embedding};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = parse(bytes) {
        assert_eq!(parse(value.to_string().as_bytes()).as_ref(), Ok(&value));
        let _ = Chat::from_json(&value);
        let _ = Completion::from_json(&value);
        let _ = Embedding::from_json(&value);
    }
});
