//! Evidence with several chains in any order: one must be valid, and the verdict names the chain whose key signed the report.

use alloc::vec;
use alloc::vec::Vec;

use p384::ecdsa::SigningKey;

use super::forge::*;
use crate::signatures::Signatures;
use crate::snp::verify_any;
use crate::x509::Validity;

/// The certificate of another chip under the same intermediate.
fn other_chip() -> Vec<u8> {
    let mut other = Forge::new();
    other.vek.info = p384_info(&SigningKey::from_slice(&[8; 48]).unwrap());
    other.level(&[4], Some(vec![1; 64]));
    other.vek.der(other.vek_issuer)
}

/// The code of the refusal, or `genuine`, in any order.
fn code(report: &[u8], certificates: &[Vec<u8>], crls: &[Vec<u8>]) -> &'static str {
    let judge = |certificates: &[Vec<u8>]| {
        let validity = Validity { at: NOW, skew: 0 };
        let verdict = verify_any(report, certificates, crls, roots, validity, &Signatures::default());
        verdict.map_or_else(|refusal| refusal.code(), |_| "genuine")
    };
    let reversed: Vec<_> = certificates.iter().rev().cloned().collect();
    let verdict = judge(certificates);
    assert_eq!(judge(&reversed), verdict);
    verdict
}

#[test]
fn one_chain_must_hold() {
    let forge = Forge::new();
    let (report, (own, _)) = (forge.signed(), forge.endorsements());
    assert_eq!(code(&report, &own, &[]), "genuine");
    assert_eq!(code(&report, &[&[other_chip()], &own[..]].concat(), &[]), "genuine");
    assert_eq!(code(&report, &[&[vec![0x30]], &own[..]].concat(), &[]), "genuine", "what cannot be read is left aside");
    assert_eq!(code(&report, &[&[other_chip()], &own[1..]].concat(), &[]), "snp.vek.chip");
    assert_eq!(code(&report, &own[..2], &[]), "snp.chain.length");
    assert_eq!(code(&report, &own[1..], &[]), "snp.chain.length");
}

#[test]
fn the_refusal_is_about_the_chain_that_signed() {
    let mut forge = Forge::new();
    forge.vek.not_after = "20250101000000Z";
    let (report, (own, _)) = (forge.signed(), forge.endorsements());
    assert_eq!(code(&report, &own, &[]), "snp.chain.validity");
    assert_eq!(code(&report, &[&[other_chip()], &own[..]].concat(), &[]), "snp.chain.validity");
}

#[test]
fn lists_of_another_family_say_nothing_about_this_chain() {
    let list = |issuer| List {
        issuer,
        revoked: Some(vec![2, 0, 2]),
        this_update: "20261201000000Z",
        next_update: "20270301000000Z",
        by_root: true,
    };
    let forge = Forge::new();
    let (report, (own, _)) = (forge.signed(), forge.endorsements());
    assert_eq!(code(&report, &own, &[list("ARK-Milan").der()]), "genuine");
    assert_eq!(code(&report, &own, &[list("ARK-Genoa").der()]), "snp.crl.revoked");
    assert_eq!(code(&report, &own, &[list("ARK-Milan").der(), vec![0x30]]), "snp.crl.invalid");
}
