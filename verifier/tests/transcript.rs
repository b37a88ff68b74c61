//! Saved exchanges, judged with nothing else at hand.
#![allow(clippy::unwrap_used)]

mod support;

use quoth_attestation::ExchangeId;
use quoth_attestation::checkpoint::Place;
use quoth_attestation::receipt::{Ending, Outcome};
use quoth_attestation::statement::Platform;
use quoth_attestation::transcript::Transcript;
use quoth_verifier::{Details, Refusal, TimeChoice};
use support::{DONE, NOW, Node, code, event};

/// What becomes of a transcript that `bend` has changed.
fn bent(node: &Node, bend: impl FnOnce(&mut Transcript)) -> &'static str {
    let mut transcript = node.transcript();
    bend(&mut transcript);
    code(node.verifier().verify_transcript(transcript.encode().as_bytes(), TimeChoice::Archived))
}

#[test]
fn a_transcript_needs_nothing_else() {
    for platform in [Platform::Simulated, Platform::None] {
        let node = Node::new(platform);
        let text = node.transcript().encode();
        let verified = node.verifier().verify_transcript(text.as_bytes(), TimeChoice::Archived).unwrap();
        assert_eq!(verified.transcript(), &node.transcript_with(verified.transcript()));
        assert_eq!(verified.node().digest(), node.digest());
        assert_eq!(verified.exchange().receipt().claims().iat, NOW);
        assert!(verified.details().is_some());
        assert!(verified.node().time_basis().contains("host"));
        let shown = format!("{verified:?} {:?}", verified.details());
        assert!(!shown.contains("Who?") && !shown.contains("hel"), "{shown}");
        // Live, the evidence must be fresh, too; years later only the archived verdict holds.
        let live = |now: u64| code(node.verifier().verify_transcript(text.as_bytes(), TimeChoice::Live { now }));
        assert_eq!(live(NOW + 60), "proven");
        assert_ne!(live(NOW + 10 * 365 * 24 * 3600), "proven");
    }
}

impl Node {
    /// The same exchange: signatures over certificates differ from one signing to the next, so evidence is taken over.
    fn transcript_with(&self, other: &Transcript) -> Transcript {
        Transcript { evidence: other.evidence.clone(), ..self.transcript() }
    }
}

#[test]
fn each_part_belongs_to_the_others() {
    let node = Node::new(Platform::Simulated);
    assert_eq!(bent(&node, |_| {}), "proven");
    assert_eq!(bent(&node, |transcript| transcript.details = None), "proven");
    assert_eq!(bent(&node, |transcript| transcript.request.body.push(b' ')), "receipt.request_mismatch");
    assert_eq!(bent(&node, |transcript| transcript.response.body[0] ^= 1), "receipt.response_mismatch");
    assert_eq!(bent(&node, |transcript| transcript.response.status = 201), "receipt.response_mismatch");
    assert_eq!(bent(&node, |transcript| transcript.nonce = None), "receipt.nonce");
    assert_eq!(bent(&node, |transcript| transcript.checkpoints.clear()), "stream.checkpoint_missing");
    assert_eq!(bent(&node, |transcript| transcript.checkpoints.reverse()), "stream.checkpoint_number");
    assert_eq!(bent(&node, |transcript| drop(transcript.checkpoints.remove(0))), "stream.checkpoint_number");
    assert_eq!(
        bent(&node, |transcript| {
            let Some(Details::Local(details)) = &mut transcript.details else { unreachable!() };
            details.output_tokens.push(1);
        }),
        "receipt.details_mismatch"
    );
    let other = Node::new(Platform::Simulated);
    assert_eq!(bent(&node, |transcript| transcript.evidence = other.evidence(None)), "nitro.chain.root");
    // Checkpoints of another request of the same node.
    assert_eq!(
        bent(&node, |transcript| {
            let mut checkpoint = node.checkpoint(Place::First, b"");
            checkpoint.cti = ExchangeId([6; 16]);
            transcript.checkpoints = vec![node.sign(checkpoint)];
        }),
        "receipt.cti"
    );
    // A whole answer has no checkpoints.
    assert_eq!(
        bent(&node, |transcript| {
            transcript.receipt = Some(node.sign(node.claims(&transcript.response.body, false)));
        }),
        "receipt.streamed"
    );
    assert_eq!(
        bent(&node, |transcript| {
            transcript.receipt = Some(node.sign(node.claims(&transcript.response.body, false)));
            transcript.checkpoints.clear();
        }),
        "proven"
    );
}

