//! Receipts, exchanges, details and chains.
#![allow(clippy::unwrap_used)]

mod support;

use ed25519_dalek::{Signer, SigningKey};
use quoth_attestation::binding::Nonce;
use quoth_attestation::checkpoint::Place;
use quoth_attestation::commit::{Commitment, Opening};
use quoth_attestation::cose::{KeyId, Payload, Signed};
use quoth_attestation::receipt::{Credential, Execution, Level, Outcome, Receipt, Retries, Times, TlsPeer, Upstream};
use quoth_attestation::statement::Platform;
use quoth_attestation::{Digest, ExchangeId};
use quoth_verifier::{
    CLOCK_SKEW, Details, Gap, LocalDetails, Policy, Refusal, Request, ResponseHead, Time, VerifiedNode, Verifier,
    verify_chain,
};
use support::{NOW, Node, code, details, nonce, opening, request, response_head};

const BODY: &[u8] = br#"{"choices":[{"message":{"content":"Ada."}}]}"#;

/// What becomes of a receipt that `bend` has changed before it was signed.
fn bent(node: &Node, bend: impl FnOnce(&mut Receipt)) -> &'static str {
    let mut claims = node.claims(BODY, false);
    bend(&mut claims);
    code(node.verified().verify_receipt(&node.sign(claims)))
}

fn local(claims: &mut Receipt) -> &mut quoth_attestation::receipt::Local {
    match claims.execution.as_mut().unwrap() {
        Execution::Local(local) => local,
        Execution::Upstream(_) => unreachable!(),
    }
}

#[test]
fn an_honest_exchange_is_proven() {
    for platform in [Platform::Simulated, Platform::None] {
        let node = Node::new(platform);
        let cose = node.sign(node.claims(BODY, false));
        let receipt = node.verified().verify_receipt(&cose).unwrap();
        assert_eq!((receipt.claims(), receipt.bytes()), (&node.claims(BODY, false), &cose[..]));
        assert_eq!(receipt.digest(), Digest::of(&node.claims(BODY, false).encode()));
        let exchange = receipt.verify_exchange(&request(), &response_head(), BODY).unwrap();
        let told = Details::Local(details());
        assert_eq!(exchange.verify_details(&told).unwrap().details(), &told);
    }
}

#[test]
fn a_receipt_is_signed_by_the_attested_key() {
    let node = Node::new(Platform::Simulated);
    let verified = node.verified();
    let honest = node.sign(node.claims(BODY, false));
    for index in 0..honest.len() {
        let mut changed = honest.clone();
        changed[index] ^= 1 << (index % 8);
        assert!(verified.verify_receipt(&changed).is_err(), "byte {index}");
    }
    let other = SigningKey::from_bytes(&[8; 32]);
    let sign = |id: KeyId, key: &SigningKey| {
        Signed::sign(node.claims(BODY, false), id, |bytes| key.sign(bytes).to_bytes()).unwrap().bytes().to_vec()
    };
    let id = KeyId::of(&node.key.verifying_key().to_bytes());
    assert_eq!(code(verified.verify_receipt(&sign(id, &other))), "receipt.signature");
    let other_id = KeyId::of(&other.verifying_key().to_bytes());
    assert_eq!(code(verified.verify_receipt(&sign(other_id, &other))), "receipt.signature");
    assert_eq!(code(verified.verify_receipt(&sign(other_id, &node.key))), "receipt.signature");
    // A checkpoint is no receipt, though the same key signs it.
    assert_eq!(code(verified.verify_receipt(&node.sign(node.checkpoint(Place::First, b"")))), "format.missing");
}

#[test]
fn a_receipt_says_only_what_its_node_can_say() {
    let node = Node::new(Platform::Simulated);
    assert_eq!(bent(&node, |_| {}), "proven");
    assert_eq!(bent(&node, |claims| claims.node = Digest([0; 32])), "receipt.node");
    assert_eq!(bent(&node, |claims| claims.level = Level::Vanilla), "receipt.level");
    assert_eq!(bent(&node, |claims| claims.level = Level::Zkml), "receipt.level");
    assert_eq!(bent(&Node::new(Platform::None), |claims| claims.level = Level::Tee), "receipt.level");
    assert_eq!(bent(&node, |claims| claims.prev = Digest([0; 32])), "receipt.prev");
    assert_eq!(bent(&node, |claims| (claims.seq, claims.prev) = (1, Digest([0; 32]))), "proven");
    assert_eq!(bent(&node, |claims| claims.execution = None), "receipt.execution");
    assert_eq!(bent(&node, |claims| claims.exchange.outcome = Outcome::Refused), "receipt.execution");
    assert_eq!(bent(&node, |claims| (claims.exchange.outcome, claims.execution) = (Outcome::Refused, None)), "proven");
    for outcome in [Outcome::ClientClosed, Outcome::EngineFailed] {
        assert_eq!(bent(&node, |claims| claims.exchange.outcome = outcome), "proven");
        assert_eq!(bent(&node, |claims| (claims.exchange.outcome, claims.execution) = (outcome, None)), "proven");
    }
}

