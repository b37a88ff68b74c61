//! Which nodes are accepted, and why others are not.
#![allow(clippy::unwrap_used)]

mod support;

use quoth_attestation::Digest;
use quoth_attestation::binding::Nonce;
use quoth_attestation::cbor::Value;
use quoth_attestation::cose::Possession;
use quoth_attestation::evidence::Evidence;
use quoth_attestation::statement::{Platform, Validity};
use quoth_verifier::{CLOCK_SKEW, Policy, Refusal, Time, Verifier};
use support::{NOW, Node, code, nonce};

const LIVE: Time = Time::Live { now: NOW };

#[test]
fn honest_nodes_are_accepted() {
    let node = Node::new(Platform::Simulated);
    let verified = node.verifier().verify_node(&node.evidence(Some(&nonce())), Some(&nonce()), LIVE).unwrap();
    assert_eq!((verified.digest(), verified.image()), (node.digest(), Some("test")));
    assert_eq!((verified.statement(), verified.tls_key()), (&node.statement, node.statement.keys.tls));
    let codes: Vec<_> = verified.checks().iter().map(|check| check.code).collect();
    for code in ["platform.not_allowed", "evidence.nonce", "evidence.age", "evidence.binding", "measurement.unknown"] {
        assert!(codes.contains(&code), "{code}");
    }
    let node = Node::new(Platform::None);
    let verified = node.verifier().verify_node(&node.evidence(None), None, LIVE).unwrap();
    assert_eq!((verified.platform(), verified.image()), (Platform::None, None));
    assert_eq!(verified.time_basis(), "the verifying machine's clock");
    let node = Node::new(Platform::Simulated);
    let archived = node.verifier().verify_node(&node.evidence(None), None, Time::Archived { at: NOW }).unwrap();
    assert!(archived.time_basis().starts_with("the time in the simulated platform's document"));
}

#[test]
fn a_name_may_be_asked_when_whatever_could_answer_by_it_is_accepted() {
    let node = Node::new(Platform::Simulated);
    let asked = |node: &Node, models: &str, rest: &str, name: &str| {
        let policy = node.policy_text().replace(&format!("[\"{}\"]", Digest::of(b"tiny")), models) + rest;
        let verifier = Verifier::new(Policy::from_toml(&policy).unwrap());
        code(verifier.verify_node(&node.evidence(None), None, LIVE).unwrap().accepts_model(name))
    };
    let (other, any) = (format!("[\"{}\"]", "00".repeat(32)), "\"any\"");
    let providers = |rule: &str| format!("[upstreams]\naccept = {rule}\n");
    assert_eq!(asked(&node, any, "", "tiny"), "proven");
    assert_eq!(asked(&node, &other, "", "tiny"), "model.not_accepted");
    assert_eq!(asked(&node, any, "", "gpt"), "upstream.not_accepted");
    assert_eq!(asked(&node, any, &providers("[\"api.openai.com:443\"]"), "gpt"), "proven");
    assert_eq!(asked(&node, any, &providers("[\"api.openai.com:444\"]"), "gpt"), "upstream.not_accepted");
    // Providers have no say in a name of the node's own, nor its models in theirs.
    assert_eq!(asked(&node, &other, &providers("\"any\""), "tiny"), "model.not_accepted");
    assert_eq!(asked(&node, &other, &providers("\"any\""), "gpt"), "proven");
    let mut alone = Node::new(Platform::Simulated);
    alone.statement.upstreams = Default::default();
    assert_eq!(asked(&alone, any, "", "gpt"), "proven", "nothing answers by it");
}

#[test]
fn platforms_are_accepted_by_name_only() {
    let (simulated, none) = (Node::new(Platform::Simulated), Node::new(Platform::None));
    let judge = |policy: Policy, node: &Node| code(Verifier::new(policy).verify_node(&node.evidence(None), None, LIVE));
    for node in [&simulated, &none] {
        assert_eq!(judge(Policy::hardware_only(), node), "platform.not_allowed");
    }
    assert_eq!(code(none.verifier().verify_node(&simulated.evidence(None), None, LIVE)), "platform.not_allowed");
    // Evidence of one platform is none of another.
    for (platform, refusal) in [(Platform::Nitro, "nitro.chain.root"), (Platform::SevSnp, "snp.report.length")] {
        let node = Node::new(platform);
        assert_eq!(judge(Policy::hardware_only(), &node), refusal);
        assert_eq!(judge(Policy::from_toml(&simulated.policy_text()).unwrap(), &node), "platform.not_allowed");
    }
}

