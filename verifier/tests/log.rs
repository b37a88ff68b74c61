//! Heads of the receipt log: whose they are, and which receipts they cover.
#![cfg(feature = "log")]
#![allow(clippy::unwrap_used)]

mod support;

use quoth_attestation::Digest;
use quoth_attestation::log::frontier::Frontier;
use quoth_attestation::log::head::{Head, SignedHead};
use quoth_attestation::log::head_proof::HeadProof;
use quoth_attestation::record::{self, Kind};
use quoth_attestation::statement::Platform;
use quoth_attestation::transcript::Transcript;
use quoth_verifier::{Refusal, TimeChoice};

use support::{DONE, NOW, Node, Stream, code, event, request, response_head, settlement, sign_head};

fn stranger() -> k256::ecdsa::SigningKey {
    k256::ecdsa::SigningKey::from_slice(&[5; 32]).unwrap()
}

fn head(node: Digest, closed: bool) -> Head {
    Head::new(node, 3, Digest([2; 32]), NOW, closed).unwrap()
}

#[test]
fn a_head_is_of_the_node_whose_key_signed_it() {
    let node = Node::new(Platform::None);
    let verified = node.verified();
    for closed in [false, true] {
        let signed = sign_head(&settlement(), head(node.digest(), closed));
        let accepted = verified.verify_head(&signed).unwrap();
        assert_eq!((accepted.head(), accepted.signed()), (signed.head(), &signed));
    }
    let foreign = sign_head(&settlement(), head(Digest([7; 32]), false));
    assert_eq!(code(verified.verify_head(&foreign)), "head.node");
    assert_eq!(code(verified.verify_head(&sign_head(&stranger(), head(node.digest(), false)))), "head.signature");
    let mut keyless = Node::new(Platform::None);
    keyless.statement.keys.settlement = None;
    let signed = sign_head(&settlement(), head(keyless.digest(), false));
    assert_eq!(code(keyless.verified().verify_head(&signed)), "head.key");
}

#[test]
fn no_byte_of_a_head_can_be_changed() {
    let node = Node::new(Platform::None);
    let verified = node.verified();
    let honest = sign_head(&settlement(), head(node.digest(), false)).encode();
    for place in 0..honest.len() {
        for bit in 0..8 {
            let mut bytes = honest;
            bytes[place] ^= 1 << bit;
            let accepted = SignedHead::decode(&bytes).is_ok_and(|signed| verified.verify_head(&signed).is_ok());
            assert!(!accepted, "bit {bit} of byte {place}");
        }
    }
}

#[test]
fn a_receipt_is_in_the_log_at_its_own_place() {
    let node = Node::new(Platform::None);
    let claims = node.claims(b"body", false);
    let receipt = node.verified().verify_receipt(&node.sign(claims)).unwrap();
    let mut tree = Frontier::new();
    tree.push(&receipt.digest()).unwrap();
    tree.push(&Digest([8; 32])).unwrap();
    let signed = |root| sign_head(&settlement(), Head::new(node.digest(), 2, root, NOW, false).unwrap());
    let sibling = quoth_attestation::log::tree::leaf(&Digest([8; 32]));
    let proof = |root, path: &[Digest]| HeadProof::new(signed(root), path.to_vec()).unwrap().encode();
    assert_eq!(receipt.verify_in_log(&proof(tree.root(), &[sibling])).unwrap().head().size(), 2);
    for wrong in [proof(tree.root(), &[]), proof(tree.root(), &[Digest([9; 32])]), proof(Digest([9; 32]), &[sibling])] {
        let refusal = receipt.verify_in_log(&wrong).unwrap_err();
        assert_eq!(refusal, Refusal::HeadInclusion { seq: 0, size: 2 });
    }
    assert_eq!(code(receipt.verify_in_log(&proof(tree.root(), &[sibling])[1..])), "format.trailing");
    assert_eq!(code(receipt.verify_in_log(&[])), "format.truncated");
}

/// The stream with a head of this key behind the receipt.
fn with_head(node: &Node, key: &k256::ecdsa::SigningKey) -> Stream {
    let mut stream = node.stream(&[event("hello")]);
    let head = record::encode(Kind::Head, &node.head_proof(key, &stream.receipt).encode());
    let receipt = record::encode(Kind::Receipt, &stream.receipt);
    stream.wire = stream.wire.replace(&receipt, &(receipt.clone() + &head));
    stream
}

fn verdict(node: &Node, wire: &str) -> &'static str {
    let mut verifier = node.verified().verify_stream(&request(), response_head());
    match verifier.push(wire.as_bytes()) {
        Ok(_) => code(verifier.finish()),
        Err(refusal) => refusal.code(),
    }
}

#[test]
fn a_stream_has_at_most_one_head_right_behind_its_receipt() {
    let node = Node::new(Platform::None);
    let stream = with_head(&node, &settlement());
    assert_eq!(verdict(&node, &stream.wire), "proven");
    assert_eq!(verdict(&node, &with_head(&node, &stranger()).wire), "head.signature");
    let head = record::encode(Kind::Head, &node.head_proof(&settlement(), &stream.receipt).encode());
    let without = stream.wire.replace(&head, "");
    assert_eq!(verdict(&node, &without), "proven");
    assert_eq!(verdict(&node, &stream.wire.replace(&head, &head.repeat(2))), "stream.after_end");
    assert_eq!(verdict(&node, &(head.clone() + &without)), "stream.after_end", "before the receipt");
    assert_eq!(
        verdict(&node, &without.replace(DONE, &(DONE.to_owned() + &head))),
        "stream.after_end",
        "behind the end"
    );
}

#[test]
fn a_transcript_keeps_a_head() {
    let node = Node::new(Platform::None);
    let check = |bend: &dyn Fn(&mut Transcript)| {
        let mut transcript = node.transcript();
        let receipt = transcript.receipt.clone().unwrap();
        transcript.log = Some(node.head_proof(&settlement(), &receipt).encode());
        bend(&mut transcript);
        node.verifier().verify_transcript(transcript.encode().as_bytes(), TimeChoice::Archived)
    };
    assert_eq!(check(&|_| ()).unwrap().head().unwrap().head().size(), 1);
    assert!(check(&|transcript| transcript.log = None).unwrap().head().is_none());
    assert_eq!(code(check(&|transcript| transcript.log = Some(vec![0; 146]))), "format.out_of_range");
    let other = |transcript: &mut Transcript| {
        let receipt = transcript.receipt.clone().unwrap();
        transcript.log = Some(node.head_proof(&stranger(), &receipt).encode());
    };
    assert_eq!(code(check(&other)), "head.signature");
    let cut = |transcript: &mut Transcript| (transcript.receipt, transcript.details) = (None, None);
    assert_eq!(code(check(&cut)), "transcript.log");
}
