//! The question of all measurements, and how it is asked.

use std::time::Duration;

use serde_json::json;

use crate::client::{Connection, Head};

pub(super) const TARGET: &str = "/v1/chat/completions";
pub(super) const MODEL: &str = "m-small";
/// Length of a request's body, bytes.
const BODY: usize = 1024;
/// Pause for a stalled disk to catch up.
pub(super) const STALL: Duration = Duration::from_secs(2);

/// Returns a chat of [`BODY`] bytes, with words as in usual text.
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