#[test]
fn a_receipt_lies_within_the_life_of_its_statement() {
    let node = Node::new(Platform::Simulated);
    let (issued, not_after) = (node.statement.issued(), node.statement.not_after());
    let at = |iat: u64, millis: u64| {
        bent(&node, |claims| {
            claims.iat = iat;
            claims.times = Times::new(millis, millis, millis).unwrap();
        })
    };
    assert_eq!(at(issued, issued * 1000), "proven");
    assert_eq!(at(issued - 1, issued * 1000), "receipt.time_window");
    assert_eq!(at(not_after, not_after * 1000), "proven");
    assert_eq!(at(not_after + 1, not_after * 1000), "receipt.time_window");
    assert_eq!(at(NOW, (NOW + CLOCK_SKEW) * 1000), "proven");
    assert_eq!(at(NOW, (NOW + CLOCK_SKEW + 1) * 1000), "receipt.times");
    assert_eq!(at(NOW + 1000, (NOW + 1000 - CLOCK_SKEW) * 1000), "proven");
    assert_eq!(at(NOW + 1000, (NOW + 1000 - CLOCK_SKEW) * 1000 - 1), "receipt.times");
    assert_eq!(at(NOW, NOW), "receipt.times", "seconds for milliseconds");
    assert_eq!(at(u64::MAX, u64::MAX), "receipt.time_window");
    let began = |received: u64| {
        bent(&node, |claims| {
            let times = claims.times;
            claims.times = Times::new(received, times.first_byte(), times.last_byte()).unwrap();
        })
    };
    assert_eq!(began((issued - CLOCK_SKEW) * 1000), "proven");
    assert_eq!(began((issued - CLOCK_SKEW) * 1000 - 1), "receipt.times");
}

#[test]
fn models_are_in_the_statement_and_in_the_policy() {
    let node = Node::new(Platform::Simulated);
    assert_eq!(
        bent(&node, |claims| local(claims).model = "other".try_into().unwrap()),
        "receipt.model_not_in_statement"
    );
    let other = Digest::of(b"other");
    assert_eq!(bent(&node, |claims| local(claims).model_sha256 = other), "receipt.model_not_in_statement");
    let cose = node.sign(node.claims(BODY, false));
    let under = |models: &str| {
        let policy = node.policy_text().replace(&format!("[\"{}\"]", Digest::of(b"tiny")), models);
        let verifier = Verifier::new(Policy::from_toml(&policy).unwrap());
        verifier.verify_node(&node.evidence(None), None, Time::Live { now: NOW }).unwrap().verify_receipt(&cose)
    };
    assert_eq!(code(under("\"any\"")), "proven");
    let refusal = under(&format!("[\"{other}\"]")).unwrap_err();
    assert_eq!(refusal, Refusal::ModelNotAccepted { name: "tiny".into(), actual: Digest::of(b"tiny").into() });
}

