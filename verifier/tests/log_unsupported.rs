//! A verifier without the feature `log` refuses heads; it does not pass them over.
#![cfg(not(feature = "log"))]
#![allow(clippy::unwrap_used)]

mod support;

use quoth_attestation::statement::Platform;
use quoth_verifier::TimeChoice;

use support::{Node, code, settlement};

#[test]
fn heads_are_refused() {
    let node = Node::new(Platform::None);
    let mut transcript = node.transcript();
    transcript.log = Some(node.head_proof(&settlement(), transcript.receipt.as_ref().unwrap()).encode());
    let verified = node.verifier().verify_transcript(transcript.encode().as_bytes(), TimeChoice::Archived);
    assert_eq!(code(verified), "head.unsupported");
}