#[test]
fn a_quote_answers_the_nonce_that_was_asked() {
    for platform in [Platform::Simulated, Platform::None] {
        let node = Node::new(platform);
        let judge = |evidence: &[u8], nonce: Option<&Nonce>| code(node.verifier().verify_node(evidence, nonce, LIVE));
        let other = Nonce::new([0xef; 16]).unwrap();
        let prefix = Nonce::new([0xee; 8]).unwrap();
        assert_eq!(judge(&node.evidence(Some(&nonce())), Some(&nonce())), "proven");
        assert_eq!(judge(&node.evidence(Some(&nonce())), None), "proven");
        assert_eq!(judge(&node.evidence(None), Some(&nonce())), "evidence.nonce");
        assert_eq!(judge(&node.evidence(Some(&other)), Some(&nonce())), "evidence.nonce");
        assert_eq!(judge(&node.evidence(Some(&nonce())), Some(&prefix)), "evidence.nonce");
        // The bundle names the nonce, the quote is over another.
        let mut relabelled = Evidence::decode(&node.evidence(Some(&other))).unwrap();
        relabelled.nonce = Some(nonce());
        assert_eq!(judge(&relabelled.encode(), Some(&nonce())), "evidence.binding");
    }
    let node = Node::new(Platform::Simulated);
    for wrong in [
        Value::Null,
        Value::Bytes(vec![].into()),
        Value::Bytes(vec![0xee; 8].into()),
        Value::Bytes(vec![0xee; 17].into()),
    ] {
        let mut document = node.document(Some(&nonce()));
        *document.field("nonce") = wrong;
        let evidence = node.bundle(node.authority.sign(document), Some(&nonce()));
        assert_eq!(code(node.verifier().verify_node(&evidence, Some(&nonce()), LIVE)), "evidence.nonce");
    }
    // Not asked for means absent or null, never an empty string.
    let mut document = node.document(None);
    document.set("nonce", &[]);
    assert_eq!(
        code(node.verifier().verify_node(&node.bundle(node.authority.sign(document), None), None, LIVE)),
        "evidence.nonce"
    );
    let mut document = node.document(None);
    document.remove("nonce");
    assert_eq!(
        code(node.verifier().verify_node(&node.bundle(node.authority.sign(document), None), None, LIVE)),
        "proven"
    );
}

#[test]
fn a_quote_binds_statement_and_key() {
    let node = Node::new(Platform::Simulated);
    let judge = |bend: &dyn Fn(&mut support::document::Document)| {
        let mut document = node.document(None);
        bend(&mut document);
        code(node.verifier().verify_node(&node.bundle(node.authority.sign(document), None), None, LIVE))
    };
    let binding = quoth_attestation::binding::node_binding(&node.digest(), None);
    assert_eq!(judge(&|_| {}), "proven");
    assert_eq!(judge(&|document| *document.field("user_data") = Value::Null), "evidence.binding");
    assert_eq!(judge(&|document| document.remove("user_data")), "evidence.binding");
    assert_eq!(judge(&|document| document.set("user_data", &binding[..63])), "evidence.binding");
    assert_eq!(judge(&|document| document.set("user_data", &[&binding[..], &[0]].concat())), "evidence.binding");
    assert_eq!(judge(&|document| document.set("public_key", &[1; 32])), "evidence.public_key");
    assert_eq!(judge(&|document| document.remove("public_key")), "evidence.public_key");
    // The binding in the wrong place.
    assert_eq!(judge(&|document| document.set("public_key", &binding)), "evidence.public_key");
    // The document of another instance of the same image.
    let mut other = Node::new(Platform::Simulated);
    other.statement.keys.tls = quoth_attestation::Digest::of(b"another key");
    let stolen = node.bundle(node.authority.sign(other.document(None)), None);
    assert_eq!(code(node.verifier().verify_node(&stolen, None, LIVE)), "evidence.binding");
}