#[test]
fn providers_are_in_the_statement_and_in_the_policy() {
    let node = Node::new(Platform::Simulated);
    let nothing = Commitment(Digest([0; 32]));
    let upstream = Upstream {
        provider: "openai".try_into().unwrap(),
        host: "api.openai.com".try_into().unwrap(),
        port: 443,
        tls: Some(TlsPeer { version: 0x0304, suite: 0x1301, leaf_spki: Digest([1; 32]), chain: Digest([2; 32]) }),
        head: nothing,
        sent: nothing,
        received: nothing,
        model_asked: "gpt".try_into().unwrap(),
        model_answered: None,
        request_id: None,
        credential: Credential::Operator,
        retries: Retries::LEAST,
    };
    let signed = |bend: &dyn Fn(&mut Upstream)| {
        let mut upstream = upstream.clone();
        bend(&mut upstream);
        let mut claims = node.claims(BODY, false);
        claims.execution = Some(Execution::Upstream(upstream));
        node.sign(claims)
    };
    let under = |rule: &str, cose: &[u8]| {
        let policy = format!("{}{rule}", node.policy_text());
        let verifier = Verifier::new(Policy::from_toml(&policy).unwrap());
        code(verifier.verify_node(&node.evidence(None), None, Time::Live { now: NOW }).unwrap().verify_receipt(cose))
    };
    let known = "[upstreams]\naccept = [\"api.openai.com:443\"]\n";
    let honest = signed(&|_| ());
    assert_eq!(under(known, &honest), "proven");
    assert_eq!(under("[upstreams]\naccept = \"any\"\n", &honest), "proven");
    assert_eq!(under("", &honest), "upstream.not_accepted");
    for other in ["api.openai.com:8443", "openai.com:443", "api.anthropic.com:443"] {
        assert_eq!(under(&format!("[upstreams]\naccept = [\"{other}\"]\n"), &honest), "upstream.not_accepted");
    }
    let bends: [&dyn Fn(&mut Upstream); 3] = [
        &|upstream| upstream.provider = "other".try_into().unwrap(),
        &|upstream| upstream.host = "other.example".try_into().unwrap(),
        &|upstream| upstream.port = 444,
    ];
    for bend in bends {
        assert_eq!(under("[upstreams]\naccept = \"any\"\n", &signed(bend)), "receipt.upstream_not_in_statement");
    }
    assert_eq!(under(known, &signed(&|upstream| upstream.tls = None)), "receipt.execution");
}

#[test]
fn an_exchange_is_this_request_and_this_response() {
    let node = Node::new(Platform::Simulated);
    let receipt = node.verified().verify_receipt(&node.sign(node.claims(BODY, false))).unwrap();
    let request_is = |bend: &dyn Fn(&mut Request)| {
        let mut request = request();
        bend(&mut request);
        code(receipt.verify_exchange(&request, &response_head(), BODY))
    };
    assert_eq!(request_is(&|request| request.method = "GET".into()), "receipt.request_mismatch");
    assert_eq!(request_is(&|request| request.target += "?a"), "receipt.request_mismatch");
    assert_eq!(request_is(&|request| request.body.push(b' ')), "receipt.request_mismatch");
    let response_is = |status: u16, body: &[u8]| {
        code(receipt.verify_exchange(&request(), &ResponseHead { status, ..response_head() }, body))
    };
    assert_eq!(response_is(200, BODY), "proven");
    assert_eq!(response_is(201, BODY), "receipt.response_mismatch");
    assert_eq!(response_is(200, &BODY[1..]), "receipt.response_mismatch");
    let mut edited = BODY.to_vec();
    edited[5] ^= 1;
    assert_eq!(response_is(200, &edited), "receipt.response_mismatch");
    let opened = |opening: Opening| {
        code(receipt.verify_exchange(&request(), &ResponseHead { opening, ..response_head() }, BODY))
    };
    assert_eq!(opened(Opening::new([8; 32])), "receipt.request_mismatch");
    let named = |cti| code(receipt.verify_exchange(&request(), &ResponseHead { cti, ..response_head() }, BODY));
    assert_eq!([None, Some(ExchangeId([6; 16]))].map(named), ["proven", "receipt.cti"]);
}

#[test]
fn nonces_are_the_ones_that_were_sent() {
    let node = Node::new(Platform::Simulated);
    let judge = |carried: Option<Nonce>, sent: Option<Nonce>| {
        let mut claims = node.claims(BODY, false);
        claims.nonce = carried;
        let receipt = node.verified().verify_receipt(&node.sign(claims)).unwrap();
        code(receipt.verify_exchange(&request(), &ResponseHead { nonce: sent, ..response_head() }, BODY))
    };
    let other = Nonce::new([0xef; 16]).unwrap();
    assert_eq!(judge(None, None), "proven");
    assert_eq!(judge(Some(nonce()), None), "receipt.nonce");
    assert_eq!(judge(None, Some(nonce())), "receipt.nonce");
    assert_eq!(judge(Some(other), Some(nonce())), "receipt.nonce");
}

#[test]
fn an_answer_in_one_piece_has_no_receipt_of_a_stream() {
    let node = Node::new(Platform::Simulated);
    let receipt = node.verified().verify_receipt(&node.sign(node.claims(BODY, true))).unwrap();
    assert_eq!(code(receipt.verify_exchange(&request(), &response_head(), BODY)), "receipt.streamed");
}

