//! A host that changes relayed bytes: an answer is either proven or refused, never wrong.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use quoth_attestation::transcript::Details;
use quoth_client::Proven;
use quoth_tests::{Mischief, Node, Relay, ask, chat_body};

#[tokio::test(flavor = "multi_thread")]
async fn delay_changes_nothing() {
    let node = Node::start().await;
    let relay = Relay::start(node.port(), Mischief::Delay, 0).await;
    let straight = ask(&node.url(), node.policy(), &chat_body("hello", 12, true)).await.unwrap();
    let delayed = ask(&relay.url(), node.policy(), &chat_body("hello", 12, true)).await.unwrap();
    let tokens =
        |proven: &Proven| proven.transcript.details.as_ref().and_then(Details::local).unwrap().output_tokens.clone();
    assert_eq!(tokens(&straight), tokens(&delayed));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_dropped_doubled_reordered_edited_or_cut_is_believed() {
    let node = Node::start().await;
    let body = chat_body("hello", 200, true);
    // The length of an unchanged exchange, so that changes hit every part: handshake, evidence, answer.
    let relay = Relay::start(node.port(), Mischief::None, 0).await;
    ask(&relay.url(), node.policy(), &body).await.unwrap();
    let whole = relay.passed();
    for mischief in [Mischief::Drop, Mischief::Duplicate, Mischief::Reorder, Mischief::Edit, Mischief::Cut] {
        for part in [0, 1, 2, 4, 6] {
            let after = whole * part / 10;
            let relay = Relay::start(node.port(), mischief, after).await;
            let result = tokio::time::timeout(Duration::from_secs(30), ask(&relay.url(), node.policy(), &body)).await;
            // After a dropped piece both sides may wait. Then no answer was accepted either.
            if let Ok(Ok(_)) = result {
                panic!("{mischief:?} after {after} of {whole} bytes was believed");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_says_how_much_of_it_is_proven() {
    let node = Node::start().await;
    let body = chat_body("hello", 400, true);
    let relay = Relay::start(node.port(), Mischief::None, 0).await;
    ask(&relay.url(), node.policy(), &body).await.unwrap();
    let relay = Relay::start(node.port(), Mischief::Cut, relay.passed() * 6 / 10).await;
    let error = ask(&relay.url(), node.policy(), &body).await.err().unwrap();
    assert_eq!(error.code(), "stream.cut", "{error}");
}