#[test]
fn evidence_is_neither_old_nor_early() {
    let node = Node::new(Platform::Simulated);
    let limit = quoth_verifier::policy::DEFAULT_MAX_EVIDENCE_AGE;
    let judge = |now: u64| code(node.verifier().verify_node(&node.evidence(None), None, Time::Live { now }));
    assert_eq!(judge(NOW + limit + CLOCK_SKEW), "proven");
    assert_eq!(judge(NOW + limit + CLOCK_SKEW + 1), "evidence.age");
    assert_eq!(judge(NOW - CLOCK_SKEW), "proven");
    assert_eq!(judge(NOW - CLOCK_SKEW - 1), "evidence.future");
    let at = |timestamp: u64| {
        let mut document = node.document(None);
        *document.field("timestamp") = Value::from(timestamp);
        code(node.verifier().verify_node(&node.bundle(node.authority.sign(document), None), None, LIVE))
    };
    assert_eq!(at(0), "nitro.field.value");
    assert_eq!(at(NOW), "evidence.age", "seconds for milliseconds");
    assert_eq!(at(NOW * 1_000_000), "evidence.future", "microseconds for milliseconds");
    assert_eq!(at(u64::MAX), "evidence.future");
    // Quoted before the statement was made.
    assert_eq!(at((NOW - 60 - CLOCK_SKEW) * 1000), "proven");
    assert_eq!(at((NOW - 60 - CLOCK_SKEW) * 1000 - 1), "statement.time_window");
}

#[test]
fn nobody_quotes_a_statement_that_has_ended() {
    let mut node = Node::new(Platform::Simulated);
    node.statement.validity = Validity::new(node.statement.issued(), NOW + 100).unwrap();
    let quoted = |at: u64| {
        let mut document = node.document(None);
        *document.field("timestamp") = Value::from(at * 1000);
        let evidence = node.bundle(node.authority.sign(document), None);
        code(node.verifier().verify_node(&evidence, None, Time::Archived { at: NOW }))
    };
    let last = node.statement.not_after() + CLOCK_SKEW;
    let verdicts = [last - 1, last, last + 1, last + 2].map(quoted);
    assert_eq!(verdicts, ["proven", "proven", "statement.time_window", "statement.time_window"]);
}

#[test]
fn a_statement_has_a_beginning_and_an_end() {
    let mut node = Node::new(Platform::None);
    node.statement.validity = Validity::new(node.statement.issued(), NOW + 100).unwrap();
    let judge = |time: Time| code(node.verifier().verify_node(&node.evidence(None), None, time));
    let (issued, not_after) = (node.statement.issued(), node.statement.not_after());
    assert_eq!(judge(Time::Live { now: issued - CLOCK_SKEW }), "proven");
    assert_eq!(judge(Time::Live { now: issued - CLOCK_SKEW - 1 }), "statement.time_window");
    assert_eq!(judge(Time::Live { now: not_after + CLOCK_SKEW }), "proven");
    assert_eq!(judge(Time::Live { now: not_after + CLOCK_SKEW + 1 }), "statement.time_window");
    assert_eq!(judge(Time::Archived { at: issued }), "proven");
    assert_eq!(judge(Time::Archived { at: issued - 1 }), "statement.time_window");
    assert_eq!(judge(Time::Archived { at: not_after }), "proven");
    assert_eq!(judge(Time::Archived { at: not_after + 1 }), "statement.time_window");
    for now in [0, u64::MAX] {
        assert_eq!(judge(Time::Live { now }), "statement.time_window");
    }
}

#[test]
fn measurements_match_wholly() {
    let node = Node::new(Platform::Simulated);
    let judge = |registers: Vec<(u64, Vec<u8>)>| {
        let mut document = node.document(None);
        let registers =
            registers.into_iter().map(|(index, pcr)| (Value::from(index), Value::Bytes(pcr.into()))).collect();
        *document.field("pcrs") = Value::Map(registers);
        code(node.verifier().verify_node(&node.bundle(node.authority.sign(document), None), None, LIVE))
    };
    let [pcr0, pcr1, pcr2] = support::document::pcrs().map(|pcr| pcr.to_vec());
    let zero = vec![0; 48];
    assert_eq!(judge(vec![(0, pcr0.clone()), (1, pcr1.clone()), (2, pcr2.clone())]), "proven");
    assert_eq!(judge(vec![(0, pcr0.clone()), (1, pcr1.clone()), (2, pcr2.clone()), (31, zero.clone())]), "proven");
    for index in 0..3 {
        let mut registers = vec![(0, pcr0.clone()), (1, pcr1.clone()), (2, pcr2.clone())];
        registers[index].1[47] ^= 1;
        assert_eq!(judge(registers.clone()), "measurement.unknown");
        registers.remove(index);
        assert_eq!(judge(registers), "nitro.field.missing");
    }
    // A debug enclave shows zeros, whatever its other registers say.
    assert_eq!(
        judge(vec![(0, zero.clone()), (1, zero.clone()), (2, zero.clone()), (4, pcr0.clone())]),
        "measurement.debug"
    );
    assert_eq!(judge(vec![(0, pcr0), (1, pcr2), (2, pcr1)]), "measurement.unknown");
}

