//! Documents and certificate chains that a strict reader refuses, each by its own code.
#![allow(clippy::unwrap_used)]

mod support;

use quoth_attestation::cbor::{self, Value};
use quoth_attestation::statement::Platform;
use quoth_verifier::{CLOCK_SKEW, Time};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use support::document::{Authority, Document, p384_key, params, text};
use support::{NOW, Node, code};

const LIVE: Time = Time::Live { now: NOW };

fn judge(node: &Node, quote: Vec<u8>) -> &'static str {
    code(node.verifier().verify_node(&node.bundle(quote, None), None, LIVE))
}

/// What becomes of a document that `bend` has changed before it was signed.
fn bent(node: &Node, bend: impl FnOnce(&mut Document)) -> &'static str {
    let mut document = node.document(None);
    bend(&mut document);
    judge(node, node.authority.sign(document))
}

/// What becomes of a document whose payload bytes `bend` has changed before it was signed.
fn payload(node: &Node, bend: impl FnOnce(Vec<u8>) -> Vec<u8>) -> &'static str {
    let document = node.document(None);
    let payload = bend(node.authority.payload(&document));
    judge(node, node.authority.envelope(&document, payload, &node.authority.leaf_key))
}

#[test]
fn the_envelope_is_exactly_the_prescribed_one() {
    let node = Node::new(Platform::Simulated);
    let honest = node.authority.sign(node.document(None));
    assert_eq!(judge(&node, honest.clone()), "proven");
    assert_eq!(judge(&node, [&[0xd2], &honest[..]].concat()), "proven");
    assert_eq!(judge(&node, [&[0xd2, 0xd2], &honest[..]].concat()), "nitro.cose.tag");
    assert_eq!(judge(&node, [&[0xd8, 98], &honest[..]].concat()), "nitro.cose.tag");
    assert_eq!(judge(&node, [&honest[..], &[0]].concat()), "nitro.cbor");
    assert_eq!(judge(&node, [&[0x85], &honest[1..], &[0]].concat()), "nitro.cbor");
    let header = |map: Vec<(Value<'static>, Value<'static>)>| {
        bent(&node, |document| document.protected = cbor::encode(&Value::Map(map)))
    };
    let int = |value: i64| Value::from(value);
    assert_eq!(header(vec![(int(1), int(-7))]), "nitro.cose.header");
    assert_eq!(header(vec![]), "nitro.cose.header");
    assert_eq!(header(vec![(int(1), int(-35)), (int(2), Value::Array(vec![]))]), "nitro.cose.header");
    assert_eq!(header(vec![(int(1), int(-35)), (int(1), int(-35))]), "nitro.cose.header");
    let unprotected = Value::Map(vec![(int(1), int(-35))]);
    assert_eq!(bent(&node, |document| document.unprotected = unprotected), "nitro.cose.header");
}

#[test]
fn signatures_are_96_bytes_in_range_and_by_the_leaf() {
    let node = Node::new(Platform::Simulated);
    let honest = node.authority.sign(node.document(None));
    let (front, signature) = honest.split_at(honest.len() - 96);
    assert_eq!(judge(&node, [front, &[0; 48], &signature[48..]].concat()), "nitro.cose.signature");
    assert_eq!(judge(&node, [front, &signature[..48], &[0; 48]].concat()), "nitro.cose.signature");
    assert_eq!(judge(&node, [front, &signature[..48], &[0xff; 48]].concat()), "nitro.cose.signature");
    let head = front.len() - 2;
    assert_eq!(judge(&node, [&front[..head], &[0x58, 95], &signature[..95]].concat()), "nitro.cose.signature");
    assert_eq!(judge(&node, [&front[..head], &[0x58, 97], signature, &[0]].concat()), "nitro.cose.signature");
    let der = p384::ecdsa::Signature::from_slice(signature).unwrap().to_der();
    let der = [&front[..head], &[0x58, der.as_bytes().len() as u8], der.as_bytes()].concat();
    assert_eq!(judge(&node, der), "nitro.cose.signature");
    // A good leaf, but another key signs.
    let document = node.document(None);
    let signed = node.authority.envelope(&document, node.authority.payload(&document), &node.authority.root_key);
    assert_eq!(judge(&node, signed), "nitro.cose.signature");
}

