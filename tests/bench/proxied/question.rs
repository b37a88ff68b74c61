//! The question that is asked again and again.

use std::time::Duration;

use serde_json::json;

use crate::client::{Connection, Head};

pub(super) const TARGET: &str = "/v1/chat/completions";
pub(super) const MODEL: &str = "m-small";
/// Bytes of a request's body.
const BODY: usize = 1024;
/// A disk that stalled gets so long to catch up.
pub(super) const STALL: Duration = Duration::from_secs(2);

/// A chat of [`BODY`] bytes: words, as people write them.
pub(super) fn question(stream: bool) -> Vec<u8> {
    let asked =
        |words: &str| json!({ "model": MODEL, "messages": [{ "role": "user", "content": words }], "stream": stream });
    let room = BODY - asked("").to_string().len();
    let words: String = "why is the sky so blue ".chars().cycle().take(room).collect();
    asked(&words).to_string().into_bytes()
}

/// Asks once and reads the whole answer.
pub(super) fn ask(connection: &mut Connection, body: &[u8]) -> Head {
    let head = connection.post(TARGET, body, |_| ());
    assert!(matches!(head.status, 200 | 503), "status {}", head.status);
    head
}