#[test]
fn configurations_can_be_pinned_too() {
    let node = Node::new(Platform::Simulated);
    let judge = |accept: &str| {
        let policy = node.policy_text() + &format!("[config]\naccept = {accept}\n");
        code(Verifier::new(Policy::from_toml(&policy).unwrap()).verify_node(&node.evidence(None), None, LIVE))
    };
    assert_eq!(judge(&format!("[\"{}\"]", node.statement.config)), "proven");
    assert_eq!(judge("\"any\""), "proven");
    assert_eq!(judge(&format!("[\"{}\"]", "00".repeat(32))), "config.not_accepted");
}

#[test]
fn a_pinned_key_signs_for_itself() {
    let mut node = Node::new(Platform::None);
    let judge = |node: &Node, quote: Vec<u8>| code(node.verifier().verify_node(&node.bundle(quote, None), None, LIVE));
    let mut binding = quoth_attestation::binding::node_binding(&node.digest(), None);
    let honest = node.sign(Possession { binding });
    assert_eq!(judge(&node, honest.clone()), "proven");
    let mut forged = honest.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(judge(&node, forged), "evidence.possession");
    binding[0] ^= 1;
    assert_eq!(judge(&node, node.sign(Possession { binding })), "evidence.binding");
    assert_eq!(judge(&node, node.sign(node.claims(b"", false))), "format.too_long", "a receipt is no possession");
    let policy = node.verifier();
    node.statement.keys.receipt = [0; 32];
    node.statement.keys.receipt[0] = 1;
    assert_eq!(code(policy.verify_node(&node.evidence(None), None, LIVE)), "statement.receipt_key");
    node.statement.keys.receipt = ed25519_dalek::SigningKey::from_bytes(&[4; 32]).verifying_key().to_bytes();
    assert_eq!(code(policy.verify_node(&node.evidence(None), None, LIVE)), "evidence.receipt_key");
}

#[test]
fn nothing_stands_beside_a_quote_that_needs_nothing() {
    for platform in [Platform::Simulated, Platform::None] {
        let node = Node::new(platform);
        let mut evidence = Evidence::decode(&node.evidence(None)).unwrap();
        evidence.crls = vec![vec![1].try_into().unwrap()].try_into().unwrap();
        assert_eq!(code(node.verifier().verify_node(&evidence.encode(), None, LIVE)), "evidence.endorsements");
    }
}

#[test]
fn any_changed_byte_of_evidence_is_refused() {
    for platform in [Platform::Simulated, Platform::None] {
        let node = Node::new(platform);
        let (verifier, evidence) = (node.verifier(), node.evidence(Some(&nonce())));
        for index in 0..evidence.len() {
            let mut changed = evidence.clone();
            changed[index] ^= 1 << (index % 8);
            assert!(verifier.verify_node(&changed, Some(&nonce()), LIVE).is_err(), "byte {index}");
            assert!(verifier.verify_node(&evidence[..index], Some(&nonce()), LIVE).is_err(), "cut at {index}");
        }
    }
}

#[test]
fn refusals_carry_what_was_expected_and_found() {
    let node = Node::new(Platform::Simulated);
    let refusal = node.verifier().verify_node(&node.evidence(None), Some(&nonce()), LIVE).unwrap_err();
    let expected = hex::encode(nonce().as_bytes());
    assert_eq!(refusal, Refusal::EvidenceNonce { expected: expected.clone(), actual: "none".into() });
    assert!(refusal.to_string().contains(&expected));
    let keyed = |key: Option<&[u8]>| {
        let mut document = node.document(None);
        match key {
            Some(key) => document.set("public_key", key),
            None => document.remove("public_key"),
        }
        node.verifier().verify_node(&node.bundle(node.authority.sign(document), None), None, LIVE).unwrap_err()
    };
    let expected = hex::encode(node.statement.keys.receipt);
    let refusal = |actual: &str| Refusal::EvidencePublicKey { expected: expected.clone(), actual: actual.into() };
    assert_eq!([keyed(None), keyed(Some(&[1, 0xab]))], [refusal("none"), refusal("01ab")]);
}
