//! What went to a closed provider and came back: details, and exchanges without them.
#![allow(clippy::unwrap_used)]

mod support;

use quoth_attestation::Digest;
use quoth_attestation::checkpoint::Place;
use quoth_attestation::commit::Label;
use quoth_attestation::receipt::{Credential, Execution, Outcome, Receipt, Retries, TlsPeer, Upstream};
use quoth_attestation::record::Kind;
use quoth_attestation::statement::Platform;
use quoth_attestation::transcript::{REDACTED, Transcript, head};
use quoth_verifier::{
    Details, Policy, Refusal, Response, Time, TimeChoice, UpstreamDetails, VerifiedExchange, VerifiedNode, Verifier,
};
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};
use support::{DONE, NOW, Node, Stream, code, details, event, opening, request, response_head};

const BODY: &[u8] = br#"{"model":"gpt-2026","choices":[]}"#;
const SENT: &[u8] = br#"{"model":"gpt"}"#;

/// A node whose provider is accepted, and what that provider shows.
struct Bench {
    node: Node,
    verifier: Verifier,
    /// Its own first.
    certificates: Vec<Vec<u8>>,
    key: Digest,
}

impl Bench {
    fn new() -> Self {
        let node = Node::new(Platform::Simulated);
        let policy = format!("{}[upstreams]\naccept = [\"api.openai.com:443\"]\n", node.policy_text());
        let certified = |key: &KeyPair| {
            let params = CertificateParams::new(["api.openai.com".into()]).unwrap();
            params.self_signed(key).unwrap().der().to_vec()
        };
        let (own, above) = (KeyPair::generate().unwrap(), KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap());
        Self {
            node,
            verifier: Verifier::new(Policy::from_toml(&policy).unwrap()),
            certificates: vec![certified(&own), certified(&above)],
            key: Digest::of(&own.subject_public_key_info()),
        }
    }

    fn verified(&self) -> VerifiedNode {
        self.verifier.verify_node(&self.node.evidence(None), None, Time::Live { now: NOW }).unwrap()
    }

    /// Of a request that was altered, and an answer that was not.
    fn details(&self) -> UpstreamDetails {
        let fields = [("host", &b"api.openai.com"[..]), ("authorization", REDACTED)];
        UpstreamDetails {
            head: head("POST", "/v1/chat/completions", fields.into_iter()),
            certificates: self.certificates.clone(),
            sent: Some(SENT.to_vec()),
            received: None,
        }
    }

    /// What a node signs whose details those are, for `body` as the answer.
    fn execution(&self, told: &UpstreamDetails, body: &[u8]) -> Upstream {
        let (sent, received) = (told.sent.as_ref(), told.received.as_ref());
        Upstream {
            provider: "openai".try_into().unwrap(),
            host: "api.openai.com".try_into().unwrap(),
            port: 443,
            tls: Some(TlsPeer {
                version: 0x0304,
                suite: 0x1301,
                leaf_spki: self.key,
                chain: Digest::of(&told.certificates.concat()),
            }),
            head: opening().commit(Label::UpstreamHead, &told.head),
            sent: opening().commit(Label::UpstreamRequest, sent.unwrap_or(&request().body)),
            received: opening().commit(Label::UpstreamResponse, received.map_or(body, |bytes| &bytes[..])),
            model_asked: "gpt".try_into().unwrap(),
            model_answered: Some("gpt-2026".try_into().unwrap()),
            request_id: None,
            credential: Credential::Caller,
            retries: Retries::LEAST,
        }
    }

    fn claims(&self, upstream: Upstream, body: &[u8], streamed: bool) -> Receipt {
        let outcome = if upstream.tls.is_some() { Outcome::Complete } else { Outcome::UpstreamFailed };
        let mut claims = self.node.claims(body, streamed);
        (claims.execution, claims.exchange.outcome) = (Some(Execution::Upstream(upstream)), outcome);
        claims
    }

    fn exchange(&self, upstream: Upstream) -> VerifiedExchange {
        let receipt = self.verified().verify_receipt(&self.node.sign(self.claims(upstream, BODY, false))).unwrap();
        receipt.verify_exchange(&request(), &response_head(), BODY).unwrap()
    }