#[test]
fn the_payload_is_strict_cbor() {
    let node = Node::new(Platform::Simulated);
    assert_eq!(payload(&node, |bytes| [&bytes[..], &[0]].concat()), "nitro.cbor");
    assert_eq!(payload(&node, |bytes| bytes[..bytes.len() - 1].to_vec()), "nitro.cbor");
    assert_eq!(payload(&node, |_| vec![]), "nitro.cbor");
    // An indefinite map, as some genuine documents have, with and without its break.
    assert_eq!(payload(&node, |bytes| [&[0xbf], &bytes[1..], &[0xff]].concat()), "proven");
    assert_eq!(payload(&node, |bytes| [&[0xbf], &bytes[1..]].concat()), "nitro.cbor");
    assert_eq!(payload(&node, |bytes| [&[0xb8, 9], &bytes[1..]].concat()), "nitro.cbor", "not the shortest form");
    assert_eq!(payload(&node, |bytes| [&[0xbc], &bytes[1..]].concat()), "nitro.cbor", "reserved");
    assert_eq!(payload(&node, |bytes| [&[0xaa], &bytes[1..]].concat()), "nitro.cbor", "one entry too few");
    assert_eq!(payload(&node, |bytes| [&[0xa8], &bytes[1..]].concat()), "nitro.cbor", "one entry too many");
    assert_eq!(payload(&node, |_| vec![0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), "nitro.cbor");
    assert_eq!(payload(&node, |_| vec![0x9f; 5000]), "nitro.cbor", "a bomb of arrays");
    assert_eq!(payload(&node, |_| vec![0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), "nitro.cbor");
    // A string of chunks where `module_id` begins.
    assert_eq!(payload(&node, |bytes| [&[0xa9, 0x7f], &bytes[1..11], &[0xff], &bytes[11..]].concat()), "nitro.cbor");
}

#[test]
fn every_field_is_what_it_must_be() {
    let node = Node::new(Platform::Simulated);
    let set = |field: &'static str, value: Value<'static>| bent(&node, |document| *document.field(field) = value);
    for field in ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"] {
        assert_eq!(bent(&node, |document| document.remove(field)), "nitro.field.missing", "{field}");
    }
    for field in ["module_id", "digest", "timestamp", "pcrs"] {
        assert_eq!(set(field, Value::Null), "nitro.cbor", "{field}");
    }
    let twice = |document: &mut Document, field: &str| {
        let value = document.field(field).clone();
        document.fields.push((text(field), value));
    };
    assert_eq!(
        bent(&node, |document| {
            document.remove("nonce");
            twice(document, "digest");
        }),
        "nitro.field.duplicate"
    );
    assert_eq!(
        bent(&node, |document| {
            document.remove("nonce");
            document.fields.push((text("extra"), Value::Null));
        }),
        "nitro.field.unknown"
    );
    assert_eq!(bent(&node, |document| document.fields.push((text("extra"), Value::Null))), "nitro.cbor", "ten fields");
    assert_eq!(set("digest", text("SHA256")), "nitro.field.value");
    assert_eq!(set("module_id", text("")), "nitro.field.value");
    assert_eq!(set("timestamp", Value::from(-1)), "nitro.cbor");
    let registers = |entries: Vec<(Value<'static>, Value<'static>)>| set("pcrs", Value::Map(entries));
    let pcr = |length: usize| Value::Bytes(vec![1; length].into());
    assert_eq!(registers(vec![(Value::from(32), pcr(48))]), "nitro.field.value");
    assert_eq!(registers(vec![(Value::from(0), pcr(47))]), "nitro.field.value");
    assert_eq!(registers(vec![(Value::from(0), pcr(49))]), "nitro.field.value");
    assert_eq!(registers(vec![(Value::from(-1), pcr(48))]), "nitro.cbor");
    assert_eq!(registers(vec![(text("0"), pcr(48))]), "nitro.cbor");
    assert_eq!(registers(vec![(Value::from(0), pcr(48)), (Value::from(0), pcr(48))]), "nitro.field.duplicate");
    assert_eq!(set("user_data", Value::Bytes(vec![0; 1024].into())), "evidence.binding");
    assert_eq!(set("user_data", Value::Bytes(vec![0; 1025].into())), "nitro.field.value");
    assert_eq!(set("certificate", Value::Bytes(vec![].into())), "nitro.field.value");
    assert_eq!(set("certificate", Value::Bytes(vec![0; 1024].into())), "nitro.chain.certificate");
    assert_eq!(set("certificate", Value::Bytes(vec![0; 1025].into())), "nitro.field.value");
}

#[test]
fn chains_begin_at_the_pinned_root() {
    let node = Node::new(Platform::Simulated);
    let (root, other) = (node.authority.root_der.clone(), Authority::new());
    let bundle = |bundle: Vec<Vec<u8>>| bent(&node, |document| document.bundle = Some(bundle));
    assert_eq!(bundle(vec![]), "nitro.chain.length");
    assert_eq!(bundle(vec![root.clone(), root.clone()]), "nitro.chain.length");
    assert_eq!(bundle(vec![root.clone(); 9]), "nitro.cbor");
    assert_eq!(bundle(vec![other.root_der.clone()]), "nitro.chain.root");
    assert_eq!(bundle(vec![other.root_der.clone(), root.clone()]), "nitro.chain.root");
    assert_eq!(bundle(vec![root.clone(), other.root_der.clone()]), "nitro.chain.signature");
    // A whole honest document, under a root of the attacker's own with the same names.
    let forged = other.sign(node.document(None));
    assert_eq!(judge(&node, forged), "nitro.chain.root");
    // The pinned root in front, but somebody else's leaf.
    let mut document = node.document(None);
    document.bundle = Some(vec![root]);
    assert_eq!(judge(&node, other.sign(document)), "nitro.chain.signature");
}

/// What becomes of a document whose leaf certificate `bend` has changed before it was issued.
fn leaf(node: &Node, bend: impl FnOnce(&mut CertificateParams)) -> &'static str {
    let mut document = node.document(None);
    let mut leaf = Authority::leaf_params(&document.module);
    bend(&mut leaf);
    document.leaf = Some(node.authority.issue(&leaf, &node.authority.leaf_key).der().to_vec());
    judge(node, node.authority.sign(document))
}

