//! Chats for tests, and how a test asks them.

use quoth_client::{Client, ClientError, Options, Proven};
use quoth_verifier::Policy;
use serde_json::{Value, json};

use crate::Node;

/// Returns a chat request for the tiny model. It answers gibberish, the same for the same seed.
pub fn chat_body(question: &str, max_tokens: u32, stream: bool) -> Value {
    json!({
        "model": Node::MODEL, "messages": [{ "role": "user", "content": question }],
        "max_tokens": max_tokens, "seed": 1, "stream": stream,
    })
}

/// Returns a streamed chat of exactly 900 tokens. The tokens that could end it earlier are forbidden.
pub fn long_chat_body(question: &str) -> Value {
    let mut body = chat_body(question, 900, true);
    let [turn, text] = [quoth_tiny_model::IM_END, quoth_tiny_model::END_OF_TEXT].map(|id| id.to_string());
    body["logit_bias"] = json!({ turn: -100, text: -100 });
    body
}

/// Asks under a policy and reads the whole answer, which must be proven.
///
/// # Errors
/// Errors of the client.
pub async fn ask(url: &str, policy: Policy, body: &Value) -> Result<Proven, ClientError> {
    let options = Options { details: true, ..Options::default() };
    Client::new(policy).chat(url, body.to_string(), options).await?.finish().await
}

/// Asks a node. The answer must be proven.
pub async fn proven_chat(node: &Node, question: &str, max_tokens: u32, stream: bool) -> Proven {
    let proven = ask(&node.url(), node.policy(), &chat_body(question, max_tokens, stream)).await;
    proven.unwrap_or_else(|error| panic!("{error}\n{}\n{}", node.host_output(), node.enclave_log()))
}