    /// A stream with one event, its receipt over `upstream`.
    fn stream(&self, upstream: &dyn Fn(&[u8]) -> Upstream) -> Stream {
        let (node, body) = (&self.node, event("hello") + DONE);
        let mut stream = Stream::default();
        stream.record(Kind::Checkpoint, node.sign(node.checkpoint(Place::First, b"")));
        stream.text(&event("hello"));
        stream.receipt = node.sign(self.claims(upstream(body.as_bytes()), body.as_bytes(), true));
        stream.record(Kind::Receipt, stream.receipt.clone());
        stream.text(DONE);
        stream
    }
}

/// Whether request and response passed through byte for byte.
fn passed(exchange: &VerifiedExchange) -> Option<(bool, bool)> {
    exchange.pass_through().map(|passed| (passed.request(), passed.response()))
}

/// Which part of the details an exchange does not bear out.
fn part(exchange: &VerifiedExchange, told: UpstreamDetails) -> &'static str {
    match exchange.verify_details(&Details::Upstream(told)) {
        Ok(_) => "proven",
        Err(Refusal::ReceiptDetailsMismatch { part, .. }) => part,
        Err(other) => other.code(),
    }
}

#[test]
fn details_are_what_the_receipt_commits_to() {
    let bench = Bench::new();
    let honest = bench.exchange(bench.execution(&bench.details(), BODY));
    let judge = |bend: &dyn Fn(&mut UpstreamDetails)| {
        let mut told = bench.details();
        bend(&mut told);
        part(&honest, told)
    };
    assert_eq!(judge(&|_| {}), "proven");
    let told = Details::Upstream(bench.details());
    assert_eq!(honest.verify_details(&told).unwrap().details(), &told);

    assert_eq!(judge(&|told| told.head.push(b' ')), "head");
    assert_eq!(judge(&|told| told.sent = None), "sent");
    assert_eq!(judge(&|told| told.sent = Some(b"other".to_vec())), "sent");
    assert_eq!(judge(&|told| told.received = Some(b"other".to_vec())), "received");
    assert_eq!(judge(&|told| *told.certificates[1].last_mut().unwrap() ^= 1), "certificates");
    assert_eq!(judge(&|told| told.certificates.swap(0, 1)), "certificates");
    assert_eq!(judge(&|told| drop(told.certificates.pop())), "certificates");
    assert_eq!(judge(&|told| told.certificates.clear()), "certificates");
    let refusal =
        honest.verify_details(&Details::Upstream(UpstreamDetails { head: vec![], ..bench.details() })).unwrap_err();
    assert_eq!(refusal.code(), "receipt.details_mismatch");
}

/// The digest is of the certificates' concatenation, which alone would let the same bytes be cut elsewhere.
#[test]
fn certificates_are_cut_where_der_says() {
    let bench = Bench::new();
    let honest = bench.exchange(bench.execution(&bench.details(), BODY));
    let all = bench.certificates.concat();
    let (head, tail) = all.split_at(bench.certificates[0].len() + 3);
    for cut in [vec![head.to_vec(), tail.to_vec()], vec![all.clone()], vec![all.clone(), vec![]]] {
        assert_eq!(part(&honest, UpstreamDetails { certificates: cut, ..bench.details() }), "certificates");
    }
    let empty = [&bench.certificates[..], &[vec![]]].concat();
    assert_eq!(part(&honest, UpstreamDetails { certificates: empty, ..bench.details() }), "certificates");
}

#[test]
fn the_key_is_the_first_certificate_s() {
    let bench = Bench::new();
    let mut upstream = bench.execution(&bench.details(), BODY);
    upstream.tls.as_mut().unwrap().leaf_spki = Digest([3; 32]);
    assert_eq!(part(&bench.exchange(upstream), bench.details()), "provider's key");
    // Committed to by a node, and no certificate.
    let told = UpstreamDetails { certificates: vec![vec![0x30, 0]], ..bench.details() };
    assert_eq!(part(&bench.exchange(bench.execution(&told, BODY)), told), "provider's key");
}