#[test]
fn leaves_sign_documents_and_nothing_else() {
    let node = Node::new(Platform::Simulated);
    assert_eq!(leaf(&node, |_| {}), "proven");
    assert_eq!(leaf(&node, |leaf| leaf.is_ca = IsCa::NoCa), "proven");
    let unconstrained = IsCa::Ca(BasicConstraints::Unconstrained);
    assert_eq!(leaf(&node, |leaf| leaf.is_ca = unconstrained), "nitro.chain.constraints");
    assert_eq!(leaf(&node, |leaf| leaf.key_usages.push(KeyUsagePurpose::KeyCertSign)), "nitro.chain.constraints");
    assert_eq!(leaf(&node, |leaf| leaf.key_usages.clear()), "nitro.chain.constraints");
    let agreement = vec![KeyUsagePurpose::KeyAgreement];
    assert_eq!(leaf(&node, |leaf| leaf.key_usages = agreement), "nitro.chain.constraints");
    let named = |name: &str| leaf(&node, |leaf| leaf.distinguished_name = params(name).distinguished_name);
    let module = node.document(None).module;
    assert_eq!(named("i-simulated-enc00"), "nitro.chain.module");
    assert_eq!(named(&format!("{module}0")), "nitro.chain.module");
    assert_eq!(named(&format!("{module}.us-east-1.aws")), "nitro.chain.module");
    assert_eq!(named(&module[..module.len() - 1]), "nitro.chain.module");
    let mut critical = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
    assert_eq!(leaf(&node, |leaf| leaf.custom_extensions.push(critical.clone())), "proven");
    critical.set_criticality(true);
    assert_eq!(leaf(&node, |leaf| leaf.custom_extensions.push(critical)), "nitro.chain.certificate");
}

#[test]
fn certificates_are_valid_at_each_level() {
    let node = Node::new(Platform::Simulated);
    let until = |year, month, day| leaf(&node, |leaf| leaf.not_after = date_time_ymd(year, month, day));
    let from = |year, month, day| leaf(&node, |leaf| leaf.not_before = date_time_ymd(year, month, day));
    // The tests' time is 2027-01-15 08:00 UTC.
    assert_eq!(until(2027, 1, 16), "proven");
    assert_eq!(until(2027, 1, 15), "nitro.chain.validity");
    assert_eq!(from(2027, 1, 15), "proven");
    assert_eq!(from(2027, 1, 16), "nitro.chain.validity");
    let mut node = Node::new(Platform::Simulated);
    node.authority.root.not_after = date_time_ymd(2027, 1, 15);
    node.authority.root_der = node.authority.root.self_signed(&node.authority.root_key).unwrap().der().to_vec();
    assert_eq!(leaf(&node, |_| {}), "nitro.chain.validity", "the root, too");
}

