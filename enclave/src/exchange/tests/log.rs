//! Tests of what an exchange gives to the receipt log: heads, and the text of its answer.

use std::sync::Arc;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use http::HeaderMap;
use quoth_attestation::commit::{Label, Opening};
use quoth_attestation::cose::Signed;
use quoth_attestation::log::head_proof::HeadProof;
use quoth_attestation::receipt::{Outcome, Receipt};
use quoth_attestation::record::{Kind, Piece};
use tokio::sync::mpsc;

use super::{Scripted, answered, asked, begin, drain, hold, node, proxy, receipt_of};
use crate::exchange::{Exchange, IncomingRequest, LocalRecord, Noted, ProofOptions, Streamed};
use crate::log_keys::signer;
use crate::node::Node;
use crate::upstream::Seen;

/// Checks that a head with its path is signed by the node, and ends with this receipt.
fn check_head(node: &Node, encoded: &[u8], receipt: &Signed<Receipt>) {
    let proof = HeadProof::decode(encoded).unwrap();
    let head = proof.head().head();
    assert_eq!((head.node(), head.size()), (node.identity.digest(), receipt.claims().seq + 1));
    assert!(!head.is_closed() && proof.proves(receipt.claims().seq, &receipt.digest()));
    assert_eq!(Some(signer(proof.head())), node.identity.statement().keys.settlement);
}

/// An exchange whose caller asked for a head.
fn with_head(node: &Arc<Node>) -> Exchange {
    let proof = ProofOptions { head: true, ..ProofOptions::default() };
    let request = IncomingRequest { proof, ..asked() };
    Exchange::begin(&node.notary, node.journal.reserve().unwrap(), hold(node), &request).unwrap()
}

#[test]
fn a_caller_who_asks_gets_a_head_that_ends_with_the_receipt() {
    let node = node();
    for number in 0..9 {
        let wants = number % 3 != 1;
        let exchange = if wants { with_head(&node) } else { begin(&node) };
        let (id, mut headers) = (exchange.id(), HeaderMap::new());
        exchange.answer(200, b"{}", Outcome::Complete, &mut headers).unwrap();
        let head = headers.get("quoth-head").map(|head| BASE64_URL_SAFE_NO_PAD.decode(head).unwrap());
        assert_eq!(head.is_some(), wants);
        head.iter().for_each(|head| check_head(&node, head, &receipt_of(&node, &id)));
    }
}

#[tokio::test]
async fn a_stream_has_its_head_right_behind_the_receipt() {
    let node = node();
    let (sender, receiver) = mpsc::channel(8);
    for event in ["a", "done"] {
        sender.send(event).await.unwrap();
    }
    let pieces = drain(Streamed::begin(with_head(&node), Scripted(receiver))).await;
    let [
        ..,
        Piece::Record { kind: Kind::Receipt, bytes: receipt, .. },
        Piece::Record { kind: Kind::Head, bytes, .. },
        Piece::Body(end),
    ] = &pieces[..]
    else {
        panic!("{pieces:?}")
    };
    check_head(&node, bytes, &Signed::decode(receipt).unwrap());
    assert_eq!(end, b"data: [DONE]\n\n");
}

#[test]
fn the_receipt_commits_to_the_answers_text() {
    let node = node();
    let committed = |target: &str, status: u16, outcome: Outcome, texts: &[Option<&str>]| {
        let request = IncomingRequest { target: target.try_into().unwrap(), ..asked() };
        let place = node.journal.reserve().unwrap();
        let mut exchange = Exchange::begin(&node.notary, place, hold(&node), &request).unwrap();
        exchange.runs(LocalRecord::of_nothing());
        for text in texts {
            exchange.note(Noted::Local { tokens: vec![1], text: text.map(String::from) });
        }
        let (id, mut headers) = (exchange.id(), HeaderMap::new());
        exchange.answer(status, b"{}", outcome, &mut headers).unwrap();
        let opening = BASE64_URL_SAFE_NO_PAD.decode(headers["quoth-opening"].to_str().unwrap()).unwrap();
        let opening = Opening::new(opening.try_into().unwrap());
        let answer = receipt_of(&node, &id).claims().exchange.answer;
        move |text: &str| answer.map(|answer| answer == opening.commit(Label::Answer, text.as_bytes()))
    };
    let chat = "/v1/chat/completions";
    for target in [chat, "/v1/completions", "/v1/completions?a=b"] {
        assert_eq!(committed(target, 200, Outcome::Complete, &[Some("Hel"), None, Some("lo")])("Hello"), Some(true));
    }
    assert_eq!(committed(chat, 200, Outcome::Length, &[Some("")])(""), Some(true));
    assert_eq!(committed(chat, 200, Outcome::Complete, &[Some("Hello")])("Hell"), Some(false));
    for (target, status, outcome, texts) in [
        (chat, 200, Outcome::Complete, &[None][..]),
        (chat, 201, Outcome::Complete, &[Some("a")]),
        (chat, 200, Outcome::ClientClosed, &[Some("a")]),
        (chat, 200, Outcome::EngineFailed, &[Some("a")]),
        ("/v1/embeddings", 200, Outcome::Complete, &[Some("a")]),
        ("/v1/messages", 200, Outcome::Complete, &[Some("a")]),
    ] {
        assert_eq!(committed(target, status, outcome, texts)("a"), None, "{target} {status} {outcome:?}");
    }
}

#[test]
fn the_receipt_commits_to_the_text_that_a_provider_sent() {
    let node = proxy();
    let mut exchange = answered(&node, false);
    let mut seen = Seen::default();
    seen.note(br#"{"choices":[{"message":{"content":"Hello"}}]}"#);
    exchange.note(Noted::Upstream { received: Vec::new(), seen: Some(seen) });
    let (id, mut headers) = (exchange.id(), HeaderMap::new());
    exchange.answer(200, b"{}", Outcome::Complete, &mut headers).unwrap();
    let opening = BASE64_URL_SAFE_NO_PAD.decode(headers["quoth-opening"].to_str().unwrap()).unwrap();
    let opening = Opening::new(opening.try_into().unwrap());
    let answer = receipt_of(&node, &id).claims().exchange.answer;
    assert_eq!(answer, Some(opening.commit(Label::Answer, b"Hello")));
}
