//! Runs a typical mix of requests, while the enclave's program records its profile.

use std::path::Path;

use quoth_tests::{Node, Options};
use serde_json::json;

use crate::client::Connection;
use crate::node;
use crate::proxied::{self, Http};

/// Number of requests to each provider.
const PROXIED: usize = 4000;
/// Number of chats with a local model. It is tiny, because the engine's kernels are not part of the profile.
const LOCAL: usize = 200;
const TOKENS: usize = 16;

pub(crate) fn run(program: &Path) {
    [Http::Two, Http::One].into_iter().for_each(|http| proxied::exercise(program, http, PROXIED));
    local(program);
}

fn local(program: &Path) {
    let more = vec!["--platform".into(), "none".into(), "--enclave".into(), program.display().to_string()];
    let mut node = node::start(Options { more, ..Options::default() });
    let mut connection = Connection::open(&node);
    for request in 0..LOCAL {
        let messages = json!([{ "role": "user", "content": format!("{request}: why is the sky blue?") }]);
        let body =
            json!({ "model": Node::MODEL, "messages": messages, "max_tokens": TOKENS, "stream": request % 2 == 0 });
        let head = connection.post("/v1/chat/completions", body.to_string().as_bytes(), |_| ());
        assert_eq!(head.status, 200);
    }
    assert!(node.stop().success());
}