#[test]
fn live_validity_has_the_named_grace_and_archived_none() {
    let node = Node::new(Platform::Simulated);
    let mut document = node.document(None);
    let mut params = Authority::leaf_params(&document.module);
    let end = rcgen::date_time_ymd(2027, 1, 16);
    params.not_after = end;
    let end = end.unix_timestamp() as u64;
    document.leaf = Some(node.authority.issue(&params, &node.authority.leaf_key).der().to_vec());
    *document.field("timestamp") = Value::from(end * 1000);
    let evidence = node.bundle(node.authority.sign(document.clone()), None);
    let judge = |evidence: &[u8], time| code(node.verifier().verify_node(evidence, None, time));
    assert_eq!(judge(&evidence, Time::Live { now: end + CLOCK_SKEW }), "proven");
    assert_eq!(judge(&evidence, Time::Live { now: end + CLOCK_SKEW + 1 }), "nitro.chain.validity");
    // Archived: the document's own time, whenever the receipt was issued.
    assert_eq!(judge(&evidence, Time::Archived { at: end + 10 * 24 * 3600 }), "proven");
    *document.field("timestamp") = Value::from((end + 1) * 1000);
    let late = node.bundle(node.authority.sign(document), None);
    assert_eq!(judge(&late, Time::Archived { at: end }), "nitro.chain.validity");
}

/// What becomes of a document under root, intermediate and leaf.
fn intermediate(root: BasicConstraints, bend: impl FnOnce(&mut CertificateParams)) -> &'static str {
    let mut node = Node::new(Platform::Simulated);
    node.authority.root.is_ca = IsCa::Ca(root);
    node.authority.root_der = node.authority.root.self_signed(&node.authority.root_key).unwrap().der().to_vec();
    let (key, mut middle) = (p384_key(), params("intermediate"));
    middle.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    middle.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    bend(&mut middle);
    let middle_der = node.authority.issue(&middle, &key).der().to_vec();
    let mut document = node.document(None);
    document.bundle = Some(vec![node.authority.root_der.clone(), middle_der]);
    let leaf = Authority::leaf_params(&document.module);
    let leaf = leaf.signed_by(&node.authority.leaf_key, &Issuer::from_params(&middle, &key)).unwrap();
    document.leaf = Some(leaf.der().to_vec());
    judge(&node, node.authority.sign(document))
}

#[test]
fn intermediates_are_authorities_within_their_bounds() {
    let one = || BasicConstraints::Constrained(1);
    assert_eq!(intermediate(one(), |_| {}), "proven");
    assert_eq!(intermediate(BasicConstraints::Unconstrained, |_| {}), "proven");
    assert_eq!(intermediate(BasicConstraints::Constrained(0), |_| {}), "nitro.chain.constraints");
    assert_eq!(intermediate(one(), |middle| middle.is_ca = IsCa::ExplicitNoCa), "nitro.chain.constraints");
    assert_eq!(intermediate(one(), |middle| middle.is_ca = IsCa::NoCa), "nitro.chain.constraints");
    let signing = vec![KeyUsagePurpose::DigitalSignature];
    assert_eq!(intermediate(one(), |middle| middle.key_usages = signing), "nitro.chain.constraints");
    assert_eq!(intermediate(one(), |middle| middle.not_after = date_time_ymd(2027, 1, 15)), "nitro.chain.validity");
}

#[test]
fn other_algorithms_and_encodings_are_refused() {
    let node = Node::new(Platform::Simulated);
    let with_key = |key: &KeyPair| {
        let mut document = node.document(None);
        let leaf = Authority::leaf_params(&document.module);
        document.leaf = Some(node.authority.issue(&leaf, key).der().to_vec());
        judge(&node, node.authority.sign(document))
    };
    assert_eq!(with_key(&KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()), "nitro.chain.algorithm");
    assert_eq!(with_key(&KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap()), "nitro.chain.algorithm");
    assert_eq!(with_key(&p384_key()), "nitro.cose.signature", "a key that did not sign");
    let module = node.document(None).module;
    let honest = node.authority.issue(&Authority::leaf_params(&module), &node.authority.leaf_key).der().to_vec();
    let leaf = |der: Vec<u8>| bent(&node, |document| document.leaf = Some(der));
    assert_eq!(leaf([&honest[..], &[0]].concat()), "nitro.chain.certificate");
    assert_eq!(leaf(honest[..honest.len() - 1].to_vec()), "nitro.chain.certificate");
    // Any changed bit of a leaf is refused, whatever it means.
    for index in 0..honest.len() {
        let mut changed = honest.clone();
        changed[index] ^= 1;
        assert_ne!(leaf(changed), "proven", "byte {index}");
    }
}