#[test]
fn refusals_never_repeat_what_was_said() {
    let node = Node::new(Platform::Simulated);
    let receipt = node.verified().verify_receipt(&node.sign(node.claims(BODY, false))).unwrap();
    let secret = b"canary-7f3a";
    let asked = Request { body: secret.to_vec(), ..request() };
    let exchange = receipt.verify_exchange(&request(), &response_head(), BODY).unwrap();
    let told = Details::Local(LocalDetails { prompt: secret.to_vec(), ..details() });
    let refusals = [
        receipt.verify_exchange(&asked, &response_head(), BODY).unwrap_err(),
        receipt.verify_exchange(&request(), &response_head(), secret).unwrap_err(),
        exchange.verify_details(&told).unwrap_err(),
    ];
    for refusal in refusals {
        let text = format!("{refusal} {refusal:?}");
        assert!(!text.contains("canary") && !text.contains(&hex::encode(secret)), "{text}");
    }
    assert!(!format!("{exchange:?}").contains(&hex::encode(opening().as_bytes())));
}

#[test]
fn details_are_what_the_receipt_commits_to() {
    let node = Node::new(Platform::Simulated);
    let exchange = |claims: Receipt| {
        let receipt = node.verified().verify_receipt(&node.sign(claims)).unwrap();
        receipt.verify_exchange(&request(), &response_head(), BODY).unwrap()
    };
    let honest = exchange(node.claims(BODY, false));
    let judge = |bend: &dyn Fn(&mut LocalDetails)| {
        let mut details = details();
        bend(&mut details);
        code(honest.verify_details(&Details::Local(details)))
    };
    assert_eq!(judge(&|_| {}), "proven");
    assert_eq!(judge(&|details| details.prompt.push(0)), "receipt.details_mismatch");
    assert_eq!(judge(&|details| details.prompt_tokens[0] += 1), "receipt.details_mismatch");
    assert_eq!(judge(&|details| details.output_tokens.truncate(1)), "receipt.details_mismatch");
    assert_eq!(judge(&|details| details.sampling = vec![0xa1, 1, 0]), "receipt.details_mismatch");
    let mut claims = node.claims(BODY, false);
    claims.usage.as_mut().unwrap().completion = 9;
    assert_eq!(code(exchange(claims).verify_details(&Details::Local(details()))), "receipt.details_mismatch");
    let mut claims = node.claims(BODY, false);
    (claims.execution, claims.exchange.outcome) = (None, Outcome::Refused);
    assert_eq!(code(exchange(claims).verify_details(&Details::Local(details()))), "receipt.details_unexpected");
}

/// Receipts at positions 0 to `count`, each pointing to the one before.
fn chain(node: &Node, count: u64) -> Vec<Vec<u8>> {
    let mut prev = node.digest();
    let receipts = (0..count).map(|seq| {
        let claims = Receipt { seq, prev, ..node.claims(BODY, false) };
        prev = Digest::of(&claims.encode());
        node.sign(claims)
    });
    receipts.collect()
}

fn follow(node: &VerifiedNode, receipts: &[Vec<u8>]) -> Result<quoth_verifier::ChainReport, Refusal> {
    verify_chain(node, receipts.iter().map(Vec::as_slice))
}

#[test]
fn chains_show_what_is_missing_and_refuse_what_is_moved() {
    let node = Node::new(Platform::Simulated);
    let (verified, receipts) = (node.verified(), chain(&node, 6));
    let whole = follow(&verified, &receipts).unwrap();
    assert!(whole.is_whole());
    assert_eq!((whole.receipts(), whole.first(), whole.last()), (6, Some(0), Some(5)));
    assert_eq!(whole.head(), verified.verify_receipt(&receipts[5]).unwrap().digest());
    let none = follow(&verified, &[]).unwrap();
    assert_eq!((none.receipts(), none.last(), none.head()), (0, None, node.digest()));

    let some = [receipts[1].clone(), receipts[2].clone(), receipts[5].clone()];
    let gaps = follow(&verified, &some).unwrap();
    assert_eq!(gaps.gaps(), [Gap { first: 0, count: 1 }, Gap { first: 3, count: 2 }]);
    assert!(!gaps.is_whole());

    let swapped = [receipts[0].clone(), receipts[2].clone(), receipts[1].clone()];
    assert_eq!(code(follow(&verified, &swapped)), "chain.order");
    let repeated = [receipts[0].clone(), receipts[0].clone()];
    assert_eq!(code(follow(&verified, &repeated)), "chain.order");
    // A second history of position 1.
    let other = node.sign(Receipt { seq: 1, prev: Digest([1; 32]), ..node.claims(BODY, false) });
    assert_eq!(code(follow(&verified, &[receipts[0].clone(), other])), "chain.prev");
    let mut edited = receipts.clone();
    *edited[3].last_mut().unwrap() ^= 1;
    assert_eq!(code(follow(&verified, &edited)), "receipt.signature");
}