#[test]
fn without_a_connection_there_are_no_certificates() {
    let bench = Bench::new();
    let told = UpstreamDetails { certificates: vec![], received: Some(vec![]), ..bench.details() };
    let upstream = Upstream { tls: None, ..bench.execution(&told, BODY) };
    let exchange = bench.exchange(upstream);
    assert_eq!(passed(&exchange), Some((false, false)));
    assert_eq!(part(&exchange, told), "proven");
    assert_eq!(part(&exchange, UpstreamDetails { received: Some(vec![]), ..bench.details() }), "certificates");
}

#[test]
fn what_passed_unchanged_is_left_out() {
    let bench = Bench::new();
    let told = UpstreamDetails { sent: None, ..bench.details() };
    let exchange = bench.exchange(bench.execution(&told, BODY));
    assert_eq!(passed(&exchange), Some((true, true)));
    assert_eq!(part(&exchange, told.clone()), "proven");
    assert_eq!(part(&exchange, UpstreamDetails { sent: Some(request().body), ..told.clone() }), "sent");
    assert_eq!(part(&exchange, UpstreamDetails { received: Some(BODY.to_vec()), ..told }), "received");
}

#[test]
fn which_bodies_passed_is_known_without_details() {
    let bench = Bench::new();
    for (sent, received) in [(false, false), (true, false), (false, true), (true, true)] {
        let told = UpstreamDetails {
            sent: (!sent).then(|| b"altered".to_vec()),
            received: (!received).then(|| b"more".to_vec()),
            ..bench.details()
        };
        let exchange = bench.exchange(bench.execution(&told, BODY));
        assert_eq!(passed(&exchange), Some((sent, received)));
        assert_eq!(part(&exchange, told), "proven");
    }
    let receipt = bench.verified().verify_receipt(&bench.node.sign(bench.node.claims(BODY, false))).unwrap();
    let local = receipt.verify_exchange(&request(), &response_head(), BODY).unwrap();
    assert_eq!(local.pass_through(), None);
}

#[test]
fn details_are_of_the_execution_s_kind() {
    let bench = Bench::new();
    let upstream = bench.exchange(bench.execution(&bench.details(), BODY));
    assert_eq!(code(upstream.verify_details(&Details::Local(details()))), "receipt.details_unexpected");
    let receipt = bench.verified().verify_receipt(&bench.node.sign(bench.node.claims(BODY, false))).unwrap();
    let local = receipt.verify_exchange(&request(), &response_head(), BODY).unwrap();
    assert_eq!(part(&local, bench.details()), "receipt.details_unexpected");
}

#[test]
fn streams_and_transcripts_of_a_provider_are_proven() {
    let bench = Bench::new();
    let stream = bench.stream(&|body| bench.execution(&bench.details(), body));
    let mut passing = bench.verified().verify_stream(&request(), response_head());
    passing.push(stream.wire.as_bytes()).unwrap();
    let exchange = passing.finish().unwrap();
    assert_eq!(passed(&exchange), Some((false, true)));
    assert_eq!(part(&exchange, bench.details()), "proven");

    let saved = Transcript {
        response: Response { status: 200, body: stream.body.into_bytes() },
        receipt: Some(stream.receipt),
        checkpoints: stream.checkpoints,
        details: Some(Details::Upstream(bench.details())),
        ..bench.node.transcript()
    };
    let judge = |bend: &dyn Fn(&mut UpstreamDetails)| {
        let (mut saved, mut told) = (saved.clone(), bench.details());
        bend(&mut told);
        saved.details = Some(Details::Upstream(told));
        code(bench.verifier.verify_transcript(saved.encode().as_bytes(), TimeChoice::Archived))
    };
    assert_eq!(judge(&|_| {}), "proven");
    assert_eq!(judge(&|told| told.head.clear()), "receipt.details_mismatch");
    assert_eq!(judge(&|told| told.certificates.clear()), "receipt.details_mismatch");
}
