//! Strict JSON: what is accepted reads the same when it is written out and read again.
//! What means a request never panics on the way to its meaning.
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
