//! Genuine documents, captured by others from AWS Nitro hardware, judged at the times they were signed.
#![allow(clippy::unwrap_used)]
extern crate std;

mod forge;
mod forged;
mod node;
mod prechecked;

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use forge::{Forge, PROTECTED, array, bytes, hexed, text};
use quoth_attestation::Digest;

use super::cbor::Reader;
use super::cose::Sign1;
use super::{AWS_ROOT_G1, Anchor, Document, Naming};
use crate::Refusal;
use crate::signatures::tests::every_way;
use crate::x509::Validity;

fn documents() -> Vec<(String, Vec<u8>)> {
    let documents = quoth_test_evidence::of_kind("nitro-attestation-document");
    let name = |document: &serde_json::Value| document["name"].as_str().unwrap().to_string();
    documents.iter().map(name).map(|name| (name.clone(), quoth_test_evidence::read(&name).unwrap())).collect()
}

fn roots() -> [Digest; 1] {
    if let Some(root) = quoth_test_evidence::read("nitro/aws-nitro-root-g1.der") {
        assert_eq!(Digest::of(&root), AWS_ROOT_G1);
    }
    [AWS_ROOT_G1]
}

/// `Ok` or the code of a refusal, `later` seconds after the document's own time.
fn judge(bytes: &[u8], roots: &[Digest], naming: Naming, later: u64) -> Result<[bool; 3], &'static str> {
    let [verdict, others @ ..] = every_way().map(|signatures| {
        let document = Document::parse(bytes)?;
        let validity = Validity { at: document.signed_at() + later, skew: 0 };
        let attested = document.verify(Anchor { roots, naming }, validity, &signatures)?;
        Ok(attested.registers.map(|register| register == [0; 48]))
    });
    others.into_iter().for_each(|other| assert_eq!(other, verdict));
    verdict.map_err(|refusal: Refusal| refusal.code())
}

#[test]
fn genuine_documents_verify_at_their_own_time() {
    let roots = roots();
    for (name, bytes) in documents() {
        let zero = judge(&bytes, &roots, Naming::Aws, 0).unwrap_or_else(|code| panic!("{name}: {code}"));
        assert_eq!(zero, [name.contains("-debug"); 3], "{name}");
        assert_eq!(judge(&bytes, &roots, Naming::Aws, 4 * 3600), Err("nitro.chain.validity"), "{name}");
        assert_eq!(judge(&bytes, &roots, Naming::Plain, 0), Err("nitro.chain.module"), "{name}");
        assert_eq!(judge(&bytes, &[], Naming::Aws, 0), Err("nitro.chain.root"), "{name}");
    }
}

#[test]
fn genuine_documents_changed_anywhere_are_refused() {
    let (roots, documents) = (roots(), documents());
    let Some((name, bytes)) = documents.first() else { return };
    for index in 0..bytes.len() {
        assert!(Document::parse(&bytes[..index]).is_err(), "{name} cut at {index}");
        // Parses every change, and verifies chain and signature for every ninth byte.
        let mut changed = bytes.clone();
        changed[index] ^= 1 << (index % 8);
        if Document::parse(&changed).is_ok() && index % 9 == 0 {
            assert!(judge(&changed, &roots, Naming::Aws, 0).is_err(), "{name}, byte {index}");
        }
    }
}

#[test]
fn heads_are_read_in_their_shortest_form_only() {
    let uint = |bytes: &[u8]| Reader::new(bytes).uint().map_err(|refusal| refusal.to_string());
    assert_eq!(uint(&[23]), Ok(23));
    assert_eq!(uint(&[24, 24]), Ok(24));
    assert_eq!(uint(&[25, 1, 0]), Ok(256));
    assert_eq!(uint(&[26, 0, 1, 0, 0]), Ok(65_536));
    assert_eq!(uint(&[27, 0, 0, 0, 1, 0, 0, 0, 0]), Ok(1 << 32));
    let longer: [&[u8]; 4] = [&[24, 23], &[25, 0, 255], &[26, 0, 0, 255, 255], &[27, 0, 0, 0, 0, 255, 255, 255, 255]];
    for bytes in longer {
        assert!(uint(bytes).unwrap_err().contains("shortest"), "{bytes:?}");
    }
    assert!(uint(&[0x20]).unwrap_err().contains("negative"));
    assert!(uint(&[0x1f]).unwrap_err().contains("reserved"), "what has no length cannot be without one");
    for bytes in [&[][..], &[24], &[27, 1, 2], &[28], &[29], &[30], &[31], &[0x20], &[0x40], &[0xf6]] {
        assert!(uint(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn signed_bytes_have_shortest_heads_at_any_length() {
    for length in [0, 23, 24, 255, 256, 3000] {
        let payload = vec![7; length];
        let envelope = Forge::new().envelope(&payload, &payload);
        let signed = array(&[text("Signature1"), bytes(&hexed(PROTECTED)), bytes(b""), bytes(&payload)]);
        assert_eq!(Sign1::parse(&envelope).unwrap().message(), signed, "{length}");
    }
}