#[test]
fn transcripts_from_before_versions_were_written_hold() {
    let saved = include_str!("transcript-version-1.json").trim_end();
    let mut node = Node::new(Platform::None);
    node.statement.keys.settlement = None;
    let judged = |text: &str| node.verifier().verify_transcript(text.as_bytes(), TimeChoice::Archived);
    let verified = judged(saved).unwrap();
    assert_eq!(verified.exchange().receipt().claims().exchange.ending, None);
    assert_eq!(verified.transcript().checkpoints.len(), 2);
    let mut transcript = Transcript::decode(saved.as_bytes()).unwrap();
    transcript.response.body.push(b'\n');
    assert_eq!(code(judged(&transcript.encode())), "receipt.response_mismatch");
    // Its parts do not go together with those of version 2.
    let now = node.transcript();
    transcript.response.body.pop();
    let swapped = Transcript { checkpoints: now.checkpoints.clone(), ..transcript.clone() };
    assert_eq!(code(judged(&swapped.encode())), "receipt.ending");
    let swapped = Transcript { checkpoints: transcript.checkpoints, ..now };
    assert_eq!(code(judged(&swapped.encode())), "receipt.ending");
}

#[test]
fn a_saved_stream_ends_as_its_receipt_says() {
    let node = Node::new(Platform::None);
    let said = |body: &str, ending: Option<Ending>| {
        bent(&node, |transcript| {
            let mut claims = node.claims(body.as_bytes(), true);
            claims.exchange.ending = ending;
            if ending.is_none() {
                claims.exchange.outcome = Outcome::UpstreamFailed;
            }
            transcript.receipt = Some(node.sign(claims));
            transcript.response.body = body.into();
            transcript.checkpoints.truncate(1);
        })
    };
    let (before, error) = (event("hel"), "data: {\"error\":{}}\n\n");
    for (end, ending, expected) in [
        (DONE, Some(Ending::Terminal), "proven"),
        ("data: [DONE]\r\n\r\n", Some(Ending::Terminal), "proven"),
        ("", Some(Ending::FinishReason), "proven"),
        (error, None, "proven"),
        ("", None, "proven"),
        (DONE, None, "receipt.ending"),
        ("", Some(Ending::Terminal), "receipt.ending"),
        (DONE, Some(Ending::FinishReason), "receipt.ending"),
        (error, Some(Ending::Terminal), "receipt.ending"),
        ("data: [DONE]\n\n\n", Some(Ending::Terminal), "stream.after_end"),
        ("data: [DONE]\r\r\n\n", Some(Ending::Terminal), "stream.after_end"),
        ("event: a\ndata: {\"type\":\"b\"}\n\ndata: [DONE]\n\n", Some(Ending::Terminal), "stream.ambiguous"),
    ] {
        assert_eq!(said(&format!("{before}{end}"), ending), expected, "{end:?} {ending:?}");
    }
}

#[test]
fn a_cut_stream_is_proven_up_to_its_last_checkpoint() {
    let node = Node::new(Platform::Simulated);
    let cut = |bend: &dyn Fn(&mut Transcript)| {
        let mut transcript = node.transcript();
        (transcript.receipt, transcript.details) = (None, None);
        transcript.response.body.truncate(transcript.response.body.len() - DONE.len());
        bend(&mut transcript);
        node.verifier().verify_transcript(transcript.encode().as_bytes(), TimeChoice::Archived).unwrap_err()
    };
    let proven = event("hel").len() as u64;
    assert_eq!(cut(&|_| {}), Refusal::StreamCut { proven });
    assert_eq!(cut(&|transcript| transcript.response.body.truncate(proven as usize)), Refusal::StreamCut { proven });
    let short = cut(&|transcript| transcript.response.body.truncate(proven as usize - 1));
    assert_eq!(short.code(), "stream.prefix");
    assert_eq!(cut(&|transcript| transcript.response.body[0] ^= 1).code(), "stream.prefix");
    assert_eq!(cut(&|transcript| transcript.checkpoints.clear()).code(), "transcript.empty");
    assert_eq!(
        cut(&|transcript| transcript.details = Some(Details::Local(support::details()))).code(),
        "transcript.details"
    );
}

/// Every byte, changed in several ways; where the evidence stands, hardware signatures are what protects it.
#[test]
fn any_changed_byte_of_a_transcript_is_refused() {
    for (platform, stride) in [(Platform::None, 1), (Platform::Simulated, 5)] {
        let node = Node::new(platform);
        let (verifier, text) = (node.verifier(), node.transcript().encode().into_bytes());
        for index in (0..text.len()).step_by(stride) {
            for bit in [1, 2, 0x20] {
                let mut changed = text.clone();
                changed[index] ^= bit;
                assert!(
                    verifier.verify_transcript(&changed, TimeChoice::Archived).is_err(),
                    "byte {index} bit {bit:#x}"
                );
            }
        }
    }
}

#[test]
fn a_transcript_without_its_end_is_refused() {
    let node = Node::new(Platform::None);
    let (verifier, text) = (node.verifier(), node.transcript().encode().into_bytes());
    for end in (0..text.len()).step_by(7) {
        assert!(verifier.verify_transcript(&text[..end], TimeChoice::Archived).is_err(), "cut at {end}");
    }
    assert_eq!(
        code(verifier.verify_transcript(&[&text[..], b"\n"].concat(), TimeChoice::Archived)),
        "format.not_canonical"
    );
}
